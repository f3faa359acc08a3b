"""Decisions about one job that only the user makes, at a terminal: assign a provider's id, send again, write off, fetch
again.

Every state before the end has a way out, with the key of the job's account, with another one, or with none: an account
that can no longer be reached must not hold a job and its money for ever. No tool of an agent reaches any of this. Each
decision is one durable transaction whose event wakes the driver.
"""

from __future__ import annotations

import json
import re

from backends.errors import VideoError
from backends.jobs import audit, records
from backends.jobs.lanes.balancing import UNWORDED, named
from backends.jobs.lanes.lanes import add_lane
from backends.jobs.money import ledger, settle
from backends.jobs.money.limits import How
from backends.jobs.store import codec
from backends.jobs.store.database import Store, Transaction, add_event, to_json
from backends.jobs.store.journal import IdLog
from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import FINAL
from backends.provider.protocol import Access, Handle, JsonObject

UNSENT = frozenset({"waiting", "queued"})
"""States in which nothing was sent: ending the job costs nothing."""


def bind(store: Store, job: str, remote_id: str, access: Access | None = None, *, by: How = "terminal") -> None:
    """Assign the provider's job that the user has found: the job is followed under that id.

    access: the credentials that are set now; they are used from here on where they belong to another account or server.
    by: how the user asked for it.
    """
    if not re.fullmatch(r"[!-~]{1,500}", remote_id):
        raise VideoError("invalid_request", "the provider's job id is 1 to 500 printable characters without spaces")

    def write(tx: Transaction) -> None:
        found = _decidable(tx, job)
        if other := records.holders(tx, found.row, [remote_id]).get(remote_id):
            raise VideoError("conflict", f"{remote_id} is job {other} already: a provider's job can be one job here")
        settle.reopen(tx, job)
        records.note(tx, job, f"assigned by the user to the provider's {remote_id}")
        records.decide(
            tx,
            job,
            "running",
            handle=to_json(codec.handle_to_json(_handle(found, remote_id))),
            remote_id=remote_id,
            accepted_at=found.accepted_at or tx.now(),
            phase="assigned by the user",
            **_OPEN_AGAIN,
            **_on(tx, found, access),
        )
        add_event(tx, job, "resolve", {"how": "bind", "by": by, "remote_id": remote_id}, wake=True)
        audit.add(tx, "decision", job=job, amount=found.est_high, place=by, detail=f"it is the provider's {remote_id}")

    store.write(write, durable=True)


_OPEN_AGAIN: JsonObject = {"error": None, "ended_at": None, "doubt_at": None, "remote_done_at": None, "result": None}
"""Columns of an ended job, reset."""


def _handle(job: StoredJob, remote_id: str) -> Handle:
    """The stored handle when it is the same job (it may hold URLs), else a handle of the id and the request's
    endpoint."""
    if job.handle is not None and job.remote_id == remote_id:
        return job.handle
    endpoint = job.prepared_record["endpoint"]
    return Handle(remote_id, {"endpoint": endpoint} if endpoint else {})


def _on(tx: Transaction, job: StoredJob, access: Access | None) -> JsonObject:
    """The columns that move a job to the credentials that are set now; none where they are its own, or missing."""
    if access is None or not access.available or access.lane == job.lane:
        return {}
    add_lane(tx, access.lane, job.provider, job.kind)
    tx.run("UPDATE ledger SET lane = ? WHERE job = ?", (access.lane, job.id))
    prepared = to_json(named(job.prepared_record, access.account))
    return {"lane": access.lane, "base_url": access.base_url, "prepared": prepared}


def retry(store: Store, ids: IdLog, job: str, access: Access | None = None, *, by: How = "terminal") -> None:
    """Send the request again and accept a second charge. The first is booked as charged at its reservation, under JOB#N
    in the ledger; VideoError("wall") when the second passes a limit."""
    row = store.row("SELECT lane, state FROM jobs WHERE id = ?", (job,))
    if row is not None and row["state"] not in FINAL:
        ids.disown(job, row["lane"])

    def write(tx: Transaction) -> None:
        found = _decidable(tx, job)
        booked = settle.charge_again(tx, found)
        records.note(
            tx, job, f"requested again by the user; an earlier submit is booked at ${ledger.to_usd(booked):.2f}"
        )
        moved = _on(tx, found, access)
        if moved:  # uploads and the prepared request belong to the other account: they are made again
            moved |= {"refs": "{}", "prepared": to_json(json.loads(moved["prepared"]) | UNWORDED)}
        fresh: JsonObject = dict.fromkeys(("handle", "remote_id", "posted_at", "accepted_at"))
        records.decide(
            tx, job, "queued", phase="to be requested again", attempts=0, posts=0, not_before=0.0, cancel=0,
            progress=0.0, **fresh, **_OPEN_AGAIN, **moved,
        )  # fmt: skip
        add_event(tx, job, "resolve", {"how": "retry", "by": by, "booked": booked}, wake=True)
        audit.add(tx, "decision", job=job, amount=booked, place=by, detail="requested again, a second charge accepted")

    store.write(write, durable=True)


def write_off(store: Store, job: str, *, by: How = "terminal") -> None:
    """Give the job up. Where a request may have been sent it ends as failed and its reservation is booked as spent;
    else it is cancelled and nothing is booked."""

    def write(tx: Transaction) -> None:
        found = _known(tx, job)
        _refuse_final(found)
        if found.state in UNSENT:
            settle.end_unsent(tx, job)
        elif found.kind == "local":
            settle.cancel(tx, None, job, "no")
        else:
            settle.write_off(tx, job)
        add_event(tx, job, "resolve", {"how": "write_off", "by": by}, wake=True)
        audit.add(tx, "decision", job=job, amount=found.est_high, place=by, detail="given up")

    store.write(write, durable=True)


def fetch(store: Store, job: str, access: Access | None = None, *, by: How = "terminal") -> str:
    """Ask the provider once more about a job that failed but may be paid, or whose outcome is not known, and fetch its
    clip; free. Returns a sentence that says what happens now."""

    def write(tx: Transaction) -> str:
        found = _known(tx, job)
        _refuse_uncharged(found)
        moved = _on(tx, found, access)
        if found.handle is not None:
            state: records.State = "running"
            sentence = "its status is checked again, and its clip is fetched if the provider has one"
        elif found.posted_at is not None and found.remote_done_at is None:
            state, sentence = "submitting", "its request is looked up at the provider again"
        else:
            raise VideoError("conflict", f"job {job} has no id at the provider: there is nothing to fetch")
        settle.reopen(tx, job)
        records.decide(tx, job, state, phase="requested again by the user", **_OPEN_AGAIN, **moved)
        add_event(tx, job, "resolve", {"how": "fetch", "by": by}, wake=True)
        audit.add(tx, "decision", job=job, amount=found.est_high, place=by, detail="looked up again, free")
        return sentence

    return store.write(write, durable=True)


def finish(store: Store, job: str, *, by: How = "terminal") -> str:
    """Process what has been downloaded of a job once more, with the current program; free. Returns a sentence that says
    what happens."""

    def write(tx: Transaction) -> str:
        found = _known(tx, job)
        if found.state == "failed":
            _refuse_uncharged(found)
            if not found.row["result"]:
                raise VideoError(
                    "conflict", f"nothing of job {job} has arrived: reelwright jobs fetch {job} requests it"
                )
            settle.reopen(tx, job)
            again = _OPEN_AGAIN | {"result": found.row["result"], "remote_done_at": tx.now()}
            records.decide(tx, job, "downloading", phase="to be finished", **again)
        elif found.state not in ("downloading", "finishing"):
            raise VideoError(
                "conflict", f"job {job} is {found.state}: only one that has been delivered can be finished"
            )
        # A worker that an older program started gives up the lane, so that the current program's worker takes it.
        tx.run("UPDATE lanes SET handover = 1 WHERE key = ? AND driven = 1", (found.lane,))
        add_event(tx, job, "resolve", {"how": "finish", "by": by}, wake=True)
        audit.add(tx, "decision", job=job, amount=found.est_high, place=by, detail="its download processed again")
        return "the downloaded clip is processed again"

    return store.write(write, durable=True)


def _known(tx: Transaction, job: str) -> StoredJob:
    row = tx.row("SELECT * FROM jobs WHERE id = ?", (job,))
    if row is None:
        raise VideoError("not_found", f"there is no job {job[:80]}: reelwright jobs list shows all jobs")
    return StoredJob.of(row)


def _refuse_final(job: StoredJob) -> None:
    if job.state in FINAL:
        raise VideoError("conflict", f"job {job.id} is {job.state}: there is nothing to decide")


def _refuse_uncharged(job: StoredJob) -> None:
    """Fetching again is only for what may have been paid for; anything else is simply requested again."""
    charged = "no" if job.error is None else job.error.charged
    if job.state == "uncertain" or (job.state == "failed" and charged != "no"):
        return
    why = "it was not charged: call the tool again" if job.state == "failed" else "there is nothing to fetch"
    raise VideoError("conflict", f"job {job.id} is {job.state}: {why}")


def _decidable(tx: Transaction, job: str) -> StoredJob:
    """A job of a service whose request may have been sent."""
    found = _known(tx, job)
    _refuse_final(found)
    if found.kind == "local" or found.state in UNSENT:
        raise VideoError(
            "conflict",
            f"job {job} is {found.state}, and nothing was sent for it: reelwright jobs cancel {job} ends it",
        )
    return found
