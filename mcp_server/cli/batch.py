"""`make --from`: the total price first, one limit for everything, every row resumed by its key, a summary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from backends.errors import A_PERSON, VideoError
from mcp_server.cli import joining, shots, show
from mcp_server.cli.follow import follow
from mcp_server.cli.joining import Cut
from mcp_server.cli.outcome import capped, is_free, return_now
from mcp_server.cli.request_options import Given
from mcp_server.cli.shots import Shot

if TYPE_CHECKING:
    from backends.facts import MediaFacts
    from backends.jobs.views import Job
    from backends.studio import Quote, Studio


@dataclass(frozen=True)
class Line:
    """A row of the batch with its quote; after the start also its job, or why it did not start."""

    shot: Shot
    quote: Quote
    job_id: str = ""
    trouble: VideoError | None = None


def run(
    studio: Studio,
    path: Path,
    base: Given,
    limit: Decimal | None,
    yes: bool,
    no_wait: bool,
    as_json: bool,
    join: Path | None = None,
    force: bool = False,
) -> int:
    """Make every shot of a file; the exit code: 0 when each has its clip (or, with no_wait, its job). join: the file of
    one film of all shots, in their order; force: replace an existing file there."""
    say = show.aside if as_json else show.line
    cut = None if join is None else Cut(join, base, force=force)
    if cut is not None:
        cut.check(studio, no_wait=no_wait)
    priced = _priced(studio, path, shots.read(path, base, lambda note: say(f"note: {note}")))
    if cut is not None:
        cut.judge(studio, [line.quote for line in priced])
    total = _total(priced)
    say(_summary_line(priced, total))
    _hold_to(studio, total, limit)
    confirmed = False
    if not yes and any(not is_free(line.quote) for line in priced):
        if not show.agreed(_amount(total), "Make them?"):
            raise VideoError("consent", "not confirmed: nothing was started, nothing was spent")
        confirmed = True
    lines = _started(studio, priced, confirmed)
    jobs: dict[str, Job] = {}
    ids = list(dict.fromkeys(line.job_id for line in lines if line.job_id))
    film = None
    if cut is not None and all(line.job_id for line in lines):
        film = cut.start(studio, [line.job_id for line in lines])
        ids.append(film)
    if no_wait:
        return_now(studio, ids)
        jobs = {job_id: studio.get(job_id) for job_id in ids}
    elif ids:
        jobs = {job.job_id: job for job in follow(studio, ids, as_json)}
    made = cut is None or (film is not None and cut.deliver(jobs[film]))
    _summary(lines, jobs, as_json, cut, jobs.get(film) if film else None)
    done = all(line.job_id and (no_wait or jobs[line.job_id].state == "succeeded") for line in lines)
    return 0 if done and made else 1


def _priced(studio: Studio, path: Path, found: list[Shot]) -> list[Line]:
    """Every row's quote. VideoError names each line that cannot be made, and each that repeats another."""
    priced: list[Line] = []
    problems: dict[int, str] = {}
    keys: dict[str, int] = {}
    before: Line | None = None
    for shot in found:
        try:
            if shot.continues and before is None:
                raise VideoError("invalid_request", "continue: the shot before it cannot be made")
            line = Line(shot, _quoted(studio, shot, before))
        except VideoError as error:
            problems[shot.line] = error.message
            before = None
            continue
        before, quote = line, line.quote
        first = keys.setdefault(quote.key, shot.line)
        if first != shot.line:
            problems[shot.line] = f"the same request as line {first}: a take of 2, 3 ... makes another variant"
        priced.append(line)
    if problems:
        raise shots.refused(path, problems)
    return priced


def _quoted(studio: Studio, shot: Shot, before: Line | None) -> Quote:
    """A shot's price. A shot that continues the one before is priced by that shot's expected clip until there is
    one."""
    promised: dict[str, MediaFacts] = {}
    if shot.continues and before is not None:
        if before.quote.job is not None:
            shot = shot.after(before.quote.job)
        elif before.quote.promise is None:
            raise VideoError(
                "invalid_request",
                "continue: the size of the shot before it is not known yet, so it cannot be priced: give that shot an "
                "aspect_ratio and a resolution, or make it first",
            )
        else:
            promised = shot.promised(before.quote.promise)
    with shot.given.named():
        return studio.quote(shot.request, shot.terms, promised=promised)


def _started(studio: Studio, priced: list[Line], confirmed: bool) -> list[Line]:
    """Start every shot, in order; one that continues another waits for it."""
    lines: list[Line] = []
    for line in priced:
        if line.shot.continues:
            if not lines[-1].job_id:
                trouble = VideoError("asset", "continue: the shot before it was not started")
                lines.append(replace(line, trouble=trouble))
                continue
            line = replace(line, shot=line.shot.after(lines[-1].job_id))
        lines.append(_start(studio, line, confirmed))
    return lines


def _total(lines: list[Line]) -> Decimal | None:
    """The highest total cost of the new jobs; None when a price is unknown."""
    highs = [line.quote.estimate.usd_high for line in lines if line.quote.estimate is not None]
    return None if any(high is None for high in highs) else sum(cast("list[Decimal]", highs), Decimal(0))


def _amount(total: Decimal | None) -> str:
    return "an unknown amount" if total is None else show.usd(total)


def _price(lines: list[Line], total: Decimal | None) -> str:
    return ", free" if all(is_free(line.quote) for line in lines) else f" for {_amount(total)} at most"


def _summary_line(lines: list[Line], total: Decimal | None) -> str:
    there = sum(line.quote.job is not None for line in lines)
    fresh = len(lines) - there
    models = ", ".join(sorted({line.quote.model for line in lines if line.quote.job is None}))
    made = f"{fresh} to make ({models}){_price(lines, total)}" if fresh else "nothing to make"
    known = f"; {there} already made or under way, not paid again" if there else ""
    return f"{len(lines)} shot{'' if len(lines) == 1 else 's'}: {made}{known}"


def _hold_to(studio: Studio, total: Decimal | None, limit: Decimal | None) -> None:
    """Check the total against --max-cost and the day's spending limit, so that a batch is never left half made."""
    from backends.jobs.money import ledger

    store = studio.context.store
    if limit is not None and (total is None or total > limit):
        raise VideoError(
            "needs_budget",
            f"the shots cost {_amount(total)}, above --max-cost {show.usd(limit)}: raise it, or make fewer; "
            "nothing was started",
        )
    day = ledger.spending_limits(store).per_day
    spent = ledger.to_usd(ledger.totals(store).today)
    if day is not None and total is not None and total > 0 and spent + total > day:
        raise VideoError(
            "wall",
            f"the shots cost {show.usd(total)}, and {show.usd(spent)} of the {show.usd(day)} a day (UTC) that the "
            f"spending limit per_day_usd allows is spent or reserved: make fewer, or wait; {A_PERSON}. Nothing was "
            "started",
        )


def _start(studio: Studio, line: Line, confirmed: bool) -> Line:
    shot = line.shot
    try:
        ticket = studio.submit(capped(shot.request, line.quote), shot.terms, confirmed=confirmed)
    except VideoError as error:
        return Line(shot, line.quote, trouble=error)
    return Line(shot, line.quote, ticket.job_id)


def _summary(lines: list[Line], jobs: dict[str, Job], as_json: bool, cut: Cut | None, film: Job | None) -> None:
    rows = [_row(line, jobs.get(line.job_id)) for line in lines]
    spent = sum(row["cost_usd"] or 0.0 for row in rows if not row["there_already"])
    made = sum(row["state"] == "succeeded" for row in rows)
    if as_json:
        result = {"shots": rows, "made": made, "cost_usd": round(spent, 6)}
        show.as_json(result if cut is None else result | {"film": film, "out": str(cut.out)})
        return
    show.table(
        ("line", "label", "take", "job", "state", "cost", "file"),
        [
            [r["line"], r["label"], r["take"], r["job_id"], r["state"], _cost(line, r["cost_usd"]), r["file"]]
            for line, r in zip(lines, rows, strict=True)
        ],
        below=("label", "file"),
    )
    for row in rows:
        if row["error"]:
            show.line(f"line {row['line']}: {row['error']}")
    show.line(
        f"{made} of {len(rows)} made, {show.usd(round(spent, 6))} spent by this run; repeat the command to resume"
    )
    joining.say(cut, film)


def _cost(line: Line, usd: float | None) -> str:
    """What a row's clip has cost; None for one that is not made yet."""
    if not usd and line.quote.estimate is not None and line.quote.estimate.basis == "free":
        return "free"
    return "" if usd is None else show.usd(usd)


def _row(line: Line, job: Job | None) -> dict[str, Any]:
    error = line.trouble.message if line.trouble else job.error.message if job and job.error else ""
    return {
        "line": line.shot.line,
        "label": line.shot.terms.label,
        "take": line.shot.terms.take,
        "job_id": line.job_id,
        "there_already": line.quote.job is not None,
        "state": job.state if job else "not started",
        "cost_usd": job.cost_usd if job else None,
        "file": job.file if job else None,
        "error": error,
    }
