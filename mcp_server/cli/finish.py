"""`finish`: clips and images become one film on this machine. Free; it waits for jobs that have not finished."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from backends.edit import vocabulary
from backends.edit.request import FinishRequest, build_finish
from backends.errors import VideoError
from backends.terms import Terms, build_terms
from backends.vocabulary import Argument
from mcp_server.cli import opening, show
from mcp_server.cli.follow import follow
from mcp_server.cli.options import key, meanings, taking
from mcp_server.cli.outcome import is_free, price, priced, return_now, started, tell

if TYPE_CHECKING:
    from backends.jobs.views import Job
    from backends.studio import Quote

OWN = ("max_cost_usd",)
SUFFIXES: tuple[str, ...] = vocabulary.asked()["format"].choices


@dataclass(frozen=True)
class Given:
    """The requested film. fields: by the names of a film's vocabulary; missing = not given."""

    fields: Mapping[str, object]
    terms: Terms


def offered() -> list[Argument]:
    """The arguments of the film. The command has its own option for the money, and the suffix of --out also gives the
    format, so no default format is shown."""
    named = vocabulary.asked()
    return [replace(one, default=None) if name == "format" else one for name, one in named.items() if name not in OWN]


def given_by(values: dict[str, Any]) -> Given:
    """The meaning of the options; they are removed from `values`."""
    fields = meanings(offered(), values)
    named = {one.name: values.pop(key(one)) for one in vocabulary.terms().values()}
    return Given(fields, build_terms(**named))


def takes_film(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each argument of a film; their meaning becomes its first argument, `given`."""
    return taking(command, [*offered(), *vocabulary.terms().values()], given_by)


@takes_film
def finish(
    given: Given,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Copy the film there too; its suffix says the format.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --out.")] = False,
    max_cost: Annotated[float, typer.Option(help="US dollars that a paid upscaler may cost.")] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to that model's price; do not ask.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start the job and return at once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Make one film of clips and images: cut, reframe, loop, sound, words, export. Free; Ctrl-C stops no job."""
    with opening.failures(as_json):
        format_ = chosen_format(out, cast("str | None", given.fields.get("format")))
        film = build_finish(**{**given.fields, "format": format_, "max_cost_usd": max_cost})
        check_out(out, force, no_wait=no_wait)
    raise typer.Exit(_made(film, out, given.terms, yes, no_wait, as_json))


def _made(film: FinishRequest, out: Path | None, terms: Terms, yes: bool, no_wait: bool, as_json: bool) -> int:
    say = show.aside if as_json else show.line
    with opening.studio(as_json) as studio:
        confirmed = False
        if film.upscaling_model is not None:
            quote = studio.quote_finish(film, terms)
            say(priced(quote))
            if not is_free(quote) and not yes and not show.agreed(price(quote), "Make it?"):
                raise VideoError("consent", "not confirmed: nothing was started, nothing was spent")
            confirmed, film = not is_free(quote), _capped(film, quote)
        ticket = studio.finish_clip(film, terms, confirmed=confirmed)
        say(started(ticket))
        if no_wait:
            if as_json:
                show.as_json(ticket)
            return_now(studio, [ticket.job_id])
            return 0
        job = follow(studio, [ticket.job_id], as_json)[0]
        if out is not None and job.state == "succeeded":
            deliver(job, out)
            say(f"written to {out}")
        show.as_json(job) if as_json else tell(job)
    return 0 if job.state == "succeeded" else 1


def _capped(film: FinishRequest, quote: Quote) -> FinishRequest:
    """The film with the price that was shown as its limit."""
    high = quote.estimate.usd_high if quote.estimate else None
    return film if high is None else film.model_copy(update={"max_cost_usd": high})


def chosen_format(out: Path | None, named: str | None) -> str | None:
    """--format, or the format of the suffix of --out. VideoError when the two disagree, or the suffix is unknown."""
    if out is None:
        return named
    suffix = out.suffix.lower().lstrip(".")
    if suffix not in SUFFIXES:
        raise VideoError("invalid_request", f"--out {out.name}: its suffix is one of {', '.join(SUFFIXES)}")
    if named is not None and named != suffix:
        raise VideoError("invalid_request", f"--out {out.name} is not {named}: omit --format, or rename the file")
    return suffix


def check_out(out: Path | None, force: bool, *, no_wait: bool = False) -> None:
    """Before anything is made: whether a film can be written there. VideoError says why not."""
    if out is None:
        return
    if no_wait:
        raise VideoError(
            "invalid_request", "--no-wait returns before the film is made, so it cannot be copied to --out"
        )
    if not out.absolute().parent.is_dir():
        raise VideoError("storage", f"--out: there is no folder {out.absolute().parent}: create it first")
    if os.path.lexists(out) and not force:
        raise VideoError("storage", f"--out: {out} exists: --force replaces it")


def deliver(job: Job, out: Path) -> None:
    """Copy a finished job's file to `out`, complete or not at all."""
    from backends.jobs.files.artifacts import disk_errors

    if job.file is None:
        raise VideoError("storage", f"{job.job_id} has no file: reelwright jobs verify checks what is kept")
    part = out.absolute().parent / f".{out.name}.{secrets.token_hex(4)}.part"
    with disk_errors(f"writing {out}"):
        try:
            shutil.copyfile(job.file, part)
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
