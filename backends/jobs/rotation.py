"""When keys change: running jobs of an account that nobody here has the key of, adopted by another key of the same
provider and server once it has shown that it may see them (one free question each).

Queued jobs are not adopted: whose account pays is a person's decision (`reelwright jobs rebind`).
"""

from __future__ import annotations

import json
from typing import cast

from backends.backend import RemoteBackend, registered
from backends.errors import VideoError
from backends.jobs import codec, lanes
from backends.jobs.context import Context
from backends.jobs.lanes import Lease
from backends.jobs.store import Row, Transaction, add_event

ADOPT_AGAIN_S = 60.0
"""How long a lane whose jobs our key may not see is left alone."""

ADOPTABLE = "state IN ('running', 'downloading', 'finishing') AND handle IS NOT NULL"


def adoptable(context: Context, lane: Row) -> bool:
    """Whether our own credential for the lane's provider and server may ask for its running jobs."""
    if lane["kind"] != "remote" or context.why_not(lane["provider"]) is not None:
        return False
    ours = context.access(lane["provider"]).lane
    if ours == lane["key"] or lanes.server_of(ours) != lanes.server_of(lane["key"]):
        return False
    return context.store.row(f"SELECT 1 FROM jobs WHERE lane = ? AND {ADOPTABLE} LIMIT 1", (lane["key"],)) is not None


async def adopt(context: Context, lane: Row, lease: Lease) -> int:
    """Ask for every running job of the lane with our own key and take those that answer; how many.

    lease: of that lane, so that nobody else drives it meanwhile.
    """
    access = context.access(lane["provider"])
    backend = cast(RemoteBackend, registered(lane["provider"]).open(context.env, access.base_url))
    taken = 0
    try:
        for row in context.store.rows(f"SELECT id, handle FROM jobs WHERE lane = ? AND {ADOPTABLE}", (lane["key"],)):
            try:
                handle = codec.handle_from_json(json.loads(row["handle"]))
                await backend.status(handle, context.artifacts.spool(row["id"]))
            except VideoError:
                continue
            job = str(row["id"])
            context.store.write(lambda tx, job=job: _move_lane(tx, lease, job, lane, access.lane), durable=True)
            taken += 1
    finally:
        await backend.aclose()
    return taken


def _move_lane(tx: Transaction, lease: Lease, job: str, lane: Row, ours: str) -> None:
    lanes.fence(tx, lease.key, lease.epoch)
    lanes.add_lane(tx, ours, lane["provider"], lane["kind"])
    tx.run("UPDATE jobs SET lane = ? WHERE id = ?", (ours, job))
    tx.run("UPDATE ledger SET lane = ? WHERE job = ?", (ours, job))
    add_event(tx, job, "note", {"adopted_from": lane["key"]}, wake=True)
