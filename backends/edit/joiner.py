"""The joining of an extension, as a film: the source clip and the clips that were made to follow it, at the source's
size, rate and level of sound."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from backends.catalog.rules.shape import CROP_LIMIT, lost
from backends.edit.request import FinishRequest
from backends.errors import VideoError
from backends.provider.protocol import Asset


def film_of(assets: Mapping[str, Asset]) -> tuple[FinishRequest, dict[str, Asset]]:
    """The film that joins "source_clip" and "added[0]", "added[1]" ... in that order, and its assets by its own places.
    VideoError("asset") without a source."""
    source = assets.get("source_clip")
    if source is None:
        raise VideoError("asset", "there is no clip to join to")
    added = sorted((place for place in assets if place.startswith("added[")), key=_number)
    clips = [source, *(assets[place] for place in added)]
    named = {f"clips[{number}]": replace(clip, place=f"clips[{number}]") for number, clip in enumerate(clips)}
    fits = all(lost(clip.facts.ratio, source.facts.ratio) <= CROP_LIMIT for clip in clips)
    return FinishRequest(clips=("source_clip", *added), fit="crop" if fits else "pad"), named


def _number(place: str) -> int:
    found = re.search(r"\d+", place)
    return int(found[0]) if found else 0


def in_its_words(notes: Sequence[str], parts: int) -> tuple[str, ...]:
    """A film's notes, with its clips called what they are in an extension of that many clips."""
    return tuple(_in_words(note, parts) for note in notes)


def _in_words(note: str, parts: int) -> str:
    for number in range(parts):
        place = f"clips[{number}]"
        words = "the clip" if not number else "the new part" if parts == 2 else f"new part {number}"
        note = note.replace(place, words)
    return note
