"""What only the person may do, at a terminal: decide an uncertain job, move a queued one, clear a lane.

No tool of an agent reaches any of this. Each decision is one durable transaction whose event wakes the driver.
"""

from __future__ import annotations

import json
import re
import time

from backends.backend import Access, Handle, JsonObject
from backends.errors import VideoError
from backends.jobs import codec, ledger, records
from backends.jobs.idlog import IdLog
from backends.jobs.lanes import add_lane
from backends.jobs.schema import OPEN
from backends.jobs.store import Row, Store, Transaction, add_event, to_json

# an uncertain job


def bind(store: Store, job: str, remote_id: str) -> None:
    """The person has found the job at the provider: it is running there under that id, and is followed from here."""
    if not re.fullmatch(r"[!-~]{1,500}", remote_id):
        raise VideoError("invalid_request", "the provider's job id is 1 to 500 printable characters without spaces")

    def write(tx: Transaction) -> None:
        row = _uncertain(tx, job)
        other = tx.row(
            "SELECT id FROM jobs WHERE lane = ? AND remote_id = ? AND id <> ?", (row["lane"], remote_id, job)
        )
        if other is not None:
            raise VideoError("conflict", f"{remote_id} is job {other['id']} already: each job has an id of its own")
        tx.run("UPDATE ledger SET state = 'reserved', at = ? WHERE job = ?", (time.time(), job))
        records.note(tx, job, f"bound by the person to the provider's {remote_id}")
        records.move(
            tx,
            None,
            job,
            "running",
            handle=to_json(codec.handle_to_json(_handle(row, remote_id))),
            remote_id=remote_id,
            accepted_at=row["accepted_at"] or time.time(),
            error=None,
            phase="bound by the person",
        )
        add_event(tx, job, "resolve", {"how": "bind", "remote_id": remote_id}, wake=True)

    store.write(write, durable=True)


def _handle(row: Row, remote_id: str) -> Handle:
    """The stored handle when it is the same job (it may hold URLs), else one of the id and where the request went."""
    if row["handle"] is not None and row["remote_id"] == remote_id:
        return codec.handle_from_json(json.loads(row["handle"]))
    endpoint = json.loads(row["prepared"])["endpoint"]
    return Handle(remote_id, {"endpoint": endpoint} if endpoint else {})


def retry(store: Store, ids: IdLog, job: str) -> None:
    """Ask the provider again and accept a second charge. The first is booked as charged at its reservation, under
    JOB#N in the ledger; VideoError("wall") when a second one passes a wall."""
    row = store.row("SELECT lane, state FROM jobs WHERE id = ?", (job,))
    if row is not None and row["state"] == "uncertain":
        ids.disown(job, row["lane"])

    def write(tx: Transaction) -> None:
        row = _uncertain(tx, job)
        charges = tx.row("SELECT count(*) AS n FROM ledger WHERE job LIKE ? || '#%'", (job,))
        first = f"{job}#{int(charges['n']) + 1 if charges else 1}"
        held = tx.row("SELECT reserved FROM ledger WHERE job = ?", (job,))
        tx.run("UPDATE ledger SET job = ? WHERE job = ?", (first, job))
        booked = int(held["reserved"]) if held else 0
        ledger.settle(tx, first, booked, "reservation")
        ledger.reserve(tx, job, row["provider"], row["lane"], row["label"], row["est_high"])
        records.note(
            tx, job, f"asked for again by the person; an earlier submit is booked at ${ledger.to_usd(booked):.2f}"
        )
        fresh = dict.fromkeys(("handle", "remote_id", "posted_at", "accepted_at", "remote_done_at", "result", "error"))
        records.move(
            tx, None, job, "queued", phase="to be asked for again", attempts=0, not_before=0.0, cancel=0, progress=0.0,
            **fresh,
        )  # fmt: skip
        add_event(tx, job, "resolve", {"how": "retry", "booked": booked}, wake=True)

    store.write(write, durable=True)


def write_off(store: Store, job: str) -> None:
    """Give the job up as failed; its reservation is booked as spent."""

    def write(tx: Transaction) -> None:
        row = _uncertain(tx, job)
        booked = int(row["est_high"] or 0)
        ledger.settle(tx, job, booked, "written_off")
        error = VideoError(
            "submit_unknown",
            f"written off by the person: it may have been charged, ${ledger.to_usd(booked):.2f} is booked. "
            "take=2 asks for another one",
            charged="unknown",
        )
        columns: JsonObject = {"error": to_json(error.to_json()), "cost": booked}
        records.move(tx, None, job, "failed", cost_basis="written off: the reservation", **columns)
        add_event(tx, job, "resolve", {"how": "write_off", "booked": booked}, wake=True)

    store.write(write, durable=True)


def _uncertain(tx: Transaction, job: str) -> Row:
    row = tx.row("SELECT * FROM jobs WHERE id = ?", (job,))
    if row is None:
        raise VideoError("not_found", f"there is no job {job[:80]}: reelwright jobs list shows those there are")
    if row["state"] != "uncertain":
        raise VideoError("conflict", f"job {job} is {row['state']}: only an uncertain job waits for a decision")
    return row


# lanes


def open_by_lane(store: Store) -> dict[str, int]:
    """How many jobs a driver still has to do something for, by lane."""
    rows = store.rows(f"SELECT lane, count(*) AS n FROM jobs WHERE {OPEN} GROUP BY lane")
    return {str(row["lane"]): int(row["n"]) for row in rows}


def rebind(store: Store, job: str, access: Access) -> None:
    """Move a job that nobody has sent yet to the lane of the credentials that are set now.

    What was uploaded or worded for the other account is made anew.
    """

    def write(tx: Transaction) -> None:
        row = tx.row("SELECT * FROM jobs WHERE id = ?", (job,))
        if row is None:
            raise VideoError("not_found", f"there is no job {job[:80]}: reelwright jobs list shows those there are")
        if row["state"] not in ("waiting", "queued"):
            raise VideoError("conflict", f"job {job} is {row['state']}: only a queued job can move to another account")
        if access.missing:
            raise VideoError("auth", f"no credential for {row['provider']}: set {' or '.join(access.missing)}")
        if row["lane"] == access.lane:
            raise VideoError("conflict", f"job {job} belongs to the account that is set now already")
        add_lane(tx, access.lane, row["provider"], row["kind"])
        prepared: JsonObject = json.loads(row["prepared"]) | {"body": {}, "uploads": [], "endpoint": ""}
        tx.run(
            "UPDATE jobs SET lane = ?, base_url = ?, refs = '{}', prepared = ?, not_before = 0, phase = '' "
            "WHERE id = ?",
            (access.lane, access.base_url, to_json(prepared), job),
        )
        tx.run("UPDATE ledger SET lane = ? WHERE job = ?", (access.lane, job))
        records.note(tx, job, "moved by the person to the account that is set now")
        add_event(tx, job, "rebind", {"from": row["lane"], "to": access.lane}, wake=True)

    store.write(write, durable=True)


def resume(store: Store, lane: str | None = None) -> list[str]:
    """Let one lane (or all) buy again after its breaker has stopped it; the lanes that were stopped."""

    def write(tx: Transaction) -> list[str]:
        where, params = ("breaker <> ''", ()) if lane is None else ("breaker <> '' AND key = ?", (lane,))
        stopped = [str(row["key"]) for row in tx.rows(f"SELECT key FROM lanes WHERE {where} ORDER BY key", params)]
        if not stopped and lane is not None and tx.row("SELECT 1 FROM lanes WHERE key = ?", (lane,)) is None:
            known = ", ".join(str(row["key"]) for row in tx.rows("SELECT key FROM lanes ORDER BY key"))
            raise VideoError("not_found", f"there is no lane {lane[:120]!r}; there are: {known or 'none yet'}")
        for key in stopped:
            tx.run("UPDATE lanes SET breaker = '', breaker_until = 0, failures = 0 WHERE key = ?", (key,))
            for row in tx.rows("SELECT id FROM jobs WHERE lane = ? AND state = 'queued' ORDER BY seq LIMIT 1", (key,)):
                add_event(tx, row["id"], "resume", {"lane": key}, wake=True)
        return stopped

    return store.write(write, durable=True)
