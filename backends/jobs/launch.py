"""Starting a worker from a client: detached, so that it outlives the client, or inline on a thread.

A detached worker inherits no pipes (a client's host waits for EOF), no terminal and no working folder; `-P` keeps
a folder named `backends` in the user's project from being imported instead of ours.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time

import anyio

from backends.jobs import lanes
from backends.jobs.context import Context
from backends.jobs.store import Row
from backends.jobs.worker import Worker, open_jobs

log = logging.getLogger("reelwright")

START_GRACE_S = 10.0
"""A worker that was just started gets this long to show itself before another is started."""

LOG_LIMIT = 2 << 20


class Launcher:
    """Sees to it that lanes with open jobs have a driver. Safe to call often: `ensure` is a look at one row."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._started: dict[str, float] = {}
        self._children: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._inline: threading.Thread | None = None
        self._inline_worker: Worker | None = None

    def ensure(self, lane_key: str) -> str:
        """Start a worker when nobody drives the lane. Why it cannot be driven, or "" when it is or soon will be."""
        lane = self.context.store.row("SELECT * FROM lanes WHERE key = ?", (lane_key,))
        if lane is None or lanes.is_driven(self.context.locks, lane):
            self._started.pop(lane_key, None)
            return ""
        trouble = self._no_access(lane)
        if trouble:
            return trouble
        with self._lock:
            started = self._started.get(lane_key)
            if started is not None and time.monotonic() - started < START_GRACE_S and self._alive():
                return ""
            told = lane["trouble"] if started is not None and lane["trouble"] else ""
            self._started[lane_key] = time.monotonic()
            self._start()
            return f"its worker could not start: {told}" if told else ""

    def _no_access(self, lane: Row) -> str:
        """A lane that only somebody else's credentials can drive is named, not started."""
        why = self.context.why_not(lane["provider"])
        if why is not None:
            return f"no_credentials: {why}"
        if self.context.access(lane["provider"]).lane != lane["key"]:
            return (
                "no_credentials: this job belongs to another account or server of "
                f"{lane['provider']}: set the credentials it was started with"
            )
        return ""

    def _alive(self) -> bool:
        """Whether a worker that we started still runs (those that ended are reaped here)."""
        self._children = [child for child in self._children if child.poll() is None]
        return bool(self._children) or (self._inline is not None and self._inline.is_alive())

    def _start(self) -> None:
        if self.context.settings.worker == "inline":
            self._start_inline()
        else:
            self._start_detached()

    def _start_detached(self) -> None:
        settings = self.context.settings
        settings.logs.mkdir(parents=True, exist_ok=True)
        path = settings.logs / "worker.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        env = {**settings.env, "REELWRIGHT_HOME": str(settings.home), "REELWRIGHT_OUTPUT_DIR": str(settings.output)}
        env["REELWRIGHT_WORKER"] = "detached"
        env.pop("PYTHONSAFEPATH", None)
        with path.open("ab") as log_file:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "backends.jobs.worker"],
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                cwd=settings.home,
                env=env,
                start_new_session=True,
                close_fds=True,
            )
        self._children.append(child)

    def _start_inline(self) -> None:
        if self._inline is not None and self._inline.is_alive():
            return
        worker = Worker(self.context, subprocess.DEVNULL, detached=False)
        self._inline_worker = worker

        def run() -> None:
            try:
                anyio.run(worker.run)
            except Exception:  # told in the log; the next ensure starts another
                log.exception("the inline worker failed")

        self._inline = threading.Thread(target=run, name="reelwright-worker", daemon=True)
        self._inline.start()

    def drain(self) -> None:
        """Inline only: stay until no job is open, then let the worker end. A detached worker needs nothing."""
        if self._inline is None:
            return
        while self._inline.is_alive() and open_jobs(self.context):
            self._inline.join(0.2)

    def close(self) -> None:
        """Let an inline worker end; forget detached ones (they live on, and are nobody's zombie)."""
        if self._inline is not None and self._inline_worker is not None:
            self._inline_worker.stop()
            self._inline.join(10.0)
        for child in self._children:
            child.poll()
            child.returncode = child.returncode if child.returncode is not None else 0  # no ResourceWarning
