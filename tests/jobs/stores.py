"""The store that a test works with: the file of its data folder, or, where TEST_SERVER names a server, one of its own
there. `make postgres` runs the tests of this folder so."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from backends.jobs.store.database import Store
from backends.jobs.store.sqlite import SqliteStore

SERVER = "REELWRIGHT_TEST_SERVER"
"""The environment variable with the URL of a database for tests."""


def url_of(home: Path) -> str:
    """The URL of the store of a data folder; "" where it lies in the folder."""
    server = os.environ.get(SERVER, "")
    name = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    return f"{server}?options=-csearch_path%3Dh_{name}" if server else ""


def opened(home: Path) -> Store:
    """The store of a data folder, made where there is none yet."""
    url = url_of(home)
    if not url:
        return SqliteStore(home / "reelwright.db")
    from backends.jobs.store.postgres.making import init
    from backends.jobs.store.postgres.store import PostgresStore

    init(url)
    return PostgresStore(home, url)
