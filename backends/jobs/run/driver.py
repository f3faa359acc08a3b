"""The one driver of a lane: runs its open jobs, each in a task of its own, and beats while it lives."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, cast

import anyio
import anyio.abc
from anyio import to_thread

from backends.errors import VideoError
from backends.jobs import records
from backends.jobs.context import Context
from backends.jobs.lanes import balancing, lanes
from backends.jobs.lanes.lanes import Fenced, Lease
from backends.jobs.lanes.state import LaneState
from backends.jobs.money import settle
from backends.jobs.records import Hold
from backends.jobs.run.engines import Engines
from backends.jobs.run.local import LocalRun
from backends.jobs.run.place import PlaceGone
from backends.jobs.run.remote import RemoteRun
from backends.jobs.store.database import Row, Store, Transaction, add_event
from backends.jobs.store.schema import OPEN
from backends.provider.protocol import RemoteBackend
from backends.provider.registry import registered

log = logging.getLogger("reelwright.worker")

LOOK_AT_ALL_S, LOOK_SHARE = 0.9, 50.0
"""All open jobs are looked at at most once in so many seconds, and in at most 1 / LOOK_SHARE of the time."""

SHARE_EVERY_S = 0.5
"""Seconds between two tries to move waiting jobs to another account."""

CHUNK = 500
_LOOK = "seq, id, state, cancel, needs FROM jobs WHERE"


class _Run(Protocol):
    async def run(self) -> None: ...


@dataclass
class _Task:
    """A job that this process runs. moved: it has moved to another account."""

    run: _Run
    scope: anyio.CancelScope
    moved: bool = False


class LaneDriver:
    """Drives one lane until nothing is open and it is told to leave, or another process has taken the lane over."""

    def __init__(self, context: Context, lease: Lease, lane: Row, engines: Engines) -> None:
        self.context = context
        self.lease = lease
        self.hold = Hold(lease.key, lease.epoch)
        self.lane = lane
        self.engines = engines
        self._tasks: dict[str, _Task] = {}
        self._group: anyio.abc.TaskGroup | None = None
        self._remote: LaneState | None = None
        self._looked_at: int | None = None
        self._look_at_all = 0.0
        self._waiting: dict[str, set[str]] = {}

    async def run(self) -> None:
        """Until stopped or fenced. Takes over every open job of the lane first. A group with PlaceGone in it when the
        place of its work cannot be reached: then every job that was being made is in the queue again."""
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                self.context.store.write(lambda tx: self._requeue_local(tx, "taken over"))
                if self.lane["kind"] == "remote":
                    self._remote = self._open_remote()
                    group.start_soon(self._share_out)
                group.start_soon(self._beat)
                self.refresh()
        except* Fenced:
            pass  # another process drives the lane by now, and we wrote nothing
        except* PlaceGone as gone:
            text = in_words(gone)[:200]
            with suppress(Fenced):
                self.context.store.write(lambda tx: self._requeue_local(tx, text, crashed=False))
            raise
        finally:
            if self._remote is not None:
                with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                    await self._remote.backend.aclose()

    def stop(self) -> None:
        if self._group is not None:
            self._group.cancel_scope.cancel()

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    def _open_remote(self) -> LaneState:
        entry = registered(self.lane["provider"])
        env = self.context.env_of(entry.provider, self.lease.key)
        backend = entry.open(env, lanes.base_url_of(self.lease.key))
        return LaneState.open(self.context, self.lease, cast(RemoteBackend, backend), self.engines, entry.poll_s)

    def _requeue_local(self, tx: Transaction, why: str, *, crashed: bool = True) -> None:
        """Work on this machine that a driver left unfinished starts again: it is free. A clip that is already made is
        only saved (see `LocalRun`). crashed: whether that counts as an attempt."""
        lanes.fence(tx, self.lease.key, self.lease.epoch)
        rows = tx.rows(
            "SELECT id, attempts FROM jobs WHERE lane = ? AND kind = 'local' AND state = 'running'",
            (self.lease.key,),
        )
        for row in rows:
            attempts = int(row["attempts"]) if crashed else max(0, int(row["attempts"]) - 1)
            if not crashed:
                add_event(tx, row["id"], "lost", {"device": self.lease.key, "why": why})
            records.move(tx, self.hold, row["id"], "queued", phase=why, progress=0.0, attempts=attempts)

    async def _beat(self) -> None:
        """On a thread: while another program holds the store's write lock, the requests under way go on."""
        while True:
            try:
                await to_thread.run_sync(lanes.beat, self.context.store, self.lease, abandon_on_cancel=True)
            except VideoError as error:  # a full disk: the requests under way must still be completed
                print(f"lane {self.lease.key}: {error.message}", flush=True)  # noqa: T201 - the worker's log
            await anyio.sleep(self.context.number("BEAT_S", lanes.BEAT_S))

    async def _share_out(self) -> None:
        """Now and then, move jobs that wait for a slot to another account of the provider."""
        while True:
            await anyio.sleep(SHARE_EVERY_S)
            self._let_others_work()

    def _let_others_work(self) -> None:
        assert self._remote is not None
        waiting = [job for job, task in self._tasks.items() if isinstance(task.run, RemoteRun) and task.run.waits]
        if not waiting:
            return
        stuck = [model for model, gate in self._remote.gates.items() if not gate.is_open]
        try:
            moved = balancing.share_out(self.context, self.hold, self.lane["provider"], waiting, stuck)
        except VideoError as error:  # the settings, or the disk: the jobs stay where they are
            log.warning("lane %s: %s", self.lease.key, error.message)
            return
        for job in moved:
            self._tasks[job].moved = True
            self._tasks[job].scope.cancel()

    def refresh(self) -> None:
        """Look at the lane's open jobs: start new ones, wake changed ones, stop cancelled ones.

        Usually only jobs that have events since the last look, and jobs that wait for them. All of them at first, and
        now and then, by an interval that grows with the cost of such a look.
        """
        if self._group is None:  # `run` has not started, and will look itself
            return
        begun = time.monotonic()
        whole = begun >= self._look_at_all
        changed, resumed = self._changed()
        rows = self._open() if whole or resumed else self._open_of(changed)
        unseen = self._tasks.keys() if whole else self._tasks.keys() & changed
        for job in unseen - {row["id"] for row in rows}:  # cancelled while they waited, or moved elsewhere
            task = self._tasks[job]
            if isinstance(task.run, RemoteRun):
                task.run.wake()
            elif not cast(LocalRun, task.run).finishing:
                task.scope.cancel()
        if whole:
            self._waiting.clear()
        for row in rows:
            self._look_at(row, changed=resumed or row["id"] in changed)
        if whole:
            now = time.monotonic()
            self._look_at_all = now + max(LOOK_AT_ALL_S, LOOK_SHARE * (now - begun))

    def _look_at(self, row: Row, *, changed: bool) -> None:
        """changed: this job has new events. Without that no job's waiting time is cut short."""
        if row["state"] == "waiting" and not self._inputs_done(row):
            return
        task = self._tasks.get(row["id"]) or self._start(row)
        if isinstance(task.run, RemoteRun):
            if changed and (row["cancel"] or row["state"] == "queued"):  # other waits end by themselves
                task.run.wake()
        elif row["cancel"] and row["state"] != "finishing" and not cast(LocalRun, task.run).finishing:
            task.scope.cancel()

    def _changed(self) -> tuple[set[str], bool]:
        """The jobs, of any lane, with events since the last look; and whether the lane was resumed. Events are numbered
        in the order of their commits, because the store has one writer."""
        if self._looked_at is None:
            row = self.context.store.row("SELECT max(seq) AS seq FROM events WHERE wake = 1")
            self._looked_at = int(row["seq"] or 0) if row else 0
            return set(), False
        events = self.context.store.rows(
            "SELECT seq, job, kind, data FROM events WHERE wake = 1 AND seq > ? ORDER BY seq", (self._looked_at,)
        )
        if events:
            self._looked_at = int(events[-1]["seq"])
        resumed = any(one["kind"] == "resume" and json.loads(one["data"])["lane"] == self.lease.key for one in events)
        return {str(one["job"]) for one in events}, resumed

    def _open(self) -> list[Row]:
        return self.context.store.rows(f"SELECT {_LOOK} lane = ? AND {OPEN} ORDER BY seq", (self.lease.key,))

    def _open_of(self, changed: set[str]) -> list[Row]:
        """Those of the jobs that are open here, and jobs that wait for any of them."""
        ids = list(changed.union(*(self._waiting.pop(job, ()) for job in changed)))
        found: list[Row] = []
        for first in range(0, len(ids), CHUNK):
            some = ids[first : first + CHUNK]
            # The plus keeps SQLite from reading all open jobs of the lane instead.
            sql = f"SELECT {_LOOK} id IN ({', '.join('?' * len(some))}) AND +lane = ? AND {OPEN}"
            found += self.context.store.rows(sql, (*some, self.lease.key))
        return sorted(found, key=lambda row: row["seq"])

    def _inputs_done(self, row: Row) -> bool:
        """Queue a waiting job once the jobs that it needs have succeeded; fail it, unpaid, when one has not."""
        needs: list[str] = json.loads(row["needs"])

        def write(tx: Transaction) -> bool:
            found = _states(tx, needs)
            if (broken := _broken(found)) is not None:
                settle.fail(tx, self.hold, row["id"], _why_not_made(tx, row["id"], broken))
            elif _ready(found):
                records.move(tx, self.hold, row["id"], "queued", phase="")
                return True
            return False

        states = _states(self.context.store, needs)
        if (_ready(states) or _broken(states) is not None) and self.context.store.write(write):
            return True
        for need in needs:
            self._waiting.setdefault(need, set()).add(row["id"])
        return False

    def _start(self, row: Row) -> _Task:
        assert self._group is not None
        if self._remote is not None:
            run: _Run = RemoteRun(self._remote, row["id"])
        else:
            run = LocalRun(self.context, self.hold, self.engines, row["id"])
        task = _Task(run, anyio.CancelScope())
        self._tasks[row["id"]] = task
        self._group.start_soon(self._drive, row["id"], task)
        return task

    async def _drive(self, job: str, task: _Task) -> None:
        try:
            with task.scope:
                await task.run.run()
            if task.scope.cancelled_caught and not task.moved:
                self.context.store.write(lambda tx: self._cancelled(tx, job))
        except (Fenced, PlaceGone, anyio.get_cancelled_exc_class()):
            raise
        except Exception as error:  # a defect of ours: the job ends with a reason, the other jobs go on
            self._broken(job, error)
        finally:
            self._tasks.pop(job, None)

    def _cancelled(self, tx: Transaction, job: str) -> None:
        settle.cancel(tx, self.hold, job, "no")

    def _broken(self, job: str, error: Exception) -> None:
        """End work on this machine after a defect of ours. (For a paid job see `RemoteRun`.)"""
        row = self.context.store.row("SELECT state, kind FROM jobs WHERE id = ?", (job,))
        if row is None or row["state"] in records.FINAL:
            return
        text = f"{type(error).__name__}: {error}"[:300]
        log.error("job %s: %s", job, text, exc_info=error)
        if row["kind"] == "local":
            failure = VideoError("provider", f"an unexpected failure: {text}")
            self.context.store.write(lambda tx: settle.fail(tx, self.hold, job, failure), durable=True)


def _states(source: Store | Transaction, needs: Sequence[str]) -> dict[str, str]:
    """The state of each needed job; "gone" for a missing one."""
    rows = source.rows(f"SELECT id, state FROM jobs WHERE id IN ({', '.join('?' * len(needs))})", needs)
    return dict.fromkeys(needs, "gone") | {str(row["id"]): str(row["state"]) for row in rows}


def _ready(states: Mapping[str, str]) -> bool:
    return all(state == "succeeded" for state in states.values())


def _broken(states: Mapping[str, str]) -> str | None:
    """The first job that will never deliver what is needed."""
    return next((need for need, state in states.items() if state in ("failed", "cancelled", "gone")), None)


def _why_not_made(tx: Transaction, job: str, need: str) -> VideoError:
    """Why a job cannot be made when one that it needs has not succeeded; the cost of its finished steps stays shown."""
    row = tx.row("SELECT state, error, parent FROM jobs WHERE id = ?", (need,))
    if row is None or row["parent"] != job:
        state = row["state"] if row else "is gone"
        return VideoError("asset", f"its input, job {need}, {state}: nothing was made or charged")
    error = VideoError.from_json(json.loads(row["error"])) if row["error"] else VideoError("cancelled", "cancelled")
    spent = records.cost_of_steps(tx, job)
    kept = "; the finished steps keep their clips" if spent else ""
    charged = "yes" if spent else error.charged
    return VideoError(error.kind, f"step {need}: {error.message}{kept}", charged=charged)


def in_words(error: BaseException) -> str:
    """What went wrong, without the groups that a task group wraps around it."""
    if isinstance(error, BaseExceptionGroup):
        return in_words(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    if isinstance(error, PlaceGone):
        return str(error)
    return error.message if isinstance(error, VideoError) else f"{type(error).__name__}: {error}"
