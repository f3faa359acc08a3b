"""Looking after what is kept: is every file still what was kept, and which ones does nothing need any more?"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from backends.jobs.files import copies
from backends.jobs.files.artifacts import Artifacts, disk_errors
from backends.jobs.store.database import Row, Store, Transaction
from backends.media.hashing import sha256_now

OLD_S = 3600.0
"""Seconds after which an unfinished copy is nobody's: the largest input is copied in far less."""

HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Damage:
    """A kept file that is not what was kept. whole_at: where the same bytes lie outside the store, "" for nowhere."""

    fault: Literal["changed", "gone"]
    what: str
    path: str
    whole_at: str = ""


@dataclass(frozen=True)
class Verified:
    """files, bytes: how many were looked at, damaged ones included."""

    files: int
    bytes: int
    damage: tuple[Damage, ...]


@dataclass(frozen=True)
class Leftover:
    """What nothing needs: a file, or a folder with all that is in it. bytes: what removing it frees."""

    what: str
    path: Path
    bytes: int


def verify(store: Store, artifacts: Artifacts) -> Verified:
    """Read every kept file and compare it with what was kept. Takes as long as reading them all does."""
    files, size = 0, 0
    damage: list[Damage] = []
    with disk_errors("reading the kept files"):
        for what, path, sha256, published in _kept(store, artifacts):
            files += 1
            if not path.exists():
                damage.append(Damage("gone", what, str(path), _whole(published, sha256)))
                continue
            size += path.stat().st_size
            if sha256 and sha256_now(path) != sha256:
                damage.append(Damage("changed", what, str(path), _whole(published, sha256)))
    return Verified(files, size, tuple(damage))


def _whole(published: str, sha256: str) -> str:
    return published if published and Path(published).exists() and sha256_now(Path(published)) == sha256 else ""


def _kept(store: Store, artifacts: Artifacts) -> Iterator[tuple[str, Path, str, str]]:
    """Each kept file: what it is, where, its hash ("" where none was taken), and where its bytes were published."""
    needed: set[str] = set()
    for row in store.rows("SELECT id, inputs, state, result FROM jobs ORDER BY seq"):
        needed |= _named(row)
        if row["state"] == "succeeded" and row["result"]:
            yield from _of_job(artifacts, str(row["id"]), json.loads(row["result"]))
    there = {path.name: path for path in _blobs(artifacts)}
    for sha256 in sorted(needed | there.keys()):
        yield "an input", there.get(sha256) or artifacts.blob(sha256), sha256, ""


def _of_job(artifacts: Artifacts, job: str, result: Mapping[str, Any]) -> Iterator[tuple[str, Path, str, str]]:
    yield f"the clip of job {job}", Path(result["file"]), str(result["sha256"]), str(result.get("published") or "")
    if result.get("poster"):
        yield f"the poster of job {job}", Path(result["poster"]), "", ""
    for path in result.get("extras", ()):
        yield f"a further file of job {job}", Path(path), "", ""
    yield f"the description of job {job}", artifacts.job(job) / "meta.json", "", ""


def _blobs(artifacts: Artifacts) -> list[Path]:
    return [path for path in (artifacts.root / "blobs").glob("*/*") if HASH.fullmatch(path.name)]


def _named(row: Row) -> set[str]:
    """The blobs that a job's inputs name. The clip that a "from_job" entry names is kept as an input too."""
    return set(HASH.findall(row["inputs"]))


def leftovers(store: Store, artifacts: Artifacts) -> tuple[Leftover, ...]:
    """What `clean` would remove."""
    with disk_errors("looking through the kept files"):
        return tuple(_leftovers(store, artifacts))


def _leftovers(rows: Store | Transaction, artifacts: Artifacts) -> Iterator[Leftover]:
    jobs = {str(row["id"]): row for row in rows.rows("SELECT id, state, cost, error, inputs FROM jobs")}
    spool = artifacts.root / "spool"
    for folder in sorted(spool.iterdir()) if spool.is_dir() else ():
        row = jobs.get(folder.name)
        if row is not None and _is_over(row):
            text = f"work folder of job {folder.name}, which is {row['state']}"
            yield Leftover(text, folder, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
    named = {sha256 for row in jobs.values() for sha256 in _named(row)}
    for path in sorted(_blobs(artifacts)):
        if path.name not in named:
            facts = path.stat()
            # A second name of a clip's bytes frees nothing, but is as little needed.
            yield Leftover("an input that no job names", path, facts.st_size if facts.st_nlink == 1 else 0)
    for pattern in ("blobs/.*.part", "blobs/*/.*.part", "jobs/*/.*.part", ".*.png", "looks/*"):
        for path in sorted(artifacts.root.glob(pattern)):
            if time.time() - path.stat().st_mtime > OLD_S:
                yield Leftover("a copy that was never finished", path, path.stat().st_size)


def _is_over(row: Row) -> bool:
    """Whether nobody will come back to a job's work folder. That of a job which ended without its clip, and may have
    been charged, can hold the only copy of what was paid for."""
    if row["state"] == "succeeded":
        return True
    if row["cost"]:
        return False
    uncharged = json.loads(row["error"] or "{}").get("charged") == "no"
    return row["state"] == "cancelled" or (row["state"] == "failed" and uncharged)


def clean(store: Store, artifacts: Artifacts) -> int:
    """Remove what nothing needs; the bytes that were freed.

    Looked up and removed in one transaction: a call that has just copied an input sees that it is gone when it writes
    its row, and copies it again.
    """

    def write(tx: Transaction) -> int:
        freed = 0
        for one in list(_leftovers(tx, artifacts)):
            if one.path.is_dir():
                shutil.rmtree(one.path)
            else:
                copies.remove_kept(one.path)
                tx.run("DELETE FROM blobs WHERE sha256 = ?", (one.path.name,))
            freed += one.bytes
        return freed

    with disk_errors("removing what nothing needs"):
        return store.write(write)
