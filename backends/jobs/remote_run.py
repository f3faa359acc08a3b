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
from functools import partial
from typing import Any, cast

import anyio
from anyio import to_thread

from backends.backend import Done, Handle, Prepared, Ref, RemoteFile, Status
from backends.errors import VideoError
from backends.jobs import codec, ledger, records, submit_outcome
from backends.jobs.crash import crash_point
from backends.jobs.delivery import BackOff, StaleUrl, deliver, pause
from backends.jobs.finish import finish
from backends.jobs.lane_state import LaneState
from backends.jobs.ready import ready
from backends.jobs.store import Row, Transaction, to_json

DOWNLOAD_TIMEOUT_S = 900.0
DELIVERY_DAYS = 7
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

    def fail(self, error: VideoError) -> None:
        def write(tx: Transaction) -> None:
            self.lane.breaker.failed(tx, error)
            records.fail(tx, self.lane.hold, self.job, error)

        self.lane.context.store.write(write, durable=True)
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
        if (wait := row["not_before"] - time.time()) > 0:
            await pause(wait, self.woken)
            return
        closed_for, why = self.lane.breaker.open_for()
        if closed_for > 0:
            self._say(f"paused: {why}")
            await pause(min(closed_for, 30.0), self.woken)
            return
        try:
            prepared, refs = await self._prepare(row)
        except VideoError as error:
            if error.retryable and error.charged == "no" and row["attempts"] < submit_outcome.MAX_TRIES:
                submit_outcome.requeue(self, row, error)
            else:
                self.fail(error)
            return
        gate = self.lane.gate(row["model"])
        await gate.enter()
        self._inside = True
        try:
            async with self.lane.posts.posting():
                if self._claim():
                    await self._post(prepared, refs)
        finally:
            if self.row()["state"] in ("queued", "submitting", *records.FINAL):
                self._leave_gate()

    async def _prepare(self, row: Row) -> tuple[Prepared, dict[str, Ref]]:
        """Inputs as files, the wire body fixed in the row, uploads done and remembered."""
        lane = self.lane
        prepared = await ready(lane.context, lane.hold, row)
        if not prepared.body:
            assets = prepared.assets
            prepared = lane.backend.prepare(prepared.request, prepared, submit_outcome.parent_handle(lane, row))
            prepared = codec.with_assets(prepared, assets)
            self._move(row["state"], prepared=to_json(codec.prepared_to_json(prepared)))
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
                submit_outcome.refused(self, self.row(), error)
                return
            crash_point("after-post")
            if isinstance(started, Done):
                self._took_done(started)
            else:
                submit_outcome.bind(self, started)

    def _took_done(self, done: Done) -> None:
        """A service that answers with the clip itself."""
        now = time.time()
        result = to_json({"files": [codec.file_to_json(file) for file in done.files], "cost_usd": _text(done.cost_usd)})
        self._move("downloading", durable=True, accepted_at=now, remote_done_at=now, result=result)

    # submitting

    async def _settle_submit(self, row: Row) -> None:
        await submit_outcome.resolve(self, row)

    # running

    async def _poll(self, row: Row) -> None:
        handle = codec.handle_from_json(json.loads(row["handle"]))
        accepted = row["accepted_at"] or row["posted_at"] or time.time()
        back_off = BackOff()
        # A job that was taken over may have been done for long: ask at once; a fresh one when it is worth it.
        wait = 0.0 if time.time() - accepted > 2.0 else self.lane.next_poll_s(row, 0.0)
        while True:
            await pause(wait, self.woken)
            row = self.row()
            if row["state"] != "running":
                return
            if row["cancel"] and not self.cancel_sent and await submit_outcome.cancel(self, handle):
                return
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
            elapsed = time.time() - accepted
            if elapsed > max(SILENCE_MIN_S, SILENCE_FACTOR * (row["typical_s"] or 60.0)):
                text = f"the provider has not ended it in {elapsed / 3600:.0f} hours"
                submit_outcome.make_uncertain(self, text)
                return
            wait = status.retry_after_s or self.lane.next_poll_s(row, elapsed)

    async def _ask(self, handle: Handle) -> Status:
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
            self.fail(status.error or VideoError("provider", f"{row['provider']} failed it", charged="unknown"))
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
        back_off, refreshed = BackOff(), 0
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
                if error.kind == "provider" or (error.kind == "asset" and not error.retryable):
                    error.charged = "yes"
                    self.fail(error)
                    return
                problem = error
            if time.time() - (row["remote_done_at"] or time.time()) > DELIVERY_DAYS * 86400:
                text = f"the clip was made but could not be fetched for {DELIVERY_DAYS} days: {problem.message}"
                self.fail(VideoError("network", text, charged="yes"))
                return
            self._say(f"the clip cannot be fetched yet ({problem.message}); trying again")
            await pause(back_off.next_s(problem), self.woken)

    async def _fetch_and_finish(self, row: Row, files: list[RemoteFile], result: dict[str, Any]) -> None:
        context = self.lane.context
        crash_point("before-download")
        headers = self.lane.backend.media_headers()
        spool = context.artifacts.spool(self.job)
        fetched = await deliver(files, spool, row["base_url"], headers, DOWNLOAD_TIMEOUT_S)
        crash_point("after-download")
        clip = next((path for path, file in zip(fetched, files, strict=True) if file.role == "clip"), fetched[0])
        self._move("finishing", phase="keeping the clip")
        work = partial(
            finish,
            context,
            self.lane.hold,
            row,
            clip,
            extras=[path for path in fetched if path != clip],
            seed=result.get("seed"),
            notes=result.get("notes") or (),
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
