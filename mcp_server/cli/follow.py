"""Following jobs: a bar on a terminal, a line per change in a pipe. Ctrl-C ends the watching, never a job."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import typer

from backends import plain
from mcp_server.cli import show

if TYPE_CHECKING:
    from backends.jobs.views import Job
    from backends.studio import Studio

LOOK_S = 2.0
"""Seconds between two checks why a job doesn't move (no credentials, a driver that hangs)."""

Changed = Callable[["Job"], None]


def follow(studio: Studio, job_ids: Sequence[str], json_wanted: bool = False) -> list[Job]:
    """The jobs, once all of them are settled. json_wanted: keep standard output free for the JSON."""
    try:
        with _display(job_ids, json_wanted) as changed:
            return anyio.run(_watch, studio, job_ids, changed)
    except KeyboardInterrupt:
        _say_left(studio, job_ids)
        raise typer.Exit(130) from None


async def _watch(studio: Studio, job_ids: Sequence[str], changed: Changed) -> list[Job]:
    async def tell(job: Job) -> None:
        changed(job)

    while True:
        jobs = await studio.wait(job_ids, timeout_s=LOOK_S, on_change=tell)
        for job in jobs:
            changed(job)
        if not any(job.timed_out for job in jobs):
            return jobs


def _say_left(studio: Studio, job_ids: Sequence[str]) -> None:
    """The hints after Ctrl-C."""
    many = len(job_ids) > 1
    it, goes, ids = ("they", "go", "") if many else ("it", "goes", f" {job_ids[0]}")
    show.aside("")
    if studio.launcher.is_inline:
        show.aside(f"stopped watching; {it} {goes} on with the next reelwright that runs (the worker is inline):")
    else:
        show.aside(f"stopped watching; {it} {goes} on:")
    show.aside(f"  reelwright jobs watch{ids}   to watch again")
    if not many:
        show.aside(f"  reelwright jobs cancel{ids}   to stop it")


@contextmanager
def _display(job_ids: Sequence[str], json_wanted: bool) -> Generator[Changed]:
    stream = sys.stderr if json_wanted else sys.stdout
    if show.is_terminal(stream):
        with _bars(job_ids, json_wanted) as changed:
            yield changed
    elif json_wanted:
        yield lambda job: None
    else:
        yield _Lines().changed


class _Lines:
    """A line whenever a job's state, its phase or the quarter of its progress changes."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[object, ...]] = {}

    def changed(self, job: Job) -> None:
        mark = (job.state, re.sub(r"[0-9]+", "#", job.phase), int(job.progress * 4))
        if self._shown.get(job.job_id) != mark:
            self._shown[job.job_id] = mark
            show.line(status_line(job))


def status_line(job: Job) -> str:
    """A job's state in one line."""
    place = f", place {job.queue_position} in the queue" if job.queue_position else ""
    phase = f", {plain.said(job.phase)}" if job.phase else ""
    label = f" {plain.said(job.label)}" if job.label else ""
    return f"{job.job_id}{label}: {job.state} {job.progress:.0%}{phase}{place}"


@contextmanager
def _bars(job_ids: Sequence[str], on_stderr: bool) -> Generator[Changed]:
    """One bar for a job, one bar over all for many."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=on_stderr)
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    done: dict[str, float] = dict.fromkeys(job_ids, 0.0)
    settled: set[str] = set()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=1.0)

        def changed(job: Job) -> None:
            done[job.job_id] = job.progress
            if not job.poll_after_s:
                settled.add(job.job_id)
            words = f"{len(settled)} of {len(done)} done" if len(done) > 1 else f"{job.state} {job.phase}"
            progress.update(bar, completed=sum(done.values()) / len(done), description=plain.one_line(words))

        yield changed
