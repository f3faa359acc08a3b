"""How several accounts of one provider share its work.

A new job goes to an account with a free slot, and among those to the least busy for its share. A job that waits because
its account has no slot, is paused or has asked it to wait is moved to an account with a free one: by its own driver,
and only before its first paid request. A job that was sent stays with its account, and so does a job that continues
another job's clip.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.lanes import lanes
from backends.jobs.lanes.gates import paused_for
from backends.jobs.records import Hold
from backends.jobs.store.database import Row, Store, Transaction, add_event, to_json
from backends.provider.accounts import Keyed
from backends.provider.protocol import ACCOUNT, Access, JsonObject
from backends.provider.timing import PAID_AT_ONCE

SOON_S = 1.0
"""Seconds. A job whose next try is due sooner stays."""

MOST = 50
"""How many waiting jobs are considered at a time."""

UNWORDED: JsonObject = {"body": {}, "uploads": [], "endpoint": ""}
"""In a stored prepared request: none of it was uploaded or made for an account yet."""

_BUSY = "('submitting', 'running', 'downloading')"


@dataclass
class _Load:
    """An account's work. busy: jobs under way of the model in question; queued: jobs of all models that are not."""

    paused: bool = False
    busy: int = 0
    whole: int = 0
    queued: int = 0

    def free(self, limit: int | None) -> int:
        """Its free slots; for a model without a limit, as many as paid requests may be under way."""
        return PAID_AT_ONCE - self.queued if limit is None else limit - self.busy - self.queued


def _loads(source: Store | Transaction, keys: Sequence[str], model: str) -> dict[str, _Load]:
    found = {key: _Load() for key in keys}
    marks = ", ".join("?" * len(keys))
    for row in source.rows(f"SELECT key, breaker, breaker_until FROM lanes WHERE key IN ({marks})", keys):
        found[row["key"]].paused = paused_for(row, source.now()) > 0
    queued = f"SELECT lane, count(*) AS n FROM jobs WHERE lane IN ({marks}) AND state = 'queued' GROUP BY lane"
    for row in source.rows(queued, keys):
        found[row["lane"]].queued = int(row["n"])
    busy = f"SELECT lane, model, count(*) AS n FROM jobs WHERE lane IN ({marks}) AND state IN {_BUSY} GROUP BY 1, 2"
    for row in source.rows(busy, keys):
        found[row["lane"]].whole += int(row["n"])
        found[row["lane"]].busy += int(row["n"]) if row["model"] == model else 0
    return found


def choose(context: Context, provider: str, model: str, source_job: str | None) -> Access | None:
    """The account for a new job; None where the provider has only one. source_job: the job whose clip it continues."""
    own = context.accounts(provider)
    if not own:
        return None
    if source_job is not None:
        row = context.store.row("SELECT lane FROM jobs WHERE id = ?", (source_job,))
        for one in own:
            if row is not None and one.access.lane == row["lane"]:
                return one.access
    taking = [one for one in own if one.account.share > 0 and one.access.available] or list(own)
    loads, limit = _loads(context.store, [one.access.lane for one in taking], model), limit_of(context, model)

    def order(one: Keyed) -> tuple[bool, bool, float]:
        load = loads[one.access.lane]
        return load.paused, load.free(limit) <= 0, _held(load, one)

    return min(taking, key=order).access


def _held(load: _Load, one: Keyed) -> float:
    return (load.whole + load.queued + 1) / (one.account.share or 1e-9)


def limit_of(context: Context, model: str) -> int | None:
    """How many jobs of a model an account may have under way at once; None where that is not known."""
    try:
        return context.catalog.get(model, include_retired=True).limits.concurrency
    except VideoError:
        return None


def source_of(inputs: Mapping[str, Any]) -> str | None:
    """The job whose clip a job continues, by its inputs."""
    entry: JsonObject = inputs.get("source_clip") or {}
    return entry.get("from_job") or entry.get("job") or None


def share_out(
    context: Context, hold: Hold, provider: str, waiting: Collection[str], stuck: Collection[str]
) -> list[str]:
    """Move jobs of a lane to other accounts; returns which.

    waiting: its jobs without a slot, in this process. stuck: the models that have no slot just now.
    """
    own = context.accounts(provider)
    others = [one for one in own if one.access.lane != hold.lane and one.account.share > 0 and one.access.available]
    if not others or not any(one.access.lane == hold.lane for one in own):
        return []
    sharing = _Sharing(context, hold, others, frozenset(waiting), frozenset(stuck))
    if not sharing.moves(context.store):  # most calls end here, without a write
        return []

    def write(tx: Transaction) -> list[str]:
        lanes.fence(tx, hold.lane, hold.epoch)
        moves = sharing.moves(tx)
        for row, access in moves:
            put_on(tx, row, access, again=True)
            data = {"from": hold.lane, "to": access.lane, "not_before": row["not_before"]}
            add_event(tx, row["id"], "account", data, wake=True)
        return [row["id"] for row, _ in moves]

    return context.store.write(write, durable=True)


@dataclass(frozen=True)
class _Sharing:
    context: Context
    hold: Hold
    others: Sequence[Keyed]
    waiting: frozenset[str]
    stuck: frozenset[str]

    def moves(self, source: Store | Transaction) -> list[tuple[Row, Access]]:
        """Which jobs go where, oldest first."""
        found: list[tuple[Row, Access]] = []
        taken: dict[str, int] = {}
        by_model: dict[str, dict[str, _Load]] = {}
        paused = _loads(source, [self.hold.lane], "")[self.hold.lane].paused
        for row in source.rows(
            "SELECT * FROM jobs WHERE lane = ? AND state = 'queued' AND posts = 0 AND cancel = 0 ORDER BY seq LIMIT ?",
            (self.hold.lane, MOST),
        ):
            late = float(row["not_before"]) > source.now() + SOON_S
            if row["id"] not in self.waiting or not (paused or late or row["model"] in self.stuck):
                continue
            if source_of(json.loads(row["inputs"])) is not None:
                continue
            model = str(row["model"])
            if model not in by_model:
                by_model[model] = _loads(source, [one.access.lane for one in self.others], model)
            loads, limit = by_model[model], limit_of(self.context, model)
            refused = _refused(source, row["id"])
            free = [
                one
                for one in self.others
                if refused.get(one.access.lane, 0.0) <= source.now()
                and not loads[one.access.lane].paused
                and loads[one.access.lane].free(limit) > taken.get(one.access.lane, 0)
            ]
            if free:
                best = min(free, key=lambda one: _held(loads[one.access.lane], one) + taken.get(one.access.lane, 0))
                taken[best.access.lane] = taken.get(best.access.lane, 0) + 1
                found.append((row, best.access))
        return found


def _refused(source: Store | Transaction, job: str) -> dict[str, float]:
    """For each account that refused it before: until when the job must wait there."""
    rows = source.rows("SELECT data FROM events WHERE job = ? AND kind = 'account' ORDER BY seq", (job,))
    moves: list[JsonObject] = [json.loads(row["data"]) for row in rows]
    return {str(move["from"]): float(move["not_before"]) for move in moves}


def put_on(tx: Transaction, row: Row, access: Access, *, again: bool) -> None:
    """Move a job to another account, with its money. again: uploads and the request made for the first account are made
    again, since nothing was sent."""
    lanes.add_lane(tx, access.lane, row["provider"], row["kind"])
    prepared = named(json.loads(row["prepared"]), access.account)
    tx.run(
        "UPDATE jobs SET lane = ?, base_url = ?, prepared = ? WHERE id = ?",
        (access.lane, access.base_url, to_json(prepared | (UNWORDED if again else {})), row["id"]),
    )
    if again:
        tx.run("UPDATE jobs SET refs = '{}', not_before = 0, phase = '' WHERE id = ?", (row["id"],))
    tx.run("UPDATE ledger SET lane = ? WHERE job = ?", (access.lane, row["id"]))


def named(prepared: JsonObject, account: str) -> JsonObject:
    """A stored prepared request with the name of the account that sends it, "" for a provider's only one."""
    wire = {key: value for key, value in prepared["wire"].items() if key != ACCOUNT}
    return prepared | {"wire": wire | ({ACCOUNT: account} if account else {})}
