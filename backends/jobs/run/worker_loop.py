"""The worker: takes the lanes that it has credentials for, drives their open jobs, and leaves when all is quiet.

It runs as a process of its own (`worker`), or inline: the same code on a thread of the client.
"""

from __future__ import annotations

import logging
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Literal

import anyio
import anyio.abc
from anyio import to_thread

from backends.errors import VideoError
from backends.jobs import late_ids
from backends.jobs.context import Context, program_version
from backends.jobs.lanes import adoption, lanes
from backends.jobs.lanes.lanes import Lease
from backends.jobs.lanes.locks import is_shared
from backends.jobs.lanes.pulse import Pulse
from backends.jobs.money import consistency
from backends.jobs.run.driver import LaneDriver, in_words
from backends.jobs.run.engines import POOLS, WARM_MODELS, WARM_S, Engines
from backends.jobs.run.place import PlaceGone
from backends.jobs.store.database import Row, Transaction
from backends.jobs.store.journal import IdLog
from backends.jobs.store.pruning import Pruner
from backends.provider.protocol import POOL
from backends.provider.registry import registry

log = logging.getLogger("reelwright.worker")

LOOK_EVERY_S = 0.05
IDLE_S = 60.0
START_WAIT_S = 5.0
TELL_AGAIN_S = 5.0

EMPTY_S = 2.0
"""A worker that drives no lane at all (others took them) leaves after so many seconds."""


DEVICES = ("cpu", *POOLS)


@dataclass(frozen=True)
class Duty:
    """What the user wants of a worker. only: providers and devices ("runway", "cpu", "gpu", "gpu:UUID", "ray"), () =
    all. stay: it does not leave when all is quiet."""

    only: tuple[str, ...] = ()
    stay: bool = False

    def check(self) -> None:
        """VideoError("invalid_request") for a name that no lane can have."""
        known = (*DEVICES, *sorted(name for name, entry in registry().items() if entry.kind == "remote"))
        for name in self.only:
            if name not in known and not name.startswith("gpu:"):
                raise VideoError("invalid_request", f"there is no lane {name[:60]!r}: choose of {', '.join(known)}")

    @property
    def cards(self) -> tuple[str, ...]:
        """The GPUs that it names, () when any will do."""
        named = tuple(name for name in self.only if is_shared(name))
        return () if POOL in self.only else named

    def takes(self, lane: Row) -> bool:
        key = str(lane["key"])
        if key == POOL and self.cards:
            return True
        names = (lane["provider"], key) if lane["kind"] == "remote" else (key, key.partition(":")[0])
        return not self.only or any(name in names for name in self.only)


class Worker:
    """Watches the store and drives every lane it can. `stop` lets it end; paid jobs can be taken over by their rows."""

    def __init__(
        self, context: Context, engine_log: IO[bytes] | int, *, detached: bool, duty: Duty | None = None
    ) -> None:
        self.context = context
        self.detached = detached
        self.duty = duty or Duty()
        self.engines = Engines(
            context.env,
            engine_log,
            context.cpu_jobs,
            warm_s=context.number("WARM_S", WARM_S),
            warm_models=int(context.number("WARM_MODELS", WARM_MODELS)),
            only=self.duty.cards,
        )
        self.drivers: dict[str, LaneDriver] = {}
        self._pruner = Pruner(context.store)
        self._refused: dict[str, float] = {}
        self._stopping = False
        self._books_checked = False

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> None:
        """Until stopped, or idle for long."""
        idle_s = self.context.number("WORKER_IDLE_S", IDLE_S)
        quiet_since = time.monotonic()
        first = True
        beat_s = self.context.number("BEAT_S", lanes.BEAT_S)
        await to_thread.run_sync(late_ids.replay, self.context.store, IdLog.of(self.context.settings.home))
        pulse = Pulse(self.context.store, self.context.locks.folder, self.drivers.keys, beat_s)
        look_s = self.context.locks.look_s  # in case no event asked for it: locks that came free, lanes that are wanted
        seen, waked, looked = -1, -1, -look_s
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(pulse.run)
                group.start_soon(self.engines.serve)
                while not self._stopping:
                    version = self.context.store.version()
                    now = time.monotonic()
                    due = now - looked >= look_s
                    if due and not self.context.store.exists():
                        log.warning("the store is gone from %s: leaving", self.context.store.where)
                        break
                    if version != seen or due:
                        seen = version
                        latest = self._latest_wake()
                        if due:
                            await self.engines.tidy()
                            await self._return_cards()
                        if latest != waked or due:
                            waked, looked = latest, now
                            await self._take_lanes(group, START_WAIT_S if first else 0.0)
                            first = False
                            self._hand_over()
                            for driver in list(self.drivers.values()):
                                driver.refresh()
                    if self._quiet():
                        if due:
                            await to_thread.run_sync(self._pruner.step)
                            await to_thread.run_sync(self._check_books)
                        patience = idle_s if self.drivers else min(idle_s, EMPTY_S)
                        if now - quiet_since >= patience and not self.duty.stay:
                            if self._leave():
                                break
                            quiet_since = now  # jobs that wait for others are no reason to try each time
                    else:
                        quiet_since = now
                    await anyio.sleep(LOOK_EVERY_S)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self.engines.close()
                for driver in list(self.drivers.values()):
                    self._let_go(driver.lease)
                self.drivers.clear()

    def _check_books(self) -> None:
        """Once in this worker's life: inconsistencies are written to the log; `reelwright jobs verify` shows them
        too."""
        if self._books_checked:
            return
        self._books_checked = True
        for fault in consistency.faults(self.context.store):
            log.error("the accounts are inconsistent (reelwright jobs verify): %s", fault)

    def _latest_wake(self) -> int:
        row = self.context.store.row("SELECT max(seq) AS seq FROM events WHERE wake = 1")
        return int(row["seq"] or 0) if row else 0

    def _quiet(self) -> bool:
        """No job under way, and no model loaded that further jobs may need."""
        return not any(driver.busy for driver in self.drivers.values()) and not self.engines.warm

    def _leave(self) -> bool:
        """Give up every lane that has nothing open, one transaction each; whether none is left."""
        for key, driver in list(self.drivers.items()):
            if lanes.leave(self.context.store, driver.lease):
                del self.drivers[key]
                driver.stop()
        return not self.drivers

    def _hand_over(self) -> None:
        """Give up lanes that a newer program asks for; `driver.run` ends once no paid request is under way."""
        for lane in self.context.store.rows("SELECT key FROM lanes WHERE handover = 1 AND driven = 1"):
            driver = self.drivers.get(lane["key"])
            if driver is not None:
                self._refused[lane["key"]] = time.monotonic() + 30.0
                driver.stop()

    async def _return_cards(self) -> None:
        """A card with a lane of its own is shared again when that lane has nothing to do."""
        if POOL not in self.drivers:
            return
        for key, driver in list(self.drivers.items()):
            if is_shared(key) and not driver.busy:
                await self.engines.unload(key)
                if lanes.leave(self.context.store, driver.lease):
                    self.drivers.pop(key, None)
                    driver.stop()

    def _let_go(self, lease: Lease) -> None:
        """The lock is freed even when the row cannot be written (a full disk): a living client must not block the
        lane."""
        try:
            with suppress(VideoError):
                lanes.leave(self.context.store, lease, even_if_open=True)
        finally:
            lease.lock.release(force=True)

    async def _take_lanes(self, group: anyio.abc.TaskGroup, wait_s: float) -> None:
        """Become the driver of lanes that have open jobs, that we have credentials for, and that have no driver."""
        for lane in lanes.undriven_open(self.context.store):
            key = str(lane["key"])
            if key in self.drivers or self._refused.get(key, 0.0) > time.monotonic() or not self.duty.takes(lane):
                continue
            if not self._can_drive(lane):
                if adoption.adoptable(self.context, lane) and not lanes.is_driven(self.context.locks, lane):
                    self._refused[key] = time.monotonic() + adoption.ADOPT_AGAIN_S
                    await self._adopt(lane)
                continue
            if not lane["handover"] and lanes.is_driven(self.context.locks, lane):
                continue
            if is_shared(key):  # it may be idle among this worker's own cards
                await self.engines.leave_cards(key)
            # A leaving driver says so in its row before it frees the lock: that is worth waiting for, once.
            lease = await to_thread.run_sync(self._take, key, wait_s)
            if lease is None:
                self._refused[key] = time.monotonic() + 1.0
                continue
            self._drive(group, lane, lease)

    async def _adopt(self, lane: Row) -> None:
        """Running jobs of another key of the same account, if ours may see them."""
        lease = await to_thread.run_sync(self._take, lane["key"], 0.0)
        if lease is None:
            return
        try:
            taken = await adoption.adopt(self.context, lane, lease)
            if not taken:
                text = "the key that is set now may not see this account's jobs"
                self._tell(lane["key"], text, "no_credentials")
        except VideoError as error:
            self._tell(lane["key"], error.message)
        finally:
            self._let_go(lease)

    def _take(self, key: str, wait_s: float) -> Lease | None:
        return lanes.take(
            self.context.store,
            self.context.locks,
            key,
            version=program_version(),
            detached=self.detached,
            wait_s=wait_s,
        )

    def _drive(self, group: anyio.abc.TaskGroup, lane: Row, lease: Lease) -> None:
        driver = LaneDriver(self.context, lease, lane, self.engines)
        self.drivers[lease.key] = driver
        group.start_soon(self._guard, driver)

    async def _guard(self, driver: LaneDriver) -> None:
        """A lane that cannot be driven (for example by a broken SDK) has the reason in its row, and does not end the
        others."""
        try:
            await driver.run()
        except* PlaceGone as gone:
            log.error("lane %s: %s", driver.lease.key, in_words(gone))
            self._give_up(driver.lease.key, gone)
        except* Exception as error:  # whatever it is, it must be reported, and the other lanes go on
            log.exception("lane %s", driver.lease.key)
            self._give_up(driver.lease.key, error)
        finally:
            if self.drivers.pop(driver.lease.key, None) is not None:
                self._let_go(driver.lease)
            if driver.lease.key in POOLS:  # whoever drives it now wants the cards
                with anyio.CancelScope(shield=True):
                    await self.engines.leave_cards()

    def _give_up(self, key: str, error: BaseException) -> None:
        """Tell why a lane is not driven, and leave it alone for a while."""
        with suppress(VideoError):
            self._tell(key, in_words(error))
        self._refused[key] = time.monotonic() + 10.0

    def _can_drive(self, lane: Row) -> bool:
        if lane["kind"] == "local":
            return self.context.has_device(lane["key"])
        if lane["provider"] not in registry():  # a plug-in installed after this process started: a newer worker has it
            return False
        try:
            ours = self.context.accesses(lane["provider"])
        except VideoError as error:
            self._tell(lane["key"], error.message)
            return False
        except Exception as error:  # a third party's back end must not end the other lanes
            self._tell(lane["key"], in_words(error))
            return False
        return any(access.available and access.lane == lane["key"] for access in ours)

    def _tell(self, key: str, trouble: str, kind: Literal["", "no_credentials"] = "") -> None:
        """Record why the lane is not driven, and when that last occurred (to a few seconds: each write wakes
        clients)."""
        now = time.time()

        def write(tx: Transaction) -> int:
            return tx.run(
                "UPDATE lanes SET trouble = ?, trouble_kind = ?, trouble_at = ? WHERE key = ? "
                "AND (trouble <> ? OR trouble_kind <> ? OR trouble_at < ?)",
                (trouble[:300], kind, now, key, trouble[:300], kind, now - TELL_AGAIN_S),
            )

        self.context.store.write(write)


async def until_stopped(context: Context, engine_log: IO[bytes], duty: Duty) -> None:
    """Run a worker in this process until all is quiet, or SIGTERM or SIGINT comes."""
    worker = Worker(context, engine_log, detached=True, duty=duty)
    async with anyio.create_task_group() as group:

        async def on_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    worker.stop()
                    return

        group.start_soon(on_signal)
        await worker.run()
        group.cancel_scope.cancel()
