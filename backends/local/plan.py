"""Which plan a request runs under on a machine: the first rung of a ladder that fits, or a refusal. Pure; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from backends.errors import VideoError
from backends.local.families import Variant
from backends.local.memory import SPREAD, Peak, Plan, Quant, peak, work_pflop

LADDER: tuple[Plan, ...] = (
    Plan("resident"),
    Plan("resident-2", cards=2),
    Plan("resident-4", cards=4),
    Plan("resident-tiled", tiling=True),
    Plan("resident-2-tiled", tiling=True, cards=2),
    Plan("resident-4-tiled", tiling=True, cards=4),
    Plan("offload", offload="model"),
    Plan("offload-tiled", offload="model", tiling=True),
    Plan("offload-fp8", offload="model", quant="fp8", tiling=True),
    Plan("group", offload="group", tiling=True),
    Plan("sequential", offload="sequential", tiling=True),
)
"""From the fastest to the smallest. Offloading to the disk is none of them: with diffusers 0.42.1
it changes the clip. 4-bit and int8 weights change the pictures more: only on request. Several cards: `Machine.cards`
and the model permitting."""
RUNGS: Mapping[str, Plan] = {plan.name: plan for plan in LADDER}
USABLE = 0.95
"""The share of the free memory that a plan may count on."""
SPARE_RAM_GIB = 2.0
RATE = 0.4
"""The share of a card's peak arithmetic that such a model reaches; a guess, as is every time computed from it."""

SHARED = ("", "default", "native", "flash", "sage")
"""The attention kernels that diffusers 0.42.1 splits by heads."""

Verdict = Literal["fits", "tight", "no"]


@dataclass(frozen=True)
class Machine:
    """What there is to run on. GiB free on the device and of host memory. capability: CUDA's, None elsewhere. tflops:
    dense bf16, 0 = not known. holders: "pid NAME (GiB)" of processes that hold the device's memory. cards: how many of
    that kind may work on one clip; all figures are of one."""

    kind: Literal["cuda", "cpu"]
    free_gib: float
    ram_gib: float
    capability: tuple[int, int] | None = None
    tflops: float = 0.0
    holders: tuple[str, ...] = ()
    cards: int = 1


@dataclass(frozen=True)
class Planned:
    """A plan that fits. seconds: a guess of the denoising time, None where the card's speed is not known."""

    plan: Plan
    peak: Peak
    verdict: Verdict
    seconds: float | None = None

    @property
    def text(self) -> str:
        quant = "" if self.plan.quant == "none" else f", {self.plan.quant} weights"
        each = " on each card" if self.plan.cards > 1 else ""
        span = f"{self.peak.low:.0f} to {self.peak.high:.0f} GiB"
        return f"{self.plan.name}{quant}: {span} expected{each} ({self.verdict})"


@dataclass(frozen=True)
class Wish:
    """What the user requested of the plan. rung: a name of `LADDER`, "" = the first that fits. after: that rung ran out
    of memory, so only later ones. quant, cache, attention, compile: "" / None = as the rung has it. cards: how many are
    to work on the clip, 0 = as few as will do."""

    rung: str = ""
    after: str = ""
    quant: str = ""
    cache: str = ""
    attention: str = ""
    compile: bool = False
    cards: int = 0

    @classmethod
    def of(cls, options: Mapping[str, object], after: str = "") -> Wish:
        """From the request's provider_options; after: from the engine's own word, when it is run again."""

        def word(name: str) -> str:
            value = str(options.get(name, ""))
            return "" if value == "auto" else value

        cards = options.get("cards", 0)
        rung = word("memory")
        return cls(
            rung=rung,
            after=after,
            quant=word("weights"),
            cache=word("cache"),
            attention=word("attention"),
            compile=bool(options.get("compile", False)),
            cards=int(cards) if isinstance(cards, int | float) and cards else _cards_of(rung),
        )

    @property
    def alone(self) -> str:
        """Why these wishes keep a clip on one card, "" when they do not."""
        if self.cache not in ("", "none"):
            return f"cache={self.cache} decides on each card by itself which steps to skip; leave it out"
        if self.compile:
            return "compiled blocks were not tried over several cards; leave compile out"
        if self.attention not in SHARED:
            return f"attention={self.attention} cannot be shared by cards; take default, {', '.join(SHARED[2:])}"
        return ""

    def applied(self, plan: Plan) -> Plan:
        return replace(
            plan,
            quant=cast(Quant, self.quant) if self.quant else plan.quant,
            cache=self.cache or plan.cache,
            attention=self.attention or plan.attention,
            compile=self.compile or plan.compile,
        )


def _cards_of(rung: str) -> int:
    """Those that a rung's name tells; of a word of `memory` none."""
    return RUNGS[rung].cards if rung in RUNGS and rung != RUNGS[rung].memory else 0


def verdict(found: Peak, machine: Machine) -> Verdict:
    room = machine.free_gib * USABLE
    if found.gib > room or (found.ram_gib and found.ram_gib + SPARE_RAM_GIB > machine.ram_gib):
        return "no"
    return "fits" if found.high <= room else "tight"


def rungs(variant: Variant, wish: Wish, machine: Machine) -> list[Plan]:
    """The plans to try, in order. On a processor there is nothing to offload to: all weights are in its memory."""
    if wish.rung and wish.rung not in RUNGS:
        words = ", ".join(dict.fromkeys(plan.memory for plan in LADDER))
        raise VideoError("invalid_request", f"memory {wish.rung!r} is unknown: auto or one of {words}")
    plans = [plan for plan in LADDER if plan.cards <= machine.cards and variant.splits(plan.cards)]
    if wish.rung or wish.cards:
        plans = [plan for plan in plans if plan.cards == (wish.cards or _cards_of(wish.rung) or 1)]
    elif wish.alone:
        plans = [plan for plan in plans if plan.cards == 1]
    if wish.rung:
        plans = [plan for plan in plans if wish.rung in (plan.name, plan.memory)]
    elif machine.kind == "cpu":
        plans = [plan for plan in plans if plan.offload == "none"]
    if wish.after:
        names = [plan.name for plan in LADDER]
        later = names[names.index(wish.after) + 1 :] if wish.after in names else names
        plans = [plan for plan in plans if plan.name in later]
    return list(dict.fromkeys(wish.applied(plan) for plan in plans))


def choose(
    variant: Variant,
    size: tuple[int, int],
    frames: int,
    machine: Machine,
    wish: Wish,
    steps: int = 0,
    *,
    others: Sequence[tuple[int, int]] = (),
    fps: float = 0.0,
) -> Planned:
    """The first plan that fits. VideoError("unsupported") names what is missing, the nearest request that fits (fewer
    frames, else another of the sizes `others`), and who holds the memory."""
    found = fitting(variant, size, frames, machine, wish)
    if found is None:
        raise refusal(variant, size, frames, machine, wish, others, fps)
    work = work_pflop(variant, *size, frames, steps or variant.steps)
    speed = machine.tflops * RATE * found.plan.cards
    seconds = work * 1000 / speed if speed else None
    return replace(found, seconds=seconds)


def fitting(variant: Variant, size: tuple[int, int], frames: int, machine: Machine, wish: Wish) -> Planned | None:
    for plan in rungs(variant, wish, machine):
        estimate = peak(variant, plan, *size, frames)
        if (word := verdict(estimate, machine)) != "no":
            return Planned(plan, estimate, word)
    return None


def nearest(
    variant: Variant,
    size: tuple[int, int],
    frames: int,
    machine: Machine,
    wish: Wish,
    others: Sequence[tuple[int, int]],
) -> tuple[tuple[int, int], int] | None:
    """The largest request that fits: fewer frames (a second at least), else another size, the larger first."""
    step = variant.nearest_frames(2) - 1
    by_area = sorted({other for other in others if other[0] * other[1] < size[0] * size[1]}, key=lambda s: -s[0] * s[1])
    for candidate in (size, *by_area):
        count = frames if candidate != size else frames - step
        while count >= max(step + 1, frames // 5):
            if fitting(variant, candidate, count, machine, wish):
                return candidate, count
            count -= step
    return None


def refusal(
    variant: Variant,
    size: tuple[int, int],
    frames: int,
    machine: Machine,
    wish: Wish,
    others: Sequence[tuple[int, int]],
    fps: float,
) -> VideoError:
    """Why no plan fits, and what would."""
    tried = rungs(variant, wish, machine)
    if not tried:
        text = f"the smallest plan ({wish.after or wish.rung}) has run out of memory already"
    else:
        least = min((peak(variant, plan, *size, frames) for plan in tried), key=lambda one: one.gib)
        text = (
            f"{size[0]}x{size[1]}, {frames} frames of {variant.id} need about {least.gib:.1f} GiB "
            f"({least.low:.0f} to {least.high:.0f}) under the smallest plan; {machine.free_gib:.1f} GiB are free"
        )
        if least.ram_gib and least.ram_gib + SPARE_RAM_GIB > machine.ram_gib:
            text += f", and {least.ram_gib + SPARE_RAM_GIB:.0f} GiB of host memory ({machine.ram_gib:.0f} available)"
    if wish.cards > 1 and (found := fitting(variant, size, frames, machine, replace(wish, rung="", cards=1))):
        text += (
            f". Each of the {wish.cards} cards holds all weights; one card makes it under the plan {found.plan.name}"
        )
        return VideoError("unsupported", text, nearest={"provider_options": {"memory": "auto", "cards": 1}})
    return _refused(text, variant, size, fps, machine, nearest(variant, size, frames, machine, wish, others))


def ran_out(
    variant: Variant,
    size: tuple[int, int],
    frames: int,
    last: Planned,
    machine: Machine,
    wish: Wish,
    others: Sequence[tuple[int, int]],
    fps: float,
) -> VideoError:
    """The memory has run out under this plan (and under `wish.after` before), though the figure said that it would not.
    What may do: a cheaper plan, unless the user chose one; else the nearest request that takes a `SPREAD` less."""
    text = f"out of memory under {f'{wish.after} and again under ' if wish.after else ''}{last.plan.name}"
    later = replace(wish, after=last.plan.name)
    if not wish.rung and (cheaper := fitting(variant, size, frames, machine, later)):
        options: dict[str, object] = {"memory": cheaper.plan.memory}
        if cheaper.plan.cards != (wish.cards or 1):
            options["cards"] = cheaper.plan.cards
        text += f". A cheaper plan that may do: {', '.join(f'provider_options.{k}={v}' for k, v in options.items())}"
        return VideoError("unsupported", text, nearest={"provider_options": options})
    room = min(machine.free_gib, last.peak.gib * (1 - SPREAD) / USABLE)
    same = replace(wish, rung=last.plan.name, after="")
    found = nearest(variant, size, frames, replace(machine, free_gib=room), same, others)
    return _refused(text, variant, size, fps, machine, found)


def _refused(
    text: str,
    variant: Variant,
    size: tuple[int, int],
    fps: float,
    machine: Machine,
    found: tuple[tuple[int, int], int] | None,
) -> VideoError:
    changes: dict[str, object] = {}
    if found:
        (width, height), count = found
        seconds = f" (duration_s {(count - 1) / fps:.3g})" if fps else ""
        text += f". The nearest that fits: {width}x{height}, {count} frames{seconds}"
        if fps:
            changes["duration_s"] = round((count - 1) / fps, 3)
        if (width, height) != size:
            changes["resolution"] = f"{min(width, height)}p"
    else:
        text += ". Nothing of this model fits: take a smaller one (reelwright doctor --plan), or a cloud route"
    if machine.holders:
        text += f". The memory is held by {', '.join(machine.holders)}"
    return VideoError("unsupported", text, nearest=changes)
