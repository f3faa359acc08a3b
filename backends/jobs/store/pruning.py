"""Removing old events: a job's history is useful while it is open and for some weeks after.

Of a job that ended longer ago than KEEP_DAYS remain its row, its ledger line, its files, and the events that tell who
ordered it, what the user decided and how the user marked it. Each event is examined once in its life, a few hundred at
a time.
"""

from __future__ import annotations

import time

from backends.jobs.store.database import Store, Transaction
from backends.jobs.store.schema import UNENDED

KEEP_DAYS = 30
BATCH = 500
REST_S = 3600.0
"""Seconds of pause once all old events have been examined."""

KEPT = ("submitted", "resolve", "rebind", "mark")

MARK = "events_looked_at"
"""In the table `meta`: the event up to which all were examined."""


class Pruner:
    """For one worker, called while it has nothing else to do."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._not_before = 0.0

    def step(self) -> int:
        """Examine the next few old events; returns how many were removed. Most calls do nothing."""
        if time.monotonic() < self._not_before:
            return 0
        looked, removed = self._store.write(prune) if self._is_any_old() else (0, 0)
        if looked < BATCH:
            self._not_before = time.monotonic() + REST_S
        return removed

    def _is_any_old(self) -> bool:
        sql = f"SELECT at FROM events WHERE seq > {_MARKED} ORDER BY seq LIMIT 1"
        row = self._store.row(sql, {"mark": MARK})
        return row is not None and row["at"] < _oldest()


_MARKED = "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = :mark), 0)"


def _oldest() -> float:
    return time.time() - KEEP_DAYS * 86400


def prune(tx: Transaction) -> tuple[int, int]:
    """(events examined, events removed). Those of a job that is open or ended later are kept."""
    rows = tx.rows(
        f"SELECT seq, at FROM events WHERE seq > {_MARKED} ORDER BY seq LIMIT :batch", {"mark": MARK, "batch": BATCH}
    )
    old = [int(row["seq"]) for row in rows if row["at"] < _oldest()]
    if not old:
        return 0, 0
    removed = tx.run(
        f"DELETE FROM events WHERE seq BETWEEN :first AND :last AND at < :oldest AND kind NOT IN {KEPT} "
        f"AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = events.job AND ({UNENDED} OR ended_at >= :oldest))",
        {"first": old[0], "last": old[-1], "oldest": _oldest()},
    )
    tx.run(
        "INSERT INTO meta VALUES (:mark, :last) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
        {"mark": MARK, "last": str(old[-1])},
    )
    return len(old), removed
