"""A Take: the frames of one clip as they are made, and the notes about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from backends.animatic.lens import Rgb
from backends.provider.protocol import JsonObject


@dataclass
class Take:
    """What each task hands to the engine.

    frames: RGB, made one by one as they are requested. count: how many there will be, exactly. phase: what is being
    done, in words. sidecar, facts, notes: complete when the last frame has been taken. audio_from: a clip whose
    sound is kept.
    """

    frames: Iterator[Rgb]
    count: int
    rate: Fraction
    phase: str
    sidecar: JsonObject = field(default_factory=JsonObject)
    facts: JsonObject = field(default_factory=JsonObject)
    notes: list[str] = field(default_factory=list[str])
    audio_from: Path | None = None
