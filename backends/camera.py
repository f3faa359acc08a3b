"""Camera moves in their string form, `MOVE[:amount][@from-to]`: agents write it with fewer mistakes than objects."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Self

from pydantic import Field

from backends.values import MAX_DURATION_S, Number, TextPart

CAMERA_MOVES: dict[str, str] = {
    "pan-left": "turn left on the spot",
    "pan-right": "turn right on the spot",
    "tilt-up": "look up on the spot",
    "tilt-down": "look down on the spot",
    "dolly-in": "move towards the subject",
    "dolly-out": "move away from the subject",
    "truck-left": "slide left",
    "truck-right": "slide right",
    "crane-up": "rise",
    "crane-down": "sink",
    "orbit-left": "circle the subject to the left",
    "orbit-right": "circle the subject to the right",
    "roll-cw": "roll clockwise (Dutch)",
    "roll-ccw": "roll counter-clockwise (Dutch)",
    "zoom-in": "narrow the lens",
    "zoom-out": "widen the lens",
    "handheld": "small, seeded shake",
    "static": "locked off",
}
"""Every camera move, with what it means. amount 1 = a quarter of the frame, or 30 degrees."""

CAMERA_ALIASES = {
    "push-in": "dolly-in",
    "pull-out": "dolly-out",
    "pedestal-up": "crane-up",
    "pedestal-down": "crane-down",
    "dutch-cw": "roll-cw",
    "dutch-ccw": "roll-ccw",
    "dutch": "roll-cw",
}


class CameraMove(TextPart):
    """One move of the camera: `MOVE[:amount][@from-to]`.

    amount: 0..1 (0.5 when left out); 1 = a quarter of the frame or 30 degrees. from_s, to_s: seconds (the whole
    clip when left out).
    """

    move: str
    amount: Annotated[Number, Field(ge=0, le=1)] = 0.5
    from_s: Annotated[Number, Field(ge=0, le=MAX_DURATION_S)] | None = None
    to_s: Annotated[Number, Field(ge=0, le=MAX_DURATION_S)] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the string form; a misspelt word is answered with the nearest one."""
        shape = re.fullmatch(
            r"\s*([A-Za-z][A-Za-z _-]*?)\s*(?::\s*([0-9.]+))?\s*(?:@\s*([0-9.]+)\s*-\s*([0-9.]+))?\s*",
            text,
        )
        if shape is None:
            raise ValueError(f"camera {text[:60]!r} is not MOVE[:amount][@from-to]; write for example dolly-in:0.4@0-2")
        word, amount, start, end = shape.groups()
        word = re.sub(r"[ _]+", "-", word.lower())
        word = CAMERA_ALIASES.get(word, word)
        if word not in CAMERA_MOVES:
            near = difflib.get_close_matches(word, [*CAMERA_MOVES, *CAMERA_ALIASES], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"camera move {word[:40]!r} is unknown: {hint}The moves are {', '.join(CAMERA_MOVES)}")
        values: dict[str, Any] = {"move": word}
        try:
            if amount is not None:
                values["amount"] = float(amount)
            if start is not None:
                values["from_s"], values["to_s"] = float(start), float(end)
        except ValueError:
            raise ValueError(
                f"camera {text[:60]!r}: amount and times are plain numbers, as in pan-left:0.3@0-2"
            ) from None
        if not 0 <= values.get("amount", 0.5) <= 1:
            raise ValueError(
                f"camera {text[:60]!r}: amount is 0 to 1 (1 = a quarter of the frame or 30 degrees), not {amount}"
            )
        if start is not None and values["to_s"] <= values["from_s"]:
            raise ValueError(f"camera {text[:60]!r}: the move must end after it starts (@from-to, in seconds)")
        return cls(**values)

    def __str__(self) -> str:
        span = "" if self.from_s is None else f"@{self.from_s:g}-{self.to_s:g}"
        return f"{self.move}:{self.amount:g}{span}"
