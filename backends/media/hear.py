"""What a sound file is: its kind, its length, and a first piece of it decoded as a proof; and how long it is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.media.container import decoding
from backends.media.listen import RATE, Listening, Wave
from backends.media.sound_file import TAKEN, open_sound, sound_mime

SILENT = 1e-4
"""Amplitude (-80 dBFS) below which nothing is heard."""


def check_sound(path: Path) -> MediaFacts:
    """Of a sound file, or of a clip that has sound. Errors as for `open_sound`, and for what has no sound at all."""
    with open_sound(path) as sounding:
        if sounding is None:
            raise VideoError("asset", f"the clip has no sound: {TAKEN}")
        with decoding():
            heard = next(sounding.container.decode(sounding.stream), None)
        if heard is None:
            raise VideoError("asset", f"no sound of it can be decoded: {TAKEN}")
        length = sounding.container.duration
        return MediaFacts(
            "sound",
            sound_mime(path),
            0,
            0,
            path.stat().st_size,
            length / 1_000_000 if length else None,
            audio=True,
            codec=sounding.stream.codec_context.codec.canonical_name,
        )


def heard_until(path: Path, most_s: float) -> float:
    """Seconds up to the last sound that is heard, looked for in the first `most_s` seconds; 0 in silence. Errors as for
    `open_sound`."""
    at = last = 0
    blocks = Listening(path).blocks()
    for wave in blocks:
        if heard := heard_samples(wave):
            last = at + heard
        at += wave.shape[1]
        if at >= most_s * RATE:
            break
    blocks.close()
    return last / RATE


def heard_samples(wave: Wave) -> int:
    """How many of 2 x n samples there are up to the last one that is heard."""
    heard = np.flatnonzero(np.abs(wave).max(axis=0) > SILENT)
    return int(heard[-1]) + 1 if heard.size else 0
