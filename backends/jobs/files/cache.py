"""The data folder as a cache of a bucket: the least recently used files are removed to make room.

Only files that the bucket holds, and that can be fetched again, are removed. Never removed: inputs of an open or
uncertain job, files of a job that has not succeeded, and files used within two hours.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from backends.errors import VideoError
from backends.jobs.files import copies
from backends.jobs.files.artifacts import NOTED_S, Artifacts
from backends.jobs.files.sharing import files_of
from backends.jobs.files.sizes import about_bytes_of, bytes_of, forget
from backends.jobs.store import archive_file
from backends.jobs.store.database import Store
from backends.jobs.store.schema import UNENDED

GB = 1_000_000_000
CACHE_GB = 50.0
"""GB that may lie in the data folder before files are removed."""

DOWN_TO = 0.9
JUST_USED_S = 2 * NOTED_S
"""Seconds. A file used more recently stays: it may be in use."""
CHUNK = 500


def make_room(store: Store, artifacts: Artifacts, most: int) -> int:
    """Remove the least recently used files while they take more than `most` bytes; returns the bytes freed.

    Does nothing where files are kept in the data folder only, or while the bucket cannot be reached. It raises nothing;
    room is made later then.
    """
    freed = 0
    with suppress(VideoError, OSError):
        if not artifacts.objects.where or about_bytes_of(artifacts.root) <= most:
            return 0
        forget(artifacts.root)
        over = bytes_of(artifacts.root) - int(most * DOWN_TO)
        for names in _oldest_first(store, artifacts):
            if freed >= over:
                break
            freed += _remove(store, artifacts, names)
    return freed


def _remove(store: Store, artifacts: Artifacts, names: dict[Path, str]) -> int:
    """Remove all names of one file if the bucket holds it complete and nothing came to need it meanwhile."""
    size = next(iter(names)).stat().st_size
    if not all(artifacts.objects.has(sha256, size) for sha256 in set(names.values())):
        return 0
    if any(_is_needed(store, path, sha256) for path, sha256 in names.items()):
        return 0
    for path in names:
        copies.remove_kept(path)
    return size


def _is_needed(store: Store, path: Path, sha256: str) -> bool:
    facts = os.lstat(path)
    if max(facts.st_atime, facts.st_mtime) >= time.time() - JUST_USED_S:
        return True
    named = f"SELECT 1 FROM jobs WHERE {UNENDED} AND inputs LIKE ? LIMIT 1"
    return store.row(named, (f"%{sha256}%",)) is not None


def _oldest_first(store: Store, artifacts: Artifacts) -> Iterator[dict[Path, str]]:
    """Files that may go, each with all its names here and their hashes, the least recently used first."""
    files: defaultdict[tuple[int, int], dict[Path, str]] = defaultdict(dict)
    used: dict[tuple[int, int], float] = {}
    for path, sha256 in (*_inputs(store, artifacts), *_clips(store, artifacts)):
        with suppress(OSError):
            facts = os.lstat(path)
            files[facts.st_dev, facts.st_ino][path] = sha256
            used[facts.st_dev, facts.st_ino] = max(facts.st_atime, facts.st_mtime)
    before = time.time() - JUST_USED_S
    for key in sorted(files, key=lambda one: used[one]):
        names = files[key]
        if used[key] < before and len(names) == next(iter(names)).stat().st_nlink:
            yield names


def _inputs(store: Store, artifacts: Artifacts) -> Iterator[tuple[Path, str]]:
    needed = {
        sha256
        for row in store.rows(f"SELECT inputs FROM jobs WHERE {UNENDED}")
        for sha256 in archive_file.HASH.findall(row["inputs"])
    }
    for path in (artifacts.root / "blobs").glob("*/*"):
        if archive_file.HASH.fullmatch(path.name) and path.name not in needed:
            yield path, path.name


def _clips(store: Store, artifacts: Artifacts) -> Iterator[tuple[Path, str]]:
    there = [folder.name for folder in (artifacts.root / "jobs").glob("*")]
    for first in range(0, len(there), CHUNK):
        some = there[first : first + CHUNK]
        marks = ", ".join("?" * len(some))
        sql = f"SELECT result FROM jobs WHERE id IN ({marks}) AND state = 'succeeded' AND result IS NOT NULL"
        for row in store.rows(sql, some):
            if "file" in json.loads(row["result"]):
                yield from files_of(artifacts.places.result_of(row)).items()
