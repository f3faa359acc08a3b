"""The last step of a mix: the loudness that was requested, no peak above what players take, and the WAV file."""

from __future__ import annotations

import wave as wavefile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backends.edit.gauge import Gauge
from backends.edit.peaks import MARGIN, in_db, limited
from backends.edit.stems import BLOCK
from backends.media.listen import RATE, Wave

PEAK_DB = -1.5
"""dBTP that no peak exceeds; the limiter stays `HEADROOM_DB` below, since AAC and Opus add a little again."""
HEADROOM_DB = 0.5
CEILING = 10 ** ((PEAK_DB - HEADROOM_DB) / 20)
"""That in amplitude."""
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
    render: Render,
    samples: int,
    target: float | None,
    dest: Path,
    progress: Callable[[float], None],
    gauge: Gauge | None = None,
) -> Mastered:
    """Write the film's sound to `dest` as 16-bit WAV. target: LUFS; None = as loud as it is, but for its peaks.
    gauge: of all that is rendered, where it has been measured already."""
    if gauge is None and target is None:
        return _limited(render, samples, 0.0, dest)
    gauge = gauge or _measured(render, samples)
    most_db = min(GAIN_MOST_DB, PEAK_DB - HEADROOM_DB - in_db(gauge.highest) + LIMIT_MOST_DB)
    found = gauge.meter.lufs
    gain_db = 0.0 if target is None or found is None else min(target - found, most_db)
    peak = gauge.true_peak() * _amplitude(gain_db)
    if peak <= CEILING:
        _raised(render, samples, gain_db, dest)
        progress(1.0)
        return Mastered(gauge.meter.raised(gain_db), in_db(peak), gain_db, False)
    made = _limited(render, samples, gain_db, dest)
    for number in range(1, PASSES if target is not None else 0):
        progress(number / PASSES)
        step = 0.0 if made.lufs is None or target is None else target - made.lufs
        if not made.limited or abs(step) <= NEAR_LU or (step > 0 and made.gain_db >= most_db):
            break
        made = _limited(render, samples, min(made.gain_db + step, most_db), dest)
    progress(1.0)
    return made


def _amplitude(gain_db: float) -> float:
    return 10 ** (gain_db / 20)


def _measured(render: Render, samples: int) -> Gauge:
    gauge = Gauge()
    for start, stop in _blocks(samples):
        gauge.feed(render(start, stop))
    return gauge


def _raised(render: Render, samples: int, gain_db: float, dest: Path) -> None:
    """Write what is rendered, louder by that much, where no peak is too high."""
    gain = np.float32(_amplitude(gain_db))
    with _wave_file(dest, samples) as file:
        for start, stop in _blocks(samples):
            _write(file, render(start, stop) * gain)


def _limited(render: Render, samples: int, gain_db: float, dest: Path) -> Mastered:
    """Write what is rendered, louder by that much, with its peaks held down."""
    gain, gauge, held = np.float32(_amplitude(gain_db)), Gauge(), False
    with _wave_file(dest, samples) as file:
        for start, stop in _blocks(samples):
            block, hit = limited(render(start - MARGIN, stop + MARGIN) * gain, CEILING)
            held |= hit
            gauge.feed(_write(file, block).astype(np.float32) * np.float32(1 / 32768))
    return Mastered(gauge.meter.lufs, in_db(gauge.true_peak()), gain_db, held)


def _blocks(samples: int) -> Iterator[tuple[int, int]]:
    for start in range(0, samples, BLOCK):
        yield start, min(start + BLOCK, samples)


@contextmanager
def _wave_file(dest: Path, samples: int) -> Generator[wavefile.Wave_write]:
    with wavefile.open(str(dest), "wb") as file:
        file.setparams((2, 2, RATE, samples, "NONE", ""))
        yield file


def _write(file: wavefile.Wave_write, block: Wave) -> np.ndarray[Any, np.dtype[np.int16]]:
    """The samples as the file has them."""
    values = np.clip(np.rint(block * 32767), -32768, 32767).astype("<i2")
    file.writeframesraw(values.T.tobytes())
    return values
