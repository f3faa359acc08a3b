"""Row and Mode: what the catalogue knows of one model on one route.

A row's `[[mode]]` boxes say what is legal: a request is legal when one box holds it. Everything here is data; the
judging is in `rules`, the money in `price`, the choosing in `choose`. What boxes are made of is in `span`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from backends.catalog.schema.span import Camera, FrameRule, Option, ReferenceRule, Size, SourceRule, Span
from backends.catalog.schema.tariff import UNKNOWN_PRICE, Price
from backends.request import Task

Engine = Literal["generative", "previs", "edit"]
Where = Literal["cloud", "local"]
LifeState = Literal["active", "preview", "retiring", "retired"]
Audio = Literal["always", "never", "switch", "source", "unknown"]
"""always, never; switch = may be chosen; source = the source clip's is kept; unknown = the provider does not say."""
LoopHow = Literal["native", "last_is_first", "none"]


@dataclass(frozen=True)
class Mode:
    """One box of legal requests. Fields that a box doesn't name are not legal in it.

    styles: the model's own named styles; a style that it has no control for goes into the prompt as words.
    durations None: the clip lasts as long as its source. fps None: the service chooses and says nothing.
    fps_times: how many times the source's frames a second can be requested, at most; 0: none are put between.
    resolution_wire: the service's words for resolutions. wire: the back end's data (see the provider's TOML file).
    """

    tasks: frozenset[Task]
    durations: Span | None
    sizes: tuple[Size, ...]
    fps: Span | None = None
    fps_times: int = 0
    audio: Audio = "never"
    audio_default: bool = True
    frames: FrameRule = field(default_factory=FrameRule)
    references: ReferenceRule = field(default_factory=ReferenceRule)
    source: SourceRule = field(default_factory=SourceRule)
    camera: Camera = field(default_factory=Camera)
    motion: int = 0
    loop: LoopHow = "none"
    effects: tuple[str, ...] = ()
    effect_required: bool = False
    styles: tuple[str, ...] = ()
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
    list_complete: on whose word the service's list shows every job of the account at once, so that a paid request which
    is not in it was not taken ("" = on nobody's).
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
    list_complete: str = ""
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
