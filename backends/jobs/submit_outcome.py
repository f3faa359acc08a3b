"""What a paid POST has come to: not sent, refused, taken, or nobody knows; and the same for a cancel.

- not sent (no connection): nothing was charged, the job goes back to the queue.
- refused (4xx): nothing was charged, the money is released; a documented 429 goes back with its Retry-After.
- ambiguous (time-out, reset, 5xx, a killed process): looked up by key or by listing where the provider can;
  otherwise `uncertain`, the money stays held, and a person decides. It is never simply sent again.
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

from backends.backend import Handle, Status
from backends.errors import VideoError
from backends.jobs import codec, ledger, records
from backends.jobs.crash import crash_point
from backends.jobs.delivery import BackOff, pause
from backends.jobs.lane_state import LaneState
from backends.jobs.store import Row, Transaction, to_json

if TYPE_CHECKING:
    from backends.jobs.remote_run import RemoteRun

MAX_TRIES = 20
"""How often a job goes back to the queue after a failure (never after an ambiguous POST that was not looked up)."""

CROWDED = frozenset({"rate_limited", "concurrency"})
"""Refusals that say "not now": a job waits in the queue for as long as they last."""

LOOK_BACK_S = 86400.0
"""How far back a look-up goes when it has found nothing since the POST: one of the two clocks may be wrong."""

STORAGE_AGAIN_S = 1.0

SETTLE_S = 90.0
"""How long after an ambiguous POST a look-up may be believed: longer than any POST's time-out."""


def bind(run: RemoteRun, handle: Handle) -> None:
    """The provider has taken the job: its id goes to the id log first, then into the row, both on disk."""
    lane = run.lane
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
            phase="taken by the provider",
        )
        lane.breaker.worked(tx)

    lane.context.store.write(write, durable=True)
    crash_point("after-id")


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
        note = f"the submit has no clear answer ({error.message}); looking it up"

        def write(tx: Transaction) -> None:
            run.lane.breaker.failed(tx, error)
            records.move(tx, run.lane.hold, run.job, "submitting", phase=note[:200])

        run.lane.context.store.write(write)
    elif error.charged == "no" and error.retryable and (error.kind in CROWDED or row["attempts"] < MAX_TRIES):
        requeue(run, row, error)
    else:
        run.fail(error)


def requeue(run: RemoteRun, row: Row, error: VideoError) -> None:
    """Back to the queue, known to be unpaid; the provider's Retry-After holds, else a growing wait with jitter."""
    tries = int(row["attempts"]) + 1
    wait = error.retry_after_s
    if wait is None:
        wait = min(300.0, 2.0 ** min(tries, 9)) * random.uniform(0.8, 1.2)
    else:  # many jobs were told the same: they must not all come back at once
        wait = max(0.5, wait) * random.uniform(1.0, 1.2)

    def write(tx: Transaction) -> None:
        run.lane.breaker.failed(tx, error)
        records.move(
            tx,
            run.lane.hold,
            run.job,
            "queued",
            attempts=tries,
            not_before=time.time() + wait,
            posted_at=None,
            phase=f"not taken, trying again in {wait:.0f} s: {error.message}"[:200],
        )

    run.lane.context.store.write(write, durable=True)


async def resolve(run: RemoteRun, row: Row) -> None:
    """A job that is `submitting` with no POST under way: find out what became of its POST."""
    lane = run.lane
    known = lane.ids.find(run.job)
    if known is not None:
        bind(run, known)
        return
    if lane.backend.submit_dedupe == "none":
        make_uncertain(run, "the submit has no clear answer, and this provider offers no way to look it up")
        return
    since = float(row["posted_at"] or row["created_at"])
    if not await _settled(run):
        return
    back_off, begun = BackOff(), time.monotonic()
    while True:
        try:
            async with lane.posts.alone():
                await _look_up(run, row, since)
            return
        except VideoError as error:
            if not may_ask_again(error):
                make_uncertain(run, f"the look-up of an unclear submit failed: {error.message}")
                return
            if time.monotonic() - begun > 86400:
                make_uncertain(run, f"the provider could not be asked for a day: {error.message}")
                return
            await pause(back_off.next_s(error), run.woken)


async def _settled(run: RemoteRun) -> bool:
    """Wait until what the POST has done must show; whether it must. A wall clock put forward shortens nothing."""
    if run.unclear_since is None:
        run.unclear_since = time.monotonic()
    settle = run.lane.context.number("SETTLE_S", SETTLE_S)
    await pause(run.unclear_since + settle - time.monotonic(), run.woken)
    return run.unclear_since + settle <= time.monotonic()


async def _look_up(run: RemoteRun, row: Row, since: float) -> None:
    """Bind the job to what the provider holds for it, or put it back as surely not taken."""
    lane = run.lane
    prepared = codec.prepared_from_json(json.loads(row["prepared"]))
    for start in (since - 5.0, since - LOOK_BACK_S):
        crash_point("before-reconcile")
        found = await lane.backend.reconcile(prepared, run.job, start)
        crash_point("after-reconcile")
        if free := _unbound(run, row, found):
            bind(run, free[0])
            return
        if lane.backend.submit_dedupe == "key":  # a key has no clock
            break
    run.unclear_since = None
    requeue(run, row, VideoError("network", "the provider holds no such job: it was not taken", retryable=True))


def _unbound(run: RemoteRun, row: Row, found: list[Handle]) -> list[Handle]:
    """Those that are no other job's, on any lane of the same server: two keys may belong to one account."""
    bound = {
        str(other["remote_id"])
        for other in run.lane.context.store.rows(
            "SELECT remote_id FROM jobs WHERE provider = ? AND base_url = ? AND remote_id IS NOT NULL AND id <> ?",
            (row["provider"], row["base_url"], run.job),
        )
    }
    return [handle for handle in found if handle.remote_id not in bound]


def make_uncertain(run: RemoteRun, why: str) -> None:
    """Nobody knows whether it is paid: hold the money and leave the decision to a person at a terminal."""
    text = (
        f"{why}. The money stays reserved. At a terminal: reelwright jobs resolve {run.job} "
        "--bind REMOTE_ID | --retry-and-accept-second-charge | --write-off"
    )

    def write(tx: Transaction) -> None:
        ledger.hold(tx, run.job)
        records.note(tx, run.job, text)
        error = VideoError("submit_unknown", text, charged="unknown")
        records.move(tx, run.lane.hold, run.job, "uncertain", phase="needs a person", error=to_json(error.to_json()))

    run.lane.context.store.write(write, durable=True)


def may_ask_again(error: VideoError) -> bool:
    """Whether a question that failed is worth repeating: everything but a clear "there is no such job"."""
    return error.retryable or error.kind not in ("not_found", "invalid_request", "unsupported", "model_retired")


async def cancel(run: RemoteRun, handle: Handle) -> bool:
    """Cancel at the provider; whether the job has ended by it."""
    try:
        crash_point("before-cancel")
        outcome = await run.lane.backend.cancel(handle)
        crash_point("after-cancel")
    except VideoError as error:
        if error.retryable:
            return False
        run.cancel_sent = True
        text = f"the provider refused to cancel: {error.message}"
        run.lane.context.store.write(lambda tx: records.note(tx, run.job, text))
        return False
    run.cancel_sent = True
    billed = {"no": "it is not billed", "yes": "it is still billed", "unknown": "it may still be billed"}
    words = (
        outcome.message
        or {
            "stopped": "stopped at the provider",
            "requested": "cancelling was asked for; it may still finish, and then the clip is kept",
            "unsupported": "this provider cannot stop a job: it runs on, and the clip will be kept",
        }[outcome.outcome]
    )

    def write(tx: Transaction) -> None:
        records.note(tx, run.job, f"{words}; {billed[outcome.billed]}")
        if outcome.outcome == "stopped":
            _book_cancel(tx, run, outcome.billed)

    run.lane.context.store.write(write, durable=True)
    return outcome.outcome == "stopped"


def was_cancelled(run: RemoteRun, status: Status) -> None:
    """The provider says that the job is cancelled (by us or by somebody at its web page)."""
    error = status.error
    billed = error.charged if error is not None else "no" if status.cost_usd == 0 else "unknown"
    run.lane.context.store.write(lambda tx: _book_cancel(tx, run, billed, status.cost_usd), durable=True)


def _book_cancel(tx: Transaction, run: RemoteRun, billed: str, cost: Decimal | None = None) -> None:
    columns: dict[str, Any] = {}
    if cost is not None and cost > 0:
        ledger.settle(tx, run.job, ledger.to_micro(cost), "reported")
        columns = {"cost": ledger.to_micro(cost), "cost_basis": "reported by the provider"}
    elif billed == "no":
        ledger.release(tx, run.job)
        columns = {"matchable": 0, "cost": 0, "cost_basis": "not charged"}
    else:
        reserved = ledger.reserved(tx, run.job)
        ledger.settle(tx, run.job, reserved, "reservation")
        columns = {"cost": reserved, "cost_basis": "may have been charged: the reservation"}
    records.move(tx, run.lane.hold, run.job, "cancelled", **columns)


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
