"""Job rows: inserting one and moving it from state to state; for showing them see `shown`.

Every change of state goes through `move`, which adds the event and refuses to leave a final state or go backwards.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from backends.errors import VideoError
from backends.jobs.files.places import inputs_to_row
from backends.jobs.lanes.lanes import Fenced, account_of, add_lane, fence
from backends.jobs.money import ledger
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Store, Transaction, add_event, to_json
from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import FINAL, State
from backends.provider.protocol import JsonObject, Prepared
from backends.request import VideoRequest

ORDER = ("waiting", "queued", "submitting", "running", "downloading", "finishing")
"""The states that a job passes in order. Only a refusal that is known to be unpaid goes back, to queued."""

BACK_TO_QUEUED = frozenset({"queued", "submitting", "running", "downloading", "finishing"})
"""Only work on this machine, which is free to run again, goes back from running or later."""


def new_job_id() -> str:
    """130 random bits, so that an id cannot be guessed."""
    return "job_" + base64.b32encode(secrets.token_bytes(17)).decode().lower()[:26]


@dataclass(frozen=True)
class NewJob:
    """All that the insert of one job needs. Money in micro-dollars, None = unknown. parent, step: the job of which it
    is a step, and its number (from 1)."""

    id: str
    request: VideoRequest
    prepared: Prepared
    inputs: Mapping[str, JsonObject]
    needs: Sequence[str]
    digest: str
    request_key: str
    key_given: bool
    principal: str
    client: str
    take: int
    label: str
    engine: str
    provider: str
    kind: str
    lane: str
    base_url: str
    est_low: int | None
    est_high: int | None
    typical_s: float | None
    notes: Sequence[str]
    parent: str | None = None
    step: int = 0

    def on(self, lane: str, base_url: str) -> NewJob:
        return replace(self, lane=lane, base_url=base_url)


def find_same(
    tx: Store | Transaction, principal: str, request_key: str, digest: str, *, given: bool
) -> StoredJob | None:
    """The existing job for this very request. VideoError("conflict") for a given key with another request."""
    row = tx.row(
        "SELECT * FROM jobs WHERE principal = ? AND request_key = ? AND matchable = 1", (principal, request_key)
    )
    found = None if row is None else StoredJob.of(row)
    if found is not None and given and found.digest != digest:
        raise VideoError(
            "conflict",
            f"this request_key already names job {found.id}, which is another request: use another request_key",
            nearest={"job_id": found.id},
        )
    return found


def archived_as(tx: Store | Transaction, principal: str, request_key: str) -> str | None:
    """The archived job that answers the request."""
    row = tx.row("SELECT id FROM archived WHERE principal = ? AND request_key = ?", (principal, request_key))
    return None if row is None else str(row["id"])


def insert(tx: Transaction, new: NewJob, steps: Sequence[NewJob] = ()) -> tuple[StoredJob, bool]:
    """The job, and whether it existed already. Reserves the money; VideoError("wall") when it may not be spent.

    steps: jobs that this one waits for; the cost is then theirs, not its own.
    """
    same = find_same(tx, new.principal, new.request_key, new.digest, given=new.key_given)
    if same is not None:
        return same, True
    if (
        archived_as(tx, new.principal, new.request_key) is not None
    ):  # it is archived in this very moment: a repeated call finds it
        raise VideoError("conflict", "the job of this request is being archived: repeat the call", retryable=True)
    _insert_one(tx, new, 0 if steps else new.est_high)
    for step in steps:
        _insert_one(tx, step, step.est_high)
    return StoredJob.of(cast(Row, tx.row("SELECT * FROM jobs WHERE id = ?", (new.id,)))), False


def _insert_one(tx: Transaction, new: NewJob, reserved: int | None) -> None:
    job = new.id
    add_lane(tx, new.lane, new.provider, new.kind)
    hold = ledger.enter if new.kind == "local" else ledger.reserve  # work on this machine is free
    hold(tx, job, new.provider, new.lane, new.label, reserved, new.principal)
    values: dict[str, Any] = {
        "id": job,
        "parent": new.parent,
        "step": new.step,
        "principal": new.principal,
        "client": new.client,
        "request_key": new.request_key,
        "digest": new.digest,
        "take": new.take,
        "label": new.label,
        "task": new.request.task,
        "engine": new.engine,
        "model": new.prepared.model,
        "provider": new.provider,
        "kind": new.kind,
        "lane": new.lane,
        "base_url": new.base_url,
        "state": "waiting" if new.needs else "queued",
        "request": new.request.model_dump_json(),
        "prepared": to_json(codec.prepared_to_json(new.prepared)),
        "inputs": inputs_to_row(new.inputs),
        "needs": to_json(list(new.needs)),
        "est_low": new.est_low,
        "est_high": new.est_high,
        "typical_s": new.typical_s,
        "notes": to_json(list(new.notes)),
        "created_at": tx.now(),
    }
    names = ", ".join(values)
    tx.run(f"INSERT INTO jobs({names}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))
    add_event(tx, job, "submitted", {"client": new.client}, wake=True)


@dataclass(frozen=True)
class Hold:
    """A driver with its lane's epoch, by which each of its writes is fenced."""

    lane: str
    epoch: int


def move(tx: Transaction, hold: Hold | None, job: str, state: State, **columns: Any) -> None:
    """Change a job's state (or columns in the same state), fenced by the lane's epoch.

    A job in a final state stays there, and none goes back: VideoError("conflict"). From `uncertain` it may go anywhere.
    For the driver of a job that the user has moved to another lane: Fenced.
    """
    _change(tx, hold, job, state, columns, decided=False)


def decide(tx: Transaction, job: str, state: State, **columns: Any) -> None:
    """The same by a user's decision, which may lead from any state but `succeeded` and `cancelled` to any other."""
    _change(tx, None, job, state, columns, decided=True)


def _change(
    tx: Transaction, hold: Hold | None, job: str, state: State, columns: dict[str, Any], *, decided: bool
) -> None:
    if hold is not None:
        fence(tx, hold.lane, hold.epoch)
    row = tx.row("SELECT state, kind, lane FROM jobs WHERE id = ?", (job,))
    if row is None:
        raise VideoError("not_found", f"there is no job {job}")
    if hold is not None and row["lane"] != hold.lane:
        raise Fenced(hold.lane)
    old = str(row["state"])
    if old in FINAL and not (decided and old == "failed"):
        raise VideoError("conflict", f"job {job} has {old}: nothing can change that")
    if not decided and state in ORDER and old in ORDER and ORDER.index(state) < ORDER.index(old):
        free = row["kind"] == "local" or old in ("queued", "submitting")
        if not (state == "queued" and old in BACK_TO_QUEUED and free):
            raise VideoError("conflict", f"job {job} cannot go back from {old} to {state}")
    if state in FINAL:
        columns.setdefault("ended_at", tx.now())
        columns.setdefault("phase", "")
    assignments = ", ".join(f"{name} = ?" for name in ("state", *columns))
    tx.run(f"UPDATE jobs SET {assignments} WHERE id = ?", (state, *columns.values(), job))
    if old != state:
        add_event(tx, job, "state", {"from": old, "to": state}, wake=state in FINAL or state == "queued")


def holders(source: Store | Transaction, row: Row, remote_ids: Collection[str]) -> dict[str, str]:
    """Which of a provider's ids already belong to other jobs: id -> job, on the same server or the same account.

    Two keys may belong to one account, and one account may be reached by two addresses; two servers of one kind may
    give the same id to different jobs.
    """
    names = list(dict.fromkeys(remote_ids))[:500]
    found = source.rows(
        f"SELECT id, remote_id, base_url, lane FROM jobs WHERE provider = ? AND remote_id IN "
        f"({', '.join('?' * len(names))}) AND id <> ?",
        (row["provider"], *names, row["id"]),
    )
    account = account_of(row["lane"])
    return {
        str(other["remote_id"]): str(other["id"])
        for other in found
        if other["base_url"] == row["base_url"] or (account and account_of(other["lane"]) == account)
    }


def cost_of_steps(tx: Store | Transaction, job: str) -> int:
    """What the steps of a job have cost so far, in micro-dollars."""
    row = tx.row("SELECT coalesce(sum(cost), 0) AS cost FROM jobs WHERE parent = ?", (job,))
    return int(row["cost"]) if row else 0


def note(tx: Transaction, job: str, *texts: str) -> None:
    """Add to the job's notes for the user; a repeated sentence is added once."""
    row = tx.row("SELECT notes FROM jobs WHERE id = ?", (job,))
    known = cast("list[str]", json.loads(row["notes"])) if row else []
    fresh = [text for text in dict.fromkeys(texts) if text not in known]
    if fresh:
        tx.run("UPDATE jobs SET notes = ? WHERE id = ?", (to_json(known + fresh), job))
