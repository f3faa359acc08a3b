"""How jobs are shown: the public view of one, a row of a list, a page of rows, the total spend."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

from backends.errors import VideoError
from backends.jobs.files.places import Places
from backends.jobs.files.signed import further_given_out, given_out
from backends.jobs.money import ledger
from backends.jobs.principals import EVERYBODY, OWNER
from backends.jobs.records import ORDER
from backends.jobs.store.database import Store
from backends.jobs.store.schema import UNENDED
from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import SETTLED, STATES, Audio, Job, JobError, JobPage, JobRow, Spend, first_words
from backends.provider.protocol import ACCOUNT, JsonObject


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _eta(job: StoredJob) -> float | None:
    """Seconds until the end: by its own progress once there is some, else by this model's usual duration."""
    if job.state not in ORDER or job.started_at is None:
        return None
    spent = max(0.0, time.time() - job.started_at)
    if job.progress > 0.05:
        return round(spent * (1 / job.progress - 1), 1)
    return round(max(0.0, job.typical_s - spent), 1) if job.typical_s else None


def queue_position(store: Store, job: StoredJob) -> int | None:
    """How many jobs are before it, from 0: in its lane, or at the service where that reports it; None once it has
    started."""
    if job.queue_position is not None and job.state in ("queued", "waiting", "running"):
        return int(job.queue_position)
    if job.state not in ("queued", "waiting"):
        return None
    found = store.row(
        "SELECT count(*) AS n FROM jobs WHERE lane = ? AND state = 'queued' AND seq < ?", (job.lane, job.seq)
    )
    return int(found["n"]) if found else None


def _next_step(job: StoredJob, offer: str) -> str:
    state, name = job.state, job.id
    if state == "succeeded":
        return (
            f'inspect_clip(clip="{name}") to look at it; extend_clip, image_to_video and finish_clip take {name} as '
            "input"
        )
    if state == "failed":
        if job.error is not None and job.error.charged == "no":
            again = "it was not charged: change what the error names and call the tool again"
            return f"{again}; or another model: {offer}" if offer else again
        return "it may have been charged: read the error before anything is paid again"
    if state == "cancelled":
        return ""
    if state == "uncertain":
        return (
            "it is not known whether the provider accepted it; its money stays reserved until the user decides at a "
            f"terminal: reelwright jobs resolve {name}"
        )
    return f'wait_for_job(job_ids=["{name}"])'


def poll_after(job: StoredJob) -> float:
    """Seconds until the next check is worth it."""
    if job.state in SETTLED:
        return 0.0
    eta = _eta(job) or job.typical_s or 5.0
    return round(min(15.0, max(1.0, eta / 4)), 1)


def to_job(store: Store, job: StoredJob, *, trouble: str = "", timed_out: bool = False, offer: str = "") -> Job:
    """The public view. trouble: why nothing drives it, shown as its phase while it is open. offer: after an uncharged
    failure, the sentence about the next model."""
    result = Places.of(store).result_of(job.row) if job.state == "succeeded" else {}
    facts: JsonObject = result.get("clip_facts", {})
    prepared, error = job.prepared_record, job.error
    request: JsonObject = prepared["request"]
    clip = _clip(result)
    extend = request["task"] == "extend"
    return Job(
        job_id=job.id,
        uri=f"video://jobs/{job.id}",
        label=job.label,
        take=job.take,
        state=job.state,
        phase=(trouble if trouble and job.state not in SETTLED else "") or job.phase,
        task=job.task,
        engine=job.engine,
        model=job.model,
        account=prepared.get("wire", {}).get(ACCOUNT, ""),
        prompt=request["prompt"][:80],
        progress=1.0 if job.state == "succeeded" else round(job.progress, 3),
        queue_position=queue_position(store, job),
        eta_s=_eta(job),
        est_cost_usd=ledger.to_float(job.est_high),
        cost_usd=ledger.to_float(job.cost),
        cost_basis=job.cost_basis,
        file=clip,
        files=_files(clip, result),
        poster=result.get("poster"),
        duration_s=facts.get("duration_s") or (None if extend else request["duration_s"]),
        width=facts.get("width") or prepared["width"] or None,
        height=facts.get("height") or prepared["height"] or None,
        fps=facts.get("fps") or request["fps"],
        audio=_audio(result.get("facts", {}).get("audio"), facts.get("audio", request["audio"])),
        asked=result.get("asked"),
        seed=result.get("seed", request["seed"]),
        parents=_parents(job),
        notes=job.notes,
        error=None
        if error is None
        else JobError(kind=error.kind, message=error.message, retryable=error.retryable, charged=error.charged),
        created_at=_iso(job.created_at),
        client=job.client,
        poll_after_s=poll_after(job),
        timed_out=timed_out,
        next=_next_step(job, offer),
    )


def _clip(result: Mapping[str, Any]) -> str | None:
    """The published clip, else the one in the store."""
    if not result.get("file") or ("cleared_at" in result and not result.get("published")):
        return None
    return str(result.get("published") or given_out(result)[0])


def _audio(made: object, has_sound: bool | None) -> Audio | None:
    """made: what a film's mix says of itself; has_sound: whether a clip has a track, None where it is not known yet."""
    if made in get_args(Audio):
        return cast(Audio, made)
    return None if has_sound is None else "native" if has_sound else "none"


def _files(clip: str | None, result: JsonObject) -> list[str]:
    """What users get first, then the further files; the clip itself too where that is another file."""
    if clip is None:
        return []
    return [clip, *further_given_out(result)]


def _parents(job: StoredJob) -> list[str]:
    """The jobs whose clips this one was made from."""
    names = [entry.get("from_job") or entry.get("job") for entry in job.inputs.values()]
    return list(dict.fromkeys(name for name in names if name))


def to_row(job: StoredJob, places: Places) -> JobRow:
    result = places.result_of(job.row) if job.state == "succeeded" else {}
    return JobRow(
        job_id=job.id,
        state=job.state,
        model=job.model,
        task=job.task,
        prompt=first_words(job.prompt),
        label=job.label,
        take=job.take,
        progress=1.0 if job.state == "succeeded" else round(job.progress, 2),
        cost_usd=ledger.to_float(job.cost),
        created_at=_iso(job.created_at),
        file=_clip(result),
    )


def _without_folder(rows: list[JobRow]) -> tuple[list[JobRow], str | None]:
    """The rows with the bare names of files in the folder that most of them share, and that folder."""
    folders = Counter(str(Path(row.file).parent) for row in rows if row.file)
    if not folders:
        return rows, None
    common = folders.most_common(1)[0][0]
    short = [
        row.model_copy(update={"file": Path(row.file).name})
        if row.file and str(Path(row.file).parent) == common
        else row
        for row in rows
    ]
    return short, common


def spend(store: Store, principal: str = EVERYBODY) -> Spend:
    """The total spend: everyone's with the limit for all, or one principal's with their own limit."""
    totals, limits = ledger.totals(store, principal), ledger.spending_limits(store)
    per_day = limits.per_day if principal in (EVERYBODY, OWNER) else limits.of_person(principal)
    return Spend(
        today_usd=totals.today / ledger.MICRO,
        today_reserved_usd=totals.held_today / ledger.MICRO,
        total_usd=totals.settled / ledger.MICRO,
        reserved_usd=totals.held / ledger.MICRO,
        per_job_wall_usd=None if limits.per_job is None else float(limits.per_job),
        per_day_wall_usd=None if per_day is None else float(per_day),
    )


def page(
    store: Store, principal: str, *, state: str | None, label: str | None, limit: int, cursor: str | None
) -> JobPage:
    """Rows, newest first, of a principal or (EVERYBODY) of all. state: one of the states, or "open" (all that have not
    ended). cursor: from an earlier page. VideoError("invalid_request") for an unknown state or cursor."""
    rows = newest(store, principal, state=state, label=label, limit=limit + 1, cursor=cursor)
    places = Places.of(store)
    more = str(rows[limit - 1].seq) if len(rows) > limit else None
    listed, folder = _without_folder([to_row(job, places) for job in rows[:limit]])
    return JobPage(jobs=listed, folder=folder, cursor=more, spend=spend(store, principal))


def newest(
    store: Store,
    principal: str,
    *,
    state: str | None = None,
    label: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> list[StoredJob]:
    """The newest jobs that are not steps of others, newest first; see `page`."""
    where, params = ["parent IS NULL"], list[object]()
    index = "jobs_page"  # named, since SQLite cannot know which index leaves the fewest rows
    if state is not None and state != "open":
        if state not in STATES:
            raise VideoError("invalid_request", f"state is open, or one of {', '.join(STATES)}, not {state[:40]!r}")
        where.append("state = ?")
        params.append(state)
        index = "jobs_state"
    if label is not None:
        where.append("label = ?")
        params.append(label)
        index = "jobs_label" if index == "jobs_page" else "jobs_label_state"
    if state == "open":
        where.append(UNENDED)
        index = "jobs_unended"
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
            raise VideoError(
                "invalid_request", "cursor comes from an earlier list_jobs; omit it to start with the newest"
            )
        where.append("seq < ?")
        params.append(int(cursor))
    sql = f"FROM jobs INDEXED BY {index} WHERE principal = ? AND {' AND '.join(where)} ORDER BY seq DESC LIMIT ?"
    whose = _principals(store) if principal == EVERYBODY else [principal]
    if len(whose) == 1:
        rows = store.rows(f"SELECT * {sql}", (whose[0], *params, limit))
        return [StoredJob.of(row) for row in rows]
    found = [row["seq"] for one in whose for row in store.rows(f"SELECT seq {sql}", (one, *params, limit))]
    seqs = sorted(found, reverse=True)[:limit]
    if not seqs:
        return []
    rows = store.rows(f"SELECT * FROM jobs WHERE seq IN ({', '.join('?' * len(seqs))})", tuple(seqs))
    return sorted((StoredJob.of(row) for row in rows), key=lambda job: -job.seq)


_NEXT = "SELECT min(jobs.principal) FROM jobs INDEXED BY jobs_page WHERE jobs.parent IS NULL"
_PRINCIPALS = f"""
WITH RECURSIVE known(principal) AS (
  {_NEXT} UNION ALL
  SELECT ({_NEXT} AND jobs.principal > known.principal) FROM known WHERE known.principal IS NOT NULL)
SELECT principal FROM known WHERE principal IS NOT NULL
"""
"""Each step is one look into the index, however many jobs there are."""


def _principals(store: Store) -> list[str]:
    """Every principal that has jobs."""
    return [str(row["principal"]) for row in store.rows(_PRINCIPALS)]
