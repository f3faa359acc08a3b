"""How loud a sound is and how high it goes, told while its samples pass."""

from __future__ import annotations

from backends.edit.peaks import TruePeak, highest_sample
from backends.media.listen import RATE, Wave
from backends.media.loudness import Meter


class Gauge:
    """highest: the highest sample's amplitude."""

    def __init__(self) -> None:
        self.meter = Meter(RATE)
        self.highest = 0.0
        self._peak = TruePeak()

    def feed(self, wave: Wave) -> None:
        """wave: 2 x n samples, after those before."""
        self.meter.feed(wave)
        self.highest = max(self.highest, highest_sample(wave))
        self._peak.feed(wave)

    def true_peak(self) -> float:
        """The highest amplitude of the wave between the samples too, of a sound that has ended."""
        return self._peak.end()
