"""What a paid POST has come to: not sent, refused, taken, or nobody knows.

- not sent (no connection): nothing was charged, the job goes back to the queue.
- refused (4xx): nothing was charged, the money is released; a documented 429 goes back with its Retry-After.
- ambiguous (time-out, reset, 5xx, a killed process): looked up by key or by listing where the provider can (`lookup`);
  otherwise `uncertain`, the money stays held, and a person decides.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio

from backends.errors import VideoError
from backends.jobs import records
from backends.jobs.crashpoints import crash_point
from backends.jobs.lanes.state import LaneState
from backends.jobs.money import reported_cost, settle
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Transaction, to_json
from backends.provider.protocol import Handle

if TYPE_CHECKING:
    from backends.jobs.run.remote import RemoteRun

MAX_TRIES = 20
"""How often a job goes back to the queue after a failure (never after an ambiguous POST that was not looked up)."""

CROWDED = frozenset({"rate_limited", "concurrency"})
"""Refusals that say "not now": a job waits in the queue for as long as they last."""

STORAGE_AGAIN_S = 1.0

MAX_WAIT_S = 3600.0
"""The longest that a service may ask a refused job to wait before it tries again."""

UNCLEAR = "the paid request got no clear answer: "
"""How the note begins that keeps the service's own words for the person who may have to decide."""


def bind(run: RemoteRun, handle: Handle) -> None:
    """The provider has taken the job: its id goes to the id log first, then into the row, both on disk.

    An id that is another job's already is nobody's word: the person decides.
    """
    lane = run.lane
    if other := holder(run, handle.remote_id):
        make_uncertain(run, f"the provider gave it the id {handle.remote_id}, which is job {other}'s already")
        return
    with suppress(OSError):  # a full disk: the row may still take it, and else this is repeated
        lane.ids.append(run.job, lane.hold.lane, handle)
    crash_point("after-id-log")

    def write(tx: Transaction) -> None:
        records.move(
            tx,
            lane.hold,
            run.job,
            "running",
            handle=to_json(codec.handle_to_json(handle)),
            remote_id=handle.remote_id,
            accepted_at=time.time(),
            phase="accepted by the provider",
        )
        lane.breaker.worked(tx)
        if (row := tx.row("SELECT * FROM jobs WHERE id = ?", (run.job,))) is not None:
            reported_cost.announced(tx, row, handle.est_cost_usd)

    lane.context.store.write(write, durable=True)
    crash_point("after-id")


def holder(run: RemoteRun, remote_id: str) -> str:
    """The other job that has this id; "" when none has."""
    return records.holders(run.lane.context.store, run.row(), [remote_id]).get(remote_id, "")


def taken(run: RemoteRun, handle: Handle) -> None:
    """The paid POST was answered with an id. One that is another job's already says nothing of this one: it is looked
    up, like any unclear answer."""
    if other := holder(run, handle.remote_id):
        text = f"the provider gave it the id {handle.remote_id}, which is job {other}'s already"
        refused(run, run.row(), VideoError("submit_unknown", text, charged="unknown"))
    else:
        bind(run, handle)


async def written_down(run: RemoteRun, work: Callable[[], None]) -> None:
    """Do `work` until it is on disk. What a paid POST has come to is known to nobody but this process."""
    while True:
        try:
            work()
            return
        except VideoError as error:
            if error.kind != "storage":
                raise
            print(f"job {run.job}: what the provider has answered cannot be written yet: {error.message}", flush=True)  # noqa: T201 - the worker's log
            await anyio.sleep(STORAGE_AGAIN_S)


def refused(run: RemoteRun, row: Row, error: VideoError) -> None:
    """The POST ended in an error: which of the three kinds is it?"""
    if error.kind == "submit_unknown" or error.charged == "unknown":
        phase = f"the submit has no clear answer ({error.message}); looking it up"

        def write(tx: Transaction) -> None:
            run.lane.breaker.failed(tx, error)
            records.note(tx, run.job, f"{UNCLEAR}{error.message}")
            records.move(tx, run.lane.hold, run.job, "submitting", phase=phase[:200])

        run.lane.context.store.write(write)
    elif error.charged == "no" and error.retryable and (error.kind in CROWDED or row["attempts"] < MAX_TRIES):
        requeue(run, row, error)
    else:
        run.fail(error)


def requeue(run: RemoteRun, row: Row, error: VideoError, *, counted: bool = False) -> None:
    """Back to the queue, known to be unpaid; the provider's Retry-After holds, else a growing wait with jitter.

    counted: the request may have been sent, so that it counts among the two of a job's life.
    """
    tries = int(row["attempts"]) + 1
    wait = error.retry_after_s
    if wait is None:
        wait = min(300.0, 2.0 ** min(tries, 9)) * random.uniform(0.8, 1.2)
    else:  # many jobs were told the same: they must not all come back at once
        wait = min(MAX_WAIT_S, max(0.5, wait)) * random.uniform(1.0, 1.2)

    def write(tx: Transaction) -> None:
        run.lane.breaker.failed(tx, error)
        known = tx.row("SELECT posts FROM jobs WHERE id = ?", (run.job,))
        posts = int(known["posts"]) if known else 0
        if error.kind in CROWDED and tries == MAX_TRIES:
            records.note(tx, run.job, f"the provider has refused it {tries} times ({error.message}); it goes on trying")
        records.move(
            tx,
            run.lane.hold,
            run.job,
            "queued",
            attempts=tries,
            not_before=time.time() + wait,
            posted_at=None,
            posts=posts if counted else max(0, posts - (row["state"] == "submitting")),
            phase=f"not taken, trying again in {wait:.0f} s: {error.message}"[:200],
        )

    run.lane.context.store.write(write, durable=True)


def make_uncertain(run: RemoteRun, why: str) -> None:
    """Nobody knows whether it is paid: hold the money and leave the decision to a person at a terminal."""
    said = next((note for note in json.loads(run.row()["notes"])[::-1] if note.startswith(UNCLEAR)), "")
    text = (
        f"{why}. The money stays reserved. At a terminal: reelwright jobs resolve {run.job} "
        "--bind REMOTE_ID | --retry-and-accept-second-charge | --write-off"
        f"{'. ' + said if said else ''}"
    )

    run.lane.context.store.write(lambda tx: settle.leave_to_person(tx, run.lane.hold, run.job, text), durable=True)


def may_ask_again(error: VideoError) -> bool:
    """Whether a question that failed is worth repeating: everything but a clear "there is no such job"."""
    return error.retryable or error.kind not in ("not_found", "invalid_request", "unsupported", "model_retired")


def cost_of(result: dict[str, Any]) -> Decimal | None:
    text = result.get("cost_usd")
    return None if text is None else Decimal(text)


def parent_handle(lane: LaneState, row: Row) -> Handle | None:
    """The provider's job that the source clip came from, when it is one of this very lane."""
    entry = json.loads(row["inputs"]).get("source_clip", {})
    job = entry.get("from_job") or entry.get("job")
    if not job:
        return None
    parent = lane.context.store.row("SELECT handle FROM jobs WHERE id = ? AND lane = ?", (job, lane.hold.lane))
    if parent is None or parent["handle"] is None:
        return None
    return codec.handle_from_json(json.loads(parent["handle"]))
