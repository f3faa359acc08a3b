"""One paid remote job, step by step: its state in the row is all that a step needs, so any step may be the first
after a crash.

    queued -> submitting   inputs ready, uploads remembered, intent + reservation + key on disk; then ONE paid POST
    submitting -> running  the provider's id on disk; an ambiguous POST is looked up, never sent again
    running -> downloading the provider says it is done
    downloading -> finishing -> succeeded   the clip is here
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any, cast

import anyio
from anyio import to_thread

from backends.backend import Done, Handle, Prepared, Ref, RemoteFile, Status
from backends.errors import VideoError
from backends.jobs import codec, ledger, records, submit_outcome
from backends.jobs.crash import crash_point
from backends.jobs.delivery import BackOff, StaleUrl, deliver, forget_arrived, pause
from backends.jobs.finish import finish
from backends.jobs.lane_state import LaneState
from backends.jobs.ready import ready
from backends.jobs.store import Row, Transaction, to_json
from backends.jobs.whole import whole_clip

DOWNLOAD_TIMEOUT_S = 900.0
DELIVERY_DAYS = 7
UNUSABLE_TRIES = 3
CANCEL_AGAIN_S = 5.0
MAX_WAIT_S = 3600.0
SILENCE_FACTOR, SILENCE_MIN_S = 30.0, 6 * 3600.0
"""A job that has run so many times as long as its model usually takes (and so long at least) is uncertain."""


class RemoteRun:
    """Drives one remote job. `wake` it when its row has changed (a cancel, a person's decision)."""

    def __init__(self, lane: LaneState, job: str) -> None:
        self.lane = lane
        self.job = job
        self.woken = anyio.Event()
        self._inside = False
        self.cancel_sent = False
        self.unclear_since: float | None = None
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
                except VideoError as error:
                    if error.kind != "storage":
                        raise
                    with suppress(VideoError):
                        self._say(error.message)
                    await pause(30.0, self.woken)
        finally:
            self._leave_gate()

    def row(self) -> Row:
        row = self.lane.context.store.row("SELECT * FROM jobs WHERE id = ?", (self.job,))
        assert row is not None
        return row

    def _move(self, state: records.State, *, durable: bool = False, **columns: Any) -> None:
        self.lane.context.store.write(
            lambda tx: records.move(tx, self.lane.hold, self.job, state, **columns), durable=durable
        )

    def _say(self, phase: str) -> None:
        """Show what it waits for."""
        row = self.row()
        if row["phase"] != phase[:200]:
            self._move(row["state"], phase=phase[:200])

    def fail(self, error: VideoError, cost_usd: Decimal | None = None) -> None:
        """End it as failed. cost_usd: what the provider says that it costs all the same."""

        def write(tx: Transaction) -> None:
            self.lane.breaker.failed(tx, error)
            records.fail(tx, self.lane.hold, self.job, error, cost_usd)

        self.lane.context.store.write(write, durable=True)
        if error.charged == "no":  # else what has arrived is paid for, and stays
            self.lane.context.artifacts.clear_spool(self.job)

    def _cancel_unpaid(self) -> None:
        def write(tx: Transaction) -> None:
            ledger.release(tx, self.job)
            records.move(tx, self.lane.hold, self.job, "cancelled", matchable=0, cost=0, cost_basis="not charged")

        self.lane.context.store.write(write, durable=True)

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
            self._say(f"paused: {why}")
            self._leave_gate()
            await pause(min(closed_for, 30.0), self.woken)
        return closed_for > 0

    async def _buy(self, row: Row) -> None:
        """Inside the gate: prepare, claim, and send the one POST."""
        if row["state"] != "queued" or row["cancel"]:
            return
        try:
            prepared, refs = await self._prepare(row)
        except VideoError as error:
            if error.kind == "storage":
                raise
            if error.retryable and error.charged == "no" and row["attempts"] < submit_outcome.MAX_TRIES:
                submit_outcome.requeue(self, row, error)
            else:
                self.fail(error)
            return
        if await self._paused():  # others have failed meanwhile
            return
        async with self.lane.posts.posting():
            if self._claim():
                await self._post(prepared, refs)

    async def _prepare(self, row: Row) -> tuple[Prepared, dict[str, Ref]]:
        """Inputs as files, the wire body fixed in the row, uploads done and remembered."""
        lane = self.lane
        prepared = await ready(lane.context, lane.hold, row)
        if not prepared.body:
            assets, told = prepared.assets, prepared.notes
            prepared = lane.backend.prepare(prepared.request, prepared, submit_outcome.parent_handle(lane, row))
            prepared = codec.with_assets(prepared, assets)
            self._move(row["state"], prepared=to_json(codec.prepared_to_json(prepared)))
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
            self._move(row["state"], refs=to_json({name: codec.ref_to_json(ref) for name, ref in refs.items()}))
        return prepared, refs

    def _claim(self) -> bool:
        """The intent on disk, with the walls looked at once more; False when the job is to be left alone."""

        def write(tx: Transaction) -> bool:
            row = tx.row("SELECT state, cancel, provider, est_high FROM jobs WHERE id = ?", (self.job,))
            if row is None or row["state"] != "queued" or row["cancel"]:
                return False
            ledger.recheck(tx, self.job, row["provider"], row["est_high"])
            now = time.time()
            records.move(
                tx, self.lane.hold, self.job, "submitting", posted_at=now, started_at=now, phase="asking the provider"
            )
            return True

        try:
            return self.lane.context.store.write(write, durable=True)
        except VideoError as error:
            if error.kind != "wall":
                raise
            self.fail(error)
            return False

    async def _post(self, prepared: Prepared, refs: dict[str, Ref]) -> None:
        """The one paid POST, shielded: whatever happens here, its answer is written down."""
        with anyio.CancelScope(shield=True):
            crash_point("before-post")
            try:
                started = await self.lane.backend.start(prepared, refs, self.job)
            except VideoError as error:
                await submit_outcome.written_down(self, partial(submit_outcome.refused, self, self.row(), error))
                return
            crash_point("after-post")
            if isinstance(started, Done):
                await submit_outcome.written_down(self, partial(self._took_done, started))
            else:
                await submit_outcome.written_down(self, partial(submit_outcome.bind, self, started))

    def _took_done(self, done: Done) -> None:
        """A service that answers with the clip itself."""
        now = time.time()
        columns: dict[str, Any] = {}
        if done.handle is not None:
            columns = {"handle": to_json(codec.handle_to_json(done.handle)), "remote_id": done.handle.remote_id}
        result = to_json({"files": [codec.file_to_json(file) for file in done.files], "cost_usd": _text(done.cost_usd)})
        self._move("downloading", durable=True, accepted_at=now, remote_done_at=now, result=result, **columns)

    # submitting

    async def _settle_submit(self, row: Row) -> None:
        await submit_outcome.resolve(self, row)

    # running

    async def _poll(self, row: Row) -> None:
        handle = codec.handle_from_json(json.loads(row["handle"]))
        age = time.time() - (row["accepted_at"] or row["posted_at"] or time.time())
        # From here on the clock that nobody sets counts: a wall clock put forward or back ends or delays no job.
        begun = time.monotonic() - max(0.0, age)
        back_off, durations = BackOff(), self.lane.durations(row)
        # A job that was taken over may have been done for long: ask at once; a fresh one when it is worth it.
        wait = 0.0 if not 0.0 <= age <= 2.0 else self.lane.next_poll_s(durations, 0.0)
        while True:
            if await self._until_due(wait, handle):
                return
            row = self.row()
            try:
                status = await self._ask(handle)
            except VideoError as error:
                if not submit_outcome.may_ask_again(error):
                    self._lost(error)
                    return
                wait = back_off.next_s(error)
                self._say(f"the provider does not answer ({error.message}); asking again")
                continue
            back_off.reset()
            handle = status.handle or handle
            if self._took_status(row, status, handle):
                return
            elapsed = time.monotonic() - begun
            if elapsed > max(SILENCE_MIN_S, SILENCE_FACTOR * (row["typical_s"] or 60.0)):
                text = f"the provider has not ended it in {elapsed / 3600:.0f} hours"
                submit_outcome.make_uncertain(self, text)
                return
            wait = status.retry_after_s or self.lane.next_poll_s(durations, elapsed)

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
                if await submit_outcome.cancel(self, handle):
                    return True
                if self.cancel_sent:  # it may have ended already: ask now
                    return False
            asked = bool(row["cancel"]) and not self.cancel_sent
            until = min(due, self._cancel_at) if asked else due
            if not await pause(until - time.monotonic(), woken) and time.monotonic() >= due:
                return False

    async def _ask(self, handle: Handle) -> Status:
        async with self.lane.asking:
            crash_point("before-status")
            status = await self.lane.backend.status(handle, self.lane.context.artifacts.spool(self.job))
            crash_point("after-status")
        return status

    def _took_status(self, row: Row, status: Status, handle: Handle) -> bool:
        """Write down what the provider says; whether the job has left `running`."""
        if self.lane.breaker.troubled:
            self.lane.context.store.write(self.lane.breaker.worked)
        columns: dict[str, Any] = {}
        if status.handle is not None:
            columns["handle"] = to_json(codec.handle_to_json(handle))
        if status.state == "succeeded" and status.files:
            files = [codec.file_to_json(file) for file in status.files]
            result = {"files": files, "cost_usd": _text(status.cost_usd), "seed": status.seed, "notes": status.notes}
            self._move(
                "downloading",
                durable=True,
                remote_done_at=time.time(),
                result=to_json(result),
                phase="fetching the clip",
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
            submit_outcome.was_cancelled(self, status)
            return True
        progress = status.progress if status.progress is not None else row["progress"]
        phase = status.raw_state[:60] or status.state
        if (round(progress, 2), phase, status.queue_position) != (
            round(row["progress"], 2),
            row["phase"],
            row["queue_position"],
        ) or columns:
            self._move("running", progress=progress, phase=phase, queue_position=status.queue_position, **columns)
        return False

    def _lost(self, error: VideoError) -> None:
        """The provider no longer knows a job that it has taken, or will not tell: nobody can say what became of it."""
        submit_outcome.make_uncertain(self, error.message)

    # downloading

    async def _deliver(self, row: Row) -> None:
        """Fetch, look, keep. Retried with back-off for as long as the provider holds the files."""
        back_off, refreshed, unusable = BackOff(), 0, 0
        while True:
            row = self.row()
            result = json.loads(row["result"])
            files = [codec.file_from_json(file) for file in result["files"]]
            try:
                await self._fetch_and_finish(row, files, result)
                return
            except StaleUrl as error:
                refreshed += 1
                problem = VideoError("network", str(error), retryable=True)
                if await self._refresh(row) and refreshed <= 1:
                    continue
            except VideoError as error:
                if error.kind in ("provider", "asset") and not error.retryable:
                    unusable += 1  # a bad copy, or a decoder short of time: fetched anew before it is believed
                    if unusable >= UNUSABLE_TRIES:
                        self.fail(self._unusable(error), submit_outcome.cost_of(result))
                        return
                    forget_arrived(self.lane.context.artifacts.spool(self.job))
                problem = error
            if time.time() - (row["remote_done_at"] or time.time()) > DELIVERY_DAYS * 86400:
                text = f"the clip was made but could not be fetched for {DELIVERY_DAYS} days: {problem.message}"
                self.fail(VideoError("network", text, charged="yes"))
                return
            self._say(f"the clip cannot be fetched yet ({problem.message}); trying again")
            await pause(back_off.next_s(problem), self.woken)

    def _unusable(self, error: VideoError) -> VideoError:
        """What came is no clip. It is paid for, so its bytes are kept for the person to look at."""
        kept = self.lane.context.artifacts.root / "spool" / self.job
        return VideoError(error.kind, f"{error.message}; what was delivered is kept in {kept}", charged="yes")

    async def _fetch_and_finish(self, row: Row, files: list[RemoteFile], result: dict[str, Any]) -> None:
        context = self.lane.context
        crash_point("before-download")
        headers = self.lane.backend.media_headers()
        spool = context.artifacts.spool(self.job)
        kept = context.artifacts.job(self.job)
        fetched = await deliver(files, spool, kept, row["base_url"], headers, DOWNLOAD_TIMEOUT_S)
        crash_point("after-download")
        clip = next((path for path, file in zip(fetched, files, strict=True) if file.role == "clip"), fetched[0])
        self._move("finishing", phase="keeping the clip")
        whole = await whole_clip(context, self.lane.engines, row, clip)
        work = partial(
            finish,
            context,
            self.lane.hold,
            row,
            whole.clip,
            extras=[*whole.parts, *(path for path in fetched if path != clip)],
            seed=result.get("seed"),
            notes=[*(result.get("notes") or ()), *whole.notes],
            cost_usd=submit_outcome.cost_of(result),
        )
        await to_thread.run_sync(work)

    async def _refresh(self, row: Row) -> bool:
        """Ask for fresh URLs; whether there are any."""
        if row["handle"] is None:
            return False
        handle = codec.handle_from_json(json.loads(row["handle"]))
        try:
            status = await self._ask(handle)
        except VideoError:
            return False
        if status.state != "succeeded" or not status.files:
            return False
        result = json.loads(row["result"]) | {"files": [codec.file_to_json(file) for file in status.files]}
        self._move(row["state"], result=to_json(result))
        return True


def _text(amount: object) -> str | None:
    return None if amount is None else str(amount)
