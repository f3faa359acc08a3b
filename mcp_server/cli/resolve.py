"""Deciding an uncertain job: only a person at a terminal can, and only after typing a phrase of this very job.

An agent that runs commands has a pipe on standard input, not a terminal; the phrase keeps a habit from deciding.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from backends.errors import VideoError
from mcp_server.cli import show

if TYPE_CHECKING:
    from backends.studio import Studio

PHRASE = 6
"""The last characters of a job's id that the person types."""


def decide(studio: Studio, job_id: str, how: str, remote_id: str) -> None:
    """how: bind, retry or write_off. VideoError("consent") without a terminal or with another phrase."""
    from backends.jobs import admin
    from backends.jobs.idlog import IdLog

    job = studio.get(job_id)
    if job.state != "uncertain":
        raise VideoError("conflict", f"job {job.job_id} is {job.state}: only an uncertain job waits for a decision")
    if not sys.stdin.isatty():
        raise VideoError("consent", "a person decides this at a terminal: standard input is none. Nothing was changed")
    held = show.usd(job.est_cost_usd)
    for note in job.notes:
        show.line(note)
    show.line(
        {
            "bind": f"It will be followed at the provider as {remote_id}; up to {held} stay reserved for it.",
            "retry": f"The first submit is booked as charged ({held}); it is submitted again for up to {held} more.",
            "write_off": f"It ends as failed, and {held} are booked as spent.",
        }[how]
    )
    _confirm(job.job_id)
    store = studio.context.store
    if how == "bind":
        admin.bind(store, job.job_id, remote_id)
    elif how == "retry":
        admin.retry(store, IdLog(studio.context.settings.home / "accepted.jsonl"), job.job_id)
    else:
        admin.write_off(store, job.job_id)
    show.line(f"{job.job_id}: {studio.get(job.job_id).state}")


def _confirm(job_id: str) -> None:
    typer.echo(f"Type the last {PHRASE} characters of the job's id to do this: ", nl=False)
    try:
        typed = input()
    except EOFError:
        typed = ""
    if typed.strip() != job_id[-PHRASE:]:
        raise VideoError("consent", "that is not what was asked for: nothing was changed")
