"""`make`: one clip, or a list of shots. The price comes first; a repeated request is never paid again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backends.errors import VideoError
from mcp_server.cli import opening, show
from mcp_server.cli.follow import follow
from mcp_server.cli.outcome import capped, is_free, price, priced, return_now, started, tell
from mcp_server.cli.request_options import Given, takes_order

if TYPE_CHECKING:
    from backends.jobs.views import Job
    from backends.studio import Studio


@takes_order
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

            if given.terms.request_key is not None or given.terms.take != 1:
                text = "--take and --request-key name one clip: --from has a column for each"
                raise VideoError("invalid_request", text)
            raise typer.Exit(batch.run(studio, shots, given, limit, yes, no_wait, as_json, join, force))
        if join is not None:
            from mcp_server.cli import joining

            joining.refuse_without_shots(join)
        with given.named():
            job = _one(studio, given, limit, yes, no_wait, as_json)
    raise typer.Exit(0 if job is None or job.state == "succeeded" else 1)


def _limit(max_cost: float | None) -> Decimal | None:
    if max_cost is None:
        return None
    limit = Decimal(str(max_cost))
    if not limit.is_finite() or limit < 0:
        raise VideoError("invalid_request", f"--max-cost is US dollars of 0 or more, not {max_cost}")
    return limit


def _one(studio: Studio, given: Given, limit: Decimal | None, yes: bool, no_wait: bool, as_json: bool) -> Job | None:
    request = given.request().model_copy(update={"max_cost_usd": limit})
    quote = studio.quote(request, given.terms)
    say = show.aside if as_json else show.line
    say(priced(quote))
    for note in quote.notes:
        say(f"note: {note}")
    confirmed = False
    if not is_free(quote) and not yes:
        if not show.agreed(price(quote), "Make it?"):
            raise VideoError("consent", "not confirmed: nothing was started, nothing was spent")
        confirmed = True
    ticket = studio.submit(capped(request, quote), given.terms, confirmed=confirmed)
    say(started(ticket))
    if no_wait:
        if as_json:
            show.as_json(ticket)
        return_now(studio, [ticket.job_id])
        return None
    job = follow(studio, [ticket.job_id], as_json)[0]
    show.as_json(job) if as_json else tell(job, quote.notes)
    return job
