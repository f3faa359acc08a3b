"""From `queued` to the one paid request: the wait for its time and place, the inputs, the claim, the request."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
from anyio import to_thread

from backends.errors import VideoError
from backends.jobs import records, recovery
from backends.jobs.crashpoints import crash_point
from backends.jobs.lanes.lanes import Fenced
from backends.jobs.lanes.locks import awake_or_not
from backends.jobs.money import ledger, limits, settle
from backends.jobs.run.inputs_ready import ready
from backends.jobs.run.open_job import OpenJob, Presence
from backends.jobs.run.submission import MAX_TRIES, Submission
from backends.jobs.store import codec
from backends.jobs.store.database import Transaction, to_json
from backends.jobs.store.stored_job import StoredJob
from backends.provider.protocol import Done, Handle, Prepared, Ref

log = logging.getLogger("reelwright.worker")

MAX_WAIT_S = 3600.0

CLAIM_S = 5.0
"""The oldest claim, in seconds, with which a request may be sent: a process that was stopped for longer may count as
dead meanwhile."""


class Purchase:
    """For one job. presence: its place among the jobs of its model."""

    def __init__(self, job: OpenJob, presence: Presence, submission: Submission) -> None:
        self._job = job
        self._presence = presence
        self._submission = submission
        self._again = (0.0, 0.0)

    async def step(self, now: StoredJob) -> None:
        """One try of a queued job."""
        if now.cancel:
            self._job.write(lambda tx: settle.cancel(tx, self._job.lane.hold, self._job.id, "no"), durable=True)
            return
        if (wait := self._wait_s(now.not_before)) > 0:
            await self._job.pause(wait)
            return
        if await self._paused():
            return
        # The gate comes first: a provider keeps an upload for an hour, and it must not wait in our queue for hours.
        await self._presence.enter(now.model)
        try:
            await self._buy(self._job.read())
        finally:
            if self._job.read().state in ("queued", "submitting", *records.FINAL):
                self._presence.leave()

    def _wait_s(self, not_before: float) -> float:
        """Seconds until the next try; measured from the first look, so that a clock that is set back does not make them
        an hour."""
        if self._again[0] != not_before:
            self._again = (not_before, time.monotonic() + min(MAX_WAIT_S, not_before - self._job.store.now()))
        return self._again[1] - time.monotonic()

    async def _paused(self) -> bool:
        """Whether nothing may be bought now; if so, it returns after some waiting."""
        closed_for, why = self._job.lane.breaker.open_for()
        if closed_for > 0:
            self._job.say(f"paused: {why}")
            self._presence.leave()
            await self._job.pause(min(closed_for, 30.0))
        return closed_for > 0

    async def _buy(self, now: StoredJob) -> None:
        """With a place at the service: prepare, claim, and send the one request."""
        if now.state != "queued" or now.cancel or now.lane != self._job.lane.hold.lane:
            return
        job = self._job
        try:  # before the first byte of an input leaves this machine
            ledger.recheck(job.store, job.id, now.provider, now.est_high)
        except VideoError as error:
            self._not_now(error)
            return
        try:
            prepared, refs = await self._prepare(now)
        except VideoError as error:
            if error.kind == "storage":
                raise
            if error.retryable and error.charged == "no" and now.attempts < MAX_TRIES:
                self._submission.requeue(now, error)
            else:
                job.fail(error)
            return
        if await self._paused():  # other jobs have failed meanwhile
            return
        async with job.lane.posts.posting():
            if self._claim():
                claimed = awake_or_not()
                with suppress(OSError):  # a full disk: the id is in the row
                    recovery.journal_request(job.lane.ids, job.store, job.id)
                await self._post(prepared, refs, claimed)

    async def _prepare(self, now: StoredJob) -> tuple[Prepared, dict[str, Ref]]:
        """Inputs as files, the request's body fixed in the row, uploads done and recorded."""
        job = self._job
        prepared = await ready(job.context, job.lane.hold, now.row)
        if not prepared.body:
            assets, known_notes = prepared.assets, prepared.notes
            prepared = job.backend.prepare(prepared.request, prepared, self._parent_handle(now))
            prepared = codec.with_assets(prepared, assets)
            job.move(now.state, prepared=to_json(codec.prepared_to_json(prepared)))
            if notes := [note for note in prepared.notes if note not in known_notes]:
                job.note(*notes)
        refs = dict(job.read().refs)
        for place in prepared.uploads:
            known = refs.get(place)
            if known is not None and (known.expires_at is None or known.expires_at > time.time() + 600):
                continue
            crash_point("before-upload")
            refs[place] = await job.backend.upload(prepared, prepared.assets[place])
            crash_point("after-upload")
            job.move(now.state, refs=to_json({name: codec.ref_to_json(ref) for name, ref in refs.items()}))
        return prepared, refs

    def _parent_handle(self, now: StoredJob) -> Handle | None:
        """The provider's job that made the source clip, when it belongs to this very lane."""
        entry = json.loads(now.row["inputs"]).get("source_clip", {})
        source = entry.get("from_job") or entry.get("job")
        if not source:
            return None
        lane = self._job.lane.hold.lane
        parent = self._job.store.row("SELECT handle FROM jobs WHERE id = ? AND lane = ?", (source, lane))
        if parent is None or parent["handle"] is None:
            return None
        return codec.handle_from_json(json.loads(parent["handle"]))

    def _claim(self) -> bool:
        """Record the intent, and check the limits once more; False when the job must not be sent now."""
        job = self._job

        def write(tx: Transaction) -> bool:
            row = tx.row("SELECT state, cancel, provider, est_high, posts FROM jobs WHERE id = ?", (job.id,))
            if row is None or row["state"] != "queued" or row["cancel"]:
                return False
            ledger.check_held(tx, job.id, row["est_high"])
            ledger.recheck(tx, job.id, row["provider"], row["est_high"])
            ledger.pay_today(tx, job.id)
            now, posts = tx.now(), int(row["posts"]) + 1
            records.move(
                tx,
                job.lane.hold,
                job.id,
                "submitting",
                posts=posts,
                posted_at=now,
                started_at=now,
                phase="sending the request",
            )
            return True

        try:
            return job.write(write, durable=True)
        except VideoError as error:
            self._not_now(error)
            return False

    def _not_now(self, error: VideoError) -> None:
        """A limit has no room: for a limit of a day the job waits until tomorrow; any other limit ends it."""
        if error.kind != "wall":
            raise error
        if not error.retryable:
            self._job.fail(error)
            return
        wait = min(60.0, error.retry_after_s or 60.0)
        phase = f"{limits.WAITS}: {error.message}"[:200]
        self._job.move("queued", not_before=self._job.store.now() + wait, phase=phase)

    async def _is_too_late(self, claimed: float) -> bool:
        """The last check before the money is spent: whether so much time has passed since the claim that the job goes
        back to the queue. Fenced when the lane's lock is no longer ours: then nothing is sent."""
        lane = self._job.lane
        if not await to_thread.run_sync(lane.lock.held):  # a server may be silent
            raise Fenced(lane.hold.lane)
        return awake_or_not() - claimed > CLAIM_S

    def _back(self, tx: Transaction) -> None:
        """Nothing was sent: undo the claim."""
        row = tx.row("SELECT posts FROM jobs WHERE id = ?", (self._job.id,))
        posts = max(0, int(row["posts"]) - 1) if row else 0
        phase = "this machine stood still before the request was sent: trying again"
        records.move(tx, self._job.lane.hold, self._job.id, "queued", posts=posts, posted_at=None, phase=phase)

    async def _post(self, prepared: Prepared, refs: dict[str, Ref], claimed: float) -> None:
        """The one paid request, shielded: whatever happens here, its answer is recorded. claimed: the time when the
        claim was on disk (by `awake_or_not`)."""
        submission = self._submission
        with anyio.CancelScope(shield=True):
            crash_point("before-post")
            if await self._is_too_late(claimed):
                self._job.write(self._back, durable=True)
                return
            try:
                started = await self._job.backend.start(prepared, refs, self._job.id)
            except VideoError as error:
                await submission.written_down(partial(submission.refused, error))
                return
            except Exception as error:  # the only place that may leave it unknown whether the request was taken
                log.error("job %s: the paid request", self._job.id, exc_info=error)
                text = f"an unexpected failure of this program ({type(error).__name__}: {error})"[:200]
                unclear = VideoError("submit_unknown", text, charged="unknown")
                await submission.written_down(partial(submission.refused, unclear))
                return
            crash_point("after-post")
            if isinstance(started, Done):
                await submission.written_down(partial(self._took_done, started))
            else:
                await submission.written_down(partial(submission.taken, started))

    def _took_done(self, done: Done) -> None:
        """For a service that answers with the clip itself."""
        now = self._job.store.now()
        columns: dict[str, Any] = {}
        if done.handle is not None:
            columns = {"handle": to_json(codec.handle_to_json(done.handle)), "remote_id": done.handle.remote_id}
        files = [codec.file_to_json(file) for file in done.files]
        cost = None if done.cost_usd is None else str(done.cost_usd)
        result = self._job.result_to_row({"files": files, "cost_usd": cost})
        self._job.move("downloading", durable=True, accepted_at=now, remote_done_at=now, result=result, **columns)
