"""The life of a generation job: queued -> running(progress) -> an end, by time, by polls, or when told.

States are worked out when somebody asks, never by timers: five thousand open jobs cost nothing while nobody asks.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

Phase = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ENDS = frozenset({"succeeded", "failed", "cancelled"})
WAYS = frozenset({"after_s", "median_s", "polls", "until_told"})
"""What decides a job's end; a life has exactly one of them."""
FIELDS = WAYS | {"sigma", "seed", "queued_s", "queued_polls", "outcome", "error", "refund"}


@dataclass
class Life:
    """One job's course. Exactly one of after_s (seconds), polls (answers to status) or until_told decides its end.

    queued_s, queued_polls: how much of it is spent queued (with polls: always until the first one). outcome: how it
    ends; error: {code, message} when failed; refund: a failed job costs nothing. born: POSIX seconds.
    """

    born: float
    after_s: float | None = None
    polls: int | None = None
    until_told: bool = False
    queued_s: float = 0.0
    queued_polls: int = 0
    outcome: Phase = "succeeded"
    error: dict[str, str] | None = None
    refund: bool = False
    asked: int = 0
    ended_at: float | None = None

    @classmethod
    def of(cls, spec: dict[str, Any], born: float, number: int) -> Life:
        """From JSON: {"after_s": 2}, {"polls": 3}, {"until_told": true}, or {"median_s": 60, "sigma": 0.2, "seed": 1}
        (log-normal; the number of the job picks its draw, so that a run repeats)."""
        if unknown := set(spec) - FIELDS:
            raise ValueError(f"a job's life has no {sorted(unknown)}; it has {sorted(FIELDS)}")
        plain = {name: value for name, value in spec.items() if name not in ("median_s", "sigma", "seed")}
        if "median_s" in spec:
            draw = random.Random(f"{spec.get('seed', 0)}:{number}").gauss(0.0, spec.get("sigma", 0.2))
            plain["after_s"] = spec["median_s"] * math.exp(draw)
        life = cls(born, **plain)
        if sum((life.after_s is not None, life.polls is not None, life.until_told)) != 1:
            raise ValueError("a job's life takes exactly one of after_s, median_s, polls or until_told")
        return life

    @property
    def ends_at(self) -> float | None:
        """When it ends by itself, POSIX seconds; None when polls or a word decide."""
        if self.ended_at is not None:
            return self.ended_at
        return None if self.after_s is None else self.born + self.queued_s + self.after_s

    def end(self, outcome: Phase, now: float, error: dict[str, str] | None = None) -> None:
        self.outcome, self.ended_at = outcome, now
        if error is not None:
            self.error = error

    def asked_once(self, now: float) -> None:
        """Somebody asked for the state; with `polls`, that is what moves the job."""
        self.asked += 1
        if self.polls is not None and self.asked >= self.polls and self.ended_at is None:
            self.ended_at = now

    def state(self, now: float) -> tuple[Phase, float]:
        """(phase, progress 0..1) at POSIX time `now`."""
        ends_at = self.ends_at
        if ends_at is not None and now >= ends_at:
            self.ended_at = ends_at
            return self.outcome, 1.0 if self.outcome == "succeeded" else 0.0
        if self.polls is not None:
            if self.asked <= self.queued_polls:
                return "queued", 0.0
            return "running", self.asked / self.polls
        if now < self.born + self.queued_s:
            return "queued", 0.0
        if self.after_s is None:
            return "running", 0.5
        return "running", (now - self.born - self.queued_s) / self.after_s


@dataclass
class OpenJobs:
    """How many jobs are unfinished, by group (a model), at little cost: ends by time leave a heap as time passes."""

    counts: Counter[str] = field(default_factory=Counter[str])
    peak: Counter[str] = field(default_factory=Counter[str])
    _ends: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    _groups: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, job: str, group: str, life: Life, now: float) -> None:
        self.settle(now)
        self._groups[job] = group
        self.counts[group] += 1
        self.peak[group] = max(self.peak[group], self.counts[group])
        if life.ends_at is not None:
            heapq.heappush(self._ends, (life.ends_at, job))

    def remove(self, job: str) -> None:
        group = self._groups.pop(job, None)
        if group is not None:
            self.counts[group] -= 1

    def settle(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            self.remove(heapq.heappop(self._ends)[1])
