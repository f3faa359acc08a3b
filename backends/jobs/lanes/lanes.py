"""Lanes and their drivers. Exactly one process drives a lane at a time, proven by a lock (see `locks`).

The kernel frees a lock at kill -9 and keeps it through a suspend; a time lease would do neither. The row beside it says
who drives, since when (epoch), and that the driver is alive (beats). Leaving and starting cannot race: a driver sets
driven=0 in the one transaction that also finds no open job, then frees the lock; an insert reads `driven` in its own
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backends.errors import VideoError
from backends.jobs.crashpoints import crash_point
from backends.jobs.files.objects import KEPT_HERE
from backends.jobs.lanes.locks import Held, LaneLocks, lock_path
from backends.jobs.lanes.process import ProcessId, this_process
from backends.jobs.store.database import Row, Store, Transaction, of_lane
from backends.jobs.store.schema import OPEN

BEAT_S = 5.0
"""Seconds between two signs of life of a driver."""


NEVER_AGAIN = 3
"""In a job's column `posts`: from this number on, no further request is ever sent."""


class Fenced(Exception):
    """This process no longer drives the lane (its epoch has passed): it must stop, and nothing was written."""


@dataclass(frozen=True)
class Lease:
    """The right to drive a lane: the held lock and the epoch that every write carries."""

    key: str
    epoch: int
    lock: Held


def pulse_path(folder: Path, key: str) -> Path:
    """The file beside the lock whose modification time shows that the driver is alive: see `pulse`."""
    return lock_path(folder, key).with_suffix(".pulse")


def take(
    store: Store, locks: LaneLocks, key: str, *, version: str, detached: bool, wait_s: float = 5.0
) -> Lease | None:
    """Become the lane's driver; None when another process keeps it for `wait_s` seconds. Raises the epoch.

    Where the previous driver may still be about to send a paid request (its lock came free, but nothing proves that it
    is gone), none of its requests is ever sent again: they are looked up, or wait for the user.
    """
    lock = locks.take(key, wait_s)
    if lock is None:
        return None
    me = this_process()

    def write(tx: Transaction) -> int:
        before = tx.row("SELECT * FROM lanes WHERE key = ?", (key,))
        if before is not None and not locks.is_over(driver_of(before)):
            tx.run(
                "UPDATE jobs SET posts = ? WHERE lane = ? AND state = 'submitting' AND posts < ?",
                (NEVER_AGAIN, key, NEVER_AGAIN),
            )
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
        if not even_if_open and tx.row(
            f"SELECT 1 FROM jobs INDEXED BY jobs_open WHERE lane = ? AND {OPEN} LIMIT 1", (lease.key,)
        ):
            return False
        tx.run("UPDATE lanes SET driven = 0 WHERE key = ? AND epoch = ?", (lease.key, lease.epoch))
        return True

    left = store.write(write)
    if left:
        crash_point("before-unlock")
        lease.lock.release()
    return left


def beat(store: Store, lease: Lease) -> None:
    """Record that the driver is alive and works; Fenced when the lane has passed to another process, or its lock is
    gone.

    This also clears the trouble of earlier drivers: taking the lane alone does not.
    """

    def write(tx: Transaction) -> int:
        return tx.run(
            "UPDATE lanes SET beats = beats + 1, trouble = '' WHERE key = ? AND epoch = ?", (lease.key, lease.epoch)
        )

    if not lease.lock.held() or not store.write(write, scope=of_lane(lease.key)):
        raise Fenced(lease.key)


def fence(tx: Transaction, key: str, epoch: int) -> None:
    """In a driver's transaction: raise Fenced (which undoes it) unless the lane is still ours."""
    if not tx.row("SELECT 1 FROM lanes WHERE key = ? AND epoch = ?", (key, epoch)):
        raise Fenced(key)


def add_lane(tx: Transaction, key: str, provider: str, kind: str) -> bool:
    """Make sure that the lane has a row; returns whether it is driven."""
    tx.run("INSERT INTO lanes(key, provider, kind) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (key, provider, kind))
    row = tx.row("SELECT driven FROM lanes WHERE key = ?", (key,))
    return bool(row and row["driven"])


def driver_of(lane: Row) -> ProcessId | None:
    if not lane["driven"] or lane["pid"] is None:
        return None
    return ProcessId(int(lane["pid"]), float(lane["started"]), str(lane["boot_id"]), str(lane["pid_ns"]))


def is_driven(locks: LaneLocks, lane: Row) -> bool:
    """Whether a living process drives the lane now: its row says so, and its lock is held."""
    driver = driver_of(lane)
    return driver is not None and locks.is_driving(str(lane["key"]), driver)


def paid_jobs(store: Store) -> int:
    """How many open paid jobs need a driver now. A job whose clip is kept and only waits for the bucket does not: any
    later worker can upload it."""
    row = store.row(
        f"SELECT count(*) AS n FROM jobs WHERE {OPEN} AND coalesce(est_high, 1) > 0 "
        "AND NOT (state = 'finishing' AND phase LIKE ?)",
        (f"{KEPT_HERE}%",),
    )
    return int(row["n"]) if row else 0


def server_of(key: str) -> str:
    """Provider and base URL of a remote lane's key ("provider|base URL|account"), without the account."""
    return key.rpartition("|")[0]


def base_url_of(key: str) -> str:
    """The base URL of a remote lane."""
    return server_of(key).partition("|")[2]


def account_of(key: str) -> str:
    """The account in a remote lane's key: a fingerprint, or a project and its location."""
    return key.rpartition("|")[2]


def undriven_open(store: Store) -> list[Row]:
    """The rows of lanes with open jobs, whether or not their drivers are alive."""
    is_open = f"SELECT 1 FROM jobs INDEXED BY jobs_open WHERE lane = lanes.key AND {OPEN}"
    return store.rows(f"SELECT * FROM lanes WHERE EXISTS ({is_open})")
