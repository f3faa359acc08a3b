"""Motion regions: parts of a picture that move on their own (the motion brush), or are frozen."""

from __future__ import annotations

import difflib
import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from backends.values import Number, Part

DIRECTIONS: dict[str, tuple[float, float]] = {
    "up": (0.0, -1.0),
    "down": (0.0, 1.0),
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "up-left": (-0.7071, -0.7071),
    "up-right": (0.7071, -0.7071),
    "down-left": (-0.7071, 0.7071),
    "down-right": (0.7071, 0.7071),
}
"""Motion words as unit vectors, x to the right and y down."""


class MotionRegion(Part):
    """A part of the picture that moves on its own (the motion brush), or is frozen.

    Exactly one of box = [left, top, right, bottom], polygon = [[x, y], ...] (both 0..1 from the top left) or
    mask = a media name (white moves). direction = [dx, dy] with y down, or a word (up, left, down-right ...).
    intensity 0..1: 1 = 10 % of the width over the clip. static=true freezes the region.
    """

    box: Annotated[list[Number], Field(min_length=4, max_length=4)] | None = None
    polygon: (
        Annotated[
            list[Annotated[list[Number], Field(min_length=2, max_length=2)]],
            Field(min_length=3, max_length=200),
        ]
        | None
    ) = None
    mask: str | None = Field(default=None, min_length=1, max_length=4096)
    direction: Annotated[list[Number], Field(min_length=2, max_length=2)] | str | None = None
    intensity: Annotated[Number, Field(ge=0, le=1)] = 0.5
    static: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        given = [name for name in ("box", "polygon", "mask") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a motion region takes exactly one of box, polygon or mask, not {given or 'none'}")
        if self.static and self.direction is not None:
            raise ValueError("a static region has no direction: leave one of the two out")
        if not self.static and self.direction is None:
            raise ValueError("a motion region needs a direction ([dx, dy] with y down, or a word) or static=true")
        if isinstance(self.direction, str) and self.direction not in DIRECTIONS:
            near = difflib.get_close_matches(self.direction, DIRECTIONS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(
                f"direction {self.direction[:40]!r} is unknown: {hint}The words are {', '.join(DIRECTIONS)}"
            )
        if isinstance(self.direction, list) and not any(self.direction):
            raise ValueError("direction [0, 0] points nowhere: use static=true to freeze the region")
        points = [self.box[:2], self.box[2:]] if self.box else self.polygon or []
        if any(value < 0 for point in points for value in point):
            raise ValueError("box and polygon values are 0..1 from the top left; a negative one is outside the picture")
        if self.box and (self.box[2] <= self.box[0] or self.box[3] <= self.box[1]):
            raise ValueError(f"box {self.box} is [left, top, right, bottom]: right > left and bottom > top")
        return self

    def vector(self) -> tuple[float, float]:
        """The direction as a unit vector (0, 0 for a static region)."""
        if self.direction is None:
            return (0.0, 0.0)
        if isinstance(self.direction, str):
            return DIRECTIONS[self.direction]
        length = math.hypot(*self.direction)
        return (self.direction[0] / length, self.direction[1] / length)
