"""Where the archive lies, and which of the store's files its jobs still need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from backends.errors import VideoError
from backends.jobs.store.database import Store
from backends.jobs.store.sqlite import SqliteStore

HASH = re.compile(r"[0-9a-f]{64}")
PAGE = 5000


def path_of(store: Store) -> Path:
    """The path of a store's archive: a file beside it, which exists once something was archived.

    VideoError("unsupported") for a store that keeps all its jobs.
    """
    if store.archive is None:
        raise VideoError(
            "unsupported", f"{store.where} keeps all its jobs: only those of a store in a file can be archived"
        )
    return store.archive


def inputs_of(path: Path) -> Iterator[str]:
    """The hashes of the inputs of all archived jobs; none where there is no archive."""
    yield from _hashes(path, "inputs")


def hashes_of(path: Path) -> Iterator[str]:
    """The same, and the hashes of what the jobs have made; of jobs whose files were removed, only their inputs."""
    yield from _hashes(path, "inputs || ' ' || iif(instr(result, 'cleared_at') > 0, '', ifnull(result, ''))")


def _hashes(path: Path, columns: str) -> Iterator[str]:
    if not path.exists():
        return
    kept = SqliteStore(path)
    try:
        after, sql = 0, f"SELECT seq, {columns} AS named FROM jobs WHERE seq > ? ORDER BY seq LIMIT {PAGE}"
        while rows := kept.rows(sql, (after,)):
            for row in rows:
                yield from HASH.findall(row["named"])
            after = int(rows[-1]["seq"])
    finally:
        kept.close()
