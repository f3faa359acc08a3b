"""`doctor --live`: one real clip with a provider, its cheapest, through the whole program, priced first and recorded.

It is a paid job like any other: the spending limits apply, the user approves the price, and a repeat after a crash or a
Ctrl-C follows the existing job instead of buying another.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from typing import TYPE_CHECKING, NoReturn

import typer

from backends.errors import VideoError
from backends.settings import load_settings
from mcp_server.cli import live_record, show
from mcp_server.cli.follow import follow
from mcp_server.cli.live_choice import STILL, Candidate, cheapest
from mcp_server.cli.live_record import LiveTest
from mcp_server.cli.make import tell
from mcp_server.cli.opening import failures

if TYPE_CHECKING:
    from backends.jobs.views import Job
    from backends.studio import Studio

LABEL = "live-test"


def command(provider: str | None, max_cost: float | None, yes: bool, as_json: bool) -> NoReturn:
    """Run what the options of `doctor` request; ends the program with its exit code, failures in words."""
    with failures(as_json):
        if provider is None:
            raise VideoError("invalid_request", "--max-cost-usd and --yes belong to --live PROVIDER")
        code = run(provider, limit_of(max_cost), yes, as_json)
    raise typer.Exit(code)


def limit_of(max_cost: float | None) -> Decimal:
    """The most that the test may cost. VideoError("invalid_request") unless it is a number of dollars above 0."""
    if max_cost is None:
        raise VideoError("invalid_request", "--live spends real money: say how much with --max-cost-usd, such as 0.50")
    limit = Decimal(str(max_cost))
    if not limit.is_finite() or limit <= 0:
        raise VideoError("invalid_request", f"--max-cost-usd is US dollars above 0, not {max_cost}")
    return limit


def run(provider: str, limit: Decimal, yes: bool, as_json: bool) -> int:
    """Make the clip and record the result; the exit code, 1 when there is no clip."""
    from backends.studio import Studio

    settings = load_settings()
    settings = replace(settings, roots=(*settings.roots, STILL.parent.resolve()))  # the folder of the shipped still
    with Studio.open(settings, client="doctor") as studio:
        _check_provider(studio, provider)
        tests = live_record.live_tests(settings)
        chosen = cheapest(provider, studio.context.catalog.rows, studio.context.sandbox.check(STILL))
        job = _made(studio, chosen, _key(chosen, tests), limit, yes, as_json)
        test = _test_of(studio, job)
        live_record.add(settings, test)
    if as_json:
        show.as_json({"job": job, "live_test": asdict(test)})
    else:
        tell(job)
        show.line(f"{provider} {test.text}")
    return 0 if job.state == "succeeded" else 1


def _check_provider(studio: Studio, provider: str) -> None:
    from backends.provider.registry import registry

    remote = sorted(name for name, entry in registry().items() if entry.kind == "remote")
    if provider not in remote:
        raise VideoError("invalid_request", f"{provider[:40]!r} is not a paid provider; these are: {', '.join(remote)}")
    if why := studio.context.why_not(provider):
        raise VideoError("auth", f"{provider}: {why}, then repeat; reelwright doctor shows what is set")


def _key(chosen: Candidate, tests: Sequence[LiveTest]) -> str:
    """The same until a test of this row is settled and recorded: a repeat finds the job, a new test gets a new job."""
    request = chosen.request
    number = 1 + sum(test.model == chosen.row.id and test.settled for test in tests)
    what = f"{request.task} {request.duration_s:g} {request.resolution} {request.audio}"
    return f"{LABEL} {chosen.row.id} {what} {number}"


def _made(studio: Studio, chosen: Candidate, key: str, limit: Decimal, yes: bool, as_json: bool) -> Job:
    """Price, approval, job, wait."""
    say = show.aside if as_json else show.line
    quote = studio.quote(chosen.request, request_key=key)
    if quote.job is None:
        say(_priced(chosen))
        _check_money(studio, chosen, limit)
        if chosen.high > 0 and not yes and not show.agreed(show.usd(chosen.high), "Make it?"):
            raise VideoError("consent", "not confirmed: nothing was started, nothing was spent")
    else:
        say(f"{quote.model}: the last live test is {quote.job} ({quote.state}), nothing more is paid")
    request = chosen.request.model_copy(
        update={"max_cost_usd": chosen.high}
    )  # nothing more expensive than the price that was shown
    ticket = studio.submit(request, request_key=key, label=LABEL, confirmed=True)
    say(f"{ticket.job_id}: {ticket.state}")
    return follow(studio, [ticket.job_id], as_json)[0]


def _priced(chosen: Candidate) -> str:
    request, cost = chosen.request, chosen.estimate
    day = f" (prices of {cost.price_date.isoformat()})" if cost.price_date else ""
    usual = f", usually {cost.typical_s:.0f} s" if cost.typical_s else ""
    what = f"{request.task}, {request.duration_s:g} s, {request.resolution}"
    return f"{chosen.row.id}: {cost.text}{day} for {what}{usual}"


def _check_money(studio: Studio, chosen: Candidate, limit: Decimal) -> None:
    """No approval is asked for what a spending limit refuses anyway."""
    from backends.jobs.money import ledger

    if chosen.high > limit:
        text = f"the cheapest clip of {chosen.row.provider} costs {show.usd(chosen.high)} ({chosen.row.id})"
        raise VideoError(
            "needs_budget",
            f"{text}, above {show.usd(limit)}: nothing was started; repeat with --max-cost-usd {chosen.high:f}",
        )
    ledger.check_limits(studio.context.store, chosen.row.provider, ledger.to_micro(chosen.high))


def _test_of(studio: Studio, job: Job) -> LiveTest:
    """The job's facts in the form of the record; times are the store's, so that a late look changes nothing."""
    from backends.jobs.context import program_version

    row = studio.context.store.row("SELECT provider, created_at, ended_at FROM jobs WHERE id = ?", (job.job_id,))
    assert row is not None, "the job is in the store after the wait"
    began = float(row["created_at"])
    ended = row["ended_at"] or dt.datetime.now(dt.UTC).timestamp()
    outcome = "ok" if job.state == "succeeded" else job.state
    if job.error is not None:
        outcome += f", {job.error.kind}: {job.error.message}"[:300]
    return LiveTest(
        provider=str(row["provider"]),
        model=job.model,
        job=job.job_id,
        day=dt.datetime.fromtimestamp(float(ended), dt.UTC).date().isoformat(),
        cost_usd=job.cost_usd,
        seconds=round(float(ended) - began, 1),
        version=program_version(),
        outcome=outcome,
        settled=job.state != "uncertain",
    )
