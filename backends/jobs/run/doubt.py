"""No final decision after one bad answer: how long a failure is checked again before it is believed.

Status checks are free, and services contradict themselves: a status that says FAILED once, an empty list of outputs, a
404 just after the job was accepted, a truncated file. Elapsed time decides, not a number of tries. Its begin is in the
row, so that a worker that takes over continues it.
"""

from __future__ import annotations

from backends.jobs.run.open_job import OpenJob

DOUBT_S = 5.0
"""Seconds between the first sign of a failure and the last check."""

ENDED, UNUSABLE, GONE = 1.0, 12.0, 24.0
"""Multiples of DOUBT_S until it is believed: that a job has failed, that its file is no clip, that the service does not
know it (two minutes: lists and reads lag behind writes)."""


class Doubt:
    """For one job."""

    def __init__(self, job: OpenJob) -> None:
        self._job = job
        self._doubted = 0.0

    @property
    def _span_s(self) -> float:
        return self._job.context.number("DOUBT_S", DOUBT_S)

    def left_s(self, times: float) -> float:
        """Seconds until the service's answer is believed; 0.0 when it is. The first call starts the time, and only a
        second answer of the same kind ends it: a 404 and then one FAILED are two first answers."""
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
        """When to check again within that time."""
        return min(left, max(0.05, self._span_s / 2))
