"""The last step of a mix: the loudness that was requested, no peak above what players take, and the WAV file."""

from __future__ import annotations

import wave as wavefile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backends.edit.peaks import HALF, MARGIN, MOST_BETWEEN, heights, highest_sample, in_db, limited
from backends.edit.stems import BLOCK
from backends.media.listen import RATE, Wave
from backends.media.loudness import Meter

PEAK_DB = -1.5
"""dBTP that no peak exceeds; the limiter stays `HEADROOM_DB` below, since AAC and Opus add a little again."""
HEADROOM_DB = 0.5
GAIN_MOST_DB = 30.0
"""Further up there is nothing but hiss."""
LIMIT_MOST_DB = 15.0
"""Peaks are held down by so much at most: more is heard as pumping."""
NEAR_LU = 0.2
PASSES = 6
"""Limiting takes loudness away, so the gain is found in steps, the last of which is what is kept."""

Render = Callable[[int, int], Wave]
"""The film's samples from one place up to another; outside the film silence."""


@dataclass(frozen=True)
class Mastered:
    """lufs: integrated loudness of the file, None for silence and below 0.4 s. peak_db: its highest true peak, dBTP.
    gain_db: what everything was raised by. limited: whether peaks had to be held down."""

    lufs: float | None
    peak_db: float
    gain_db: float
    limited: bool


def master(
    render: Render, samples: int, target: float | None, dest: Path, progress: Callable[[float], None]
) -> Mastered:
    """Write the film's sound to `dest` as 16-bit WAV. target: LUFS; None = as loud as it is, but for its peaks."""
    if target is None:
        return _written(render, samples, 0.0, dest)
    found, peak_db = _measured(render, samples)
    most_db = min(GAIN_MOST_DB, PEAK_DB - HEADROOM_DB - peak_db + LIMIT_MOST_DB)
    made = _written(render, samples, 0.0 if found is None else min(target - found, most_db), dest)
    for number in range(1, PASSES):
        progress(number / PASSES)
        step = 0.0 if made.lufs is None else target - made.lufs
        if not made.limited or abs(step) <= NEAR_LU or (step > 0 and made.gain_db >= most_db):
            break
        made = _written(render, samples, min(made.gain_db + step, most_db), dest)
    progress(1.0)
    return made


def _measured(render: Render, samples: int) -> tuple[float | None, float]:
    """Loudness and highest sample (dB) of what is rendered."""
    meter, peak = Meter(RATE), 0.0
    for start in range(0, samples, BLOCK):
        block = render(start, min(start + BLOCK, samples))
        meter.feed(block)
        peak = max(peak, highest_sample(block))
    return meter.lufs, in_db(peak)


def _written(render: Render, samples: int, gain_db: float, dest: Path) -> Mastered:
    gain = np.float32(10 ** (gain_db / 20))
    ceiling = 10 ** ((PEAK_DB - HEADROOM_DB) / 20)
    meter, held, peak = Meter(RATE), False, 0.0
    edge: Wave = np.zeros((2, 2 * HALF), np.float32)
    with wavefile.open(str(dest), "wb") as file:
        file.setparams((2, 2, RATE, samples, "NONE", ""))
        for start in range(0, samples, BLOCK):
            stop = min(start + BLOCK, samples)
            block, hit = limited(render(start - MARGIN, stop + MARGIN) * gain, ceiling)
            held |= hit
            values = np.clip(np.rint(block * 32767), -32768, 32767).astype("<i2")
            file.writeframesraw(values.T.tobytes())
            heard = values.astype(np.float32) * np.float32(1 / 32768)
            meter.feed(heard)
            edge = np.concatenate((edge, heard), axis=1)
            if highest_sample(edge) * MOST_BETWEEN > peak:
                peak = max(peak, float(heights(edge).max(initial=0)))
            edge = edge[:, -2 * HALF :]
    tail = np.concatenate((edge, np.zeros_like(edge)), axis=1)
    peak = max(peak, float(heights(tail).max(initial=0)))
    return Mastered(meter.lufs, in_db(peak), gain_db, held)
