"""`make`: one clip, or a list of shots. The price comes first; what is asked again is never paid again."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backends.errors import VideoError
from mcp_server.cli import opening, show
from mcp_server.cli.follow import follow
from mcp_server.cli.request_options import Given, takes_request

if TYPE_CHECKING:
    from backends.jobs.views import Job, Ticket
    from backends.request import VideoRequest
    from backends.studio import Quote, Studio

PREVIS = "PREVIS: no generative model makes this"


@takes_request
def make(
    given: Given,
    shots: Annotated[
        Path | None, typer.Option("--from", help="A list of shots: .csv or .jsonl; --template explains its columns.")
    ] = None,
    template: Annotated[bool, typer.Option("--template", help="Write an example list to the --from file.")] = False,
    join: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --from: one film of all shots, written there.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace whatever lies at --join.")] = False,
    max_cost: Annotated[float | None, typer.Option(help="US dollars, for everything together.")] = None,
    take: Annotated[int, typer.Option(min=1, max=99, help="2, 3 ...: another variant of the same request.")] = 1,
    label: Annotated[str, typer.Option(help="A name for the file.")] = "",
    request_key: Annotated[str | None, typer.Option(help="Your own key: the same key is the same job.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to the price; do not ask.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start the job and return at once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Make a clip, or with --from a list of them. Shows the price first. Ctrl-C stops watching, never a job."""
    if template:
        from mcp_server.cli import shot_template

        with opening.failures(as_json):
            if shots is None:
                raise VideoError("invalid_request", "--template writes the file of --from: --from shots.csv --template")
            shot_template.write(shots)
        return
    with opening.studio(as_json) as studio:
        limit = _limit(max_cost)
        if shots is not None:
            from mcp_server.cli import batch

            if request_key is not None or take != 1:
                raise VideoError("invalid_request", "--take and --request-key name one clip: --from has a take column")
            raise typer.Exit(batch.run(studio, shots, given, label, limit, yes, no_wait, as_json, join, force))
        if join is not None:
            from mcp_server.cli import joining

            joining.refuse_without_shots(join)
        with given.named():
            job = _one(studio, given, limit, take, label, request_key, yes, no_wait, as_json)
    raise typer.Exit(0 if job is None or job.state == "succeeded" else 1)


def _limit(max_cost: float | None) -> Decimal | None:
    if max_cost is None:
        return None
    limit = Decimal(str(max_cost))
    if not limit.is_finite() or limit < 0:
        raise VideoError("invalid_request", f"--max-cost is US dollars of 0 or more, not {max_cost}")
    return limit


def _one(
    studio: Studio,
    given: Given,
    limit: Decimal | None,
    take: int,
    label: str,
    request_key: str | None,
    yes: bool,
    no_wait: bool,
    as_json: bool,
) -> Job | None:
    request = given.request().model_copy(update={"max_cost_usd": limit})
    named: dict[str, Any] = {"prefer": given.prefer, "where": given.where, "take": take, "request_key": request_key}
    quote = studio.quote(request, label=label, **named)
    say = show.aside if as_json else show.line
    say(priced(quote))
    for note in quote.notes:
        say(f"note: {note}")
    confirmed = False
    if not is_free(quote) and not yes:
        if not show.agreed(price(quote), "Make it?"):
            raise VideoError("consent", "not agreed: nothing was started, nothing was spent")
        confirmed = True
    ticket = studio.submit(capped(request, quote), label=label, confirmed=confirmed, **named)
    say(started(ticket))
    if no_wait:
        if as_json:
            show.as_json(ticket)
        leave(studio, [ticket.job_id])
        return None
    job = follow(studio, [ticket.job_id], as_json)[0]
    show.as_json(job) if as_json else tell(job, quote.notes)
    return job


def is_free(quote: Quote) -> bool:
    """Whether nothing can be spent by it: a free model, or a job that is there already."""
    return quote.job is not None or (quote.estimate is not None and quote.estimate.basis == "free")


def price(quote: Quote) -> str:
    """A quote's price in words; a list price says of which day it is."""
    if quote.job is not None or quote.estimate is None:
        return "nothing more"
    day = f" (prices of {quote.estimate.price_date.isoformat()})" if quote.estimate.price_date else ""
    return quote.estimate.text + ("" if quote.estimate.basis == "free" else day)


def priced(quote: Quote) -> str:
    if quote.job is not None:
        return f"{quote.model}: this is {quote.job} already ({quote.state}), nothing more is paid"
    seconds = quote.estimate.typical_s if quote.estimate else None
    usual = f", usually {seconds:.0f} s" if seconds else ""
    lead = f"{PREVIS}. " if quote.model == "animatic" else ""
    return f"{lead}{quote.model}: {price(quote)}{usual}"


def capped(request: VideoRequest, quote: Quote) -> VideoRequest:
    """The request with the quoted price as its limit: nothing dearer than what was told is ever started."""
    high = quote.estimate.usd_high if quote.estimate else None
    return request if high is None else request.model_copy(update={"max_cost_usd": high})


def started(ticket: Ticket) -> str:
    again = " (it was there already)" if ticket.replayed else ""
    return f"{ticket.job_id}: {ticket.state}{again}"


def leave(studio: Studio, job_ids: Sequence[str]) -> None:
    """Go without waiting; but where this very process makes the clips, it stays until they are made."""
    if job_ids and studio.launcher.is_inline:
        show.aside("the worker is inline: staying until the clips are made")
        follow(studio, job_ids, json_wanted=True)


def tell(job: Job, known: Sequence[str] = ()) -> None:
    """How a job has ended. known: notes that were told already."""
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
        show.line(f"decide it: reelwright jobs resolve {job.job_id}")
