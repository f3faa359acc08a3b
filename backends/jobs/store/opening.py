"""Which store a process works with: the file of its data folder, or the server that REELWRIGHT_STORE names."""

from __future__ import annotations

from importlib.util import find_spec

from backends.errors import VideoError
from backends.jobs.store.database import Store
from backends.jobs.store.sqlite import SqliteStore
from backends.settings import Settings

SCHEMES = ("postgresql://", "postgres://")


def open_store(settings: Settings) -> Store:
    """Open it; a file is made or brought up to date, a server's store must have been made (`reelwright store init`).

    VideoError("storage") says in one sentence why it cannot be used.
    """
    if not settings.store_url:
        return SqliteStore(settings.store)
    check_url(settings.store_url)
    from backends.jobs.store.postgres.store import PostgresStore

    return PostgresStore(settings.home, settings.store_url)


def check_url(url: str) -> None:
    """VideoError("storage") for what is no URL of a server, or where the driver is missing. Never shows the URL: it may
    hold a password."""
    if not url.startswith(SCHEMES):
        raise VideoError(
            "storage",
            "REELWRIGHT_STORE is no URL of a PostgreSQL server: write postgresql://USER@HOST/DATABASE, or leave it "
            "empty for the store in the data folder",
        )
    if find_spec("psycopg") is None:
        raise VideoError("storage", "a store on PostgreSQL needs its driver: pip install 'reelwright[postgres]'")
