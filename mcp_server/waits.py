"""The answer of a wait: news in full, everything else in a row.

A job that has ended is shown in full the first time that a session waits for it; while it runs it is a row, and after
that only its state. A job's note is shown once, and a note that several ended jobs share is shown once for all of them.
A call for a single job shows it in full whenever it has ended: there a repetition costs little and helps a model that
has forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from backends.jobs.views import SETTLED, Job
from backends.plain import one_line, said
from mcp_server import text
from mcp_server.session_memory import Shown
from mcp_server.text import Plain


def report(jobs: Sequence[Job], shown: Shown) -> tuple[str, Plain]:
    """The answer as text and structured content, each complete; what it shows is remembered in `shown`."""
    alone = len(jobs) == 1
    news = [job for job in jobs if job.state in SETTLED and (alone or not shown.knows(job))]
    full = [job if alone else _with_notes(job, shown.fresh(job)) for job in news]
    shared = _shared(full)
    full = [_with_notes(job, [note for note in job.notes if note not in shared]) for job in full]
    whole = {job.job_id for job in full}
    rows = {job.job_id: _row(job, shown) for job in jobs if job.job_id not in whole}
    following = _next(jobs, full)
    if not alone:
        full = [_one_of_several(job) for job in full]
    by_id = {job.job_id: text.plain(job) for job in full} | rows
    for job in jobs:
        shown.tell(job, in_full=job.job_id in whole)
    paragraphs = [
        *(text.job_text(job) for job in full),
        "\n".join(_rows_text([rows[job.job_id] for job in jobs if job.job_id in rows])),
        "\n".join(one_line(f"note of all {len(full)} jobs reported above: {note}") for note in shared),
        f"next: {following}" if following else "",
    ]
    structured: Plain = {"jobs": [by_id[job.job_id] for job in jobs]}
    structured |= {name: value for name, value in (("notes", shared), ("next", following)) if value}
    return "\n\n".join(part for part in paragraphs if part), structured


def _with_notes(job: Job, notes: list[str]) -> Job:
    return job.model_copy(update={"notes": notes})


def _one_of_several(job: Job) -> Job:
    """Without what follows from its id, what only get_job shows (its poster), and, for a clip, the next step: that is
    the same for all and said once, at the end."""
    left_out: Plain = {"uri": "", "poster": None, "client": "", "poll_after_s": 0.0}
    if job.files == [job.file]:
        left_out["files"] = []
    if job.state == "succeeded":
        left_out["next"] = ""
    return job.model_copy(update=left_out)


def _shared(jobs: Sequence[Job]) -> list[str]:
    """Notes that all of several jobs have."""
    if len(jobs) < 2:
        return []
    return [note for note in jobs[0].notes if all(note in job.notes for job in jobs[1:])]


def _row(job: Job, shown: Shown) -> Plain:
    """A job that runs, or one whose end was shown before, in as few words as give its state."""
    row: Plain = {"job_id": job.job_id, "state": job.state}
    if job.engine == "previs":
        row["engine"] = job.engine
    if shown.knows(job):
        row["told"] = True
    else:
        row |= {"label": job.label, "progress": job.progress or None, "phase": job.phase}
        row |= {"queue_position": job.queue_position, "eta_s": job.eta_s, "timed_out": job.timed_out}
    row |= {"notes": shown.fresh(job)}
    return {name: value for name, value in row.items() if value not in ("", None, [])}


def _rows_text(rows: Sequence[Plain]) -> list[str]:
    """A line or more for each job that runs or has something new; then one line for all that ended alike before."""
    news: list[str] = []
    before: dict[str, list[str]] = {}
    for row in rows:
        if row.get("told") and "notes" not in row:
            before.setdefault(f"{_lead(row)}{row['state']}, reported before: ", []).append(str(row["job_id"]))
        else:
            news.append(_row_text(row))
    return news + [lead + ", ".join(ids) for lead, ids in before.items()]


def _lead(row: Plain) -> str:
    return f"{text.PREVIS} " if row.get("engine") == "previs" else ""


def _row_text(row: Plain) -> str:
    """`job_x: running 35%, label dawn, place 3 in the queue, about 30 s left`, and its new notes below."""
    share = f" {progress:.0%}" if isinstance(progress := row.get("progress"), float) else ""
    parts = [f"{_lead(row)}{row['job_id']}: {row['state']}{share}"]
    if row.get("timed_out"):
        parts.append("timed out")
    if row.get("told"):
        parts.append("reported before")
    for name, form in (("label", "label {}"), ("phase", "{}")):
        if isinstance(value := row.get(name), str):
            parts.append(form.format(said(value)))
    if "queue_position" in row:
        parts.append(f"place {row['queue_position']} in the queue")
    if isinstance(left := row.get("eta_s"), float):
        parts.append(f"about {left:g} s left")
    shown = [f"note: {note}" for note in cast("list[str]", row.get("notes", []))]
    return "\n".join(one_line(line) for line in (", ".join(parts), *shown))


def _next(jobs: Sequence[Job], full: Sequence[Job]) -> str:
    """The call to make after this answer. A single job that is shown in full names its own."""
    still = [job.job_id for job in jobs if job.state not in SETTLED]
    if len(jobs) == 1:
        return text.wait_call(still) if still else ""
    after = ["inspect_clip(clip=JOB_ID) looks at a clip"] if any(job.state == "succeeded" for job in full) else []
    if still:
        ended = "; leave out those that have ended" if len(still) < len(jobs) else ""
        after.append(f"{len(still)} go on: wait_for_job again with the same job_ids{ended}")
    return "; ".join(after) or ("" if full else "get_job shows one of them again in full")
