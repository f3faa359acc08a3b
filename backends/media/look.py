"""A look at a clip, or at two beside each other: the numbers and the contact sheet, from one pass over the frames."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from backends.facts import MediaFacts
from backends.media.alike import difference
from backends.media.measure import Watched, watch
from backends.media.sheet import MAX_BYTES, Shot, check_count, pair_sheet, sheet_of, shot_side, shots_of
from backends.media.stills import save_jpeg

Found = dict[str, Any]
"""JSON: what the sandbox sends back."""


def look_at(clip: Path, facts: MediaFacts, frames: int, dest_jpg: Path) -> Found:
    """facts, measures, times and sheet of a clip, as `Sandbox.inspect` gives them."""
    watched, shots = _watched(clip, facts, frames)
    save_jpeg(sheet_of(shots), dest_jpg, MAX_BYTES)
    return {**_told(facts, watched, shots), "sheet": str(dest_jpg)}


def look_at_both(one: tuple[Path, MediaFacts], two: tuple[Path, MediaFacts], frames: int, dest_jpg: Path) -> Found:
    """The first as `look_at` gives it, the second as `against`, and how alike their ends are as `pair`."""
    (first, shots), (second, others) = (_watched(clip, facts, frames) for clip, facts in (one, two))
    save_jpeg(pair_sheet(shots, others), dest_jpg, MAX_BYTES)
    return {
        **_told(one[1], first, shots),
        "sheet": str(dest_jpg),
        "against": _told(two[1], second, others),
        "pair": {
            "first": difference(first.ends.first, second.ends.first),
            "last": difference(first.ends.last, second.ends.last),
            "joint": difference(first.ends.last, second.ends.first),
        },
    }


def _watched(clip: Path, facts: MediaFacts, frames: int) -> tuple[Watched, list[Shot]]:
    check_count(frames)
    side = shot_side(min(frames, facts.frames or frames), facts.ratio)
    watched = watch(clip, frames, side)
    return watched, list(watched.shots) or shots_of(clip, frames)


def _told(facts: MediaFacts, watched: Watched, shots: list[Shot]) -> Found:
    return {"facts": asdict(facts), "measures": watched.numbers, "times": [shot.time for shot in shots]}
