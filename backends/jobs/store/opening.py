"""Opening a process's store: the file of its data folder, or the server that REELWRIGHT_STORE names."""

from __future__ import annotations

from importlib.util import find_spec

from backends.errors import VideoError
from backends.jobs.store import schema
from backends.jobs.store.database import Store
from backends.jobs.store.sqlite import SqliteStore, format_of, moved_to
from backends.settings import Settings

SCHEMES = ("postgresql://", "postgres://")


def open_store(settings: Settings) -> Store:
    """Open it; a file is created or upgraded, a server's store must exist already (`reelwright store init`).

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
    """Create a server's store where there is none; a file is created when it is opened."""
    if settings.store_url:
        check_url(settings.store_url)
        from backends.jobs.store.postgres import making

        making.init(settings.store_url)


def give(settings: Settings, kind: str, role: str) -> None:
    """Give a role of the server the rights of an "agent" or a "worker"; see `postgres.roles`.

    VideoError("invalid_request") where the store is a file, which has no roles.
    """
    if not settings.store_url:
        text = "the store in a data folder has no roles: whoever may read the file may write it"
        raise VideoError("invalid_request", f"{text}; roles need a server, which REELWRIGHT_STORE names")
    from backends.jobs.store.postgres import roles

    roles.give(settings.store_url, "agent" if kind == "agent" else "worker", role)


def migrate(settings: Settings) -> tuple[int, int]:
    """Upgrade the store: (format before, format now)."""
    if settings.store_url:
        check_url(settings.store_url)
        from backends.jobs.store.postgres import making

        return making.migrate(settings.store_url)
    before = format_of(settings.store) if settings.store.exists() else schema.VERSION
    SqliteStore(settings.store).close()
    return before, max(before, schema.VERSION)


def check_url(url: str) -> None:
    """VideoError("storage") for what is not a server's URL, or where the driver is missing. The message never shows the
    URL, since it may contain a password."""
    if not url.startswith(SCHEMES):
        raise VideoError(
            "storage",
            "REELWRIGHT_STORE is no URL of a PostgreSQL server: write postgresql://USER@HOST/DATABASE, or leave it "
            "empty for the store in the data folder",
        )
    if find_spec("psycopg") is None:
        raise VideoError("storage", "a store on PostgreSQL needs its driver: pip install 'reelwright[postgres]'")
