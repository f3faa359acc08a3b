"""What only the user may do at a terminal: move a queued job to another account, resume a paused account. (For
decisions on one job see `decisions`.)

No tool of an agent reaches any of this. Each decision is one durable transaction whose event wakes the driver.
"""

from __future__ import annotations

from backends.errors import VideoError
from backends.jobs import audit, records
from backends.jobs.lanes.balancing import put_on
from backends.jobs.money.limits import How
from backends.jobs.store.database import Store, Transaction, add_event
from backends.jobs.store.schema import OPEN
from backends.jobs.store.stored_job import StoredJob
from backends.provider.protocol import Access


def open_by_lane(store: Store) -> dict[str, int]:
    """The number of jobs that still need a driver, by lane."""
    rows = store.rows(f"SELECT lane, count(*) AS n FROM jobs WHERE {OPEN} GROUP BY lane")
    return {str(row["lane"]): int(row["n"]) for row in rows}


def rebind(store: Store, job: str, access: Access) -> None:
    """Move a job that was not sent yet to the lane of the credentials that are set now.

    Its uploads and its prepared request were made for the other account, so they are made again.
    """

    def write(tx: Transaction) -> None:
        row = tx.row("SELECT * FROM jobs WHERE id = ?", (job,))
        if row is None:
            raise VideoError("not_found", f"there is no job {job[:80]}: reelwright jobs list shows all jobs")
        found = StoredJob.of(row)
        if found.state not in ("waiting", "queued"):
            raise VideoError("conflict", f"job {job} is {found.state}: only a queued job can move to another account")
        if access.missing:
            raise VideoError("auth", f"no credential for {found.provider}: set {' or '.join(access.missing)}")
        if found.lane == access.lane:
            raise VideoError("conflict", f"job {job} belongs to the account that is set now already")
        put_on(tx, row, access, again=True)
        records.note(tx, job, "moved by the user to the account that is set now")
        add_event(tx, job, "rebind", {"from": found.lane, "to": access.lane}, wake=True)

    store.write(write, durable=True)


def resume(store: Store, name: str | None = None, *, by: How = "terminal") -> list[str]:
    """Resume one lane, all lanes of a provider, or (None) every lane that a breaker has stopped; returns those that
    were stopped. by: how the user asked for it. VideoError("not_found") lists the known providers and lanes."""

    def write(tx: Transaction) -> list[str]:
        meant = "(key = ? OR provider = ?)"
        where, params = ("breaker <> ''", ()) if name is None else (f"breaker <> '' AND {meant}", (name, name))
        stopped = [str(row["key"]) for row in tx.rows(f"SELECT key FROM lanes WHERE {where} ORDER BY key", params)]
        if not stopped and name is not None and tx.row(f"SELECT 1 FROM lanes WHERE {meant}", (name, name)) is None:
            lanes = tx.rows("SELECT provider, key FROM lanes ORDER BY key")
            known = ", ".join(dict.fromkeys(str(row[part]) for part in ("provider", "key") for row in lanes))
            text = f"there is no provider or account {name[:120]!r}; there are: {known or 'none yet'}"
            raise VideoError("not_found", text)
        for key in stopped:
            tx.run("UPDATE lanes SET breaker = '', breaker_until = 0, failures = 0 WHERE key = ?", (key,))
            audit.add(tx, "decision", place=by, detail=f"{key} resumed")
            for row in tx.rows("SELECT id FROM jobs WHERE lane = ? AND state = 'queued' ORDER BY seq LIMIT 1", (key,)):
                add_event(tx, row["id"], "resume", {"lane": key}, wake=True)
        return stopped

    return store.write(write, durable=True)
