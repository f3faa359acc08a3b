"""Starting a worker from a client: detached, so that it outlives the client, or inline on a thread.

A detached worker inherits no pipes (a client's host waits for EOF), no terminal and no working folder; `-P` keeps a
folder named `backends` in the user's project from being imported instead of ours.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from backends.errors import VideoError
from backends.jobs.context import Context, program_version
from backends.jobs.files.private import private_file, private_folder
from backends.jobs.lanes import adoption, lanes, pulse
from backends.jobs.lanes.locks import is_shared
from backends.jobs.lanes.process import is_alive
from backends.jobs.run import platform
from backends.jobs.store.database import Row
from backends.provider.registry import registered

if TYPE_CHECKING:
    from backends.jobs.run.worker_loop import Worker

log = logging.getLogger("reelwright")

START_GRACE_S = 10.0
"""Seconds for a worker that was just started to show itself before another is started."""

STUCK_S = 60.0
"""Seconds without a sign of life, by our own monotonic clock (which a suspend stops too), after which a driver counts
as hung; one that gives signs beside the store (see `pulse`) but none in it cannot write to the store."""

WATCHED_S = 3 * lanes.BEAT_S
"""Two observations further apart prove no more silence than this, seconds."""

TROUBLE_S = 90.0
"""Seconds for which a lane's trouble is shown after it last occurred: longer than the pause between two tries of a
worker."""

LOG_LIMIT = 2 << 20


class _Detached(subprocess.Popen[bytes]):
    """A process that is meant to outlive this one: dropping the object must not warn."""

    def __del__(self) -> None:
        pass


@dataclass
class _Try:
    """A lane for which we have started a worker."""

    at: float
    failures: int = 0

    @property
    def patience_s(self) -> float:
        """Seconds until another worker is started: longer each time one ends without taking the lane."""
        return min(60.0, 0.5 * 2.0**self.failures)


@dataclass
class _Watch:
    """A lane's driver as last observed, and how long it has been the same.

    beats: in the store. pulse: its sign of life beside the store; 0 for a driver that gives none (an older version).
    """

    epoch: int
    beats: int
    pulse: int
    at: float
    silent_s: float = 0.0
    unwritten_s: float = 0.0


class Launcher:
    """Makes sure that lanes with open jobs have a driver. Cheap to call often: `ensure` reads one row.

    VideoError("unsupported") on a system where no worker can start.
    """

    def __init__(self, context: Context) -> None:
        platform.refuse()
        self.context = context
        self._tries: dict[str, _Try] = {}
        self._watched: dict[str, _Watch] = {}
        self._children: list[_Detached] = []
        self._lock = threading.Lock()
        self._inline: threading.Thread | None = None
        self._inline_worker: Worker | None = None

    def ensure(self, lane_key: str) -> str:
        """Start a worker when the lane has no driver. Returns why it cannot be driven, or "" when it is or soon will
        be."""
        lane = self.context.store.row("SELECT * FROM lanes WHERE key = ?", (lane_key,))
        if lane is None:
            return ""
        if lanes.is_driven(self.context.locks, lane):
            self._tries.pop(lane_key, None)
            if _older(lane["version"]) and lane["detached"] and self.context.store.may_drive:
                self._ask_for_it(lane)
            return self._stuck(lane) or self._trouble(lane)
        if not self.context.store.may_drive:
            return (
                "no worker drives it, and the role of this store's URL may only order jobs: start reelwright worker "
                "--stay where a worker's role and the keys are"
            )
        if trouble := self._no_access(lane):
            return trouble
        with self._lock:
            return self._start_for(lane)

    def _start_for(self, lane: Row) -> str:
        now, key = time.monotonic(), str(lane["key"])
        attempt = self._tries.get(key)
        if attempt is None:
            self._tries[key] = _Try(now)
            self._start()
            return self._trouble(lane)
        if is_shared(key) and self.context.locks.is_held(key):
            return f"waiting for {key}: another data folder on this machine uses it or keeps a model loaded"
        if self._alive() and now - attempt.at < START_GRACE_S:
            return self._trouble(lane)
        if now - attempt.at >= attempt.patience_s:
            self._tries[key] = _Try(now, attempt.failures + 1)
            self._start()
        if trouble := self._trouble(lane):
            return trouble
        return f"its worker ends without taking it; see {self._log}" if attempt.failures else ""

    def _no_access(self, lane: Row) -> str:
        """A lane that only other credentials can drive is reported, not started."""
        if lane["kind"] == "local" and self.context.has_device(lane["key"]):
            return ""
        why = self.context.why_not(lane["provider"])
        if why is not None:
            return why if self._is_cut_off(lane["provider"]) else f"no_credentials: {why}"
        if any(access.lane == lane["key"] for access in self.context.accesses(lane["provider"])):
            return ""
        if adoption.adoptable(self.context, lane) and time.time() - lane["trouble_at"] > adoption.ADOPT_AGAIN_S:
            return ""
        entry = registered(lane["provider"])
        variables = " or ".join(entry.access({}).missing) or entry.address
        return (
            f"no_credentials: this job belongs to another account or server of {lane['provider']}: set {variables} "
            "as it was, move a queued job with reelwright jobs rebind, or decide what becomes of one that was sent "
            "with reelwright jobs resolve"
        )

    def _is_cut_off(self, provider: str) -> bool:
        """Whether something other than a credential is missing."""
        try:
            access = self.context.access(provider)
        except VideoError:
            return False
        return not access.missing and bool(access.why)

    def _ask_for_it(self, lane: Row) -> None:
        """A newer program wants the lane: the older driver gives it up as soon as no paid request is under way."""
        if lane["handover"]:
            return
        self.context.store.write(
            lambda tx: tx.run("UPDATE lanes SET handover = 1 WHERE key = ? AND epoch = ?", (lane["key"], lane["epoch"]))
        )
        with self._lock:
            self._start()

    def _stuck(self, lane: Row) -> str:
        """Report a driver that holds the lock but does not beat; end it when it is a detached worker of ours."""
        now, key = time.monotonic(), str(lane["key"])
        sign = pulse.seen(self.context.locks.folder, key)
        watch = self._watched.get(key)
        if watch is None or (watch.epoch, watch.beats) != (lane["epoch"], lane["beats"]):
            self._watched[key] = _Watch(lane["epoch"], lane["beats"], sign, now)
            return ""
        # Only observed time counts: after a pause of the whole machine the driver gets a chance to beat.
        watched = min(now - watch.at, WATCHED_S)
        watch.unwritten_s += watched
        watch.silent_s = 0.0 if sign != watch.pulse else watch.silent_s + watched
        watch.pulse, watch.at = sign, now
        patience = self.context.number("STUCK_S", STUCK_S)
        if watch.silent_s >= patience:
            return self._end_hung(lane)
        if watch.unwritten_s >= patience:
            return (
                f"store_locked: process {lane['pid']} drives this job, but could not write to the store for "
                f"{watch.unwritten_s:.0f} s: close whatever else has {self.context.store.where} open (a database "
                "viewer, a backup)"
            )
        return ""

    def _end_hung(self, lane: Row) -> str:
        driver = lanes.driver_of(lane)
        stuck = f"driver_stuck: process {lane['pid']}"
        if driver is not None and not self.context.locks.is_here(driver):
            return f"{stuck} of another container or machine drives this job and does not answer: restart that one"
        if driver is None or not lane["detached"] or not is_alive(driver):
            return f"{stuck} drives this job and does not answer: restart that client"
        with suppress(OSError):
            os.kill(driver.pid, signal.SIGKILL)
        del self._watched[str(lane["key"])]
        return f"driver_stuck: worker {driver.pid} did not answer and was ended; another takes over"

    def _trouble(self, lane: Row) -> str:
        """Why the lane is not really driven yet, while a worker keeps trying."""
        if not lane["trouble"] or abs(time.time() - lane["trouble_at"]) > TROUBLE_S:
            return ""
        if lane["trouble_kind"]:
            return f"{lane['trouble_kind']}: {lane['trouble']}"
        return f"cannot be started: {lane['trouble']}; it is tried again, see {self._log}"

    @property
    def _log(self) -> Path:
        return self.context.settings.logs / "worker.log"

    def _alive(self) -> bool:
        """Whether a worker that we started still runs (ended ones are reaped here)."""
        self._children = [child for child in self._children if child.poll() is None]
        return bool(self._children) or (self._inline is not None and self._inline.is_alive())

    def _start(self) -> None:
        if self.is_inline:
            self._start_inline()
        else:
            self._start_detached()

    def _start_detached(self) -> None:
        settings = self.context.settings
        private_folder(settings.logs)
        path = self._log
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        env = {**settings.env, "REELWRIGHT_HOME": str(settings.home), "REELWRIGHT_OUTPUT_DIR": str(settings.output)}
        env["REELWRIGHT_WORKER"] = "detached"
        private_file(path)
        with path.open("ab") as log_file:
            child = _Detached(
                [sys.executable, "-P", "-m", "backends.jobs.run.worker"],
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                cwd=settings.home,
                env=env,
                start_new_session=True,
            )
        self._children.append(child)

    @property
    def is_inline(self) -> bool:
        """Whether a worker started here runs inside this very process, and ends with it."""
        return self.context.settings.worker == "inline" or not _can_detach()

    def _start_inline(self) -> None:
        if self._inline is not None and self._inline.is_alive():
            return
        from backends.jobs.run.worker_loop import Worker  # imports the HTTP client, which a client never needs

        worker = Worker(self.context, subprocess.DEVNULL, detached=False)
        self._inline_worker = worker

        def run() -> None:
            try:
                anyio.run(worker.run)
            except Exception:  # it is in the log; the next ensure starts another
                log.exception("the inline worker failed")

        self._inline = threading.Thread(target=run, name="reelwright-worker", daemon=True)
        self._inline.start()

    def drain(self) -> None:
        """Inline only: wait until no open paid job needs a worker. A detached worker needs no client, and free work can
        start again."""
        while self._inline is not None and self._inline.is_alive() and lanes.paid_jobs(self.context.store):
            self._inline.join(0.2)

    def close(self) -> None:
        """Let an inline worker end. Detached ones go on."""
        if self._inline is not None and self._inline_worker is not None:
            self._inline_worker.stop()
            self._inline.join(10.0)
        self._alive()


def _can_detach() -> bool:
    """Not as PID 1: when a container's first process ends, every other one is killed."""
    return os.getpid() != 1


def _older(version: str) -> bool:
    """Whether a driver's version is older than this program's."""

    def key(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(".") if part.isdigit())

    return key(version) < key(program_version())
