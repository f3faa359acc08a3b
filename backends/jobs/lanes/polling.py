"""When to check a job's status next, so that a finished clip is noticed soon with few status checks.

The durations of one model are close to log-normal. With hazard h(t) (the chance of finishing now, given that it still
runs), the mean delay for a given number of checks is least when the gap between two is proportional to sqrt(1 / h(t)):
check rarely while an end is unlikely, often where it is likely. (Minimise the integral of f d/2 + c S/d over the gap d:
d = sqrt(2 c S / f).)
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

MIN_GAP_S = 0.25
MAX_GAP_S = 60.0
PRIOR_SIGMA = 0.5
"""The spread that is assumed for a model's durations until some of its jobs have finished here."""


@dataclass(frozen=True)
class Durations:
    """A log-normal fit: median in seconds, sigma of the logarithm."""

    median_s: float
    sigma: float

    @classmethod
    def fit(cls, past_s: Sequence[float], typical_s: float | None) -> Durations:
        """A fit to observed durations (seconds), where the catalogue's figure counts as two more observations."""
        logs = [math.log(max(0.05, value)) for value in past_s]
        prior = math.log(typical_s) if typical_s else (sum(logs) / len(logs) if logs else math.log(60.0))
        if not logs:
            return cls(math.exp(prior), PRIOR_SIGMA)
        weight = 2.0 if len(logs) < 5 else 0.0
        mean = (sum(logs) + weight * prior) / (len(logs) + weight)
        spread = sum((value - mean) ** 2 for value in logs) + 2.0 * PRIOR_SIGMA**2 * (len(logs) < 5)
        sigma = math.sqrt(spread / max(1.0, len(logs) - 1 + 2.0 * (len(logs) < 5)))
        return cls(math.exp(mean), min(1.5, max(0.03, sigma)))

    def survival(self, t: float) -> float:
        return 0.5 * math.erfc(self._z(t) / math.sqrt(2)) if t > 0 else 1.0

    def hazard(self, t: float) -> float:
        """The chance per second of finishing at t, given that it still runs."""
        if t <= 0:
            return 0.0
        z = self._z(t)
        if z > 6:  # far beyond every observed duration: the tail's own approximation, S ~ pdf / z
            return z / (t * self.sigma)
        density = math.exp(-z * z / 2) / (t * self.sigma * math.sqrt(2 * math.pi))
        return density / max(1e-300, self.survival(t))

    def _z(self, t: float) -> float:
        return (math.log(t) - math.log(self.median_s)) / self.sigma


def next_gap(durations: Durations, elapsed_s: float, mean_gap_s: float) -> float:
    """Seconds until the next status check, `elapsed_s` after the provider accepted the job.

    mean_gap_s: the budget: over many jobs, at most one check per so many seconds.
    """
    rates = _rates(durations)
    budget = max(1.0, durations.median_s / max(MIN_GAP_S, mean_gap_s))
    scale = rates.checks / max(0.5, budget - 0.5)  # the last check finds the end
    begun = max(elapsed_s, 1e-3)
    gap = rates.when(rates.until(begun) + scale, begun) - begun
    whole = rates.step * math.ceil(gap / rates.step)  # at least a step: a job that is overdue isn't asked without end
    return min(MAX_GAP_S, max(MIN_GAP_S, whole))


@dataclass(frozen=True)
class _Rates:
    """How checks add up over a job's life: sqrt(h) summed up to every step, until nearly no job still runs.

    checks: their mean number in all, the integral of S sqrt(h). Both before the factor that meets a budget.
    """

    durations: Durations
    step: float
    sums: Sequence[float]
    checks: float

    def until(self, t: float) -> float:
        whole = int(t / self.step)
        if whole >= len(self.sums) - 1:
            return self.sums[-1]
        part = t / self.step - whole
        return self.sums[whole] + part * (self.sums[whole + 1] - self.sums[whole])

    def when(self, checks: float, begun: float) -> float:
        """The time at which so many checks add up. begun: since when; after the last step the rate stays what it is
        then."""
        after = bisect_left(self.sums, checks)
        if after == len(self.sums):
            late = max(begun, self.step * (after - 1))
            return late + (checks - self.sums[-1]) / math.sqrt(self.durations.hazard(late))
        more = self.sums[after] - self.sums[after - 1]
        return self.step * (after - (self.sums[after] - checks) / more)


@lru_cache(maxsize=256)
def _rates(durations: Durations) -> _Rates:
    step = durations.median_s / 200
    sums, checks, t = [0.0], 0.0, step / 2
    while t < durations.median_s * 40 and (survival := durations.survival(t)) > 1e-4:
        rate = step * math.sqrt(durations.hazard(t))
        sums.append(sums[-1] + rate)
        checks += survival * rate
        t += step
    return _Rates(durations, step, sums, checks)
