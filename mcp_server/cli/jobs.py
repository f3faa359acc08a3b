"""`jobs`: requested jobs, their progress and cost; and the decisions that only the user makes."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from backends.errors import VideoError
from mcp_server.cli import archiving, clearing, confirmation, opening, resolve, show
from mcp_server.cli.follow import follow
from mcp_server.cli.make import tell
from mcp_server.text import money

if TYPE_CHECKING:
    from backends.jobs.views import Job, JobPage
    from backends.studio import Studio

app = typer.Typer(help="List (the default), show, watch and cancel jobs; decide, fetch, check and clean up.")

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
State = Annotated[str | None, typer.Option(help="Only this state; open: every job that has not ended.")]
Label = Annotated[str | None, typer.Option(help="Only this label.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Most jobs to list, newest first.")]
By = Annotated[Literal["label", "day"] | None, typer.Option(help="A spending report by label or by day (UTC) instead.")]
Csv = Annotated[bool, typer.Option("--csv", help="As CSV.")]

Bill = list[dict[str, Any]]


@app.callback(invoke_without_command=True)
def jobs(
    context: typer.Context,
    state: State = None,
    label: Label = None,
    limit: Limit = 20,
    by: By = None,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """List jobs, newest first, with total spend; --by prints a spending report."""
    if context.invoked_subcommand is None:
        _list(state, label, limit, by, as_csv, as_json)


@app.command("list")
def list_jobs(
    state: State = None,
    label: Label = None,
    limit: Limit = 20,
    by: By = None,
    archived: Annotated[bool, typer.Option("--archived", help="Archived jobs instead (see jobs archive).")] = False,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """List jobs, newest first, with total spend; --by prints a spending report."""
    _list(state, label, limit, by, as_csv, as_json, archived=archived)


def _list(
    state: str | None,
    label: str | None,
    limit: int,
    by: Literal["label", "day"] | None,
    as_csv: bool,
    as_json: bool,
    *,
    archived: bool = False,
) -> None:
    with opening.studio(as_json) as studio:
        if by is not None:
            _show_bill(_bill(studio, by), _differences(studio), by, as_csv, as_json)
            return
        page = studio.archived(state, label, limit) if archived else studio.list(state, label, limit)
        much = clearing.warned(studio)
    rows = [row.model_dump(mode="json") for row in page.jobs]
    if as_json:
        show.as_json(page)
    elif as_csv:
        _csv(("job_id", "state", "model", "label", "take", "cost_usd", "created_at", "file"), rows)
    else:
        show_page(page)
        if much:
            show.line(much)


def show_page(page: JobPage) -> None:
    cells = [
        [
            row.job_id,
            row.state if row.progress in (0.0, 1.0) else f"{row.state} {row.progress:.0%}",
            row.model,
            f"{row.label} take {row.take}" if row.label and row.take > 1 else row.label,
            "" if row.cost_usd is None else show.usd(row.cost_usd),
            short_day(row.created_at) if row.created_at and show.is_terminal() else row.created_at,
            row.file,
        ]
        for row in page.jobs
    ]
    if cells:
        below = ("model", "label", "file")
        show.table(("job", "state", "model", "label", "cost", "created", "file"), cells, below)
    else:
        show.line("no jobs")
    if page.folder:
        show.folded(f"files are in {page.folder}")
    show.folded(money(page.spend))
    for sentence in page.spend.limits_changed:
        show.line(sentence)
    if page.cursor:
        show.line("there are older ones: --limit shows more")


def short_day(iso: str) -> str:
    """A time as a user here reads it: 27 Nov 17:20, with the year instead of the time when it is another year."""
    from datetime import datetime

    there, now = datetime.fromisoformat(iso).astimezone(), datetime.now().astimezone()
    day = f"{there.day} {MONTHS[there.month - 1]}"
    return f"{day} {there:%H:%M}" if there.year == now.year else f"{day} {there.year}"


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _bill(studio: Studio, by: Literal["label", "day"]) -> Bill:
    from backends.jobs.money import ledger

    return [
        {
            by: row["name"],
            "jobs": row["jobs"],
            "settled_usd": ledger.to_usd(row["settled"]),
            "held_usd": ledger.to_usd(row["held"]),
        }
        for row in ledger.bill(studio.context.store, by)
    ]


def _show_bill(rows: Bill, differences: Bill, by: str, as_csv: bool, as_json: bool) -> None:
    if as_json:
        show.as_json({"by": by, "rows": rows, "differences": differences})
    elif as_csv:
        _csv((by, "jobs", "settled_usd", "held_usd"), rows)
    else:
        cells = [[row[by], row["jobs"], show.usd(row["settled_usd"]), show.usd(row["held_usd"])] for row in rows]
        show.table((by, "jobs", "settled", "held"), cells)
        settled, held = (sum(row[name] for row in rows) for name in ("settled_usd", "held_usd"))
        show.line(f"in all {show.usd(settled)} settled, {show.usd(held)} held for jobs that are not settled")
        for one in differences:
            show.line(f"{one['job_id']} {one['label']}: {one['difference']}")


def _differences(studio: Studio) -> Bill:
    """The paid jobs whose clip differs from the request: a reason for a complaint."""
    from backends.jobs.money import ledger

    return [
        {"job_id": row["id"], "label": row["label"], "difference": row["cost_basis"].partition("; ")[2]}
        for row in ledger.differing(studio.context.store)
    ]


def _csv(columns: tuple[str, ...], rows: Bill) -> None:
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


@app.command("show")
def show_job(job: str, as_json: Json = False) -> None:
    """Show one job in full."""
    with opening.studio(as_json) as studio:
        found = studio.get(job)
        remote = _remote_id(studio, found.job_id)
    if as_json:
        show.as_json(found.model_dump() | ({"remote_id": remote} if remote else {}))
        return
    show_fields(found)
    if remote:
        show.line(f"remote_id: {remote}")


def _remote_id(studio: Studio, job: str) -> str:
    """The provider's id of the job: from its row, else from the journal as before a crash; "" when neither has it."""
    from backends.jobs.store.journal import IdLog

    row = studio.context.store.row("SELECT remote_id FROM jobs WHERE id = ?", (job,))
    if row is not None and row["remote_id"]:
        return str(row["remote_id"])
    handle = IdLog.of(studio.context.settings.home).find(job)
    return "" if handle is None else handle.remote_id


def show_fields(job: Job) -> None:
    """A job in full, one field per line."""
    for name, value in job.model_dump(exclude={"next", "timed_out", "poll_after_s"}).items():
        if value not in (None, "", []):
            show.line(f"{name}: {_words(value)}")


def _words(value: object) -> str:
    if isinstance(value, dict):
        parts: dict[str, object] = value  # pyright: ignore[reportUnknownVariableType]
        return ", ".join(f"{name} {part}" for name, part in parts.items())
    if isinstance(value, list):
        return "; ".join(str(part) for part in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)


@app.command()
def watch(
    job: Annotated[list[str] | None, typer.Argument(help="Default: every open job.")] = None, as_json: Json = False
) -> None:
    """Follow jobs until they are settled. Ctrl-C stops watching, never a job."""
    with opening.studio(as_json) as studio:
        ids = list(job or [row.job_id for row in studio.list("open", limit=1000).jobs if row.state != "uncertain"])
        if not ids:
            show.as_json([]) if as_json else show.line("no job is open")
            return
        found = follow(studio, ids, as_json)
    if as_json:
        show.as_json(found)
    else:
        for one in found:
            tell(one)
    raise typer.Exit(0 if all(one.state == "succeeded" for one in found) else 1)


@app.command()
def cancel(job: list[str], as_json: Json = False) -> None:
    """Cancel jobs: queued ones at once and at no cost, others as far as the provider can."""
    from backends.studio import CANCEL_S

    with opening.studio(as_json) as studio:
        for one in job:
            studio.cancel(one)
        found = [studio.cancel(one, wait_s=CANCEL_S) for one in job]
    if as_json:
        show.as_json(found)
        return
    for one in found:
        ending = "" if one.state in ("cancelled", "failed", "succeeded") else ", cancelling requested"
        show.line(f"{one.job_id}: {one.state}{ending}")
        for note in one.notes:
            show.line(f"note: {note}")


@app.command("resolve")
def resolve_job(
    job: str,
    bind: Annotated[
        str | None, typer.Option(metavar="REMOTE_ID", help="The provider accepted it under this id: follow it there.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--retry-and-accept-second-charge", help="Send it again; both may be charged.")
    ] = False,
    write_off: Annotated[
        bool, typer.Option("--write-off", help="Give it up; the money reserved for it counts as spent.")
    ] = False,
) -> None:
    """Decide what happens to a job that has not ended. At a terminal, you type the last characters of its id."""
    chosen = [name for name, on in (("bind", bind is not None), ("retry", again), ("write_off", write_off)) if on]
    with opening.studio() as studio:
        if len(chosen) != 1:
            ways = "--bind REMOTE_ID | --retry-and-accept-second-charge | --write-off"
            known = resolve.known_id(studio, job)
            raise VideoError(
                "invalid_request", f"choose what happens to it: reelwright jobs resolve {job} {ways}{known}"
            )
        resolve.decide(studio, job, chosen[0], bind or "")


@app.command()
def fetch(job: str) -> None:
    """Ask the provider again for a job that failed but may be paid, or publish its clip again."""
    with opening.studio() as studio:
        show.line(f"{job}: {resolve.fetch_again(studio, job)}")


@app.command()
def finish(job: str) -> None:
    """Finish a job whose clip is here but could not be read, with the current version of the program."""
    from backends.jobs import decisions

    with opening.studio() as studio:
        show.line(f"{job}: {decisions.finish(studio.context.store, studio.get(job).job_id)}")
        studio.get(job)  # makes sure that its lane is driven


@app.command()
def rebind(job: list[str]) -> None:
    """Move queued jobs to the account whose credentials are set now."""
    from backends.jobs import admin

    with opening.studio() as studio:
        for one in job:
            row = studio.context.store.row("SELECT id, provider FROM jobs WHERE id = ?", (one,))
            if row is None:
                raise VideoError("not_found", f"there is no job {one[:80]!r}: reelwright jobs list shows all jobs")
            admin.rebind(studio.context.store, one, studio.context.access(row["provider"]))
            show.line(f"{one}: {studio.get(one).state}, on the account that is set now")


@app.command()
def resume(
    name: Annotated[
        str | None, typer.Argument(metavar="[PROVIDER|ACCOUNT]", help="A provider, or one account as doctor lists it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every paused account.")] = False,
) -> None:
    """Resume accounts paused after failures, a rejected key, missing credit or an unexpected charge."""
    from backends.jobs import admin

    with opening.studio() as studio:
        if (name is None) == (not everything):
            raise VideoError(
                "invalid_request", "name a provider or an account (reelwright doctor lists them), or give --all"
            )
        stopped = admin.resume(studio.context.store, name, by=confirmation.where_from())
        studio.list(limit=1)  # makes sure that lanes with open jobs are driven
    for key in stopped:
        show.line(f"{key}: paid jobs start again")
    if not stopped:
        show.line("no account was paused")


@app.command()
def verify(
    read: Annotated[bool, typer.Option("--bucket", help="Also download and check every file of the bucket.")] = False,
    put: Annotated[
        bool, typer.Option("--put", help="First upload files that the bucket lacks and this data folder holds.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check every kept clip and input, and whether the ledger's sums match its lines; for files in a bucket, whether
    they are there. Lists what is damaged, missing or wrong, and repairs nothing. Exit code 1 when anything is wrong."""
    from backends.jobs import bucket_upkeep, upkeep
    from backends.jobs.money import consistency

    with opening.studio(as_json) as studio:
        store, artifacts = studio.context.store, studio.context.artifacts
        if put:
            bucket_upkeep.put(store, artifacts)
        found = upkeep.verify(store, artifacts)
        in_bucket, lacking = bucket_upkeep.verify(store, artifacts, read=read)
        found = replace(found, damage=(*found.damage, *lacking))
        wrong = consistency.faults(store)
    if as_json:
        show.as_json(asdict(found) | ({"in_bucket": in_bucket} if in_bucket else {}) | {"books": wrong})
        raise typer.Exit(1 if found.damage or wrong else 0)
    for fault in wrong:
        show.cells("books", fault)
    if not found.damage:
        show.line(f"{found.files} files are unchanged ({found.bytes / (1 << 20):.1f} MiB)")
        if in_bucket:
            show.line(f"{in_bucket} files are in the bucket{', each unchanged' if read else ''}")
    else:
        for one in found.damage:
            whole = [f"intact at {one.whole_at}"] if one.whole_at else []
            signed = [f"a signed copy is intact at {one.signed_at}"] if one.signed_at else []
            show.cells(one.fault, one.what, one.path, *whole, *signed)
        show.line(
            f"{len(found.damage)} of {found.files} kept files are damaged: restore them from a backup; published "
            "copies may be intact"
        )
    raise typer.Exit(1 if found.damage or wrong else 0)


app.command("clean")(clearing.clean)
app.command("archive")(archiving.archive)
