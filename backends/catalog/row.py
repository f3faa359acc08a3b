"""Row and Mode: what the catalogue knows of one model on one route.

A row's `[[mode]]` boxes say what is legal: a request is legal when one box holds it. Everything here is data; the
judging is in `rules`, the money in `price`, the choosing in `choose`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from backends.request import Task

Engine = Literal["generative", "previs", "edit"]
Where = Literal["cloud", "local"]
LifeState = Literal["active", "preview", "retiring", "retired"]
Audio = Literal["always", "never", "switch", "source", "unknown"]
"""always, never; switch = may be chosen; source = the source clip's is kept; unknown = the provider does not say."""
CameraHow = Literal["native", "words", "none"]
LoopHow = Literal["native", "last_is_first", "none"]
Unit = Literal["free", "per_second", "per_clip", "unknown"]
SizeRule = Literal["fixed", "same", "short", "area"]

LINES = {
    **{f"{side}p": side for side in (360, 480, 512, 540, 704, 720, 768, 1080)},
    "2k": 1440,
    "4k": 2160,
}
"""Short side in pixels of the resolution names in use; a row may use any other `NNNp` too."""


def lines_of(resolution: str) -> int | None:
    """The short side that a resolution's name stands for ("720p", "4K", "1280x720"), None when it is no name."""
    text = resolution.strip().lower()
    if text in LINES:
        return LINES[text]
    if text.endswith("p") and text[:-1].isdigit():
        return int(text[:-1])
    sides = text.replace("×", "x").split("x")
    if len(sides) == 2 and all(side.isdigit() for side in sides):
        return min(int(side) for side in sides)
    return None


def number_text(value: float) -> str:
    """A number as a person writes it: 5, 2.5, 23.976."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Span:
    """Legal numbers: a set of values, or a range with a step (0 = any number between) and some values besides.

    default: when none is asked for.
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
    at 0 and the last at the end. prompts: each may have its own prompt. ratio_low, ratio_high: shapes of image that
    the service accepts; min_side in pixels."""

    low: int = 0
    high: int = 0
    timed: bool = False
    gap_s: float = 0.0
    grid_s: float = 0.0
    whole: bool = False
    prompts: bool = False
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
    tokens: the model's own words for moves in the prompt, as in MiniMax's [Push in]."""

    how: CameraHow = "none"
    moves: frozenset[str] = frozenset()
    timed: bool = False
    high: int = 20
    tokens: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Option:
    """One legal provider_options entry. kind: boolean, integer, number, text. values: the only ones, when named."""

    kind: Literal["boolean", "integer", "number", "text"]
    values: tuple[str | int | float | bool, ...] = ()
    low: float | None = None
    high: float | None = None
    about: str = ""

    def __str__(self) -> str:
        if self.values:
            return " | ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in self.values)
        if self.low is not None and self.high is not None:
            return f"{self.kind} {self.low:g} to {self.high:g}"
        return self.kind


@dataclass(frozen=True)
class Rate:
    """US dollars for one unit, for the requests that it names (an empty filter = all)."""

    low: Decimal
    high: Decimal
    resolutions: frozenset[str] = frozenset()
    audio: bool | None = None
    durations: tuple[float, ...] = ()
    tasks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Surcharge:
    """usd for every image (frames and references) over so many: the only surcharge known in the field."""

    usd: Decimal
    over_images: int


@dataclass(frozen=True)
class Price:
    """What a clip costs. rates: the first that matches holds. minimum_s: seconds billed at least. step_s: seconds are
    rounded up to these. hold_s: seconds that are charged first and partly given back, so the high figure counts them.
    credit_usd: what one of the provider's credits costs (0 = it bills dollars); amounts are rounded up to whole
    credits then. bills: for extend, whether the added seconds are billed or the whole clip's. bills_references: the
    whole seconds of reference clips are billed too. verified: read at the provider itself, not at a price map or
    reseller."""

    unit: Unit
    rates: tuple[Rate, ...] = ()
    minimum_s: float = 0.0
    step_s: float = 0.0
    hold_s: float = 0.0
    credit_usd: Decimal = Decimal(0)
    surcharges: tuple[Surcharge, ...] = ()
    bills: Literal["added", "total"] = "added"
    bills_references: bool = False
    day: date | None = None
    source: str = ""
    verified: bool = False


UNKNOWN_PRICE = Price("unknown")


@dataclass(frozen=True)
class Mode:
    """One box of legal requests. Fields that a box doesn't name are not legal in it.

    durations None: the clip lasts as long as its source. fps None: the service chooses and says nothing.
    resolution_wire: the service's words for resolutions. wire: the back end's data (see the provider's TOML file).
    """

    tasks: frozenset[Task]
    durations: Span | None
    sizes: tuple[Size, ...]
    fps: Span | None = None
    audio: Audio = "never"
    audio_default: bool = True
    frames: FrameRule = FrameRule()
    references: ReferenceRule = ReferenceRule()
    source: SourceRule = SourceRule()
    camera: Camera = Camera()
    motion: int = 0
    loop: LoopHow = "none"
    effects: tuple[str, ...] = ()
    effect_required: bool = False
    loras: int = 0
    seed: bool = False
    seed_default: int | None = None
    seed_max: int = 2**32 - 1
    prompt_required: bool = True
    prompt_followed: bool = True
    prompt_max: int = 32_000
    prompt_utf16: bool = False
    negative_max: int = 0
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    wire: Mapping[str, object] = field(default_factory=dict[str, object])
    price: Price = UNKNOWN_PRICE

    @property
    def resolutions(self) -> tuple[str, ...]:
        """In the data's order, the default first."""
        return tuple(dict.fromkeys(size.resolution for size in self.sizes))

    @property
    def ratios(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(size.ratio for size in self.sizes))


@dataclass(frozen=True)
class Limits:
    """What the provider allows at a time; None = not known. The job engine keeps to them per lane and model."""

    concurrency: int | None = None
    per_minute: int | None = None
    per_day: int | None = None


@dataclass(frozen=True)
class Typical:
    """How long a clip usually takes: base_s + per_second for each second of clip; in seconds."""

    base_s: float
    per_second: float = 0.0


@dataclass(frozen=True)
class Source:
    """Where a group of facts comes from, and when it was read. verified False: nobody has checked it."""

    about: str
    text: str
    day: date
    verified: bool = True


@dataclass(frozen=True)
class Row:
    """One model on one route, such as "runway/gen4_turbo".

    family: the model itself, whatever the route (rows of one family are the same model). tier: 1 (best pictures of
    its day) to 5. strengths: what it is picked for. retire_checked: whether the provider itself announced retire_on.
    tested: "contract-tested" and the date, or "" when no back end has run it. wire: shared by all modes.
    """

    id: str
    provider: str
    title: str
    engine: Engine = "generative"
    where: Where = "cloud"
    state: LifeState = "active"
    family: str = ""
    aliases: tuple[str, ...] = ()
    retire_on: date | None = None
    retire_checked: bool = True
    successor: str | None = None
    why_retired: str = ""
    alternatives: tuple[str, ...] = ()
    licence: str = ""
    territory: str = ""
    typical: Typical | None = None
    watermark: str = ""
    strengths: tuple[str, ...] = ()
    tier: int = 3
    compliance: tuple[str, ...] = ()
    tested: str = ""
    limits: Limits = Limits()
    wire: Mapping[str, object] = field(default_factory=dict[str, object])
    facts: Mapping[str, object] = field(default_factory=dict[str, object])
    notes: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = ()
    sources: tuple[Source, ...] = ()
    file: str = ""

    @property
    def name(self) -> str:
        """The id without its provider."""
        return self.id.partition("/")[2] or self.id

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Every task of its boxes, in the data's order."""
        found: dict[Task, None] = {}
        for mode in self.modes:
            found.update(dict.fromkeys(sorted(mode.tasks)))
        return tuple(found)

    @property
    def options(self) -> Mapping[str, Option]:
        """Every provider option of its boxes."""
        return {name: option for mode in self.modes for name, option in mode.options.items()}

    def typical_s(self, duration_s: float | None = None) -> float | None:
        """How long a clip of that length usually takes (5 s when left out); None = not known."""
        if self.typical is None:
            return None
        return self.typical.base_s + self.typical.per_second * (5.0 if duration_s is None else duration_s)
