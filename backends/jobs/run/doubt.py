"""No irreversible decision on one reading: how long a bad end is looked at again before it is believed.

Questions are free and services contradict themselves: a status that says FAILED once, an empty list of outputs, a 404
just after the accept, a file that is cut short. Time decides, not a count of tries; the doubt stands in the row, so
that a worker that takes over goes on with it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.jobs.run.remote import RemoteRun

DOUBT_S = 5.0
"""Seconds between the first word of a bad end and the last look at it."""

ENDED, UNUSABLE, GONE = 1.0, 12.0, 24.0
"""How many times DOUBT_S until it is believed: that a job has failed, that its file is no clip, that the service does
not know it (two minutes: lists and reads lag behind writes)."""


def left_s(run: RemoteRun, times: float) -> float:
    """Seconds until what the service says is believed; 0.0 when it is. The first call begins the doubt, and only a
    second reading of the same kind ends it: a 404 and then one FAILED are two first readings."""
    span = run.lane.context.number("DOUBT_S", DOUBT_S) * times
    row, now = run.row(), time.time()
    again, run.doubted = run.doubted == times, times
    if row["doubt_at"] is None:
        run.move(row["state"], doubt_at=now)
        return span
    if 0.0 <= now - row["doubt_at"] < span:
        return span - (now - row["doubt_at"])
    return 0.0 if again else span


def look_again_s(run: RemoteRun, left: float) -> float:
    """When to look again within a doubt."""
    return min(left, max(0.05, run.lane.context.number("DOUBT_S", DOUBT_S) / 2))


def over(run: RemoteRun) -> None:
    """The service speaks well of it again."""
    run.doubted = 0.0
    row = run.row()
    if row["doubt_at"] is not None:
        run.move(row["state"], doubt_at=None)
