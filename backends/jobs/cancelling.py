"""Cancelling a job from a client: at once where nothing was sent, otherwise by a request to its driver."""

from __future__ import annotations

from backends.errors import VideoError
from backends.jobs.money import settle
from backends.jobs.store.database import Store, Transaction, add_event
from backends.jobs.views import FINAL, SETTLED


def cancel(store: Store, job: str, client: str) -> None:
    """Cancel a job and its steps in one durable transaction. Repeatable; a job that has ended stays as it is.

    client: who cancels it. VideoError("conflict") where it is not known whether the provider took the job.
    """

    def write(tx: Transaction) -> None:
        row = tx.row("SELECT state FROM jobs WHERE id = ?", (job,))
        if row is None or row["state"] in FINAL:
            return
        for step in tx.rows("SELECT id, state FROM jobs WHERE parent = ? ORDER BY step DESC", (job,)):
            if step["state"] not in SETTLED:
                _cancel_one(tx, step["id"], step["state"], client)
        _cancel_one(tx, job, row["state"], client)

    store.write(write, durable=True)


def _cancel_one(tx: Transaction, job: str, state: str, client: str) -> None:
    if state in ("waiting", "queued"):
        settle.end_unsent(tx, job)
    elif state == "uncertain":
        raise VideoError(
            "conflict",
            f"it is not known whether the provider took job {job}, so it cannot be cancelled; the user decides at a "
            f"terminal: reelwright jobs resolve {job}",
        )
    else:
        tx.run("UPDATE jobs SET cancel = 1 WHERE id = ?", (job,))
        add_event(tx, job, "cancel", {"client": client}, wake=True)
