"""What a box is made of: spans of numbers, sizes, and the rules for stills, references, clips, camera and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CameraHow = Literal["native", "words", "none"]
SizeRule = Literal["fixed", "same", "short", "area"]

LINES = {
    **{f"{side}p": side for side in (360, 480, 512, 540, 704, 720, 768, 1080)},
    "2k": 1440,
    "4k": 2160,
    "hd": 720,
    "full hd": 1080,
    "fullhd": 1080,
    "fhd": 1080,
    "qhd": 1440,
    "uhd": 2160,
    "ultra hd": 2160,
    "8k": 4320,
}
"""Short side in pixels of the resolution names in use; a row may use any other `NNNp` too."""


def lines_of(resolution: str) -> int | None:
    """The short side that a resolution's name stands for ("720p", "1080", "full HD", "1280x720"); None for no name."""
    text = resolution.strip().lower()
    if text in LINES:
        return LINES[text]
    number = text.removesuffix("p").strip()
    if number.isdecimal():
        return int(number)
    sides = text.replace("×", "x").split("x")
    if len(sides) == 2 and all(side.isdigit() for side in sides):
        return min(int(side) for side in sides)
    return None


def number_text(value: float) -> str:
    """A number as people write it: 5, 2.5, 23.976."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Span:
    """Legal numbers: a set of values, or a range with a step (0 = any number between) and some values besides.

    default: when none is requested.
    """

    values: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    default: float = 0.0
    also: tuple[float, ...] = ()

    def holds(self, value: float) -> bool:
        return abs(self.nearest(value) - value) < 1e-6

    def nearest(self, value: float) -> float:
        """The legal number nearest to value; of two equally near, the larger."""
        legal = self.values or (self._in_range(value), *self.also)
        return min(legal, key=lambda number: (abs(number - value), -number))

    def _in_range(self, value: float) -> float:
        if not self.step:
            return min(max(value, self.low), self.high)
        steps = int((self.high - self.low) / self.step + 1e-9)
        nearest = int((value - self.low) / self.step + 0.5) if value > self.low else 0
        return round(self.low + min(nearest, steps) * self.step, 9)

    @property
    def smallest(self) -> float:
        return min(self.values) if self.values else self.low

    @property
    def largest(self) -> float:
        return max(self.values) if self.values else self._in_range(self.high)

    def __str__(self) -> str:
        if self.values:
            return ", ".join(map(number_text, self.values))
        span = f"{number_text(self.low)} to {number_text(self.high)}"
        if not self.step:
            return f"any from {span}"
        text = f"whole numbers {span}" if self.step == 1 else f"{span} in steps of {number_text(self.step)}"
        return text + "".join(f", {number_text(value)}" for value in self.also)


@dataclass(frozen=True)
class Size:
    """One size of the output.

    rule "fixed": width x height pixels at that aspect ratio. Otherwise the shape is the input's (first frame or
    source clip) and ratio is "input": "same" = the input's own size, "short" = short side `side`, "area" =
    `side` x `side` pixels in all. wire: the word the service wants for it, where width and height don't say it.
    """

    resolution: str
    ratio: str
    width: int = 0
    height: int = 0
    rule: SizeRule = "fixed"
    side: int = 0
    wire: str = ""

    @property
    def value(self) -> float:
        """The ratio that it goes by, as a number (0 for one that follows the input)."""
        return ratio_value(self.ratio) if self.rule == "fixed" else 0.0

    @property
    def shape(self) -> float:
        """The ratio of its pixels, which a service may round: 1104x832 goes by 4:3."""
        return self.width / self.height if self.rule == "fixed" else 0.0


def ratio_value(ratio: str) -> float:
    """16:9 is 1.777..."""
    width, _, height = ratio.partition(":")
    return float(width) / float(height)


@dataclass(frozen=True)
class FrameRule:
    """Stills that a box takes. timed: at_s may be chosen (gap_s apart, multiples of grid_s). whole: the first stands
    at 0 and the last at the end. prompts: each may have its own prompt. holds: each may be held for a while, with a
    camera of its own. ratio_low, ratio_high: shapes of image that the service accepts; min_side in pixels."""

    low: int = 0
    high: int = 0
    timed: bool = False
    gap_s: float = 0.0
    grid_s: float = 0.0
    whole: bool = False
    prompts: bool = False
    holds: bool = False
    ratio_low: float = 0.0
    ratio_high: float = 0.0
    min_side: int = 0


@dataclass(frozen=True)
class ReferenceRule:
    """References that a box takes: how many in all, how many of each kind; longest clip in seconds (0 = unknown)."""

    low: int = 0
    high: int = 0
    images: int = 0
    clips: int = 0
    clip_max_s: float = 0.0


@dataclass(frozen=True)
class SourceRule:
    """The clip that extend, edit and upscale start from. Seconds; total_max_s = longest result of an extend."""

    min_s: float = 0.0
    max_s: float = 0.0
    total_max_s: float = 0.0


@dataclass(frozen=True)
class Camera:
    """How camera moves reach the model: moves = the native ones. timed: from-to may be chosen. high: at most so many.
    tokens: the model's own words for moves in the prompt, as in MiniMax's [Push in]. unasked: the move that is made
    where neither a camera nor a motion was requested ("" = none); left_out: the note that is shown beforehand when the
    camera is left out."""

    how: CameraHow = "none"
    moves: frozenset[str] = frozenset()
    timed: bool = False
    high: int = 20
    tokens: Mapping[str, str] = field(default_factory=dict[str, str])
    unasked: str = ""
    left_out: str = ""


@dataclass(frozen=True)
class Option:
    """One legal provider_options entry. kind: boolean, integer, number, text. values: the only ones, when named. why:
    nothing else is legal, for whoever asks for it."""

    kind: Literal["boolean", "integer", "number", "text"]
    values: tuple[str | int | float | bool, ...] = ()
    low: float | None = None
    high: float | None = None
    about: str = ""
    why: str = ""

    def __str__(self) -> str:
        if self.values:
            return " | ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in self.values)
        if self.low is not None and self.high is not None:
            return f"{self.kind} {self.low:g} to {self.high:g}"
        return self.kind
