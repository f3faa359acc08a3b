"""The lock of a lane, which proves that exactly one process drives it.

With the store in a file it is a lock of the operating system, which the kernel frees when its process ends and not
before: so a free lock means that the driver is gone. A lock that a server keeps (`session_locks`) is freed when its
session ends, while its driver may live on without knowing. Therefore it is checked just before money is spent, and a
driver whose lock came free counts as gone only where that is proven.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Protocol

import platformdirs
from filelock import FileLock, Timeout

from backends.jobs.files.private import private_folder
from backends.jobs.lanes.process import ProcessId, is_alive


class Held(Protocol):
    """A lock that this process has taken."""

    def held(self) -> bool:
        """Whether it is still ours, at this moment."""
        ...

    def release(self, force: bool = False) -> None: ...


class LaneLocks(Protocol):
    """The locks of a store's lanes. folder: on this machine, for files beside the locks (see `pulse`)."""

    @property
    def folder(self) -> Path: ...

    @property
    def look_s(self) -> float:
        """Seconds between two checks for locks that came free, since no event tells of that."""
        ...

    def take(self, key: str, wait_s: float) -> Held | None:
        """None when another process keeps it for `wait_s` seconds."""
        ...

    def is_held(self, key: str) -> bool:
        """Whether some process, of any data folder, holds it now."""
        ...

    def is_driving(self, key: str, driver: ProcessId) -> bool:
        """Whether the driver that the lane's row names still holds it."""
        ...

    def is_over(self, driver: ProcessId | None) -> bool:
        """Whether the previous driver, whose lock came free, will surely send nothing more. None: it left by itself and
        said so."""
        ...

    def is_here(self, driver: ProcessId) -> bool:
        """Whether the driver's pid means anything on this machine."""
        ...

    def holder(self, key: str) -> str:
        """The machine that drives the lane, "" when none does."""
        ...


def device_locks() -> Path:
    """The folder of the device locks: one per user and machine, since jobs of every data folder share its GPUs."""
    return platformdirs.user_runtime_path("reelwright") / "devices"


def is_shared(key: str) -> bool:
    """Whether other data folders on this machine use the same lock, because they share one device."""
    return key.startswith("gpu:")


def lock_path(folder: Path, key: str) -> Path:
    if is_shared(key):
        folder = device_locks()
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.lock"


class FileHeld:
    """A lock of the operating system: ours until it is released or this process ends."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def held(self) -> bool:
        return self._lock.is_locked

    def release(self, force: bool = False) -> None:
        self._lock.release(force=force)


class FileLocks:
    """folder: of the locks, except those of devices."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def look_s(self) -> float:
        return 1.0

    def take(self, key: str, wait_s: float) -> FileHeld | None:
        lock = self._lock(key)
        try:
            lock.acquire(timeout=wait_s, poll_interval=0.02)
        except Timeout:
            return None
        return FileHeld(lock)

    def is_held(self, key: str) -> bool:
        held = self.take(key, 0.0)
        if held is not None:
            held.release()
        return held is None

    def is_driving(self, key: str, driver: ProcessId) -> bool:
        """The lock alone proves it: the driver may be in another container, where its pid means nothing here. Only a
        device's lock lies outside the data folder and may be held for another one: there our own driver must also be
        alive, if it runs in this container."""
        if is_shared(key) and driver.is_near and not is_alive(driver):
            return False
        return self.is_held(key)

    def is_over(self, driver: ProcessId | None) -> bool:
        return True

    def is_here(self, driver: ProcessId) -> bool:
        return driver.is_near

    def holder(self, key: str) -> str:
        return "this machine" if self.is_held(key) else ""

    def _lock(self, key: str) -> FileLock:
        path = lock_path(self._folder, key)
        private_folder(path.parent)
        return FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)


def awake_or_not() -> float:
    """Seconds on a clock that is never set and that counts while the machine sleeps, where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
