"""One paid remote job, step by step: its state in the row is all that a step needs, so any step may be the first
after a crash.

    queued -> submitting   inputs ready, uploads remembered, intent + reservation + key on disk; then ONE paid POST
    submitting -> running  the provider's id on disk; an ambiguous POST is looked up, never sent again
    running -> downloading the provider says it is done
    downloading -> finishing -> succeeded   the clip is here
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any, cast

import anyio

from backends.errors import VideoError
from backends.jobs import records, recovery
from backends.jobs.crashpoints import crash_point
from backends.jobs.lanes.lanes import Fenced
from backends.jobs.lanes.state import LaneState
from backends.jobs.money import ledger, limits, settle
from backends.jobs.run import arrival, cancelling, doubt, lookup, submission
from backends.jobs.run.download import BackOff, pause
from backends.jobs.run.inputs_ready import ready
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Transaction, to_json
from backends.provider.protocol import Done, Handle, Prepared, Ref, Status

log = logging.getLogger("reelwright.worker")

CANCEL_AGAIN_S = 5.0
MAX_WAIT_S = 3600.0
MAX_POLL_WAIT_S = 300.0
"""The longest that a service may ask to be left alone while a paid job is open."""

SURPRISES_UNPAID = 3
"""How often a step that nothing has been paid for is tried again after a failure that nobody foresaw."""

SURPRISES_S = 86400.0
"""How long the steps of a paid job are tried again after such failures; then it waits for a person."""

SILENCE_FACTOR, SILENCE_MIN_S = 30.0, 6 * 3600.0
"""A job that has run so many times as long as its model usually takes (and so long at least) is uncertain."""


class RemoteRun:
    """Drives one remote job. `wake` it when its row has changed (a cancel, a person's decision)."""

    def __init__(self, lane: LaneState, job: str) -> None:
        self.lane = lane
        self.job = job
        self.woken = anyio.Event()
        self.cancel_sent = False
        self.unclear_since: float | None = None
        self.looks = 0
        self.doubted = 0.0
        self._inside = False
        self._surprises = BackOff()
        self._cancel_at = 0.0
        self._again = (0.0, 0.0)

    def wake(self) -> None:
        self.woken.set()
        self.woken = anyio.Event()

    async def run(self) -> None:
        """Until the job is settled or this process no longer drives the lane."""
        steps = {
            "queued": self._submit,
            "submitting": self._settle_submit,
            "running": self._poll,
            "downloading": self._deliver,
            "finishing": self._deliver,
        }
        try:
            while (step := steps.get((row := self.row())["state"])) is not None:
                if row["state"] not in ("queued", "submitting") and not self._inside:
                    self.lane.gate(row["model"]).adopt()
                    self._inside = True
                try:
                    await step(row)
                    self._surprises.reset()
                except VideoError as error:
                    if error.kind == "storage":
                        with suppress(VideoError):
                            self.say(error.message)
                        await pause(30.0, self.woken)
                    elif self.row()["state"] in steps:  # else a person has ended it meanwhile
                        await self._surprised(error)
                except Fenced:
                    raise
                except Exception as error:  # no verdict on the job: what is paid for is asked for again
                    await self._surprised(error)
        finally:
            self._leave_gate()
            with suppress(OSError, VideoError):
                recovery.journal_ended(self.lane.ids, self.lane.context.store, self.job)

    async def _surprised(self, error: Exception) -> None:
        """A failure that no step foresaw. Outside the paid POST it says nothing of the job: it is tried again."""
        row = self.row()
        text = f"an unexpected failure of this program ({type(error).__name__}: {error})"[:200]
        log.error("job %s: %s", self.job, text, exc_info=error)
        wait = self._surprises.next_s()
        if row["state"] == "queued" and self._surprises.failures > SURPRISES_UNPAID:
            self.fail(VideoError("provider", f"{text}; nothing was sent or charged"))
        elif row["state"] != "queued" and time.monotonic() - self._surprises.since > SURPRISES_S:
            submission.make_uncertain(self, text)
        else:
            trouble = VideoError("provider", text, retryable=True)
            self.lane.context.store.write(lambda tx: self.lane.breaker.failed(tx, trouble))
            self.say(f"{text}; trying again in {wait:.0f} s")
            await pause(wait, self.woken)

    def row(self) -> Row:
        row = self.lane.context.store.row("SELECT * FROM jobs WHERE id = ?", (self.job,))
        assert row is not None
        return row

    def move(self, state: records.State, *, durable: bool = False, **columns: Any) -> None:
        self.lane.context.store.write(
            lambda tx: records.move(tx, self.lane.hold, self.job, state, **columns), durable=durable
        )

    def say(self, phase: str) -> None:
        """Show what it waits for."""
        row = self.row()
        if row["phase"] != phase[:200]:
            self.move(row["state"], phase=phase[:200])

    def fail(self, error: VideoError, cost_usd: Decimal | None = None) -> None:
        """End it as failed. cost_usd: what the provider says that it costs all the same."""

        def write(tx: Transaction) -> None:
            self.lane.breaker.failed(tx, error)
            settle.fail(tx, self.lane.hold, self.job, error, cost_usd)

        self.lane.context.store.write(write, durable=True)
        if error.charged == "no":  # else what has arrived is paid for, and stays
            self.lane.context.artifacts.clear_spool(self.job)

    def _cancel_unpaid(self) -> None:
        self.lane.context.store.write(lambda tx: settle.cancel(tx, self.lane.hold, self.job, "no"), durable=True)

    def _leave_gate(self) -> None:
        if self._inside:
            self._inside = False
            self.lane.gate(self.row()["model"]).leave()

    # queued

    async def _submit(self, row: Row) -> None:
        if row["cancel"]:
            self._cancel_unpaid()
            return
        if (wait := self._wait_s(row["not_before"])) > 0:
            await pause(wait, self.woken)
            return
        if await self._paused():
            return
        # The gate comes before the uploads: what a provider keeps for an hour must not wait for hours in our queue.
        await self.lane.gate(row["model"]).enter()
        self._inside = True
        try:
            await self._buy(self.row())
        finally:
            if self.row()["state"] in ("queued", "submitting", *records.FINAL):
                self._leave_gate()

    def _wait_s(self, not_before: float) -> float:
        """Seconds until it may be tried; counted from the first look, so that no clock set back makes them an hour."""
        if self._again[0] != not_before:
            self._again = (not_before, time.monotonic() + min(MAX_WAIT_S, not_before - time.time()))
        return self._again[1] - time.monotonic()

    async def _paused(self) -> bool:
        """Whether nothing may be bought now; if so, after a while of waiting."""
        closed_for, why = self.lane.breaker.open_for()
        if closed_for > 0:
            self.say(f"paused: {why}")
            self._leave_gate()
            await pause(min(closed_for, 30.0), self.woken)
        return closed_for > 0

    async def _buy(self, row: Row) -> None:
        """Inside the gate: prepare, claim, and send the one POST."""
        if row["state"] != "queued" or row["cancel"]:
            return
        try:  # before the first byte of an input leaves this machine
            ledger.recheck(self.lane.context.store, self.job, row["provider"], row["est_high"])
        except VideoError as error:
            self._not_now(error)
            return
        try:
            prepared, refs = await self._prepare(row)
        except VideoError as error:
            if error.kind == "storage":
                raise
            if error.retryable and error.charged == "no" and row["attempts"] < submission.MAX_TRIES:
                submission.requeue(self, row, error)
            else:
                self.fail(error)
            return
        if await self._paused():  # others have failed meanwhile
            return
        async with self.lane.posts.posting():
            if self._claim():
                with suppress(OSError):  # a full disk: the row has it
                    recovery.journal_asked(self.lane.ids, self.lane.context.store, self.job)
                await self._post(prepared, refs)

    async def _prepare(self, row: Row) -> tuple[Prepared, dict[str, Ref]]:
        """Inputs as files, the wire body fixed in the row, uploads done and remembered."""
        lane = self.lane
        prepared = await ready(lane.context, lane.hold, row)
        if not prepared.body:
            assets, told = prepared.assets, prepared.notes
            prepared = lane.backend.prepare(prepared.request, prepared, submission.parent_handle(lane, row))
            prepared = codec.with_assets(prepared, assets)
            self.move(row["state"], prepared=to_json(codec.prepared_to_json(prepared)))
            if notes := [note for note in prepared.notes if note not in told]:
                lane.context.store.write(lambda tx: records.note(tx, self.job, *notes))
        stored = cast("dict[str, dict[str, Any]]", json.loads(self.row()["refs"]))
        refs = {place: codec.ref_from_json(ref) for place, ref in stored.items()}
        for place in prepared.uploads:
            known = refs.get(place)
            if known is not None and (known.expires_at is None or known.expires_at > time.time() + 600):
                continue
            crash_point("before-upload")
            refs[place] = await lane.backend.upload(prepared, prepared.assets[place])
            crash_point("after-upload")
            self.move(row["state"], refs=to_json({name: codec.ref_to_json(ref) for name, ref in refs.items()}))
        return prepared, refs

    def _claim(self) -> bool:
        """The intent on disk, with the walls looked at once more; False when the job is to be left alone."""

        def write(tx: Transaction) -> bool:
            row = tx.row("SELECT state, cancel, provider, est_high, posts FROM jobs WHERE id = ?", (self.job,))
            if row is None or row["state"] != "queued" or row["cancel"]:
                return False
            ledger.recheck(tx, self.job, row["provider"], row["est_high"])
            ledger.pay_today(tx, self.job)
            now, posts = time.time(), int(row["posts"]) + 1
            records.move(
                tx,
                self.lane.hold,
                self.job,
                "submitting",
                posts=posts,
                posted_at=now,
                started_at=now,
                phase="sending the request",
            )
            return True

        try:
            return self.lane.context.store.write(write, durable=True)
        except VideoError as error:
            self._not_now(error)
            return False

    def _not_now(self, error: VideoError) -> None:
        """A limit stands in the way: one of a day has room again tomorrow, and the job waits; any other ends it."""
        if error.kind != "wall":
            raise error
        if not error.retryable:
            self.fail(error)
            return
        wait = min(60.0, error.retry_after_s or 60.0)
        self.move("queued", not_before=time.time() + wait, phase=f"{limits.WAITS}: {error.message}"[:200])

    async def _post(self, prepared: Prepared, refs: dict[str, Ref]) -> None:
        """The one paid POST, shielded: whatever happens here, its answer is written down."""
        with anyio.CancelScope(shield=True):
            crash_point("before-post")
            try:
                started = await self.lane.backend.start(prepared, refs, self.job)
            except VideoError as error:
                await submission.written_down(self, partial(submission.refused, self, self.row(), error))
                return
            except Exception as error:  # the one place where it leaves in doubt whether the request was taken
                log.error("job %s: the paid request", self.job, exc_info=error)
                text = f"an unexpected failure of this program ({type(error).__name__}: {error})"[:200]
                unclear = VideoError("submit_unknown", text, charged="unknown")
                await submission.written_down(self, partial(submission.refused, self, self.row(), unclear))
                return
            crash_point("after-post")
            if isinstance(started, Done):
                await submission.written_down(self, partial(self._took_done, started))
            else:
                await submission.written_down(self, partial(submission.taken, self, started))

    def _took_done(self, done: Done) -> None:
        """A service that answers with the clip itself."""
        now = time.time()
        columns: dict[str, Any] = {}
        if done.handle is not None:
            columns = {"handle": to_json(codec.handle_to_json(done.handle)), "remote_id": done.handle.remote_id}
        files = [codec.file_to_json(file) for file in done.files]
        result = self.lane.context.artifacts.places.result_to_row({"files": files, "cost_usd": _text(done.cost_usd)})
        self.move("downloading", durable=True, accepted_at=now, remote_done_at=now, result=result, **columns)

    # submitting

    async def _settle_submit(self, row: Row) -> None:
        await lookup.resolve(self, row)

    # running

    async def _poll(self, row: Row) -> None:
        handle = codec.handle_from_json(json.loads(row["handle"]))
        age = time.time() - (row["accepted_at"] or row["posted_at"] or time.time())
        # From here on the clock that nobody sets counts: a wall clock put forward or back ends or delays no job.
        begun = time.monotonic() - max(0.0, age)
        back_off, durations = BackOff(), self.lane.durations(row)
        if row["posts"] > 1:
            await lookup.tell_of_both(self, row)
        # A job that was taken over may have been done for long: ask at once; a fresh one when it is worth it.
        wait = 0.0 if not 0.0 <= age <= 2.0 else self.lane.next_poll_s(durations, 0.0)
        while True:
            if await self._until_due(wait, handle):
                return
            row = self.row()
            if row["state"] != "running":
                return
            try:
                status = await self.ask(handle)
            except VideoError as error:
                if not submission.may_ask_again(error):
                    if (left := doubt.left_s(self, doubt.GONE)) > 0:
                        self.say(f"{error.message}; looking again before it is believed")
                        wait = doubt.look_again_s(self, left)
                        continue
                    self._lost(error)
                    return
                wait = back_off.next_s(error)
                self.say(f"the provider does not answer ({error.message}); asking again")
                continue
            back_off.reset()
            handle = status.handle or handle
            if self._is_bad_end(row, status) and (left := doubt.left_s(self, doubt.ENDED)) > 0:
                self.say(f"the provider says {status.raw_state or status.state}: looking again before it is believed")
                wait = doubt.look_again_s(self, left)
                continue
            if self._took_status(row, status, handle):
                return
            elapsed = time.monotonic() - begun
            if elapsed > max(SILENCE_MIN_S, SILENCE_FACTOR * (row["typical_s"] or 60.0)):
                text = f"the provider has not ended it in {elapsed / 3600:.0f} hours"
                submission.make_uncertain(self, text)
                return
            wait = min(MAX_POLL_WAIT_S, status.retry_after_s or self.lane.next_poll_s(durations, elapsed))

    def _is_bad_end(self, row: Row, status: Status) -> bool:
        """An end without a clip that nobody has asked for."""
        if status.state == "cancelled":
            return not row["cancel"]
        return status.state == "failed" or (status.state == "succeeded" and not status.files)

    async def _until_due(self, wait: float, handle: Handle) -> bool:
        """Wait for the time to ask; a cancel is passed on at once. Whether the job has left `running` meanwhile."""
        due = time.monotonic() + wait
        while True:
            woken = self.woken
            row = self.row()
            if row["state"] != "running":
                return True
            now = time.monotonic()
            if row["cancel"] and not self.cancel_sent and now >= self._cancel_at:
                self._cancel_at = now + CANCEL_AGAIN_S
                if await cancelling.cancel(self, handle):
                    return True
                if self.cancel_sent:  # it may have ended already: ask now
                    return False
            asked = bool(row["cancel"]) and not self.cancel_sent
            until = min(due, self._cancel_at) if asked else due
            if not await pause(until - time.monotonic(), woken) and time.monotonic() >= due:
                return False

    def _took_status(self, row: Row, status: Status, handle: Handle) -> bool:
        """Write down what the provider says; whether the job has left `running`."""
        if self.lane.breaker.troubled:
            self.lane.context.store.write(self.lane.breaker.worked)
        columns: dict[str, Any] = {} if row["doubt_at"] is None else {"doubt_at": None}
        if status.handle is not None:
            columns["handle"] = to_json(codec.handle_to_json(handle))
        if status.state == "succeeded" and status.files:
            files = [codec.file_to_json(file) for file in status.files]
            result = {"files": files, "cost_usd": _text(status.cost_usd), "seed": status.seed, "notes": status.notes}
            self.move(
                "downloading",
                durable=True,
                remote_done_at=time.time(),
                result=self.lane.context.artifacts.places.result_to_row(result),
                phase="downloading the clip",
                **columns,
            )
            return True
        if status.state == "succeeded":
            text = f"{row['provider']} says it is done but gave no video"
            self.fail(VideoError("provider", text, charged="unknown"))
            return True
        if status.state == "failed":
            error = status.error or VideoError("provider", f"{row['provider']} failed it", charged="unknown")
            self.fail(error, status.cost_usd)
            return True
        if status.state == "cancelled":
            cancelling.was_cancelled(self, status)
            return True
        progress = status.progress if status.progress is not None else row["progress"]
        phase = status.raw_state[:60] or status.state
        if (round(progress, 2), phase, status.queue_position) != (
            round(row["progress"], 2),
            row["phase"],
            row["queue_position"],
        ) or columns:
            self.move("running", progress=progress, phase=phase, queue_position=status.queue_position, **columns)
        return False

    def _lost(self, error: VideoError) -> None:
        """The provider no longer knows a job that it has taken, or will not tell: nobody can say what became of it."""
        submission.make_uncertain(self, error.message)

    # downloading

    async def _deliver(self, row: Row) -> None:
        await arrival.arrive(self)

    async def ask(self, handle: Handle) -> Status:
        """One free question about the job."""
        async with self.lane.asking:
            crash_point("before-status")
            status = await self.lane.backend.status(handle, self.lane.context.artifacts.spool(self.job))
            crash_point("after-status")
        return status


def _text(amount: object) -> str | None:
    return None if amount is None else str(amount)
