"""A moment that is seen and heard at once, and how far the two have come apart in a file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame

from backends.media.encode import ClipWriter
from backends.media.sound import Samples
from tests.edit.making import pictures, times


def flashing(path: Path, fps: int = 24) -> Path:
    """One white frame half a second in, and a click at that very moment."""
    sound = np.zeros((2, 48_000), np.float32)
    sound[:, 24_000:24_240] = 0.8
    with ClipWriter(path, 96, 64, fps, audio_from=Samples(sound, 48_000)) as writer:
        for number in range(fps):
            writer.write(np.full((64, 96, 3), 255 if number == fps // 2 else 10, np.uint8))
    return path


def left_of(frame: AudioFrame) -> np.ndarray:
    """The left channel's samples."""
    values = frame.to_ndarray().astype(np.float64)
    return values[0] if frame.format.is_planar else values.reshape(-1, 2)[:, 0]


def offsets(path: Path, flashes: int) -> list[float]:
    """Seconds from each flash to its click."""
    seen = [float(at) for at, picture in zip(times(path), pictures(path), strict=True) if picture.mean() > 120]
    with av.open(str(path)) as clip:
        stream = clip.streams.audio[0]
        blocks = [(float(frame.pts * stream.time_base), left_of(frame)) for frame in clip.decode(stream)]
    start = blocks[0][0]
    wave = np.abs(np.concatenate([block for _, block in blocks]))
    loud = np.flatnonzero(wave > 0.5 * wave.max()) / 48_000 + start
    heard = [float(loud[np.argmin(np.abs(loud - at))]) for at in seen]
    assert len(seen) == flashes
    return [round(b - a, 4) for a, b in zip(seen, heard, strict=True)]
