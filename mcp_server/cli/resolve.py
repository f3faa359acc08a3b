"""Deciding about a job that has not ended: only the user can, at a terminal, after typing the end of its id.

The user's own script sets REELWRIGHT_YES=resolve-jobs instead, which is recorded with the decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.errors import VideoError
from mcp_server.cli import confirmation, show

if TYPE_CHECKING:
    from backends.jobs.views import Job
    from backends.studio import Studio

SCRIPT = "resolve-jobs"
"""The word in REELWRIGHT_YES with which a user's script decides without a terminal."""

PHRASE = 6
"""The last characters of a job's id that the user types."""


def decide(studio: Studio, job_id: str, how: str, remote_id: str) -> None:
    """how: bind, retry or write_off. VideoError("consent") without a terminal or with another phrase."""
    from backends.jobs import decisions
    from backends.jobs.store.journal import IdLog

    job = studio.get(job_id)
    if job.state in ("succeeded", "failed", "cancelled"):
        raise VideoError("conflict", f"job {job.job_id} is {job.state}: there is nothing to decide")
    ids = IdLog.of(studio.context.settings.home)
    row = studio.context.store.row("SELECT provider, lane FROM jobs WHERE id = ?", (job.job_id,))
    access = studio.context.access_for(row["provider"], row["lane"]) if row is not None else None
    for note in job.notes:
        show.line(note)
    if known := ids.find(job.job_id):
        show.line(f"The journal of paid jobs has it as {known.remote_id}.")
    show.line(_what_it_does(job, how, remote_id))
    if (
        row is not None
        and access is not None
        and access.available
        and access.lane != row["lane"]
        and how != "write_off"
    ):
        show.line("It belongs to another account or server: from here on the credentials that are set now are used.")
    question = f"Type the last {PHRASE} characters of the job's id to do this"
    by = confirmation.confirm(question, job.job_id[-PHRASE:], SCRIPT)
    store = studio.context.store
    if how == "bind":
        decisions.bind(store, job.job_id, remote_id, access, by=by)
    elif how == "retry":
        decisions.retry(store, ids, job.job_id, access, by=by)
    else:
        decisions.write_off(store, job.job_id, by=by)
    show.line(f"{job.job_id}: {studio.get(job.job_id).state}")


def known_id(studio: Studio, job: str) -> str:
    """The id that the journal has of a job, in words; "" when it has none."""
    from backends.jobs.store.journal import IdLog

    known = IdLog.of(studio.context.settings.home).find(job)
    return f"; the journal of paid jobs has it as {known.remote_id}" if known else ""


def fetch_again(studio: Studio, job_id: str) -> str:
    """Fetch or publish a job's clip again; returns what is done, in words."""
    from backends.jobs import decisions
    from backends.jobs.run.publishing import give_again
    from backends.jobs.store.stored_job import StoredJob

    name = studio.get(job_id).job_id
    row = studio.context.store.row("SELECT * FROM jobs WHERE id = ?", (name,))
    assert row is not None
    job = StoredJob.of(row)
    if job.state == "succeeded":
        return f"published again as {give_again(studio.context, job)}"
    access = studio.context.access_for(job.provider, job.lane)
    sentence = decisions.fetch(studio.context.store, name, access)
    studio.get(name)  # makes sure that its lane is driven
    return sentence


def _what_it_does(job: Job, how: str, remote_id: str) -> str:
    held = show.usd(job.est_cost_usd)
    if how == "bind":
        return f"It will be followed at the provider as {remote_id}; up to {held} stay reserved for it."
    if how == "retry":
        return f"The first submit is booked as charged ({held}); it is submitted again for up to {held} more."
    if job.state in ("waiting", "queued") or not job.est_cost_usd:
        return "Nothing was sent for it: it ends as cancelled, and nothing is booked."
    if job.state == "uncertain":
        return f"It ends as failed, and {held} are booked as spent."
    return (
        f"It is {job.state}: the provider may go on with it, and its clip will not be fetched. It ends as failed, and "
        f"{held} are booked as spent."
    )
