"""No irreversible decision on one reading: how long a bad end is looked at again before it is believed.

Questions are free and services contradict themselves: a status that says FAILED once, an empty list of outputs, a 404
just after the accept, a file that is cut short. Time decides, not a count of tries; the doubt stands in the row, so
that a worker that takes over goes on with it.
"""

from __future__ import annotations

from backends.jobs.run.open_job import OpenJob

DOUBT_S = 5.0
"""Seconds between the first word of a bad end and the last look at it."""

ENDED, UNUSABLE, GONE = 1.0, 12.0, 24.0
"""How many times DOUBT_S until it is believed: that a job has failed, that its file is no clip, that the service does
not know it (two minutes: lists and reads lag behind writes)."""


class Doubt:
    """Of one job."""

    def __init__(self, job: OpenJob) -> None:
        self._job = job
        self._doubted = 0.0

    @property
    def _span_s(self) -> float:
        return self._job.context.number("DOUBT_S", DOUBT_S)

    def left_s(self, times: float) -> float:
        """Seconds until what the service says is believed; 0.0 when it is. The first call begins the doubt, and only a
        second reading of the same kind ends it: a 404 and then one FAILED are two first readings."""
        span = self._span_s * times
        job, now = self._job.read(), self._job.store.now()
        again, self._doubted = self._doubted == times, times
        if job.doubt_at is None:
            self._job.move(job.state, doubt_at=now)
            return span
        if 0.0 <= now - job.doubt_at < span:
            return span - (now - job.doubt_at)
        return 0.0 if again else span

    def look_again_s(self, left: float) -> float:
        """When to look again within a doubt."""
        return min(left, max(0.05, self._span_s / 2))
