"""`jobs archive`: move the rows of old jobs out of the store, so that it stays small."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_server.cli import opening, show


def archive(
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", metavar="90d", help="Jobs that ended at least this long ago: days or weeks, 7d or more."
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Move them; without it they are only counted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Move old finished jobs out of the store, into archive.db beside it. Their cost still counts, their files stay
    where they are, and naming a job brings it back. Open and uncertain jobs stay, and so do jobs that those were made
    from."""
    from backends.jobs import archive, clearing
    from backends.jobs.store import archive_file

    with opening.studio(as_json) as studio:
        store = studio.context.store
        older_s = clearing.age(older_than, "--older-than")
        if yes:
            jobs = archive.archive(store, older_s).jobs
        else:
            jobs = len(archive.plan(store, older_s))
        path = archive_file.path_of(store)
    if as_json:
        show.as_json({"moved": yes, "jobs": jobs, "archive": str(path)})
    elif not jobs:
        show.line("nothing to archive")
    elif yes:
        show.line(f"{_jobs(jobs)} moved to {path}: reelwright jobs list --archived shows them")
    else:
        would = f"{_jobs(jobs)} would move to {path}; nothing was moved"
        show.line(f"{would}: reelwright jobs archive --older-than {older_than} --yes")


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number} jobs"
