"""One job of a local engine: run it in the engine's process, keep the clip. Free, so it may be run again."""

from __future__ import annotations

import shutil
import time
from functools import partial

from anyio import to_thread

from backends.errors import VideoError
from backends.jobs import records
from backends.jobs.context import Context
from backends.jobs.crashpoints import crash_point
from backends.jobs.money import settle
from backends.jobs.records import Hold
from backends.jobs.run.engines import EngineCrashed, Engines
from backends.jobs.run.finish import finish
from backends.jobs.run.inputs_ready import ready
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Transaction

MAX_ATTEMPTS = 3
_PROGRESS_EVERY_S = 0.5


class LocalRun:
    """Drives one local job to its end. Cancelling the task it runs in, before `finishing`, cancels the work."""

    def __init__(self, context: Context, hold: Hold, engines: Engines, job: str) -> None:
        self.context = context
        self.hold = hold
        self.engines = engines
        self.job = job
        self.finishing = False
        self._reported = 0.0

    async def run(self) -> None:
        async with self.engines.slot(self.hold.lane):
            row = self._row()
            if row["state"] not in ("queued", "running", "finishing"):
                return
            try:
                await self._make(row)
            except VideoError as error:
                self._fail(error)

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
        self._move("running", phase="starting", attempts=row["attempts"] + 1, started_at=time.time(), progress=0.0)
        crash_point("running")
        dest = self.context.artifacts.spool(self.job) / "make"
        shutil.rmtree(dest, ignore_errors=True)
        dest.mkdir(parents=True)
        try:
            lane = self.hold.lane
            output = await self.engines.run(lane, row["provider"], row["base_url"], prepared, dest, self._progress)
        except EngineCrashed:
            await self._make(self._row())
            return
        self.finishing = True
        result = self.context.artifacts.places.result_to_row({"output": codec.output_to_json(output)})
        self._move("finishing", phase="saving the clip", result=result)
        crash_point("finishing")
        work = partial(
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
        await to_thread.run_sync(work)

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
