"""Removing old clips: which ones may go, what that frees, and when to warn the user that much is kept.

A job's row stays, with its request, cost and published path. Its files in the store are removed: the clip, its signed
copy, its poster, and inputs that no other job needs. The published copy is the user's and is never touched. Never
removed: files of a job that is open, uncertain, or may have been charged without a clip; a clip from which another one
that stays was made; and, unless the user asks for it, a clip whose published copy is gone or changed, since the kept
file is then the only copy.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backends.errors import VideoError
from backends.jobs import preferences, records, upkeep
from backends.jobs.ancestry import without_ancestors
from backends.jobs.files.artifacts import Artifacts, disk_errors
from backends.jobs.files.places import Places
from backends.jobs.files.signed import given_out
from backends.jobs.files.sizes import about_bytes_of, forget
from backends.jobs.kept_job import COLUMNS, KeptJob
from backends.jobs.store.database import Store, Transaction, to_json
from backends.jobs.upkeep import Leftover
from backends.media.hashing import is_intact
from backends.provider.protocol import JsonObject

UNITS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
GONE = "its kept clip was removed (reelwright jobs clean); the published copy is untouched"


@dataclass(frozen=True)
class Wish:
    """Which old clips may go.

    older_s: seconds since the job's end. keep_labels: jobs with these labels stay. only_copies: also remove clips whose
    published copy is gone or changed.
    """

    older_s: float
    keep_labels: Collection[str] = ()
    only_copies: bool = False


@dataclass(frozen=True)
class Plan:
    """jobs: whose files go. leftovers: those files, and what is not needed without them. only_copies: clips that stay
    because they are the only copy."""

    jobs: frozenset[str]
    leftovers: tuple[Leftover, ...]
    only_copies: tuple[Leftover, ...]

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.leftovers)


def age(text: str, option: str = "--older") -> float:
    """Seconds in "30d", "12h" or "2w". VideoError("invalid_request") for anything else, naming the option."""
    found = re.fullmatch(r"(\d{1,5})([hdw])", text.strip().lower())
    if found is None:
        raise VideoError(
            "invalid_request", f"{option} takes a number of hours, days or weeks, as 30d, not {text[:40]!r}"
        )
    return int(found[1]) * UNITS[found[2]]


def plan(store: Store, artifacts: Artifacts, wish: Wish) -> Plan:
    """What `clear` would remove. It reads every published copy in full."""
    with disk_errors("looking through the kept files"):
        jobs = _every_job(store)
        old = _old(jobs, wish, store, artifacts)
        places = artifacts.places
        alone = set[str]() if wish.only_copies else {job for job in old if _is_only_copy(jobs[job], jobs, places)}
        going = _without_ancestors(jobs, old - alone)
        leftovers = tuple(_leftovers(store, artifacts, jobs, going, wish))
        return Plan(
            going,
            leftovers,
            tuple(upkeep.folder_of(artifacts, job) for job in sorted(alone) if _has_files(artifacts, job)),
        )


def clear(store: Store, artifacts: Artifacts, wish: Wish) -> int:
    """Remove the files; returns the bytes freed. What became needed since the plan was made stays."""
    planned = plan(store, artifacts, wish).jobs

    def write(tx: Transaction) -> int:
        jobs = _every_job(tx)
        going = _without_ancestors(jobs, planned & _old(jobs, wish, store, artifacts))
        leftovers = list(_leftovers(tx, artifacts, jobs, going, wish))
        for job in going:  # first, because a role without the right to change the row may not remove the files either
            _mark(tx, jobs[job])
        for one in leftovers:
            upkeep.remove(tx, one)
        return sum(one.bytes for one in leftovers)

    with disk_errors("removing old clips"):
        freed = store.write(write, durable=True)
    forget(artifacts.root)
    return freed


def _every_job(rows: Store | Transaction) -> dict[str, KeptJob]:
    return {str(row["id"]): KeptJob.of(row) for row in rows.rows(f"SELECT {COLUMNS} FROM jobs")}


def _mark(tx: Transaction, job: KeptJob) -> None:
    """Record in the row that its files are gone, so that nothing looks for them."""
    result: JsonObject = {**job.result, "cleared_at": tx.now(), "extras": []}
    result.pop("poster", None)
    tx.run("UPDATE jobs SET result = ? WHERE id = ?", (to_json(result), job.id))
    if job.state == "succeeded":
        records.note(tx, job.id, GONE)


def _old(jobs: Mapping[str, KeptJob], wish: Wish, store: Store, artifacts: Artifacts) -> set[str]:
    """Jobs that ended long enough ago and can go by themselves."""
    before = store.now() - wish.older_s
    return {
        name
        for name, job in jobs.items()
        if job.ended_before(before)
        and job.label not in wish.keep_labels
        and job.is_over
        and not job.is_cleared
        and not _lies_elsewhere(job, store, artifacts)
    }


def _lies_elsewhere(job: KeptJob, store: Store, artifacts: Artifacts) -> bool:
    """Whether its clip may exist only in the data folder of another machine, where nobody has looked at it."""
    alone = bool(store.shared) and not artifacts.objects.where
    return alone and job.state == "succeeded" and not _has_files(artifacts, job.id)


def _is_only_copy(job: KeptJob, jobs: Mapping[str, KeptJob], places: Places) -> bool:
    """Whether no complete copy of its clip exists outside the store. A step's clip is part of its parent's."""
    if job.state != "succeeded":
        return False
    parent = jobs.get(job.parent) if job.parent else None
    if parent is not None and parent.state == "succeeded":
        return _is_only_copy(parent, jobs, places)
    result = places.result_of(job.row)
    published = str(result.get("published") or "")
    return not (published and is_intact(Path(published), given_out(result)[1]))


def _without_ancestors(jobs: Mapping[str, KeptJob], going: Collection[str]) -> frozenset[str]:
    """Those from which no job that stays, with its files, was made, directly or through other jobs."""
    staying = [name for name, job in jobs.items() if name not in going and not job.is_cleared]
    return without_ancestors({name: job.sources for name, job in jobs.items()}, going, staying)


def _leftovers(
    rows: Store | Transaction, artifacts: Artifacts, jobs: Mapping[str, KeptJob], going: Collection[str], wish: Wish
) -> Iterator[Leftover]:
    for job in jobs:
        if job in going and _has_files(artifacts, job):
            yield upkeep.folder_of(artifacts, job)
    yield from upkeep.unneeded(rows, artifacts, going)
    before = time.time() - wish.older_s  # by the clock that has set the files' times
    for path in sorted((artifacts.root / "sheets").glob("*.jpg")):
        if path.stat().st_mtime < before:
            yield Leftover("a contact sheet", path, path.stat().st_size)


def _has_files(artifacts: Artifacts, job: str) -> bool:
    return artifacts.job(job).is_dir()


def warning(store: Store, artifacts: Artifacts, job: str = "") -> str:
    """The warning when more is kept than the user wants; "" while it is less or there is no such limit. The figure may
    be some minutes old. job: whose clip has just been added."""
    most = preferences.keep_bytes(store)
    if most is None:
        return ""
    kept = about_bytes_of(artifacts.root, artifacts.job(job) if job else None)
    if kept <= most:
        return ""
    much, wished = f"{kept / preferences.GB:.1f} GB of clips and inputs", f"{most / preferences.GB:g} GB of keep_gb"
    return f"{much} are kept, above the {wished}: reelwright jobs clean --older 30d shows what could go"
