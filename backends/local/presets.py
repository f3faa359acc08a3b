"""Cards and models side by side: the plan that each model's usual clip runs under. Pure; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from backends.errors import VideoError
from backends.local.families import variant
from backends.local.plan import Machine, Planned, Wish, choose, nearest

USABLE_GIB = 0.93
"""Of a card's GB, what is free in GiB once a desktop or the driver has taken its part."""

CARDS: Mapping[str, Machine] = {
    name: Machine("cuda", gb * USABLE_GIB, ram, tflops=tflops)
    for name, gb, ram, tflops in (
        ("12 GB", 12, 32, 51),
        ("16 GB", 16, 32, 88),
        ("24 GB", 24, 64, 165),
        ("32 GB", 32, 64, 209),
        ("48 GB", 48, 128, 181),
        ("80 GB", 80, 192, 989),
    )
}
"""GB of the card, GiB of host memory assumed beside it, and the dense bf16 TFLOPS of a usual card of that size by its
maker's sheet (RTX 3060, 4080, 4090, 5090, L40S at half rate, H100); from memory, for the guess of a time alone."""

USUAL: tuple[tuple[str, str, int, int, int], ...] = (
    ("wan2.1-t2v-1.3b", "local/wan2.1-t2v-1.3b", 832, 480, 81),
    ("wan2.2-ti2v-5b", "local/wan2.2-ti2v-5b", 1280, 704, 121),
    ("wan2.1-t2v-14b", "local/wan2.1-14b", 832, 480, 81),
    ("wan2.2-t2v-a14b", "local/wan2.2-a14b", 1280, 720, 81),
    ("hunyuanvideo-t2v", "local/hunyuanvideo", 960, 544, 121),
    ("hunyuanvideo-1.5-t2v", "local/hunyuanvideo-1.5", 848, 480, 121),
    ("ltx-video-t2v", "local/ltx-video", 768, 512, 121),
    ("ltx-2-t2v", "local/ltx-2", 768, 512, 121),
    ("mochi-1-t2v", "local/mochi-1", 848, 480, 151),
    ("cogvideox-5b-t2v", "local/cogvideox-5b", 720, 480, 49),
    ("cogvideox-2b-t2v", "local/cogvideox-2b", 720, 480, 49),
)
"""Variant, catalogue row, and the row's default clip: width, height, frames."""


SEVERAL: Mapping[str, Machine] = {
    f"{count} x {name}": replace(CARDS[name], cards=count) for name in ("24 GB", "48 GB", "80 GB") for count in (2, 4)
}
"""Machines with several cards; memory and speed are those of one."""


@dataclass(frozen=True)
class Preset:
    """One model on one card. dtype: the precisions that it is loaded in. planned: None when nothing fits; instead: the
    nearest clip that would, in words."""

    model: str
    clip: str
    card: str
    dtype: Mapping[str, str]
    planned: Planned | None
    instead: str = ""

    def cells(self) -> list[object]:
        if self.planned is None:
            return [self.model, self.clip, self.card, "-", "-", "no", self.instead]
        found = self.planned
        minutes = "" if found.seconds is None else f"{found.seconds / 60:.0f}"
        span = f"{found.peak.low:.0f} to {found.peak.high:.0f}"
        return [self.model, self.clip, self.card, found.plan.name, span, found.verdict, minutes]

    def as_json(self) -> dict[str, object]:
        found = self.planned
        return {
            "model": self.model,
            "clip": self.clip,
            "card": self.card,
            "plan": found.plan.name if found else None,
            "settings": {**asdict(found.plan), "dtype": self.dtype} if found else None,
            "gib_low": round(found.peak.low, 1) if found else None,
            "gib_high": round(found.peak.high, 1) if found else None,
            "verdict": found.verdict if found else "no",
            "seconds_guess": round(found.seconds) if found and found.seconds is not None else None,
            "instead": self.instead,
        }


def table(cards: Mapping[str, Machine], usual: Sequence[tuple[str, str, int, int, int]] = USUAL) -> list[Preset]:
    """Every model on every card, in that order."""
    return [_preset(card, machine, Wish(), *one) for one in usual for card, machine in cards.items()]


def together(
    cards: Mapping[str, Machine] = SEVERAL, usual: Sequence[tuple[str, str, int, int, int]] = USUAL
) -> list[Preset]:
    """One clip on all cards of a machine, for every model that can be split so."""
    return [
        _preset(card, machine, Wish(cards=machine.cards), *one)
        for one in usual
        for card, machine in cards.items()
        if variant(one[0]).splits(machine.cards)
    ]


def _preset(
    card: str, machine: Machine, wish: Wish, name: str, model: str, width: int, height: int, frames: int
) -> Preset:
    kind, clip = variant(name), f"{width}x{height}, {frames} frames"
    dtype = kind.dtypes(machine.kind)
    try:
        return Preset(model, clip, card, dtype, choose(kind, (width, height), frames, machine, wish))
    except VideoError as failed:
        if "provider_options" in failed.nearest:
            return Preset(model, clip, card, dtype, None, "on one card")
        found = nearest(kind, (width, height), frames, machine, wish, ())
        return Preset(model, clip, card, dtype, None, f"{found[1]} frames would fit" if found else "")
