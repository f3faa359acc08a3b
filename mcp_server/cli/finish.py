"""`finish`: clips and stills become one film on this machine. Free; jobs that are not made yet are waited for."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backends.errors import VideoError
from backends.request import Fit
from backends.terms import Terms
from mcp_server.cli import opening, show
from mcp_server.cli.follow import follow
from mcp_server.cli.outcome import is_free, leave, price, priced, started, tell
from mcp_server.cli.request_options import point

if TYPE_CHECKING:
    from backends.edit.request import FinishRequest
    from backends.jobs.views import Job
    from backends.studio import Quote

SUFFIXES = ("mp4", "webm", "gif", "webp", "mov")


def finish(
    clips: Annotated[
        list[str], typer.Argument(metavar="CLIP...", help="Files, jobs, stills; #t=FROM,TO takes a part.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Copy the film there too; its suffix says the format.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --out.")] = False,
    crossfade: Annotated[float, typer.Option(metavar="SECONDS", help="How long one clip runs into the next.")] = 0.0,
    aspect: Annotated[str | None, typer.Option(help="Aspect ratio, as 9:16.")] = None,
    resolution: Annotated[str | None, typer.Option(help="As 720p or 1080p.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second.")] = None,
    fit: Annotated[Fit | None, typer.Option(help="A clip of another shape than the film.")] = None,
    focus: Annotated[str | None, typer.Option(metavar="X,Y", help="What a crop is made around, as 0.5,0.3.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="The end runs into the beginning.")] = False,
    speed: Annotated[float, typer.Option(help="0.5 is slow motion, 2 is twice as fast.")] = 1.0,
    upscaler: Annotated[
        str | None, typer.Option(help="local (Lanczos), or a model that makes the film larger.")
    ] = None,
    max_cost: Annotated[float, typer.Option(help="US dollars that such a model may cost.")] = 0.0,
    narration: Annotated[str | None, typer.Option(help="Words to speak, or a sound file.")] = None,
    music: Annotated[str | None, typer.Option(help="A sound file, under everything.")] = None,
    mute: Annotated[bool, typer.Option("--mute", help="Leave out the clips' own sound.")] = False,
    loudness: Annotated[float | None, typer.Option(metavar="LUFS", help="Left out: -16.")] = None,
    caption: Annotated[
        list[str] | None, typer.Option(metavar="'FROM-TO TEXT'", help="Repeat; or one .srt or .vtt file.")
    ] = None,
    title: Annotated[list[str] | None, typer.Option(metavar="'FROM-TO TEXT'", help="Repeat.")] = None,
    format_: Annotated[str | None, typer.Option("--format", help=f"One of {', '.join(SUFFIXES)}.")] = None,
    codec: Annotated[str | None, typer.Option(help="Of an mp4: h264, hevc or av1.")] = None,
    take: Annotated[int, typer.Option(min=1, max=99, help="2, 3 ...: make it once more.")] = 1,
    label: Annotated[str, typer.Option(help="Names the file.")] = "",
    request_key: Annotated[str | None, typer.Option(help="Your own name for this very job.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to that model's price; do not ask.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start and leave.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Make one film of clips and stills: cut, reframe, loop, sound, words, export. Free; Ctrl-C stops no job."""
    from backends.edit.request import build_finish

    with opening.failures(as_json):
        film = build_finish(
            clips=clips,
            crossfade_s=crossfade,
            aspect_ratio=aspect,
            resolution=resolution,
            fps=fps,
            fit=fit,
            focus=point("focus", focus) if focus else None,
            loop=loop,
            speed=speed,
            upscaler=upscaler,
            max_cost_usd=max_cost,
            narration=narration,
            music=music,
            mute=mute,
            loudness=loudness,
            captions=caption,
            titles=title,
            format=chosen_format(out, format_),
            codec=codec,
        )
        check_out(out, force, no_wait=no_wait)
    terms = Terms(take=take, label=label, request_key=request_key)
    raise typer.Exit(_made(film, out, terms, yes, no_wait, as_json))


def _made(film: FinishRequest, out: Path | None, terms: Terms, yes: bool, no_wait: bool, as_json: bool) -> int:
    say = show.aside if as_json else show.line
    with opening.studio(as_json) as studio:
        confirmed = False
        if film.upscaling_model is not None:
            quote = studio.quote_finish(film, terms)
            say(priced(quote))
            if not is_free(quote) and not yes and not show.agreed(price(quote), "Make it?"):
                raise VideoError("consent", "not agreed: nothing was started, nothing was spent")
            confirmed, film = not is_free(quote), _capped(film, quote)
        ticket = studio.finish_clip(film, terms, confirmed=confirmed)
        say(started(ticket))
        if no_wait:
            if as_json:
                show.as_json(ticket)
            leave(studio, [ticket.job_id])
            return 0
        job = follow(studio, [ticket.job_id], as_json)[0]
        if out is not None and job.state == "succeeded":
            deliver(job, out)
            say(f"written to {out}")
        show.as_json(job) if as_json else tell(job)
    return 0 if job.state == "succeeded" else 1


def _capped(film: FinishRequest, quote: Quote) -> FinishRequest:
    """With the price that was told as its limit."""
    high = quote.estimate.usd_high if quote.estimate else None
    return film if high is None else film.model_copy(update={"max_cost_usd": high})


def chosen_format(out: Path | None, asked: str | None) -> str | None:
    """--format, or what the suffix of --out says. VideoError when the two disagree, or the suffix is none of ours."""
    if out is None:
        return asked
    suffix = out.suffix.lower().lstrip(".")
    if suffix not in SUFFIXES:
        raise VideoError("invalid_request", f"--out {out.name}: its suffix is one of {', '.join(SUFFIXES)}")
    if asked is not None and asked != suffix:
        raise VideoError("invalid_request", f"--out {out.name} is no {asked}: leave --format out, or rename the file")
    return suffix


def check_out(out: Path | None, force: bool, *, no_wait: bool = False) -> None:
    """Before anything is made: whether a film can be put there. VideoError tells why not."""
    if out is None:
        return
    if no_wait:
        raise VideoError(
            "invalid_request", "--no-wait leaves before the film is there, so it cannot be copied to --out"
        )
    if not out.absolute().parent.is_dir():
        raise VideoError("storage", f"--out: there is no folder {out.absolute().parent}: make it first")
    if os.path.lexists(out) and not force:
        raise VideoError("storage", f"--out: {out} is there already: --force replaces it")


def deliver(job: Job, out: Path) -> None:
    """Copy a finished job's file to `out`, whole or not at all."""
    from backends.jobs.files.artifacts import disk_errors

    if job.file is None:
        raise VideoError("storage", f"{job.job_id} has no file: reelwright jobs verify looks at what is kept")
    part = out.absolute().parent / f".{out.name}.{secrets.token_hex(4)}.part"
    with disk_errors(f"writing {out}"):
        try:
            shutil.copyfile(job.file, part)
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
