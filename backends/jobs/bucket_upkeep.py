"""Looking after a bucket: is all that rows name kept there, and what of it does no row name?

Rows name a job's inputs, and its clip, poster and further files, by their hashes. Archived jobs count as well; those
whose files were removed (`jobs clean --older`) don't. So what an open or uncertain job needs stays, and whatever a kept
clip was made from.
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
    """Whether the bucket holds what rows name: (how many files were looked for, what is missing or changed). read: read
    all of them, which takes as long as fetching them does; else a list says what is there, and how large. (0, ())
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
    """Put into the bucket what rows name and this data folder holds, such as what was kept before there was a bucket;
    how many files it did not hold, or not whole, before."""
    there = {one.sha256: one.bytes for one in artifacts.objects.listed()}
    done = 0
    for _, path, sha256 in _named(store, artifacts):
        is_new = sha256 not in there and path.exists()
        if is_new or (_is_other_size(path, there.get(sha256)) and is_intact(path, sha256)):
            artifacts.objects.put(path, sha256)
            done += 1
    return done


def _is_other_size(path: Path, size: int | None) -> bool:
    """Whether a file is here, and is not so large: one of the two copies is not whole."""
    return path.exists() and path.stat().st_size != size


def _named(store: Store, artifacts: Artifacts) -> Iterator[tuple[str, Path, str]]:
    """(what it is, where it lies here, its hash) of each file that rows name, once."""
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
    """What of the bucket no row names, and was put there more than a day ago. going: jobs whose files are removed."""
    if not artifacts.objects.where:
        return
    needed = _needed(store, artifacts, going)
    for one in artifacts.objects.listed():
        if one.sha256 not in needed and store.now() - one.at > sharing.YOUNG_S:
            yield Leftover("an object of the bucket that no job names", Path(one.sha256), one.bytes)


def clean(store: Store, artifacts: Artifacts) -> int:
    """Remove it; the bytes that were freed. It is looked up in transactions of its own, after those that have removed
    jobs' files: what has come to be needed meanwhile stays."""
    if not artifacts.objects.where:
        return 0
    needed = _needed(store, artifacts, ())
    found = [one for one in artifacts.objects.listed() if one.sha256 not in needed]
    return sharing.sweep(store, artifacts, lambda tx: _needed(tx, artifacts, ()), found)


def _needed(rows: Store | Transaction, artifacts: Artifacts, going: Collection[str]) -> set[str]:
    """Every hash that a row names: of inputs, and whatever its result holds. The archive is read last: a job is copied
    there before it leaves the store."""
    needed: set[str] = set()
    for row in rows.rows(f"SELECT {COLUMNS} FROM jobs"):
        job = KeptJob.of(row)
        if job.id not in going and not job.is_cleared:
            needed |= job.blobs | set(archive_file.HASH.findall(row["result"] or ""))
    needed.update(archive_file.hashes_of(artifacts.root.parent / ARCHIVE))
    return needed
