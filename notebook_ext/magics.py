"""`%load_ext notebook_ext`: the cell magic `%%video` and the line magic `%video_jobs`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from backends import vocabulary
from backends.errors import VideoError
from backends.terms import CHOOSING
from notebook_ext import magic_options

if TYPE_CHECKING:
    from notebook_ext.job import Job


def video(line: str, cell: str | None = None) -> Any:
    """%%video [--model M] [--seconds S] [--max-cost USD] [--dry-run] ...: the cell's text is the prompt.

    The options are a starting call's arguments (`%%video --<Tab>` lists them), `--name`, the variable for the job, and
    `--dry-run`, which shows only the prices.

    Shows the price, starts the job (or finds it: re-running the cell pays nothing) and shows its card.
    """
    from notebook_ext.client import studio
    from notebook_ext.prices import verb_of
    from notebook_ext.shortcuts import estimate

    try:
        given = magic_options.given(shlex.split(line))
    except ValueError as error:
        raise VideoError("invalid_request", f"%%video: {error}") from None
    dry, name = given.pop("dry_run"), given.pop("name", "")
    if cell is not None and cell.strip():
        given["prompt"] = cell.strip()
    if dry:
        for not_priced in {"max_cost_usd", *vocabulary.terms()}.difference(CHOOSING):
            given.pop(not_priced, None)
        return estimate(given)
    job = _start(studio, verb_of(given), given)
    if name:
        _keep(name, job)
    return job


def _start(studio: Any, verb: str, given: dict[str, Any]) -> Job:
    quote = studio.quote(verb, **{key: value for key, value in given.items() if key != "max_cost_usd"})
    if quote.job is not None:
        text = f"{quote.model}: this is {quote.job} ({quote.state}) already, nothing more is paid"
    else:
        text = f"{quote.model}: {quote.estimate.text if quote.estimate else 'price unknown'}"
    print(text)  # noqa: T201  the price comes first
    return studio._start(verb, given)


def _keep(name: str, job: Job) -> None:
    from notebook_ext import kernel

    shell = kernel.shell()
    if not name.isidentifier() or shell is None:
        raise VideoError("invalid_request", f"--name {name!r} is not a variable name")
    shell.push({name: job})


def video_jobs(line: str = "") -> Any:
    """%video_jobs: the board of all jobs."""
    from notebook_ext.shortcuts import board

    return board()


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics and the Tab completions."""
    from notebook_ext.completing import matcher

    ipython.register_magic_function(video, "line_cell", "video")
    ipython.register_magic_function(video_jobs, "line", "video_jobs")
    unload_matchers(ipython)
    ipython.Completer.custom_matchers.append(matcher())


def unload_ipython_extension(ipython: Any) -> None:
    """Remove the magics and the completions."""
    unload_matchers(ipython)
    for kind, name in (("cell", "video"), ("line", "video"), ("line", "video_jobs")):
        ipython.magics_manager.magics[kind].pop(name, None)


def unload_matchers(ipython: Any) -> None:
    """So that loading the extension twice completes once."""
    ours = ipython.Completer.custom_matchers
    ours[:] = [one for one in ours if getattr(one, "__name__", "") != "reelwright"]
