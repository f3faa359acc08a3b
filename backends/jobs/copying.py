"""Moving a data folder's store to a server: every job, open or ended, its money, its limits and its history.

The file is closed for good before the first row is copied, so that no job can be driven from both. The copy is one
transaction. If it is interrupted, the same call continues it. The file stays as it was, for the user to keep.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from backends.errors import VideoError
from backends.jobs import archive
from backends.jobs.lanes.locks import FileLocks, Held
from backends.jobs.store import opening, sqlite
from backends.jobs.store.sqlite import SqliteStore
from backends.settings import Settings

TABLES = ("settings", "lanes", "blobs", "jobs", "events", "ledger", "audit")


def count(settings: Settings) -> int:
    """The number of jobs in the data folder's file. VideoError("not_found") where there is none."""
    return len(_rows(_file(settings), "jobs", "id"))


def copy(settings: Settings) -> int:
    """Move them to the server that REELWRIGHT_STORE names, whose store must exist and be empty; returns the number of
    jobs.

    VideoError("conflict") while a worker drives a lane of the file, or where the server's store already has jobs.
    """
    opening.check_url(settings.store_url)
    from backends.jobs.store.postgres import making

    path = _file(settings)
    where = making.check_empty(settings.store_url)
    if not sqlite.moved_to(path):
        store = SqliteStore(path)
        try:
            with _alone(store):
                _bring_back(store)
                store.write(lambda tx: sqlite.mark_moved(tx, where), durable=True)
        finally:
            store.close()
    there = {row["name"] for row in _rows(path, "sqlite_schema", "name")}  # an older program may have closed it
    rows = {table: _rows(path, table) for table in TABLES if table in there}
    sums = _rows(path, "spent", "day, provider, settled, held", making.SUMS_THAT_COUNT)
    making.fill(settings.store_url, rows, sums)
    return len(rows["jobs"])


def _file(settings: Settings) -> Path:
    if not settings.store.exists():
        raise VideoError("not_found", f"there is no store at {settings.store}: there is nothing to copy")
    return settings.store


def _rows(path: Path, table: str, columns: str = "*", rest: str = "") -> list[dict[str, object]]:
    return sqlite.read_closed(path, f"SELECT {columns} FROM {table} {rest}")


@contextmanager
def _alone(store: SqliteStore) -> Generator[None]:
    """Runs while no process drives a lane of the file or can start to."""
    locks, held = FileLocks(store.home / "locks"), list[Held]()
    try:
        for lane in store.rows("SELECT key, pid FROM lanes"):
            lock = locks.take(str(lane["key"]), 0.0)
            if lock is None:
                text = f"process {lane['pid']} drives {lane['key']}: stop it, or wait until its jobs are done"
                raise VideoError("conflict", text, retryable=True)
            held.append(lock)
        yield
    finally:
        for lock in held:
            lock.release()


def _bring_back(store: SqliteStore) -> None:
    """Archived jobs come along: a server's store keeps all of its jobs."""
    while rows := store.rows("SELECT id FROM archived LIMIT 200"):
        archive.bring_back(store, [str(row["id"]) for row in rows])
