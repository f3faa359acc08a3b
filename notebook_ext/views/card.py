"""The job card: state, progress, money, the playing clip, and the next steps; and the figure for a saved notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from backends.catalog.price import Estimate
from backends.errors import VideoError
from backends.jobs.marks import MOST_NOTE
from backends.jobs.order.cut import EDITOR
from backends.jobs.views import SETTLED
from backends.jobs.views import Job as JobView
from notebook_ext import kernel
from notebook_ext.calls import call_of
from notebook_ext.delivery import Delivers, job_whereabouts, place, preview_of, proxy, relative_path
from notebook_ext.error_text import ended
from notebook_ext.figure import EMBEDDED, job_figure
from notebook_ext.portal import portal
from notebook_ext.view import Ask, JobAsk, View

if TYPE_CHECKING:
    from notebook_ext.job import Job, Owner


class AgainAsk(JobAsk):
    """cap: the price shown on the page, US dollars; nothing more expensive is started."""

    cap: float = Field(ge=0)


class ExtendAsk(AgainAsk):
    add_s: float = Field(gt=0, le=600)
    prompt: str = Field(default="", max_length=32_000)


class ExtendQuoteAsk(JobAsk):
    add_s: float = Field(gt=0, le=600)
    prompt: str = Field(default="", max_length=32_000)


class MarkAsk(JobAsk):
    star: bool | None = None
    note: str | None = Field(default=None, max_length=MOST_NOTE)


class JobActions(Delivers):
    """The actions on jobs of a page, for the card and for the card inside the board."""

    JOB_ACTIONS: ClassVar[Mapping[str, type[Ask]]] = {
        **Delivers.DELIVERY,
        "cancel": JobAsk,
        "again_quote": JobAsk,
        "again": AgainAsk,
        "extend_quote": ExtendQuoteAsk,
        "extend": ExtendAsk,
        "mark": MarkAsk,
    }

    def __init__(self, client: Owner) -> None:
        self.client = client
        self._jobs: list[Job] = []
        self._off: list[Callable[[], None]] = []
        super().__init__()

    def _add(self, job: Job) -> None:
        if all(job.job_id != known.job_id for known in self._jobs):
            self._jobs.append(job)
            self._off.append(job.listen(lambda _: self._tell()))  # it calls back at once

    def _entries(self) -> list[dict[str, Any]]:
        return [entry(job) for job in list(self._jobs)]

    def _tell(self) -> None:
        """Give the page the entries, when they have changed."""
        raise NotImplementedError

    def _forget(self) -> None:
        """Stop listening to jobs."""
        while self._off:
            self._off.pop()()
        self._jobs.clear()

    def _known(self, job_id: str) -> Job:
        for job in self._jobs:
            if job.job_id == job_id:
                return job
        raise VideoError("not_found", "that job is not on this card")

    def do_cancel(self, ask: JobAsk, _: Sequence[bytes]) -> None:
        self._known(ask.job_id).cancel()

    def do_again_quote(self, ask: JobAsk, _: Sequence[bytes]) -> dict[str, Any]:
        take, quote = self.client.inner.quote_again(self._known(ask.job_id).job_id)
        return {"take": take, **_price(quote.estimate)}

    def do_again(self, ask: AgainAsk, _: Sequence[bytes]) -> dict[str, Any]:
        job = self.client.next_take(self._known(ask.job_id), Decimal(str(ask.cap)))
        self._add(job)
        return {"job_id": job.job_id}

    def do_extend_quote(self, ask: ExtendQuoteAsk, _: Sequence[bytes]) -> dict[str, Any]:
        job = self._known(ask.job_id)
        quote = self.client.quote("extend_clip", **self._extension(job, ask.add_s, ask.prompt))
        return {"there": quote.job is not None, "model": quote.model, **_price(quote.estimate)}

    def do_extend(self, ask: ExtendAsk, _: Sequence[bytes]) -> dict[str, Any]:
        job = self._known(ask.job_id)
        given = self._extension(job, ask.add_s, ask.prompt)
        made = self.client.extend_clip(given.pop("clip"), given.pop("add_s"), max_cost_usd=ask.cap, **given)
        self._add(made)
        return {"job_id": made.job_id}

    def do_mark(self, ask: MarkAsk, _: Sequence[bytes]) -> None:
        self.client.mark(self._known(ask.job_id), star=ask.star, note=ask.note)

    def _extension(self, job: Job, add_s: float, prompt: str) -> dict[str, Any]:
        """By the same model; with its prompt where none is given."""
        words = prompt or self.client.inner.detail(job.job_id).prompt
        return {"clip": job.uri, "add_s": add_s, "prompt": words, "model": job.model, "label": job.label}


class Card(JobActions, View):
    """A job, and the takes and extensions that were started from its card."""

    NAME: ClassVar[str] = "card"
    ACTIONS: ClassVar[Mapping[str, type[Ask]]] = JobActions.JOB_ACTIONS

    def __init__(self, job: Job) -> None:
        super().__init__(job.client)
        self._add(job)

    def _tell(self) -> None:
        entries = self._entries()
        if entries != (self.data or {}).get("jobs"):
            self.publish({"jobs": entries})

    def close(self) -> None:
        self._forget()
        super().close()


def _price(estimate: Estimate | None) -> dict[str, Any]:
    if estimate is None:
        return {"usd": 0.0, "text": "nothing more"}
    return {"usd": None if estimate.usd_high is None else float(estimate.usd_high), "text": estimate.text}


def entry(job: Job) -> dict[str, Any]:
    """What the page gets of one job."""
    view = job.view
    detail = job.client.inner.detail(view.job_id)
    left_out = {"uri", "files", "poster", "poll_after_s", "timed_out", "prompt", "next"}
    shown = view.model_dump(mode="json", exclude=left_out)
    trouble, command = ended(view) if view.state in ("failed", "uncertain") else ("", "")
    return {
        **shown,
        "prompt": detail.prompt,
        "replayed": job.replayed,
        "elapsed_s": round(detail.run_s if detail.run_s is not None else detail.elapsed_s, 1),
        "waited_s": round(detail.elapsed_s, 1),
        "has_poster": view.poster is not None,
        "preview": preview_of(view),
        "code": call_of(view, detail),
        "trouble": trouble,
        "command": command,
        "can_extend": view.state == "succeeded" and view.model != EDITOR,
        "clip": job_whereabouts(job.client, view, detail.clip) if view.state == "succeeded" else None,
        **asdict(job.mark),
    }


class _Figure:
    """A card's figure for a saved notebook: an output of its own, filled when the job ends."""

    def __init__(self, job: Job) -> None:
        from IPython.display import HTML, display

        self.job = job
        self._html = HTML
        self.settled = job.state in SETTLED
        self._handle = display(HTML(self.text()), display_id=True)
        self._off: Callable[[], None] | None = None

    def follow(self) -> None:
        if not self.settled:
            self._off = self.job.listen(self._changed)
            self._changed(self.job.view)  # it may have ended since it was drawn

    def _changed(self, view: JobView) -> None:
        if view.state in SETTLED and not self.settled:
            self.settled = True
            portal().aside(self.update)  # may encode a proxy

    def update(self) -> None:
        if self._handle is not None:
            self._handle.update(self._html(self.text()))

    def text(self) -> str:
        view = self.job.view
        detail = self.job.client.inner.detail(view.job_id)
        source, embedded = None, None
        if view.state == "succeeded":
            placed = place(self.job.client, view, detail.clip)
            source = relative_path(placed) if placed else None
            if source is None and detail.clip is not None:
                embedded = _embedded(detail.clip, self.job)
        return job_figure(view, detail.prompt, detail.poster, source, embedded)


def _embedded(clip: Path, job: Job) -> bytes | None:
    """A proxy for the saved notebook, where the clip itself has no address in it."""
    try:
        made = proxy(clip, job.client.home.settings.artifacts)
    except (VideoError, OSError):
        return None
    return made if len(made) <= EMBEDDED else None


_FIGURES: dict[str, list[_Figure]] = {}
"""The figures of each job; the awaiting cell writes them again, since a run without a page (nbclient) keeps only the
output of the running cell."""


def show_card(job: Job) -> None:
    """Display the card and its figure; text where no page can draw."""
    if not kernel.draws():
        print(repr(job))  # noqa: T201
        return
    if kernel.shell() is None:
        kernel.show(Card(job))
        return
    from IPython.display import display

    card = Card(job)
    display(card)
    figure = _Figure(job)
    _FIGURES.setdefault(job.job_id, []).append(figure)
    figure.follow()


def settle_here(job: Job) -> None:
    """Write the figures of an ended job from the cell that waited for it."""
    for figure in _FIGURES.get(job.job_id, ()):
        figure.settled = True
        figure.update()
