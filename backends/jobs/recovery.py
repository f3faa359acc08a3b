"""A new store beside the journal of a lost one: its paid jobs are taken over, so that nothing is bought twice.

A job that had ended is restored as it was, so that the same call finds it. One that the provider had accepted is
followed again. One whose request may have been sent is looked up, or waits for the user. Each counts on the day when it
was paid. Spending limits are restored as the user had set them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.jobs import records
from backends.jobs.lanes.lanes import add_lane
from backends.jobs.money import ledger
from backends.jobs.principals import OWNER
from backends.jobs.store.database import Store, Transaction, add_event, to_json
from backends.jobs.store.journal import Entry, IdLog
from backends.jobs.views import FINAL

JOURNALED = (
    "id", "parent", "step", "principal", "client", "request_key", "digest", "take", "label", "task", "engine", "model",
    "provider", "kind", "lane", "base_url", "request", "prepared", "inputs", "needs", "est_low", "est_high",
    "typical_s", "notes", "created_at", "started_at", "posted_at",
)  # fmt: skip
ENDED = (
    "state", "matchable", "lane", "base_url", "handle", "remote_id", "result", "cost", "cost_basis", "error", "notes",
    "accepted_at", "remote_done_at", "ended_at",
)  # fmt: skip
"""The columns of a job's row that its journal lines hold."""

DONE = "journal"
"""The key in `meta` that says that this store has read the journal that lay beside it when it was created."""


def journal_request(ids: IdLog, store: Store, job: str) -> None:
    """Record what is about to be paid for: the job, and its parent if it is a step."""
    for row in store.rows(
        "SELECT * FROM jobs WHERE id = :job OR id = (SELECT parent FROM jobs WHERE id = :job)", {"job": job}
    ):
        entry = store.row("SELECT reserved, day FROM ledger WHERE job = ?", (row["id"],))
        if entry is not None:
            ids.requested(row["id"], {name: row[name] for name in JOURNALED}, int(entry["reserved"]), str(entry["day"]))


def journal_ended(ids: IdLog, store: Store, job: str) -> None:
    """Record how a paid job has ended."""
    row = store.row("SELECT * FROM jobs WHERE id = ?", (job,))
    entry = store.row("SELECT settled, day FROM ledger WHERE job = ?", (job,))
    if row is not None and entry is not None and row["state"] in FINAL and row["posted_at"] is not None:
        ids.ended(job, {name: row[name] for name in ENDED}, int(entry["settled"]), str(entry["day"]))


@dataclass
class _Job:
    """What the journal says about one job."""

    row: dict[str, Any]
    reserved: int
    day: str
    handle: Mapping[str, Any] | None = None
    accepted_at: float | None = None
    ended: Mapping[str, Any] | None = None
    settled: int = 0


def recover(store: Store, ids: IdLog) -> int:
    """Take over the journal's jobs that this store does not have, once in its life; returns how many."""
    if store.row("SELECT 1 FROM meta WHERE key = ?", (DONE,)) is not None:
        return 0
    entries = list(ids.entries())
    found = _read(entries)

    def write(tx: Transaction) -> int:
        if tx.row("SELECT 1 FROM meta WHERE key = ?", (DONE,)) is not None:
            return 0
        tx.run("INSERT INTO meta(key, value) VALUES (?, 'read')", (DONE,))
        _set_limits(tx, entries)
        return sum(_take_up(tx, name, job, found) for name, job in found.items())

    return store.write(write, durable=True)


def unlisted(store: Store, ids: IdLog) -> list[tuple[str, str, str]]:
    """(job, lane, the provider's id) of accepted jobs that are in no row: an older version wrote only these facts, so
    that only the user can look after them."""
    found = {str(entry["job"]): entry for entry in ids.entries() if entry.get("handle")}
    return [
        (job, str(entry.get("lane", "")), str(entry["handle"].get("remote_id", "")))
        for job, entry in found.items()
        if store.row("SELECT 1 FROM jobs WHERE id = ?", (job,)) is None
    ]


def _set_limits(tx: Transaction, entries: Sequence[Entry]) -> None:
    for entry in entries:
        if entry.get("event") == "limit" and isinstance(entry.get("value"), str):
            tx.run(
                "INSERT INTO settings VALUES (?, ?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value, "
                "at = excluded.at",
                (entry["key"], entry["value"], entry["at"]),
            )
        elif entry.get("event") == "limit":
            tx.run("DELETE FROM settings WHERE key = ?", (entry["key"],))


def _read(entries: Sequence[Entry]) -> dict[str, _Job]:
    found: dict[str, _Job] = {}
    for entry in entries:
        name, job = str(entry["job"]), found.get(str(entry["job"]))
        match entry.get("event"):
            case "asked":
                found[name] = _Job(dict(entry["row"]), int(entry["reserved"]), str(entry["day"]))
            case "ended" if job is not None:
                job.ended, job.settled, job.day = entry["row"], int(entry["settled"]), str(entry["day"])
            case None if job is not None and "handle" in entry:
                job.handle, job.accepted_at = entry["handle"], entry.get("at")
            case _:
                continue
    return found


def _take_up(tx: Transaction, name: str, job: _Job, found: Mapping[str, _Job]) -> int:
    """Insert one job in the state that the journal gives; 1, or 0 where the store has it (or its key) already."""
    row: dict[str, Any] = {column: job.row.get(column) for column in JOURNALED}
    same = "SELECT 1 FROM jobs WHERE id = ? OR (principal = ? AND request_key = ? AND matchable = 1)"
    if tx.row(same, (name, row["principal"], row["request_key"])) is not None:
        return 0
    if row["parent"] not in found:
        row["parent"] = None
    if job.ended is not None:
        row |= {column: job.ended.get(column) for column in ENDED}
        entry = ("released" if row["cost_basis"] == "not charged" else "settled", job.settled)
    else:
        row |= _state_of(row, job)
        entry = ("reserved", 0)
    notes = json.loads(row["notes"] or "[]")
    row["notes"] = to_json([*notes, "taken up from the journal (accepted.jsonl) after its store was lost"])
    add_lane(tx, row["lane"], row["provider"], row["kind"])
    names = ", ".join(row)
    tx.run(f"INSERT INTO jobs({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    principal = str(row["principal"] or OWNER)
    ledger.enter(tx, name, row["provider"], row["lane"], row["label"] or "", job.reserved, principal)
    tx.run(
        "UPDATE ledger SET day = ?, state = ?, settled = ? WHERE job = ?", (job.day, entry[0], max(0, entry[1]), name)
    )
    add_event(tx, name, "recovered", {"state": row["state"]}, wake=row["state"] not in FINAL)
    return 1


def _state_of(row: Mapping[str, Any], job: _Job) -> dict[str, Any]:
    """The state in which an open job goes on."""
    if job.handle is not None:
        return {
            "state": "running",
            "handle": to_json(job.handle),
            "remote_id": job.handle.get("remote_id"),
            "accepted_at": job.accepted_at,
            "phase": "sending the request again",
        }
    if row["kind"] == "local":  # it waits for paid steps
        return {"state": "waiting" if json.loads(row["needs"] or "[]") else "queued"}
    state: records.State = "submitting"
    return {"state": state, "posts": 1, "phase": "checking what became of its request"}
