"""What a changed request gives up of the original one. Only a change that gives nothing up is offered as a remedy."""

from __future__ import annotations

import difflib

from backends.catalog.schema.span import lines_of
from backends.request import VideoRequest

ALIKE = 0.8
"""How like (0..1) a word must be to one that a model has to be taken for it misspelt."""

COUNTED = ("frames", "references", "camera", "motion", "loras")
"""Lists whose entries are each a wish."""

NAMED = ("effect", "style")
"""Wishes that are a word: a misspelt one may be corrected."""


def alike(word: str, other: str) -> bool:
    """Whether one word is the other one misspelt, capitals aside."""
    return difflib.SequenceMatcher(None, word.lower(), other.lower()).ratio() >= ALIKE


def meant(word: str, legal: list[str]) -> str | None:
    """The legal word that a misspelt one stands for, None when there is none so like it."""
    near = max(legal, key=lambda other: difflib.SequenceMatcher(None, word.lower(), other.lower()).ratio(), default="")
    return near if near and alike(word, near) else None


def given_up(asked: VideoRequest, changed: VideoRequest) -> tuple[str, ...]:
    """The fields of which the changed request holds less: fewer stills, a smaller picture, another effect or style, no
    sound, a still that stands shorter.

    A length, a shape, a rate, a number, a seed or a negative prompt may differ: those are what "nearest" is about.
    """
    lost = [name for name in COUNTED if len(getattr(changed, name)) < len(getattr(asked, name))]
    lost += [name for name in ("prompt", "source_clip", "loop") if getattr(asked, name) and not getattr(changed, name)]
    if asked.audio is not None and changed.audio is not asked.audio:
        lost.append("audio")
    for name in NAMED:
        word, other = getattr(asked, name), getattr(changed, name)
        if word and not (other and alike(word, other)):
            lost.append(name)
    if asked.focus and not changed.focus:
        lost.append("focus")
    if "frames" not in lost:
        lost += [f"frames.{name}" for name in ("hold_s", "camera") if _less_in_stills(asked, changed, name)]
    if _options_lost(asked, changed):
        lost.append("provider_options")
    if asked.resolution and changed.resolution and _smaller(asked.resolution, changed.resolution):
        lost.append("resolution")
    return tuple(lost)


def _less_in_stills(asked: VideoRequest, changed: VideoRequest, name: str) -> bool:
    """Whether a still stands shorter, or has fewer moves of its own."""

    def amount(value: float | tuple[object, ...]) -> float:
        return len(value) if isinstance(value, tuple) else value

    pairs = zip(asked.frames, changed.frames, strict=False)
    return any(amount(getattr(after, name)) < amount(getattr(before, name)) for before, after in pairs)


def _options_lost(asked: VideoRequest, changed: VideoRequest) -> bool:
    left = dict(changed.provider_options)
    for name, value in asked.provider_options.items():
        kept = name if name in left else meant(name, list(left))
        if kept is None:
            return True
        other = left.pop(kept)
        if isinstance(value, str) and isinstance(other, str) and not alike(value, other):
            return True
    return False


def _smaller(asked: str, changed: str) -> bool:
    """Also where nobody knows what was requested: then nobody can say that it is not less."""
    before, after = lines_of(asked), lines_of(changed)
    return before is None or after is None or after < before
