"""Handheld: seeded, band-limited noise, the slow sway and small tremor of a person holding a camera."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

LOW_HZ, HIGH_HZ = 0.25, 3.0
PARTIALS = 10
"""Sine waves a channel, spread over the band; the slower, the larger (amplitude ~ 1 / frequency)."""


@dataclass(frozen=True)
class Shake:
    """One channel of noise. value(t) stays within -1..1; its mean over a long time is 0."""

    partials: tuple[tuple[float, float, float], ...]

    @classmethod
    def make(cls, seed: int, channel: str, loop_s: float | None = None) -> Shake:
        """From a seed and the channel's name. With loop_s the noise repeats after that many seconds.

        `random.Random` is used because its stream never changes between Python versions.
        """
        draw = random.Random(f"{seed}/{channel}")
        waves: list[tuple[float, float, float]] = []
        for i in range(PARTIALS):
            hz = LOW_HZ * (HIGH_HZ / LOW_HZ) ** ((i + draw.random()) / PARTIALS)
            if loop_s is not None:
                hz = max(1, round(hz * loop_s)) / loop_s
            waves.append((hz, draw.random() * 2 * math.pi, (0.6 + 0.8 * draw.random()) / hz))
        size = sum(amplitude for _, _, amplitude in waves)
        return cls(tuple((hz, phase, amplitude / size) for hz, phase, amplitude in waves))

    def value(self, t: float) -> float:
        return sum(size * math.sin(2 * math.pi * hz * t + phase) for hz, phase, size in self.partials)
