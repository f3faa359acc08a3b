"""Upkeep of a bucket: check that it holds every file that rows name, and find objects that no row names.

Rows name a job's inputs, clip, poster and further files by their hashes. Archived jobs count too; jobs whose files were
removed (`jobs clean --older`) do not. So everything that an open or uncertain job needs, or that a kept clip was made
from, stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from backends.jobs.files import sharing
from backends.jobs.files.artifacts import Artifacts
from backends.jobs.kept_job import COLUMNS, KeptJob
from backends.jobs.store import archive_file
from backends.jobs.store.database import Store, Transaction
from backends.jobs.store.sqlite import ARCHIVE
from backends.jobs.upkeep import Damage, Leftover
from backends.media.hashing import is_intact


def verify(store: Store, artifacts: Artifacts, *, read: bool = False) -> tuple[int, tuple[Damage, ...]]:
    """Compare the bucket with what rows name: (number of files checked, files that are missing or changed). read: read
    every file, which takes as long as downloading it; otherwise only the listing and sizes are compared. (0, ())
    without a bucket."""
    if not artifacts.objects.where:
        return 0, ()
    there = {one.sha256: one.bytes for one in artifacts.objects.listed()}
    damage: list[Damage] = []
    files = 0
    for what, path, sha256 in _named(store, artifacts):
        files += 1
        if sha256 not in there:
            damage.append(Damage("not in the bucket", what, sha256, str(path) if path.exists() else ""))
        elif (read or _is_other_size(path, there[sha256])) and not artifacts.objects.is_whole(sha256):
            damage.append(Damage("changed in the bucket", what, sha256, str(path) if path.exists() else ""))
    return files, tuple(damage)


def put(store: Store, artifacts: Artifacts) -> int:
    """Upload what rows name and this data folder holds, for example files kept before a bucket was configured; returns
    how many were missing or incomplete in the bucket."""
    there = {one.sha256: one.bytes for one in artifacts.objects.listed()}
    done = 0
    for _, path, sha256 in _named(store, artifacts):
        is_new = sha256 not in there and path.exists()
        if is_new or (_is_other_size(path, there.get(sha256)) and is_intact(path, sha256)):
            artifacts.objects.put(path, sha256)
            done += 1
    return done


def _is_other_size(path: Path, size: int | None) -> bool:
    """Whether the local file exists with another size: then one of the two copies is incomplete."""
    return path.exists() and path.stat().st_size != size


def _named(store: Store, artifacts: Artifacts) -> Iterator[tuple[str, Path, str]]:
    """(description, local path, hash) of each file that rows name, once."""
    seen: set[str] = set()
    for row in store.rows(f"SELECT {COLUMNS} FROM jobs ORDER BY seq"):
        job = KeptJob.of(row)
        if job.is_cleared:
            continue
        named = [(f"an input of job {job.id}", artifacts.blob(sha256), sha256) for sha256 in sorted(job.blobs)]
        if job.state == "succeeded":
            files = sharing.files_of(artifacts.places.result_of(row))
            named += [(f"{path.name} of job {job.id}", path, sha256) for path, sha256 in files.items()]
        for one in named:
            if one[2] not in seen:
                seen.add(one[2])
                yield one


def unneeded(store: Store, artifacts: Artifacts, going: Collection[str] = ()) -> Iterator[Leftover]:
    """Objects of the bucket that no row names and that were put there more than a day ago. going: jobs whose files are
    being removed."""
    if not artifacts.objects.where:
        return
    needed = _needed(store, artifacts, going)
    for one in artifacts.objects.listed():
        if one.sha256 not in needed and store.now() - one.at > sharing.YOUNG_S:
            yield Leftover("an object in the bucket that no job uses", Path(one.sha256), one.bytes)


def clean(store: Store, artifacts: Artifacts) -> int:
    """Remove them; returns the bytes freed. The check runs in its own transactions, after those that removed jobs'
    files, so what became needed meanwhile stays."""
    if not artifacts.objects.where:
        return 0
    needed = _needed(store, artifacts, ())
    found = [one for one in artifacts.objects.listed() if one.sha256 not in needed]
    return sharing.sweep(store, artifacts, lambda tx: _needed(tx, artifacts, ()), found)


def _needed(rows: Store | Transaction, artifacts: Artifacts, going: Collection[str]) -> set[str]:
    """Every hash that a row names: inputs, and all files of its result. The archive is read last, because a job is
    copied there before it leaves the store."""
    needed: set[str] = set()
    for row in rows.rows(f"SELECT {COLUMNS} FROM jobs"):
        job = KeptJob.of(row)
        if job.id not in going and not job.is_cleared:
            needed |= job.blobs | set(archive_file.HASH.findall(row["result"] or ""))
    needed.update(archive_file.hashes_of(artifacts.root.parent / ARCHIVE))
    return needed
