"""Locks of lanes that a database server keeps, each in a session of its own.

Such a lock comes free when its session ends: at once with its process, about 11 s after its machine is gone, after
SILENT_S without a sign of life, but also when the server or the network cuts the session off while the driver lives on.
`held` asks in that very session, so it cannot say yes for a lock that another process may have.
"""

from __future__ import annotations

import os
import platform
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from backends.jobs.lanes.locks import FileLocks, Held, is_shared
from backends.jobs.lanes.process import ProcessId, is_alive, this_process
from backends.jobs.store.postgres import link
from backends.jobs.store.postgres.link import Connection
from backends.jobs.store.postgres.store import PostgresStore

LOOK_S = 0.05

SILENT_S = 15
"""Seconds after which the server ends a lock's session that has been silent: a proxy in between, which forwards nothing
but answers for its clients, can hide that a machine is cut off."""

SIGN_S = 4.0
"""Seconds between two signs of life of a lock's session."""

_HOLDERS = (
    "FROM pg_locks AS held LEFT JOIN pg_stat_activity AS session ON session.pid = held.pid "
    "WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1 AND held.database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND held.classid = CAST(? AS oid) AND held.objid = CAST(? AS oid)"
)


class SessionHeld:
    """device: this machine's own lock of the device, which is held too."""

    def __init__(self, cx: Connection, number: int, device: Held | None) -> None:
        self._cx = cx
        self._number = number
        self._device = device
        self._over = threading.Event()
        self._mutex = threading.Lock()
        threading.Thread(target=self._keep, name="reelwright-lock", daemon=True).start()

    def _keep(self) -> None:
        """Runs beside the driver, whose own beats may wait for the store: the lock stays while its process lives."""
        while not self._over.wait(SIGN_S) and not self._cx.closed:
            self.held()

    def held(self) -> bool:
        """False also while another check has waited for the server's answer for SIGN_S."""
        if not self._mutex.acquire(timeout=SIGN_S):
            return False
        try:
            return self._cx.execute("SELECT 1").fetchone() is not None
        except psycopg.Error:
            return False
        finally:
            self._mutex.release()

    def release(self, force: bool = False) -> None:
        self._over.set()
        if self._mutex.acquire(timeout=SIGN_S):
            with suppress(psycopg.Error):  # free when this returns, not only when the server notices
                self._cx.execute("SELECT pg_advisory_unlock(%s)", (self._number,))
            self._mutex.release()
            self._cx.close()
        else:  # the server is silent: it ends the session itself
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self._cx.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        if self._device is not None:
            self._device.release(force)


class SessionLocks:
    """folder: of this machine's device locks and signs of life."""

    def __init__(self, folder: Path, store: PostgresStore) -> None:
        self._store = store
        self._files = FileLocks(folder)

    @property
    def folder(self) -> Path:
        return self._files.folder

    @property
    def look_s(self) -> float:
        return 0.5

    def take(self, key: str, wait_s: float) -> SessionHeld | None:
        device = self._files.take(key, wait_s) if is_shared(key) else None
        if is_shared(key) and device is None:
            return None
        taken: SessionHeld | None = None
        try:
            taken = self._take(key, wait_s, device)
        finally:
            if taken is None and device is not None:
                device.release()
        return taken

    def _take(self, key: str, wait_s: float, device: Held | None) -> SessionHeld | None:
        cx = link.connect(self._store.place, "lane")
        number, deadline = self._store.lock_number(key), time.monotonic() + wait_s
        try:
            while True:
                row = cx.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
                if row is not None and row[0]:
                    cx.execute(f"SET idle_session_timeout = '{SILENT_S}s'".encode())
                    return SessionHeld(cx, number, device)
                if time.monotonic() >= deadline:
                    break
                time.sleep(LOOK_S)
        except psycopg.Error as error:
            cx.close()
            raise link.storage_error(error, self._store.place) from None
        cx.close()
        return None

    def is_held(self, key: str) -> bool:
        if is_shared(key):
            return self._files.is_held(key)
        return self._is_held(key)

    def is_driving(self, key: str, driver: ProcessId) -> bool:
        return self._is_held(key)

    def _is_held(self, key: str) -> bool:
        return self._store.row(f"SELECT 1 {_HOLDERS} LIMIT 1", self._halves(key)) is not None

    def _halves(self, key: str) -> tuple[int, int]:
        """A lock's number in the form of the server's list."""
        number = self._store.lock_number(key)
        return (number >> 32) & 0xFFFFFFFF, number & 0xFFFFFFFF

    def is_over(self, driver: ProcessId | None) -> bool:
        """Proven only where the driver said so itself, or where this machine can see it: a driver elsewhere whose
        session was cut may be about to go on."""
        if driver is None or driver == this_process():
            return True
        return self.is_here(driver) and not is_alive(driver)

    def is_here(self, driver: ProcessId) -> bool:
        return bool(driver.boot_id) and driver.is_near

    def holder(self, key: str) -> str:
        row = self._store.row(f"SELECT session.application_name AS name {_HOLDERS} LIMIT 1", self._halves(key))
        if row is None:
            return ""
        words = str(row["name"] or "").split()
        host = words[1] if len(words) > 2 and words[0] == "reelwright" else "a machine that its role hides"
        return "this machine" if host == platform.node()[:30] else host
