"""A job in a notebook: its card shows itself, and it can be awaited; the work goes on elsewhere."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from backends.errors import VideoError
from backends.jobs.marks import NONE, Mark
from backends.jobs.views import SETTLED
from backends.jobs.views import Job as JobView
from backends.plain import one_line
from notebook_ext import error_text, kernel
from notebook_ext.portal import portal

if TYPE_CHECKING:
    from backends.request import VideoRequest
    from backends.studio import Quote, Studio
    from backends.terms import Named, Terms
    from notebook_ext.calls import Options
    from notebook_ext.home import Home
    from notebook_ext.results import Look

UPDATES_A_SECOND = 5
"""The most updates of a card's progress in a second."""
LOOK_S = 10.0
"""Seconds after which a wait is started again, so that a lane without a driver is noticed."""

_hinted = threading.Event()
log = logging.getLogger("reelwright")


class Owner(Protocol):
    """The studio of a job (`client.NotebookStudio`), as far as jobs, their views and tables use it."""

    @cached_property
    def home(self) -> Home: ...

    @cached_property
    def inner(self) -> Studio: ...

    def make(self, request: VideoRequest, terms: Terms | None = None, **named: Unpack[Named]) -> Job: ...

    def quote(self, verb: str, **given: Any) -> Quote: ...

    def image_to_video(self, image: object, prompt: str = "", **options: Unpack[Options]) -> Job: ...

    def extend_clip(self, clip: object, add_s: float, prompt: str = "", **options: Unpack[Options]) -> Job: ...

    def next_take(self, job: Job, max_cost_usd: float | Decimal | None = None) -> Job: ...

    def job(self, job: str | Job) -> Job: ...

    def inspect_clip(self, clip: object, frames: int = 8, against: object = None) -> Look: ...

    def mark(
        self, job: str | Job, *, star: bool | None = None, note: str | None = None, picked: bool | None = None
    ) -> Job: ...

    def marks(self, jobs: Sequence[str]) -> dict[str, Mark]: ...

    def code(self, job_id: str) -> str: ...


class Job:
    """One clip that is being made, or is finished. `await job` (or `job.result()`) waits; interrupting stops the
    waiting, never the job. Every public field of a job is an attribute: state, file, cost_usd, seed ..."""

    def __init__(self, client: Owner, view: JobView, *, replayed: bool = False) -> None:
        self.client = client
        self.view = view
        self.replayed = replayed
        self._ended: Future[JobView] | None = None
        self._listeners: list[Callable[[JobView], None]] = []
        self._lock = threading.Lock()
        self._shown_in = "nowhere"

    def __getattr__(self, name: str) -> Any:
        if name in JobView.model_fields:
            return getattr(self.view, name)
        words = f"a job has no {name!r}; it has {', '.join(JobView.model_fields)}"
        raise error_text.short(AttributeError(words), f"AttributeError: {words}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *JobView.model_fields]

    # media names, as inputs of the next request

    @property
    def uri(self) -> str:
        """The clip as an input, finished or not."""
        return self.view.uri

    @property
    def last_frame(self) -> str:
        """Its last frame as an input: `studio.image_to_video(job.last_frame, ...)`."""
        return f"{self.view.uri}/last_frame"

    def frame(self, t: float) -> str:
        """The frame at `t` seconds as an input."""
        return f"{self.view.uri}/frame/{t:g}"

    # watching and waiting

    def refresh(self) -> JobView:
        """The job in its current state."""
        self._update(self.client.inner.get(self.view.job_id))
        return self.view

    def listen(self, work: Callable[[JobView], None]) -> Callable[[], None]:
        """Call `work` with the job's view at each change (on the portal's loop) and once now; returns a function that
        stops it."""
        with self._lock:
            self._listeners.append(work)
        self._follow()
        work(self.view)

        def off() -> None:
            with self._lock:
                if work in self._listeners:
                    self._listeners.remove(work)

        return off

    def _update(self, view: JobView) -> None:
        with self._lock:
            self.view = view
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(view)
            except Exception:  # a card that cannot be drawn must not stop the watching
                log.exception("a listener of %s failed", view.job_id)

    def _follow(self) -> Future[JobView]:
        """The future of its end; the first call starts the one task that watches the job."""
        with self._lock:
            if self._ended is None:
                self._ended = portal().soon(self._watch)
            return self._ended

    async def _watch(self) -> JobView:
        async def changed(view: JobView) -> None:
            self._update(view)
            if view.state not in SETTLED:
                await asyncio.sleep(1 / UPDATES_A_SECOND)

        while True:
            (view,) = await self.client.inner.wait([self.view.job_id], timeout_s=LOOK_S, on_change=changed)
            if view != self.view:
                self._update(view)
            if view.state in SETTLED:
                return view

    def __await__(self) -> Generator[Any, None, Job]:
        return self._waiting().__await__()

    async def _waiting(self) -> Job:
        self._show_here()
        await self.ended()
        return self._outcome()

    async def ended(self) -> JobView:
        """Wait for its end, whatever the outcome; shows nothing and never raises the job's error."""
        try:  # shielded: an interrupted cell stops waiting, and the watching goes on
            return await asyncio.shield(asyncio.wrap_future(self._follow()))
        except asyncio.CancelledError as error:
            error_text.short(error, self._goes_on())
            raise

    def _goes_on(self) -> str:
        """The message after the waiting was interrupted."""
        cost = self.view.est_cost_usd
        price = " (free)" if cost == 0 else f" (est. ${cost:.4g})" if cost is not None else ""
        return f"stopped waiting; {self.view.job_id} goes on{price}: await it again, or .cancel() it"

    def wait(self, timeout_s: float | None = None) -> JobView:
        """The same, blocking. TimeoutError when it is not done in time."""
        return self._follow().result(timeout_s)

    def result(self, timeout_s: float | None = None) -> Job:
        """Wait for the end and return the job; VideoError when it failed, "timeout" when it is not done in time.

        This blocks the kernel: clicks on a card's buttons wait meanwhile. `await job` does not.
        """
        self._show_here()
        ended = self._follow()
        if not ended.done() and kernel.draws() and not _hinted.is_set():
            _hinted.set()
            print("hint: result() blocks the kernel and a card's buttons; `await job` does not")  # noqa: T201
        try:
            ended.result(timeout_s)
        except NotYet:
            raise VideoError(
                "timeout",
                f"{self.view.job_id} is not done after {timeout_s:g} s; it goes on: wait again",
                retryable=True,
            ) from None
        except KeyboardInterrupt as error:
            error_text.short(error, self._goes_on())
            raise
        return self._outcome()

    def _outcome(self) -> Job:
        from notebook_ext.views.card import settle_here

        settle_here(self)
        view = self.view
        if view.state == "succeeded":
            return self
        if view.error is not None:
            error = view.error
            raise VideoError(
                error.kind if error.kind in _kinds() else "provider",  # pyright: ignore[reportArgumentType]
                error_text.ended(view)[0],
                retryable=error.retryable,
                charged=error.charged,
            )
        words, command = error_text.ended(view)
        text = f"{view.job_id}: {words}" + (f"\n{command}" if command else "")
        raise VideoError("cancelled" if view.state == "cancelled" else "submit_unknown", text)

    # acting on it

    def cancel(self) -> Job:
        """Stop it: at no cost while it is queued, else as far as the provider can."""
        self._update(self.client.inner.cancel(self.view.job_id))
        return self

    @property
    def mark(self) -> Mark:
        """Your marks on it: star, note, picked."""
        return self.client.marks([self.view.job_id]).get(self.view.job_id, NONE)

    def star(self, on: bool = True) -> Job:
        """Mark it with a star, for everyone who works with this store."""
        return self.client.mark(self, star=on)

    def note(self, text: str) -> Job:
        """Keep a note with it, one line of at most 500 characters; "" removes it."""
        return self.client.mark(self, note=text)

    def pick(self, on: bool = True) -> Job:
        """Pick this one."""
        return self.client.mark(self, picked=on)

    def next_take(self, max_cost_usd: float | None = None) -> Job:
        """Another attempt at the same request, as a new job. max_cost_usd: 0 unless given."""
        return self.client.next_take(self, max_cost_usd)

    def code(self) -> str:
        """The call that requests it again."""
        return self.client.code(self.view.job_id)

    # showing

    def _show_here(self) -> None:
        """Show the card, unless this run of the cell has already shown it."""
        if kernel.draws() and self._shown_in != kernel.run_id():
            self._ipython_display_()

    def _ipython_display_(self) -> None:
        from notebook_ext.views.card import show_card

        if self._shown_in == (here := kernel.run_id()) and here:  # `await job` as a cell's last line
            return
        self._shown_in = here
        show_card(self)

    def _display_(self) -> Any:
        """Called by marimo."""
        from notebook_ext.views.card import Card

        return Card(self)

    def __repr__(self) -> str:
        view = self.view
        lead = "PREVIS (no generative model) " if view.engine == "previs" else ""
        clip = f", {view.file}" if view.file else ""
        return one_line(f"{lead}{view.job_id}: {view.state}, {view.model}{clip}")


def _kinds() -> frozenset[str]:
    from backends.errors import ERROR_KINDS

    return ERROR_KINDS
