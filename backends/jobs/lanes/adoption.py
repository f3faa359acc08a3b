"""Adopting running jobs after a key or address has changed. A lane's running jobs that no credential here belongs to
are adopted by another key of the same provider and server, or by the same key at another address of that provider (a
proxy that is gone), once a free status check of each job has succeeded.

Queued jobs are not adopted: which account pays is the user's decision (`reelwright jobs rebind`).
"""

from __future__ import annotations

import json
from typing import cast

from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.lanes import lanes
from backends.jobs.lanes.balancing import put_on
from backends.jobs.lanes.lanes import Lease
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Transaction, add_event, to_json
from backends.jobs.store.journal import IdLog
from backends.jobs.store.schema import OPEN
from backends.provider.protocol import Access, RemoteBackend
from backends.provider.registry import registered

ADOPT_AGAIN_S = 60.0
"""Seconds until a lane whose jobs our key may not see is tried again."""

ADOPTABLE = "(state IN ('running', 'downloading', 'finishing') AND handle IS NOT NULL OR state = 'submitting')"
"""SQL: jobs that a provider can be asked about, including one that is submitting and whose id is in the journal."""


def adoptable(context: Context, lane: Row) -> bool:
    """Whether our own credential for the lane's provider and server may check its running jobs."""
    if lane["kind"] != "remote" or context.why_not(lane["provider"]) is not None:
        return False
    ours = context.access(lane["provider"]).lane
    if ours == lane["key"] or not _akin(ours, lane["key"]):
        return False
    return bool(_candidates(context, lane))


def _candidates(context: Context, lane: Row) -> list[Row]:
    """The open jobs of a lane whose id at the provider is known, with their handles."""
    rows = context.store.rows(
        f"SELECT id, state, handle FROM jobs WHERE lane = ? AND {OPEN} AND {ADOPTABLE}", (lane["key"],)
    )
    ids = IdLog.of(context.settings.home)
    for row in rows:
        if row["state"] == "submitting":
            known = ids.find(row["id"])
            row["handle"] = None if known is None else to_json(codec.handle_to_json(known))
    return [row for row in rows if row["handle"] is not None]


def _akin(ours: str, theirs: str) -> bool:
    """Whether one of the two may see the other's jobs: the same server, or the same account through another address."""
    if lanes.server_of(ours) == lanes.server_of(theirs):
        return True
    return bool(lanes.account_of(ours)) and lanes.account_of(ours) == lanes.account_of(theirs)


async def adopt(context: Context, lane: Row, lease: Lease) -> int:
    """Check every running job of the lane with our own key and move those that answer; returns how many.

    lease: of that lane, so that no other process drives it meanwhile.
    """
    access = context.access(lane["provider"])
    backend = cast(RemoteBackend, registered(lane["provider"]).open(context.env, access.base_url))
    taken = 0
    try:
        for row in _candidates(context, lane):
            try:
                handle = codec.handle_from_json(json.loads(row["handle"]))
                await backend.status(handle, context.artifacts.spool(row["id"]))
            except VideoError:
                continue
            job = str(row["id"])
            context.store.write(lambda tx, job=job: _move_lane(tx, lease, job, lane, access), durable=True)
            taken += 1
    finally:
        await backend.aclose()
    return taken


def _move_lane(tx: Transaction, lease: Lease, job: str, lane: Row, ours: Access) -> None:
    lanes.fence(tx, lease.key, lease.epoch)
    if (row := tx.row("SELECT * FROM jobs WHERE id = ?", (job,))) is not None:
        put_on(tx, row, ours, again=False)
    add_event(tx, job, "note", {"adopted_from": lane["key"]}, wake=True)
