"""The kind of lane locks that goes with a store: files beside its file, or sessions on its server."""

from __future__ import annotations

from backends.jobs.lanes.locks import FileLocks, LaneLocks
from backends.jobs.store.database import Store
from backends.jobs.store.sqlite import SqliteStore


def open_locks(store: Store) -> LaneLocks:
    """The locks of the store's lanes."""
    folder = store.home / "locks"
    if isinstance(store, SqliteStore):
        return FileLocks(folder)
    from backends.jobs.lanes.session_locks import SessionLocks
    from backends.jobs.store.postgres.store import PostgresStore

    assert isinstance(store, PostgresStore)
    return SessionLocks(folder, store)
