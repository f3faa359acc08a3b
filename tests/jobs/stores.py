"""The store that a test works with: the file of its data folder, or, where REELWRIGHT_TEST_SERVER names a server, one
of its own there. `make postgres` runs the tests of this folder so, and `python -m tests.chaos --server` the storms."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from backends.jobs.store.database import Store
from backends.jobs.store.sqlite import SqliteStore

VARIABLE = "REELWRIGHT_TEST_SERVER"

_server = os.environ.get(VARIABLE, "")


def server() -> str:
    """The URL of a database for tests; "" where each store is a file."""
    return _server


def use(url: str) -> None:
    """From now on each store of this process is on that server."""
    global _server
    _server = url


def url_of(home: Path) -> str:
    """The URL of the store of a data folder; "" where it lies in the folder."""
    name = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    return f"{server()}?options=-csearch_path%3Dh_{name}" if server() else ""


def made(home: Path) -> str:
    """The URL of the store of a data folder, which is there now; "" where opening the folder makes it."""
    if url := url_of(home):
        from backends.jobs.store.postgres.making import init

        init(url)
    return url


def opened(home: Path) -> Store:
    """The store of a data folder, made where there is none yet."""
    if not (url := made(home)):
        return SqliteStore(home / "reelwright.db")
    from backends.jobs.store.postgres.store import PostgresStore

    return PostgresStore(home, url)
