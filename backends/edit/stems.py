"""A stem: one layer of a film's sound (the clips' own, the narration, the music), kept on disk and not in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from backends.edit.gauge import Gauge
from backends.media.hear import heard_samples
from backends.media.listen import RATE, Wave
from backends.media.loudness import Meter

BLOCK = RATE
"""Samples that are worked on at a time: one second."""


class Stem:
    """Samples in a nameless file in `folder`, which is gone when it is closed or the process ends. gauge: measures them
    as they come."""

    def __init__(self, folder: Path, gauge: Gauge | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.samples = 0
        self.gauge = gauge

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, wave: Wave) -> None:
        """wave: 2 x n samples, after those that it has."""
        self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(wave.T, np.float32).tobytes())
        self.samples += wave.shape[1]
        if self.gauge is not None:
            self.gauge.feed(wave)

    def read(self, start: int, stop: int) -> Wave:
        """The samples from `start` up to `stop`; silence where it has none."""
        out = np.zeros((2, stop - start), np.float32)
        first, last = max(0, start), min(stop, self.samples)
        if first < last:
            self._file.seek(first * 8)
            data = np.frombuffer(self._file.read((last - first) * 8), np.float32)
            out[:, first - start : last - start] = data.reshape(-1, 2).T
        return out

    def blocks(self) -> Iterator[Wave]:
        for start in range(0, self.samples, BLOCK):
            yield self.read(start, min(start + BLOCK, self.samples))

    def lufs(self) -> float | None:
        """Integrated loudness, None for silence and for less than 0.4 s."""
        if self.gauge is not None:
            return self.gauge.meter.lufs
        meter = Meter(RATE)
        for block in self.blocks():
            meter.feed(block)
        return meter.lufs

    def sounding(self) -> int:
        """The samples up to the last one that is heard: what a trailing silence leaves."""
        for start in range((self.samples - 1) // BLOCK * BLOCK, -1, -BLOCK):
            if heard := heard_samples(self.read(start, min(start + BLOCK, self.samples))):
                return start + heard
        return 0
