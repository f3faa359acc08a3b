"""A sign of life that needs no database: while somebody else holds the store's write lock (a database viewer, a
backup), a healthy driver cannot beat there, and must not be taken for one that hangs.

A thread moves on the time of a file beside each lane's lock. It stops when the whole process stops, and when the event
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
"""A loop that has not run for the time of so many beats counts as hung, and gives no further sign of life."""

CALL_S = 120.0
"""The longest that one call of the store can take: several waits for its write lock behind each other. Beyond it the
loop counts as hung there too (a dead network disk)."""


class Pulse:
    """The worker's sign of life. driven: the lanes' keys, asked anew each time. Made on the loop's own thread."""

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
        """Note that the loop runs, until cancelled; the thread lives as long."""
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
    """Move the file's time on; it needs no room on the disk once the file is there."""
    try:
        path.touch(0o600)  # the owner's alone, whatever the umask
    except OSError as error:  # the folder is gone or cannot be written: the store's own beats are left
        log.debug("%s: %s", path, error)


def seen(folder: Path, key: str) -> int:
    """The lane's last sign of life, as a number that only ever is compared for being the same; 0 = none yet."""
    try:
        return lanes.pulse_path(folder, key).stat().st_mtime_ns
    except OSError:
        return 0
