"""One clip on several cards: how many a job takes, and why one is all that it can have. Pure but for one look at the
driver; no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from backends.errors import VideoError
from backends.local import device
from backends.local.families import Variant, variant
from backends.local.memory import tokens
from backends.local.plan import LADDER, Machine, Wish, fitting, refusal
from backends.provider.protocol import Prepared

COUNTS: Sequence[int] = sorted({plan.cards for plan in LADDER})


def refused(kind: Variant, size: tuple[int, int], frames: int, machine: Machine, wish: Wish) -> VideoError | None:
    """Why so many cards as are requested cannot work on this clip, None when they can."""
    if wish.cards <= 1 or not (why := _why(kind, size, frames, machine, wish)):
        return None
    nearest: dict[str, object] = {"cards": 1}
    if wish.rung and f"-{wish.cards}" in wish.rung:
        nearest["memory"] = "auto"
    return VideoError("unsupported", f"cards={wish.cards}: {why}", nearest={"provider_options": nearest})


def _why(kind: Variant, size: tuple[int, int], frames: int, machine: Machine, wish: Wish) -> str:
    asked = wish.cards
    if not kind.context_parallel:
        return f"{kind.id} makes a clip on one card: {kind.one_card}"
    if asked not in COUNTS:
        return f"a clip is made on {', '.join(map(str, COUNTS[:-1]))} or {COUNTS[-1]} cards"
    if not kind.splits(asked):
        return f"{kind.heads} attention heads of {kind.id} cannot be shared evenly"
    if (tokens(kind, *size, frames) - kind.words) % asked:
        return f"{size[0]}x{size[1]}, {frames} frames cannot be shared evenly"
    if asked > machine.cards:
        return f"{machine.cards} of this machine's GPUs may work on this clip (REELWRIGHT_LOCAL_DEVICE names more)"
    if alone := wish.alone:
        return alone
    if wish.rung and all(plan.cards != asked for plan in LADDER if wish.rung in (plan.name, plan.memory)):
        return f"memory={wish.rung} keeps the weights in host memory; take auto, resident or resident-tiled"
    return ""


def wanted(prepared: Prepared, env: Mapping[str, str], devices: int) -> int:
    """On how many of so many GPUs a job is to run: as many as it asks for; else one, or as few as hold it whole where
    one does not. Asks nvidia-smi for the memory of the GPUs."""
    kind = variant(str(prepared.wire.get("variant")))
    wish = Wish.of(prepared.request.provider_options, str(prepared.wire.get("after", "")))
    if wish.cards or wish.rung or devices < 2 or not kind.context_parallel:
        return max(1, wish.cards)
    machine = whole_machine(env)
    found = fitting(kind, *_clip(kind, prepared), replace(machine, cards=devices), wish) if machine else None
    return found.plan.cards if found else 1


def forecast(prepared: Prepared, machine: Machine) -> str:
    """Under which plan a job would run on a machine with nothing on it, or why under none."""
    kind = variant(str(prepared.wire.get("variant")))
    wish = Wish.of(prepared.request.provider_options)
    size, frames = _clip(kind, prepared)
    if failed := refused(kind, size, frames, machine, wish):
        return failed.message
    found = fitting(kind, size, frames, machine, wish)
    if found is None:
        return refusal(kind, size, frames, machine, wish, (), 0.0).message
    return f"runs here under the plan {found.text}, by a formula"


def whole_machine(env: Mapping[str, str]) -> Machine | None:
    """This machine's GPUs as they are with nothing on them, by nvidia-smi; None without one, or where it cannot say."""
    places = device.devices(env)
    gib = device.total_gib(places[0].uuid) if places[0].uuid else 0.0
    return Machine("cuda", gib, device.available_ram_gib(), cards=len(places)) if gib else None


def _clip(kind: Variant, prepared: Prepared) -> tuple[tuple[int, int], int]:
    """Size and about how many frames."""
    asked = round((prepared.request.duration_s or 0) * (prepared.request.fps or 0)) + 1
    return (prepared.width, prepared.height), kind.nearest_frames(asked)
