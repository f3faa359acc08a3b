"""Printing a quote, a start and an end: the price before, the clip after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mcp_server.cli import show
from mcp_server.cli.follow import follow

if TYPE_CHECKING:
    from backends.jobs.views import Job, Ticket
    from backends.request import VideoRequest
    from backends.studio import Quote, Studio

PREVIS = "PREVIS: no generative model makes this"


def is_free(quote: Quote) -> bool:
    """Whether it cannot cost anything: a free model, or an existing job."""
    return quote.job is not None or (quote.estimate is not None and quote.estimate.basis == "free")


def price(quote: Quote) -> str:
    """A quote's price in words; a list price with its date."""
    if quote.job is not None or quote.estimate is None:
        return "nothing more"
    day = f" (prices of {quote.estimate.price_date.isoformat()})" if quote.estimate.price_date else ""
    return quote.estimate.text + ("" if quote.estimate.basis == "free" else day)


def priced(quote: Quote) -> str:
    if quote.job is not None:
        return f"{quote.model}: this is {quote.job} ({quote.state}) already, nothing more is paid"
    seconds = quote.estimate.typical_s if quote.estimate else None
    usual = f", usually {seconds:.0f} s" if seconds else ""
    lead = f"{PREVIS}. " if quote.model == "animatic" else ""
    return f"{lead}{quote.model}: {price(quote)}{usual}"


def capped(request: VideoRequest, quote: Quote) -> VideoRequest:
    """The request with the quoted price as its limit: nothing more expensive than the shown price is ever started."""
    high = quote.estimate.usd_high if quote.estimate else None
    return request if high is None else request.model_copy(update={"max_cost_usd": high})


def started(ticket: Ticket) -> str:
    again = " (it existed already)" if ticket.replayed else ""
    return f"{ticket.job_id}: {ticket.state}{again}"


def return_now(studio: Studio, job_ids: Sequence[str]) -> None:
    """Return without waiting; but where this very process makes the clips, stay until they are made."""
    if job_ids and studio.launcher.is_inline:
        show.aside("the worker is inline: staying until the clips are made")
        follow(studio, job_ids, json_wanted=True)


def tell(job: Job, known: Sequence[str] = ()) -> None:
    """How a job has ended. known: notes that were printed already."""
    if job.state == "succeeded":
        size = f"{job.width}x{job.height}" if job.width else ""
        facts = (f"{job.duration_s:g} s" if job.duration_s else "", size, f"{job.fps:g} fps" if job.fps else "")
        lead = "PREVIS (no generative model) " if job.engine == "previs" else ""
        show.line(f"{lead}{job.file}")
        show.line(", ".join(fact for fact in (*facts, f"cost {show.usd(job.cost_usd)}") if fact))
    else:
        reason = f": {job.error.kind}: {job.error.message}" if job.error else ""
        show.line(f"{job.job_id} {job.state}{reason}")
    for note in job.notes:
        if note not in known:
            show.line(f"note: {note}")
    if job.state == "uncertain":
        show.line(f"decide what happens to it: reelwright jobs resolve {job.job_id}")
