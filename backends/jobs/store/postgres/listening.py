"""Notifications of a store on a server: a thread that hears of every commit, and costs nothing while there is none."""

from __future__ import annotations

import os
import select
import threading

import psycopg

from backends.errors import VideoError
from backends.jobs.store.postgres import link
from backends.jobs.store.postgres.link import Address, Connection

AGAIN_S = 1.0
"""Seconds between two tries to listen again after the session was lost."""


class Listener:
    """heard: a number that changes with every notified commit, and whenever a notification may have been missed."""

    def __init__(self, place: Address, channel: str) -> None:
        self._place = place
        self._channel = channel
        self.heard = 0
        self._over = threading.Event()
        self._end, self._ends = os.pipe()
        cx = self._open()
        self._thread = threading.Thread(target=self._run, args=(cx,), name="reelwright-listener", daemon=True)
        self._thread.start()

    def _open(self) -> Connection:
        cx = link.connect(self._place, "listener")
        try:
            cx.execute(f'LISTEN "{self._channel}"'.encode())
        except BaseException:
            cx.close()
            raise
        return cx

    def _run(self, first: Connection) -> None:
        cx: Connection | None = first
        while not self._over.is_set():
            try:
                if cx is None:
                    cx = self._open()
                    self.heard += 1  # notifications sent meanwhile were missed
                self._hear(cx)
            except (psycopg.Error, VideoError, OSError):
                if cx is not None:
                    cx.close()
                cx = None
                self.heard += 1
                self._over.wait(AGAIN_S)
        if cx is not None:
            cx.close()

    def _hear(self, cx: Connection) -> None:
        ready, _, _ = select.select([cx.fileno(), self._end], [], [])
        if cx.fileno() in ready:
            self.heard += sum(1 for _ in cx.notifies(timeout=0))

    def close(self) -> None:
        if self._over.is_set():
            return
        self._over.set()
        os.write(self._ends, b".")
        self._thread.join(5.0)
        os.close(self._ends)
        os.close(self._end)
