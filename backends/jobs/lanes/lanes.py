"""Lanes: who drives what. Exactly one process drives a lane at a time, proven by an OS file lock.

The kernel frees the lock at kill -9 and keeps it through a suspend; a time lease would do neither. The row beside it
tells who drives, since when (epoch), and that it lives (beats). Leaving and starting cannot race: a driver sets
driven=0 in the one transaction that also finds no open job, then frees the lock; an insert reads driven in its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from backends.errors import VideoError
from backends.jobs.crashpoints import crash_point
from backends.jobs.files.private import private_folder
from backends.jobs.lanes.process import ProcessId, is_alive, this_process
from backends.jobs.store.database import Row, Store, Transaction
from backends.jobs.store.schema import OPEN

BEAT_S = 5.0
"""How often a driver shows that it lives."""


class Fenced(Exception):
    """This process no longer drives the lane (its epoch has passed): it must stop, and has written nothing."""


@dataclass(frozen=True)
class Lease:
    """The right to drive a lane: the held lock and the epoch that every write carries."""

    key: str
    epoch: int
    lock: FileLock


def device_locks() -> Path:
    """Where the locks of devices lie: one folder a user and machine, since every home's jobs share its GPUs."""
    return platformdirs.user_runtime_path("reelwright") / "devices"


def is_shared(key: str) -> bool:
    """Whether other homes of this machine want the same lock: one device serves them all."""
    return key.startswith("gpu:")


def lock_path(folder: Path, key: str) -> Path:
    if is_shared(key):
        folder = device_locks()
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.lock"


def pulse_path(folder: Path, key: str) -> Path:
    """The file whose time of change its driver moves on while it lives, beside the lock: see `pulse`."""
    return lock_path(folder, key).with_suffix(".pulse")


def _lock(folder: Path, key: str) -> FileLock:
    path = lock_path(folder, key)
    private_folder(path.parent)
    return FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)


def claim(folder: Path, key: str) -> FileLock | None:
    """The lock of a lane or device, held from now on; None while somebody else holds it."""
    lock = _lock(folder, key)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def take(store: Store, folder: Path, key: str, *, version: str, detached: bool, wait_s: float = 5.0) -> Lease | None:
    """Become the lane's driver; None when somebody else stays it for `wait_s` seconds. Raises the epoch."""
    lock = _lock(folder, key)
    try:
        lock.acquire(timeout=wait_s, poll_interval=0.02)
    except Timeout:
        return None
    me = this_process()

    def write(tx: Transaction) -> int:
        tx.run(
            "UPDATE lanes SET driven = 1, epoch = epoch + 1, pid = ?, started = ?, boot_id = ?, pid_ns = ?, "
            "detached = ?, version = ?, beats = 0, handover = 0 WHERE key = ?",
            (me.pid, me.started, me.boot_id, me.pid_ns, int(detached), version, key),
        )
        row = tx.row("SELECT epoch FROM lanes WHERE key = ?", (key,))
        if row is None:
            raise VideoError("not_found", f"the store has no lane {key}")
        return int(row["epoch"])

    try:
        crash_point("after-lock")
        return Lease(key, store.write(write, durable=True), lock)
    except BaseException:
        lock.release()
        raise


def leave(store: Store, lease: Lease, *, even_if_open: bool = False) -> bool:
    """Stop driving if nothing is open (or anyway); False when there is still work. The lock is freed last."""

    def write(tx: Transaction) -> bool:
        if not even_if_open and tx.row(f"SELECT 1 FROM jobs WHERE lane = ? AND {OPEN} LIMIT 1", (lease.key,)):
            return False
        tx.run("UPDATE lanes SET driven = 0 WHERE key = ? AND epoch = ?", (lease.key, lease.epoch))
        return True

    left = store.write(write)
    if left:
        crash_point("before-unlock")
        lease.lock.release()
    return left


def beat(store: Store, lease: Lease) -> None:
    """Show that the driver lives and works; Fenced when the lane has passed to another.

    Only now is the trouble of earlier drivers over: taking a lane is not yet driving it.
    """

    def write(tx: Transaction) -> int:
        return tx.run(
            "UPDATE lanes SET beats = beats + 1, trouble = '' WHERE key = ? AND epoch = ?", (lease.key, lease.epoch)
        )

    if not store.write(write):
        raise Fenced(lease.key)


def fence(tx: Transaction, key: str, epoch: int) -> None:
    """Inside a driver's transaction: raise Fenced (and so undo it) unless the lane is still ours."""
    if not tx.row("SELECT 1 FROM lanes WHERE key = ? AND epoch = ?", (key, epoch)):
        raise Fenced(key)


def add_lane(tx: Transaction, key: str, provider: str, kind: str) -> bool:
    """Make sure the lane has a row; whether it is driven."""
    tx.run("INSERT OR IGNORE INTO lanes(key, provider, kind) VALUES (?, ?, ?)", (key, provider, kind))
    row = tx.row("SELECT driven FROM lanes WHERE key = ?", (key,))
    return bool(row and row["driven"])


def driver_of(lane: Row) -> ProcessId | None:
    if not lane["driven"] or lane["pid"] is None:
        return None
    return ProcessId(int(lane["pid"]), float(lane["started"]), str(lane["boot_id"]), str(lane["pid_ns"]))


def is_driven(folder: Path, lane: Row) -> bool:
    """Whether a living process drives the lane now: its row says so, and the kernel agrees that the lock is held.

    The lock alone proves it: the driver may be in another container, where its pid is another's or nobody's here. Only
    a device's lock lies outside of the home and may be held for another home: there our own driver must live too, if
    it is one of this container.
    """
    driver = driver_of(lane)
    if driver is None or (is_shared(str(lane["key"])) and driver.is_near and not is_alive(driver)):
        return False
    return is_held(folder, str(lane["key"]))


def is_held(folder: Path, key: str) -> bool:
    """Whether some process, of whatever home, holds the lane's lock now."""
    lock = claim(folder, key)
    if lock is not None:
        lock.release()
    return lock is None


def paid_jobs(store: Store) -> int:
    """How many open jobs cost money."""
    row = store.row(f"SELECT count(*) AS n FROM jobs WHERE {OPEN} AND coalesce(est_high, 1) > 0")
    return int(row["n"]) if row else 0


def server_of(key: str) -> str:
    """Provider and base URL of a remote lane's key ("provider|base URL|account"), without the account."""
    return key.rpartition("|")[0]


def base_url_of(key: str) -> str:
    """Where the requests of a remote lane go."""
    return server_of(key).partition("|")[2]


def account_of(key: str) -> str:
    """The account of a remote lane's key: a fingerprint, or a project and its place."""
    return key.rpartition("|")[2]


def undriven_open(store: Store) -> list[Row]:
    """Lanes that have open jobs, with their rows, whether or not their driver lives."""
    is_open = f"SELECT 1 FROM jobs INDEXED BY jobs_open WHERE lane = lanes.key AND {OPEN}"
    return store.rows(f"SELECT * FROM lanes WHERE EXISTS ({is_open})")
