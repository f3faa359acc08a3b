"""A provider's id that arrives too late: its driver lost the lane while the paid request was under way.

The store refuses that driver's writes. So the id is added to the job as an event, which needs no lane: the new driver
reads it before it decides what became of the request, and a job that already waits for the user goes on by itself. A
machine that comes back adds the ids that only its own journal has (`replay`).
"""

from __future__ import annotations

import json

from backends.jobs import records
from backends.jobs.money import settle
from backends.jobs.store import codec
from backends.jobs.store.database import Store, Transaction, add_event, to_json
from backends.jobs.store.journal import IdLog
from backends.provider.protocol import Handle

KIND = "late_id"

_SENT_AGAIN = "SELECT 1 FROM events WHERE job = ? AND kind = 'resolve' AND data LIKE '%\"how\":\"retry\"%'"


def leave(tx: Transaction, job: str, handle: Handle) -> None:
    """Add the id of a paid request whose driver no longer drives the job's lane."""
    known = to_json(codec.handle_to_json(handle))
    data = to_json({"handle": json.loads(known)})
    if tx.row("SELECT 1 FROM events WHERE job = ? AND kind = ? AND data = ?", (job, KIND, data)) is not None:
        return
    row = tx.row("SELECT state, remote_id FROM jobs WHERE id = ?", (job,))
    if row is None or row["remote_id"] == handle.remote_id:
        return
    add_event(tx, job, KIND, json.loads(data), wake=True)
    if tx.row(_SENT_AGAIN, (job,)) is not None or row["remote_id"] is not None or row["state"] in records.FINAL:
        records.note(tx, job, f"the provider has taken a request of this job as {handle.remote_id} too: look there")
    elif row["state"] == "uncertain":
        settle.reopen(tx, job)
        phase = "the answer to its request has come late"
        records.decide(tx, job, "submitting", phase=phase, error=None, ended_at=None, doubt_at=None)


def find(store: Store, job: str) -> Handle | None:
    """The late id of a job; None where there is none, or the user has had the request sent again since."""
    row = store.row("SELECT data FROM events WHERE job = ? AND kind = ? ORDER BY seq DESC LIMIT 1", (job, KIND))
    if row is None or store.row(_SENT_AGAIN, (job,)) is not None:
        return None
    return codec.handle_from_json(json.loads(row["data"])["handle"])


def replay(store: Store, ids: IdLog) -> int:
    """Add the ids from this machine's journal for jobs whose outcome is not known; returns how many jobs were looked
    up."""
    rows = store.rows(
        "SELECT id FROM jobs WHERE lane IN (SELECT key FROM lanes WHERE kind = 'remote') "
        "AND state IN ('submitting', 'uncertain') AND remote_id IS NULL"
    )
    found = [(str(row["id"]), handle) for row in rows if (handle := ids.find(row["id"])) is not None]
    for job, handle in found:
        store.write(lambda tx, job=job, handle=handle: leave(tx, job, handle), durable=True)
    return len(found)
