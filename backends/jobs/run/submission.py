"""The outcome of a paid request: not sent, refused, accepted, or unknown.

- not sent (no connection): nothing was charged, the job goes back to the queue.
- refused (4xx): nothing was charged, the money is released; a documented 429 goes back to the queue with its
  Retry-After.
- ambiguous (time-out, reset, 5xx, a killed process): looked up by key or by listing where the provider can (`lookup`);
  otherwise `uncertain`: the money stays held, and the user decides.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import anyio

from backends.errors import VideoError
from backends.jobs import late_ids, records
from backends.jobs.crashpoints import crash_point
from backends.jobs.lanes.lanes import Fenced
from backends.jobs.money import reported_cost
from backends.jobs.run.open_job import UNCLEAR, OpenJob
from backends.jobs.store import codec
from backends.jobs.store.database import Transaction, to_json
from backends.jobs.store.stored_job import StoredJob
from backends.provider.protocol import Handle

MAX_TRIES = 20
"""How often a job goes back to the queue after a failure (never after an ambiguous request that was not looked up)."""

CROWDED = frozenset({"rate_limited", "concurrency"})
"""Refusals that mean "not now": a job waits in the queue for as long as they last."""

STORAGE_AGAIN_S = 1.0

MAX_WAIT_S = 3600.0
"""The longest wait that a service may ask of a refused job, seconds."""


class Submission:
    """For one job: its paid requests, one after the other."""

    def __init__(self, job: OpenJob) -> None:
        self._job = job

    def taken(self, handle: Handle) -> None:
        """The paid request was answered with an id. An id that already belongs to another job says nothing about this
        one: it is looked up, like any unclear answer."""
        if other := self._holder(handle.remote_id):
            text = f"the provider gave it the id {handle.remote_id}, which is job {other}'s already"
            self.refused(VideoError("submit_unknown", text, charged="unknown"))
        else:
            self.bind(handle)

    def bind(self, handle: Handle) -> None:
        """The provider has accepted the job: its id goes to the journal first, then into the row, both on disk.

        An id that already belongs to another job is not believed: the user decides.
        """
        job, lane = self._job, self._job.lane
        if other := self._holder(handle.remote_id):
            job.leave_to_user(f"the provider gave it the id {handle.remote_id}, which is job {other}'s already")
            return
        with suppress(OSError):  # a full disk: the row may still take it; if not, this is repeated
            lane.ids.append(job.id, lane.hold.lane, handle)
        crash_point("after-id-log")

        def write(tx: Transaction) -> None:
            records.move(
                tx,
                lane.hold,
                job.id,
                "running",
                handle=to_json(codec.handle_to_json(handle)),
                remote_id=handle.remote_id,
                accepted_at=tx.now(),
                phase="accepted by the provider",
            )
            lane.breaker.worked(tx)
            if (row := tx.row("SELECT * FROM jobs WHERE id = ?", (job.id,))) is not None:
                reported_cost.announced(tx, row, handle.est_cost_usd)

        try:
            job.write(write, durable=True)
        except Fenced:  # another process drives the lane by now: it must learn the id, or the user will be asked
            job.write(lambda tx: late_ids.leave(tx, job.id, handle), durable=True)
            raise
        crash_point("after-id")

    def _holder(self, remote_id: str) -> str:
        """The other job with this id; "" when there is none."""
        return records.holders(self._job.store, self._job.read().row, [remote_id]).get(remote_id, "")

    def refused(self, error: VideoError) -> None:
        """The request ended in an error: which of the three kinds is it?"""
        job, now = self._job, self._job.read()
        if error.kind == "submit_unknown" or error.charged == "unknown":
            phase = f"the submit has no clear answer ({error.message}); looking it up"

            def write(tx: Transaction) -> None:
                job.lane.breaker.failed(tx, error)
                records.note(tx, job.id, f"{UNCLEAR}{error.message}")
                records.move(tx, job.lane.hold, job.id, "submitting", phase=phase[:200])

            job.write(write)
        elif error.charged == "no" and error.retryable and (error.kind in CROWDED or now.attempts < MAX_TRIES):
            self.requeue(now, error)
        else:
            job.fail(error)

    def requeue(self, now: StoredJob, error: VideoError, *, counted: bool = False) -> None:
        """Back to the queue, known to be unpaid; after the provider's Retry-After, else after a growing wait with
        jitter.

        counted: the request may have been sent, so that it counts among the two of a job's life.
        """
        job, tries = self._job, now.attempts + 1
        wait = error.retry_after_s
        if wait is None:
            wait = min(300.0, 2.0 ** min(tries, 9)) * random.uniform(0.8, 1.2)
        else:  # many jobs got the same answer: they must not all come back at once
            wait = min(MAX_WAIT_S, max(0.5, wait)) * random.uniform(1.0, 1.2)

        def write(tx: Transaction) -> None:
            job.lane.breaker.failed(tx, error)
            known = tx.row("SELECT posts FROM jobs WHERE id = ?", (job.id,))
            posts = int(known["posts"]) if known else 0
            if error.kind in CROWDED and tries == MAX_TRIES:
                text = f"the provider has refused it {tries} times ({error.message}); it goes on trying"
                records.note(tx, job.id, text)
            records.move(
                tx,
                job.lane.hold,
                job.id,
                "queued",
                attempts=tries,
                not_before=tx.now() + wait,
                posted_at=None,
                posts=posts if counted else max(0, posts - (now.state == "submitting")),
                phase=f"not taken, trying again in {wait:.0f} s: {error.message}"[:200],
            )

        job.write(write, durable=True)

    async def written_down(self, work: Callable[[], None]) -> None:
        """Repeat `work` until it is on disk. Only this process knows the outcome of a paid request."""
        while True:
            try:
                work()
                return
            except VideoError as error:
                if error.kind != "storage":
                    raise
                text = f"the provider's answer cannot be saved yet: {error.message}"
                print(f"job {self._job.id}: {text}", flush=True)  # noqa: T201 - the worker's log
                await anyio.sleep(STORAGE_AGAIN_S)
