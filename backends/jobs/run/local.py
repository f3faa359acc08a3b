"""One job of a local engine: run it in the engine's process, keep the clip. Free, so it may be run again."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import anyio
from anyio import to_thread

from backends.errors import VideoError
from backends.jobs import records
from backends.jobs.context import Context
from backends.jobs.crashpoints import crash_point
from backends.jobs.files.objects import BUCKET_AGAIN_S, Away, again_s
from backends.jobs.lanes.lanes import Fenced
from backends.jobs.money import settle
from backends.jobs.records import Hold
from backends.jobs.run.arrived import kept_as
from backends.jobs.run.engines import Engines
from backends.jobs.run.finish import finish
from backends.jobs.run.inputs_ready import ready
from backends.jobs.run.place import EngineCrashed
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Transaction, add_event
from backends.provider.protocol import DeviceLost, Output

MAX_ATTEMPTS = 3
"""How often a job's engine or worker may die during the work."""

MOST_LOST = 8
"""How often a job's device may be lost during the work, which is not the job's fault."""

AGAIN_MOST_S = 30.0
"""The longest pause until a lane's only device is tried again, seconds."""

GOING_ON = ("queued", "running", "finishing")

_PROGRESS_EVERY_S = 0.5

log = logging.getLogger("reelwright.worker")


class LocalRun:
    """Drives one local job to its end. Cancelling its task, before `finishing`, cancels the work."""

    def __init__(self, context: Context, hold: Hold, engines: Engines, job: str) -> None:
        self.context = context
        self.hold = hold
        self.engines = engines
        self.job = job
        self.finishing = False
        self._device = hold.lane
        self._reported = 0.0
        self._save: Callable[[], None] | None = None

    async def run(self) -> None:
        away, looked = 0, False
        while True:
            try:
                if not looked:
                    looked = True
                    if await self._went_on():
                        return
                await (self._saved() if self._save is not None else self._on_a_device())
                return
            except Away as error:  # the bucket is away: what is made stays, and the device is free meanwhile
                if (state := self._row()["state"]) not in GOING_ON:
                    return
                self._move(state, phase=error.message[:200])
                away += 1
                await anyio.sleep(again_s(self.context.number("BUCKET_AGAIN_S", BUCKET_AGAIN_S), away))
            except DeviceLost as lost:
                if not self._goes_on(str(lost)):
                    return
                if self._device == self.hold.lane:  # there is no other device
                    await anyio.sleep(min(AGAIN_MOST_S, 2.0 ** (self._lost() - 1)))
            except VideoError as error:
                if self._row()["state"] in GOING_ON:
                    self._fail(error)
                return

    async def _went_on(self) -> bool:
        """Keep what an earlier worker has made; False where there is none, or it is not whole and is made again."""
        row = self._row()
        if row["state"] != "finishing":
            return False
        result = self.context.artifacts.places.result_of(row)
        output = codec.output_from_json(result["output"]) if "output" in result else None
        if output is not None and self._is_here(output):
            self.finishing, self._save = True, self._finish_of(output)
            try:
                await self._saved()
                return True
            except Away:
                raise
            except VideoError as error:
                if error.kind == "storage":  # no room, for another clip of it neither
                    raise
                # A power cut may have left a part of it.
                log.warning("job %s: what was made of it cannot be kept: %s", self.job, error.message)
        self.finishing, self._save = False, None
        self._move("queued", phase="taken over", progress=0.0)
        return False

    def _is_here(self, output: Output) -> bool:
        """Whether each file lies where it was made, or was moved into the job's folder."""
        folder = self.context.artifacts.job(self.job)
        files = kept_as(output.path, output.extras)
        if output.export is not None:
            files[f"export{output.export.suffix}"] = output.export
        return all(path.exists() or (folder / name).exists() for name, path in files.items())

    async def _on_a_device(self) -> None:
        row = self._row()
        prepared = codec.prepared_from_json(json.loads(row["prepared"]))
        async with self.engines.place(self.hold.lane, row["provider"], prepared, row["seq"], self._tell) as device:
            self._device = device
            row = self._row()
            if row["state"] not in GOING_ON:
                return
            await self._make(row)

    async def _saved(self) -> None:
        """Do what is left to do for a clip that is made; once more, where it did not end."""
        assert self._save is not None
        await to_thread.run_sync(self._save, limiter=self.engines.finishing)

    def _lost(self) -> int:
        """How often its device was lost."""
        row = self.context.store.row("SELECT count(*) AS n FROM events WHERE job = ? AND kind = 'lost'", (self.job,))
        return int(row["n"]) if row else 0

    def _goes_on(self, why: str) -> bool:
        """Its device was lost: back to the queue, without counting as a crash, or the end after many losses."""
        device, attempts = self._device, max(0, int(self._row()["attempts"]) - 1)

        def write(tx: Transaction) -> None:
            add_event(tx, self.job, "lost", {"device": device, "why": why[:300]})
            phase = f"{device} was lost ({why}): it is run again"[:200]
            records.move(tx, self.hold, self.job, "queued", attempts=attempts, phase=phase, progress=0.0)

        self.context.store.write(write)
        log.warning("job %s: %s was lost: %s", self.job, device, why)
        if self._lost() < MOST_LOST:
            return True
        text = f"its GPU was lost {MOST_LOST} times, the last: {why}; see reelwright doctor and the GPU driver's log"
        self._fail(VideoError("provider", text))
        return False

    def _tell(self, text: str) -> None:
        with suppress(VideoError, Fenced):  # it may have been cancelled meanwhile, and it is only for show
            self._move("queued", phase=text)

    def _row(self) -> Row:
        row = self.context.store.row("SELECT * FROM jobs WHERE id = ?", (self.job,))
        assert row is not None
        return row

    async def _make(self, row: Row) -> None:
        prepared = await ready(self.context, self.hold, row)
        if row["attempts"] >= MAX_ATTEMPTS:
            raise VideoError(
                "provider", f"its engine or worker ended without an answer {MAX_ATTEMPTS} times; see reelwright doctor"
            )
        if self._lost() >= MOST_LOST:
            raise VideoError("provider", f"what it ran on was lost {MOST_LOST} times; see reelwright doctor")
        self._move("running", phase="starting", attempts=row["attempts"] + 1, started_at=time.time(), progress=0.0)
        crash_point("running")
        dest = self.context.artifacts.spool(self.job) / "make"
        shutil.rmtree(dest, ignore_errors=True)
        dest.mkdir(parents=True)
        try:
            device, provider = self._device, row["provider"]
            output = await self.engines.run(device, provider, row["base_url"], prepared, dest, self._progress)
        except EngineCrashed:
            self.engines.check_there(self.hold.lane, row["provider"], self._device)
            await self._make(self._row())
            return
        self.finishing = True
        if self._device != self.hold.lane:
            output = replace(output, facts={**output.facts, "card": self._device})
        result = self.context.artifacts.places.result_to_row({"output": codec.output_to_json(output)})
        self._move("finishing", phase="saving the clip", result=result)
        crash_point("finishing")
        self._save = self._finish_of(output)
        await self._saved()

    def _finish_of(self, output: Output) -> Callable[[], None]:
        """What is left to do of a clip that is made: on a thread, and as often as it takes."""
        return partial(
            finish,
            self.context,
            self.hold,
            self._row(),
            output.path,
            extras=output.extras,
            export=output.export,
            sidecar=output.sidecar,
            facts=output.facts,
            seed=output.seed,
            notes=output.notes,
        )

    def _move(self, state: records.State, **columns: object) -> None:
        self.context.store.write(lambda tx: records.move(tx, self.hold, self.job, state, **columns))

    def _progress(self, done: float, phase: str) -> None:
        now = time.monotonic()
        if now - self._reported >= _PROGRESS_EVERY_S:
            self._reported = now
            self._move("running", progress=done, phase=phase)

    def _fail(self, error: VideoError) -> None:
        def write(tx: Transaction) -> None:
            settle.fail(tx, self.hold, self.job, error)

        self.context.store.write(write, durable=True)
        self.context.artifacts.clear_spool(self.job)
