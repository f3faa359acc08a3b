"""Which store a process works with: the file of its data folder, or the server that REELWRIGHT_STORE names."""

from __future__ import annotations

from importlib.util import find_spec

from backends.errors import VideoError
from backends.jobs.store import schema
from backends.jobs.store.database import Store
from backends.jobs.store.sqlite import SqliteStore, format_of, moved_to
from backends.settings import Settings

SCHEMES = ("postgresql://", "postgres://")


def open_store(settings: Settings) -> Store:
    """Open it; a file is made or brought up to date, a server's store must have been made (`reelwright store init`).

    VideoError("storage") says in one sentence why it cannot be used.
    """
    if not settings.store_url:
        return SqliteStore(settings.store)
    check_url(settings.store_url)
    if settings.store.exists() and not moved_to(settings.store):
        raise VideoError(
            "storage",
            f"the data folder {settings.home} has a store of its own: reelwright store copy --yes moves its jobs to "
            "the server; or set REELWRIGHT_HOME to another folder",
        )
    from backends.jobs.store.postgres.store import PostgresStore

    return PostgresStore(settings.home, settings.store_url)


def make(settings: Settings) -> None:
    """Make a server's store where there is none yet; a file is made when it is opened."""
    if settings.store_url:
        check_url(settings.store_url)
        from backends.jobs.store.postgres import making

        making.init(settings.store_url)


def give(settings: Settings, kind: str, role: str) -> None:
    """Let a role of the server work with the store as an "agent" or a "worker"; see `postgres.roles`.

    VideoError("invalid_request") where the store is a file, which has no roles.
    """
    if not settings.store_url:
        text = "the data folder's file has no roles, whoever may read it may write it"
        raise VideoError("invalid_request", f"{text}: REELWRIGHT_STORE names a server that has")
    from backends.jobs.store.postgres import roles

    roles.give(settings.store_url, "agent" if kind == "agent" else "worker", role)


def migrate(settings: Settings) -> tuple[int, int]:
    """Bring the store up to date: (format before, format now)."""
    if settings.store_url:
        check_url(settings.store_url)
        from backends.jobs.store.postgres import making

        return making.migrate(settings.store_url)
    before = format_of(settings.store) if settings.store.exists() else schema.VERSION
    SqliteStore(settings.store).close()
    return before, max(before, schema.VERSION)


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
