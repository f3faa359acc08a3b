"""A sign of life without the database: while another program holds the store's write lock (a database viewer, a
backup), a healthy driver cannot write its beat, and must not be taken for a hung one.

A thread updates the time of a file beside each lane's lock. It stops when the whole process stops, and when the event
loop has not run for LATE_BEATS, unless the loop is inside a call of the store: such a call ends by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio

from backends.jobs.lanes import lanes
from backends.jobs.store.database import Store

log = logging.getLogger("reelwright.worker")

LATE_BEATS = 2.0
"""A loop that has not run for the time of so many beats counts as hung; its sign of life stops."""

CALL_S = 120.0
"""The longest that one call of the store can take, seconds: several waits for its write lock in a row. After that the
loop counts as hung there too (a dead network disk)."""


class Pulse:
    """The worker's sign of life. driven: returns the keys of the lanes that it drives now. Create it on the loop's own
    thread."""

    def __init__(self, store: Store, folder: Path, driven: Callable[[], Iterable[str]], every_s: float) -> None:
        self._store = store
        self._folder = folder
        self._driven = driven
        self._every_s = every_s
        self._loop = threading.get_ident()
        self._ran = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="reelwright-pulse", daemon=True)

    async def run(self) -> None:
        """Record that the loop runs, until cancelled; the thread ends with this task."""
        self._thread.start()
        try:
            while True:
                self._ran = time.monotonic()
                await anyio.sleep(self._every_s / 4)
        finally:
            self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(self._every_s):
            if self._loop_lives():
                for key in list(self._driven()):
                    touch(lanes.pulse_path(self._folder, key))

    def _loop_lives(self) -> bool:
        now = time.monotonic()
        since = self._store.inside_since(self._loop)
        return now - self._ran < LATE_BEATS * self._every_s or (since is not None and now - since < CALL_S)


def touch(path: Path) -> None:
    """Update the file's modification time; this needs no disk space once the file exists."""
    try:
        path.touch(0o600)  # private to the owner, whatever the umask
    except OSError as error:  # the folder is gone or not writable: only the beats in the store remain
        log.debug("%s: %s", path, error)


def seen(folder: Path, key: str) -> int:
    """The lane's last sign of life, as a number to compare with a later one; 0 = none yet."""
    try:
        return lanes.pulse_path(folder, key).stat().st_mtime_ns
    except OSError:
        return 0
