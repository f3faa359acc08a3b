"""The board: all jobs of the store in one widget, whoever started them, with the spend against the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
from anyio import to_thread

from backends.errors import VideoError
from backends.jobs.marks import NONE
from backends.jobs.views import Job as JobView
from notebook_ext import kernel, saved
from notebook_ext.delivery import preview_of
from notebook_ext.portal import portal
from notebook_ext.table import JobTable
from notebook_ext.view import Ask, JobAsk, View
from notebook_ext.views.card import JobActions, MarkAsk

if TYPE_CHECKING:
    from notebook_ext.job import Owner
    from notebook_ext.sweep import Sweep

LOOK_S = 0.5
"""Seconds between two checks whether the store has changed."""
AGE_S = 60.0
"""Seconds between two updates of how long ago a limit was changed."""
ROWS = 100
PROMPT_MOST = 1000
"""Characters of a prompt that are searched."""


class Board(JobActions, View):
    """Rows, newest first; or, for a sweep, a grid of results. One widget, however many jobs: the page gets the module
    once."""

    NAME: ClassVar[str] = "board"
    SAVED_S: ClassVar[float] = 10.0
    ACTIONS: ClassVar[Mapping[str, type[Ask]]] = {**JobActions.JOB_ACTIONS, "open": JobAsk, "shut": Ask}

    def __init__(self, client: Owner, *, sweep: Sweep | None = None, limit: int = ROWS) -> None:
        self._sweep = sweep
        self._limit = limit
        self._rows: list[dict[str, Any]] = []
        self._prompts: dict[str, str] = {}
        self._open = True
        super().__init__(client)
        self._look()
        portal().soon(self._watch)

    async def _watch(self) -> None:
        """Read again whenever the store has changed (and while a changed limit's age is shown, every minute), until the
        widget is closed."""
        seen, looked = -1, 0.0
        while self._open and self.comm is not None:
            version, now = self.client.inner.version(), anyio.current_time()
            aged = bool(self.data["spend"]["limits_changed"]) and now - looked >= AGE_S
            if version != seen or aged:
                seen, looked = version, now
                await to_thread.run_sync(self._look)
            await anyio.sleep(LOOK_S)

    def _look(self) -> None:
        inner = self.client.inner
        if self._sweep is None:
            views = inner.recent(self._limit)
        else:
            views = [inner.get(job.job_id) for job in self._sweep.jobs]
        marked = self.client.marks([view.job_id for view in views])
        self._rows = [
            {**_row(view), "prompt": self._prompt(view), **asdict(marked.get(view.job_id, NONE))} for view in views
        ]
        self._tell()

    def _prompt(self, view: JobView) -> str:
        """The prompt as far as it is searched; it never changes."""
        if view.job_id not in self._prompts:
            self._prompts[view.job_id] = self.client.inner.detail(view.job_id).prompt[:PROMPT_MOST]
        return self._prompts[view.job_id]

    def _tell(self) -> None:
        sweep = self._sweep
        data = {
            "rows": self._rows,
            "spend": self.client.inner.spend().model_dump(mode="json"),
            "jobs": self._entries(),
            "grid": None if sweep is None else {"cost": sweep.cost, "columns": sweep.columns},
            "note": self.client.home.free_only,
        }
        if data != self.data:
            self.publish(data)

    def figure(self) -> str:
        if self._sweep is not None:
            return ""  # its table replaces it
        spend = self.client.inner.spend()
        shown = JobTable(self.client, [self.client.job(row["job_id"]).refresh() for row in self._rows])
        return saved.figure(shown._repr_html_(), f"{len(self._rows)} jobs, ${spend.total_usd:.2f} spent in all")

    def do_open(self, ask: JobAsk, _: Sequence[bytes]) -> None:
        """Show one job's card inside the board."""
        self._forget()
        self._add(self.client.job(ask.job_id))

    def do_mark(self, ask: MarkAsk, _: Sequence[bytes]) -> None:
        if all(row["job_id"] != ask.job_id for row in self._rows):
            raise VideoError("not_found", "that job is not on this board")
        self.client.mark(ask.job_id, star=ask.star, note=ask.note)
        self._look()

    def do_shut(self, _ask: Ask, _: Sequence[bytes]) -> None:
        self._forget()
        self._tell()

    def close(self) -> None:
        self._open = False
        self._forget()
        super().close()


def _row(view: JobView) -> dict[str, Any]:
    kept = view.model_dump(
        mode="json",
        include={
            "job_id",
            "state",
            "model",
            "account",
            "label",
            "take",
            "seed",
            "task",
            "progress",
            "cost_usd",
            "est_cost_usd",
            "client",
            "engine",
        },
    )
    at = datetime.fromisoformat(view.created_at)
    has_poster = view.poster is not None and view.state != "running"
    return {**kept, "at": at.timestamp(), "has_poster": has_poster, "preview": preview_of(view)}


def show_sweep(sweep: Sweep) -> Callable[[], None] | None:
    """Display a sweep's grid of results, and its table, which stays in a saved notebook; returns a function that writes
    the table again."""
    if not kernel.draws():
        print(repr(sweep))  # noqa: T201
        return None
    if kernel.shell() is None:
        kernel.show(Board(sweep.client, sweep=sweep))
        return None
    from IPython.display import HTML, display

    from notebook_ext.figure import RULES

    display(Board(sweep.client, sweep=sweep))

    def still() -> HTML:
        return HTML(f'{RULES}<div class="rw-figure">{sweep.table()._repr_html_()}</div>')

    handle = display(still(), display_id=True)
    return lambda: handle.update(still()) if handle is not None else None
