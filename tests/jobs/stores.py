"""The store that a test works with: the file of its data folder, or, where REELWRIGHT_TEST_SERVER names a server, one
of its own there. `make postgres` runs the tests of this folder so."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from backends.jobs.store.database import Store
from backends.jobs.store.sqlite import SqliteStore

SERVER = os.environ.get("REELWRIGHT_TEST_SERVER", "")
"""The URL of a database for tests; "" where each store is a file."""


def url_of(home: Path) -> str:
    """The URL of the store of a data folder; "" where it lies in the folder."""
    name = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    return f"{SERVER}?options=-csearch_path%3Dh_{name}" if SERVER else ""


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
