"""The archive: rows of old jobs move into a second store beside the first (`archive.db`).

What a job cost stays in the sums. Its key still answers the same request, and naming the job brings its rows back. Its
files stay where they are. A job is never archived while it is open or uncertain, while it failed but may have been
charged, while a job made from it stays, or while its money is not settled.

Two files cannot change in one transaction. So the rows are copied first; then one transaction of the store checks each
row again and removes it. Where a row had to stay, or was brought back, its copy in the archive is ignored: the store's
table `archived` says which jobs the archive holds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backends.errors import VideoError
from backends.jobs import records, shown
from backends.jobs.ancestry import without_ancestors
from backends.jobs.crashpoints import crash_point
from backends.jobs.kept_job import COLUMNS, KeptJob
from backends.jobs.principals import EVERYBODY
from backends.jobs.store import archive_file
from backends.jobs.store.database import Row, Store, Transaction
from backends.jobs.store.moving import put
from backends.jobs.store.sqlite import SqliteStore
from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import JobPage

YOUNGEST_S = 7 * 86400.0
"""Seconds. Younger jobs stay: a service's list may still show them, and a look-up needs their rows."""

PAGE, BATCH = 5000, 200
LINES = "job = :job OR (job > :job || '#' AND job < :job || '$')"
"""SQL: the ledger's lines of a job, with those of its earlier requests (JOB#1)."""


@dataclass(frozen=True)
class Archive:
    """path: of the archive file. jobs: how many were moved, or would be."""

    path: Path
    jobs: int


def plan(store: Store, older_s: float) -> frozenset[str]:
    """The jobs that `archive` would move: those that ended at least `older_s` seconds ago and that nothing here needs.

    VideoError("invalid_request") for less than a week.
    """
    return _plan(store, older_s).jobs


@dataclass(frozen=True)
class _Plan:
    """jobs: the ones to move. before: they ended before that time (POSIX seconds). newest: `seq` of the last job
    examined."""

    jobs: frozenset[str]
    before: float
    newest: int


def _plan(store: Store, older_s: float) -> _Plan:
    if older_s < YOUNGEST_S:
        raise VideoError("invalid_request", "jobs that ended within the last 7 days stay: --older-than is 7d or more")
    before = time.time() - older_s
    going: set[str] = set()
    sources: dict[str, frozenset[str]] = {}
    newest = 0
    for job in _every_job(store):
        newest = job.seq
        sources[job.id] = job.sources
        if job.ended_before(before) and job.is_over:
            going.add(job.id)
    unsettled = store.rows("SELECT job FROM ledger WHERE state NOT IN ('settled', 'released')")
    going -= {str(row["job"]).partition("#")[0] for row in unsettled}
    return _Plan(without_ancestors(sources, going, sources.keys() - going), before, newest)


def _every_job(store: Store) -> Iterator[KeptJob]:
    """Every job in order, read in pages of a few thousand."""
    after = 0
    while rows := store.rows(f"SELECT {COLUMNS} FROM jobs WHERE seq > ? ORDER BY seq LIMIT {PAGE}", (after,)):
        jobs = [KeptJob.of(row) for row in rows]
        yield from jobs
        after = jobs[-1].seq


def archive(store: Store, older_s: float) -> Archive:
    """Move the jobs. Safe to stop at any moment and to repeat: nothing is lost or counted twice."""
    planned, moved = _plan(store, older_s), 0
    ids = sorted(planned.jobs)
    if not ids:
        return Archive(archive_file.path_of(store), 0)
    newer = Newer(planned.newest)
    with _opened(store) as kept:
        for first in range(0, len(ids), BATCH):
            moved += _move(store, kept, ids[first : first + BATCH], planned.before, newer)
        return Archive(archive_file.path_of(store), moved)


class Newer:
    """What jobs are made from that came after a plan, however long its carrying out takes: each is read once."""

    def __init__(self, seq: int) -> None:
        """seq: of the last job that the plan has looked at."""
        self._seq = seq
        self._sources: set[str] = set()

    def sources(self, tx: Transaction) -> set[str]:
        """Of all that have come until now."""
        for row in tx.rows(f"SELECT {COLUMNS} FROM jobs WHERE seq > ? ORDER BY seq", (self._seq,)):
            job = KeptJob.of(row)
            self._sources |= job.sources
            self._seq = job.seq
        return self._sources


def _move(store: Store, kept: Store, ids: Sequence[str], before: float, newer: Newer) -> int:
    copies = {job: _rows_of(store, job) for job in ids}

    def copy(tx: Transaction) -> None:
        for job, rows in copies.items():
            _delete(tx, job)  # left from an earlier archiving that was undone
            for table, found in rows.items():
                put(tx, table, found)

    kept.write(copy, durable=True)
    crash_point("archive-copied")
    return store.write(lambda tx: _take_out(tx, copies, before, newer), durable=True)


Rows = Mapping[str, list[Row]]
"""All rows of a job in a store, by table."""


def _rows_of(source: Store | Transaction, job: str) -> Rows:
    return {
        "jobs": source.rows("SELECT * FROM jobs WHERE id = ?", (job,)),
        "events": source.rows("SELECT * FROM events WHERE job = ? ORDER BY seq", (job,)),
        "ledger": source.rows(f"SELECT * FROM ledger WHERE {LINES} ORDER BY job", {"job": job}),
    }


def _take_out(tx: Transaction, copies: Mapping[str, Rows], before: float, newer: Newer) -> int:
    """Remove the jobs that are unchanged since they were copied, have ended, and from which no newer job was made."""
    needed = newer.sources(tx)
    going = [
        job
        for job, rows in copies.items()
        if job not in needed and _is_over(rows, before) and _rows_of(tx, job) == rows
    ]
    for job in going:
        _remove(tx, copies[job])
    return len(going)


def _is_over(rows: Rows, before: float) -> bool:
    """Whether the job, if it is still there, can be archived by itself and its money is settled."""
    settled = all(line["state"] in ("settled", "released") for line in rows["ledger"])
    return settled and any(one.ended_before(before) and one.is_over for one in map(KeptJob.of, rows["jobs"]))


def _remove(tx: Transaction, rows: Rows) -> None:
    (job,) = rows["jobs"]
    _delete(tx, job["id"])
    key = job["request_key"] if job["matchable"] else None
    tx.run("INSERT INTO archived VALUES (?, ?, ?, ?)", (job["id"], job["principal"], key, time.time()))
    _count(tx, rows["ledger"], 1)


def _delete(tx: Transaction, job: str) -> None:
    tx.run(f"DELETE FROM ledger WHERE {LINES}", {"job": job})
    tx.run("DELETE FROM events WHERE job = ?", (job,))
    tx.run("DELETE FROM jobs WHERE id = ?", (job,))


def _count(tx: Transaction, lines: Sequence[Row], sign: int) -> None:
    """Keep both sums unchanged while ledger lines leave (sign 1) or return (sign -1)."""
    for line in lines:
        settled = sign * int(line["settled"]) if line["state"] == "settled" else 0
        tx.run(
            "INSERT INTO archived_spent VALUES (?, ?, ?, ?, ?) ON CONFLICT(day, provider, label) DO UPDATE SET "
            "lines = archived_spent.lines + excluded.lines, settled = archived_spent.settled + excluded.settled",
            (line["day"], line["provider"], line["label"], sign, settled),
        )
        tx.run(
            "UPDATE spent SET settled = settled + ? WHERE day = ? AND provider = ?",
            (settled, line["day"], line["provider"]),
        )
        tx.run(
            "UPDATE spent_by SET settled = settled + ? WHERE principal = ? AND day = ?",
            (settled, line["principal"], line["day"]),
        )
    if sign < 0:
        tx.run("DELETE FROM archived_spent WHERE lines = 0 AND settled = 0")


# bringing jobs back


def stored_job(store: Store, job: str, principal: str) -> StoredJob | None:
    """A job; an archived one is brought back first. None where that principal has no such job (EVERYBODY: any
    principal's).

    VideoError("storage") when the job was archived and the archive cannot be read.
    """
    whose = "id = ?" if principal == EVERYBODY else "id = ? AND principal = ?"
    params = (job,) if principal == EVERYBODY else (job, principal)
    row = store.row(f"SELECT * FROM jobs WHERE {whose}", params)
    if row is None and store.row(f"SELECT 1 FROM archived WHERE {whose}", params) is not None:
        bring_back(store, [job])
        row = store.row(f"SELECT * FROM jobs WHERE {whose}", params)
    return None if row is None else StoredJob.of(row)


def bring_back_same(store: Store, principal: str, request_key: str) -> bool:
    """Bring back the job that a request's key names; whether the archive had one."""
    job = records.archived_as(store, principal, request_key)
    if job is not None:
        bring_back(store, [job])
    return job is not None


def bring_back(store: Store, jobs: Collection[str]) -> None:
    """Put the rows of archived jobs back into the store, each with its steps and its parent."""
    if not archive_file.path_of(store).exists():
        raise VideoError(
            "storage",
            f"job {next(iter(jobs))} was archived, and {archive_file.path_of(store)} is gone: put that file back",
        )
    with _opened(store) as kept:
        copies = {job: _rows_of(kept, job) for job in _families(kept, jobs)}
        if missing := [job for job in jobs if not copies.get(job, {}).get("jobs")]:
            raise VideoError("storage", f"job {missing[0]} was archived, and {kept.where} does not hold it")
        store.write(lambda tx: _put_back(tx, copies), durable=True)


def _families(kept: Store, jobs: Collection[str]) -> list[str]:
    marks = ", ".join("?" * len(jobs))
    rows = kept.rows(
        f"SELECT id FROM jobs WHERE id IN ({marks}) OR parent IN ({marks}) OR id IN "
        f"(SELECT parent FROM jobs WHERE id IN ({marks}))",
        (*jobs, *jobs, *jobs),
    )
    return [str(row["id"]) for row in rows]


def _put_back(tx: Transaction, copies: Mapping[str, Rows]) -> None:
    for job, rows in copies.items():
        if not tx.run("DELETE FROM archived WHERE id = ?", (job,)):
            continue  # another process has brought it back
        for table, found in rows.items():
            put(tx, table, found)
        _count(tx, rows["ledger"], -1)


def page(
    store: Store, principal: str, *, state: str | None, label: str | None, limit: int, cursor: str | None
) -> JobPage:
    """Archived jobs, newest first, with the total spend of all jobs: the same form as `shown.page`."""
    spend = shown.spend(store, principal)
    if store.archive is None or not store.archive.exists():
        return JobPage(jobs=[], folder=None, cursor=None, spend=spend)
    with _opened(store) as kept:
        found = shown.page(kept, principal, state=state, label=label, limit=limit, cursor=cursor)
    there = [row for row in found.jobs if store.row("SELECT 1 FROM archived WHERE id = ?", (row.job_id,)) is not None]
    return found.model_copy(update={"jobs": there, "spend": spend})


@contextmanager
def _opened(store: Store) -> Generator[Store]:
    kept = SqliteStore(archive_file.path_of(store))
    try:
        yield kept
    finally:
        kept.close()
