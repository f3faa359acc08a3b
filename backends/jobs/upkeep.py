"""Upkeep of kept files: is each unchanged, and which ones does nothing need any more?"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from backends.jobs.files import copies
from backends.jobs.files.artifacts import Artifacts, disk_errors
from backends.jobs.files.signed import record_of, records_of
from backends.jobs.files.sizes import bytes_of, forget
from backends.jobs.kept_job import COLUMNS, KeptJob
from backends.jobs.store import archive_file
from backends.jobs.store.database import Store, Transaction
from backends.jobs.store.sqlite import ARCHIVE
from backends.media.hashing import is_intact, sha256_now

OLD_S = 3600.0
"""Seconds after which an unfinished copy counts as abandoned: the largest input is copied in far less."""


Fault = Literal["changed", "gone", "not in the bucket", "changed in the bucket"]


@dataclass(frozen=True)
class Damage:
    """A kept file that is missing or changed. whole_at: where the same bytes exist outside the store, "" for nowhere.
    signed_at: where an unchanged signed copy of it exists there: the same clip with a manifest inside. For an object of
    a bucket, path is its hash, and whole_at its place in the data folder."""

    fault: Fault
    what: str
    path: str
    whole_at: str = ""
    signed_at: str = ""


@dataclass(frozen=True)
class _Kept:
    """sha256: "" where none was recorded. published: where these bytes lie outside the store; signed: a signed copy of
    them, and its hash."""

    what: str
    path: Path
    sha256: str = ""
    published: str = ""
    signed: tuple[str, str] = ("", "")

    def damaged(self, fault: Literal["changed", "gone"]) -> Damage:
        whole = self.published if _is_whole(self.published, self.sha256) else ""
        signed = self.signed[0] if _is_whole(*self.signed) else ""
        return Damage(fault, self.what, str(self.path), whole, signed)


@dataclass(frozen=True)
class Verified:
    """files, bytes: how many were checked, damaged ones included."""

    files: int
    bytes: int
    damage: tuple[Damage, ...]


@dataclass(frozen=True)
class Leftover:
    """Something that nothing needs: a file, or a folder with its content. bytes: what removing it frees."""

    what: str
    path: Path
    bytes: int


def verify(store: Store, artifacts: Artifacts) -> Verified:
    """Read every kept file and compare it with its hash. Takes as long as reading them all does."""
    files, size = 0, 0
    damage: list[Damage] = []
    with disk_errors("reading the kept files"):
        for one in _kept(store, artifacts):
            if not one.path.exists() and artifacts.objects.where and one.sha256:
                continue  # it can be fetched when needed: `bucket_upkeep` checks that
            files += 1
            if not one.path.exists():
                damage.append(one.damaged("gone"))
                continue
            size += one.path.stat().st_size
            if one.sha256 and sha256_now(one.path) != one.sha256:
                damage.append(one.damaged("changed"))
    return Verified(files, size, tuple(damage))


def _is_whole(published: str, sha256: str) -> bool:
    return bool(published and sha256) and is_intact(Path(published), sha256)


def _kept(store: Store, artifacts: Artifacts) -> Iterator[_Kept]:
    needed: set[str] = set()
    for row in store.rows(f"SELECT {COLUMNS} FROM jobs ORDER BY seq"):
        job = KeptJob.of(row)
        if job.is_cleared:
            continue
        needed |= job.blobs
        if job.state == "succeeded" and job.result:
            yield from _of_job(artifacts, job.id, artifacts.places.result_of(row))
    there = {path.name: path for path in _blobs(artifacts)}
    for sha256 in sorted(needed | there.keys()):
        yield _Kept("an input", there.get(sha256) or artifacts.blob(sha256), sha256)


def _of_job(artifacts: Artifacts, job: str, result: Mapping[str, Any]) -> Iterator[_Kept]:
    kept = cast("Mapping[str, str]", result.get("kept") or {})  # earlier versions hashed only the clip
    published, signed = str(result.get("published") or ""), record_of(result)
    clip, sha256 = Path(result["file"]), str(result["sha256"])
    if signed.get("embedded"):
        yield _Kept(f"the clip of job {job}", clip, sha256, signed=(published, str(signed["sha256"])))
        yield _Kept(f"the signed clip of job {job}", Path(signed["file"]), str(signed["sha256"]), published)
    else:
        yield _Kept(f"the clip of job {job}", clip, sha256, published)
    if signed and not signed["embedded"]:
        beside = str(signed.get("sidecar") or "")
        yield _Kept(f"the manifest of job {job}", Path(signed["file"]), str(signed["sha256"]), beside)
    if result.get("poster"):
        poster = Path(result["poster"])
        yield _Kept(f"the poster of job {job}", poster, kept.get(poster.name, ""))
    for path in map(Path, result.get("extras", ())):
        yield _Kept(f"a further file of job {job}", path, kept.get(path.name, ""))
    for one in records_of(result):
        what = "the signed copy" if one["embedded"] else "the manifest"
        yield _Kept(f"{what} of a further file of job {job}", Path(one["file"]), str(one["sha256"]))
    yield _Kept(f"the description of job {job}", artifacts.job(job) / "meta.json", kept.get("meta.json", ""))


def _blobs(artifacts: Artifacts) -> list[Path]:
    return [path for path in (artifacts.root / "blobs").glob("*/*") if archive_file.HASH.fullmatch(path.name)]


def leftovers(store: Store, artifacts: Artifacts) -> tuple[Leftover, ...]:
    """What `clean` would remove."""
    with disk_errors("looking through the kept files"):
        return tuple(unneeded(store, artifacts))


def unneeded(rows: Store | Transaction, artifacts: Artifacts, going: Collection[str] = ()) -> Iterator[Leftover]:
    """Work folders of ended jobs, inputs that no job names, copies that were never finished. going: jobs whose clips
    are removed too, so that they need no input any more."""
    jobs = {str(row["id"]): KeptJob.of(row) for row in rows.rows(f"SELECT {COLUMNS} FROM jobs")}
    spool = artifacts.root / "spool"
    for folder in sorted(spool.iterdir()) if spool.is_dir() else ():
        ended = jobs.get(folder.name)
        if ended is not None and ended.is_over:
            text = f"work folder of job {folder.name}, which is {ended.state}"
            yield Leftover(text, folder, bytes_of(folder))
    for name, job in jobs.items():
        if job.is_cleared and artifacts.job(name).is_dir():  # another machine has removed its files
            yield folder_of(artifacts, name)
    staying = [job for name, job in jobs.items() if name not in going and not job.is_cleared]
    named = {sha256 for job in staying for sha256 in job.blobs}
    named.update(archive_file.inputs_of(artifacts.root.parent / ARCHIVE))
    for path in sorted(_blobs(artifacts)):
        if path.name not in named:
            facts = path.stat()
            # A second name of a clip's bytes frees nothing, but is just as unneeded.
            yield Leftover("an input that no job names", path, facts.st_size if facts.st_nlink == 1 else 0)
    for pattern in ("blobs/.*.part", "blobs/*/.*.part", "jobs/*/.*.part", ".*.png", "looks/*"):
        for path in sorted(artifacts.root.glob(pattern)):
            if time.time() - path.stat().st_mtime > OLD_S:
                yield Leftover("a copy that was never finished", path, path.stat().st_size)


def folder_of(artifacts: Artifacts, job: str) -> Leftover:
    """The folder of a job's kept files."""
    folder = artifacts.job(job)
    return Leftover(f"the kept clip of job {job}", folder, bytes_of(folder))


def clean(store: Store, artifacts: Artifacts) -> int:
    """Remove what nothing needs; returns the bytes freed.

    Found and removed in one transaction: a call that has just copied an input notices that it is gone when it writes
    its row, and copies it again.
    """

    def write(tx: Transaction) -> int:
        freed = 0
        for one in list(unneeded(tx, artifacts)):
            remove(tx, one)
            freed += one.bytes
        return freed

    with disk_errors("removing what nothing needs"):
        freed = store.write(write)
    forget(artifacts.root)
    return freed


def remove(tx: Transaction, one: Leftover) -> None:
    """Delete a file, or a folder with its content; for an input also its remembered facts."""
    if one.path.is_dir():
        shutil.rmtree(one.path)
        return
    copies.remove_kept(one.path)
    tx.run("DELETE FROM blobs WHERE sha256 = ?", (one.path.name,))
