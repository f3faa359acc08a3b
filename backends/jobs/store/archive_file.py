"""Where the archive lies, and what its jobs still need of the store's files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from backends.jobs.store.database import Store

NAME = "archive.db"
HASH = re.compile(r"[0-9a-f]{64}")
PAGE = 5000


def path_of(store: Store) -> Path:
    """The archive of a store: a file beside it, which is there once something was archived."""
    return store.path.with_name(NAME)


def inputs_of(path: Path) -> Iterator[str]:
    """The hashes of the inputs of all jobs in the archive at `path`; none where there is no archive."""
    if not path.exists():
        return
    kept = Store(path)
    try:
        after, sql = 0, f"SELECT seq, inputs FROM jobs WHERE seq > ? ORDER BY seq LIMIT {PAGE}"
        while rows := kept.rows(sql, (after,)):
            for row in rows:
                yield from HASH.findall(row["inputs"])
            after = int(rows[-1]["seq"])
    finally:
        kept.close()
