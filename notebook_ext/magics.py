"""`%load_ext notebook_ext`: the cell magic `%%video` and the line magic `%video_jobs`."""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
from typing import TYPE_CHECKING, Any, NoReturn

from backends.errors import VideoError

if TYPE_CHECKING:
    from notebook_ext.job import Job


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        found = re.search(r"unrecognized arguments: (-\S+)", message)
        if found is None:
            raise VideoError("invalid_request", f"%%video: {message}; %%video? shows every option")
        options = [option for action in self._actions for option in action.option_strings]
        near = difflib.get_close_matches(found[1], options, n=1, cutoff=0.4)
        told = f"%%video: no such option {found[1]}" + (f"; did you mean {near[0]}?" if near else "")
        raise VideoError("invalid_request", told)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="%%video", add_help=False, allow_abbrev=False, description="The cell's text is the prompt.")
    add = parser.add_argument
    add("--model", help="a model's id or alias; left out: chosen for you")
    add("--seconds", type=float, dest="duration_s", help="of the clip")
    add("--image", help="the image that it starts from")
    add("--frame", action="append", dest="frames", help="a keyframe; repeat in order")
    add("--clip", help="a clip to extend (with --add) or restyle")
    add("--add", type=float, dest="add_s", help="seconds to add to --clip")
    add("--aspect", dest="aspect_ratio")
    add("--resolution")
    add("--fps", type=float)
    add("--seed", type=int)
    add("--camera", action="append", help="MOVE[:amount][@from-to]; repeat")
    add("--audio", action=argparse.BooleanOptionalAction)
    add("--negative", dest="negative_prompt")
    add("--prefer", choices=("quality", "cheapest", "fastest", "consistency", "motion"))
    add("--where", choices=("any", "local"))
    add("--max-cost", dest="max_cost_usd", help="US dollars; 0 unless given")
    add("--take", type=int)
    add("--label")
    add("--name", help="the variable that the job is kept in")
    add("--dry-run", action="store_true", help="the prices only")
    return parser


def video_options() -> list[str]:
    """The options of %%video, for completion."""
    return [option for action in _parser()._actions for option in action.option_strings if option.startswith("--")]


def video(line: str, cell: str | None = None) -> Any:
    """%%video [--model M] [--seconds S] [--max-cost USD] [--dry-run] ...: the cell's text is the prompt.

    Tells the price, starts the job (or finds it: re-running the cell pays nothing) and shows its card.
    """
    from notebook_ext.client import studio
    from notebook_ext.prices import verb_of
    from notebook_ext.shortcuts import estimate

    try:
        parsed = vars(_parser().parse_args(shlex.split(line)))
    except ValueError as error:
        raise VideoError("invalid_request", f"%%video: {error}") from None
    dry, name = parsed.pop("dry_run"), parsed.pop("name")
    given = {key: value for key, value in parsed.items() if value is not None}
    if cell is not None and cell.strip():
        given["prompt"] = cell.strip()
    if dry:
        for not_priced in ("take", "label", "max_cost_usd"):
            given.pop(not_priced, None)
        return estimate(given)
    job = _start(studio, verb_of(given), given)
    if name:
        _keep(name, job)
    return job


def _start(studio: Any, verb: str, given: dict[str, Any]) -> Job:
    quote = studio.quote(verb, **{key: value for key, value in given.items() if key != "max_cost_usd"})
    if quote.job is not None:
        told = f"{quote.model}: this is {quote.job} already ({quote.state}), nothing more is paid"
    else:
        told = f"{quote.model}: {quote.estimate.text if quote.estimate else 'price unknown'}"
    print(told)  # noqa: T201  the price comes first
    return studio._start(verb, given)


def _keep(name: str, job: Job) -> None:
    from notebook_ext import kernel

    shell = kernel.shell()
    if not name.isidentifier() or shell is None:
        raise VideoError("invalid_request", f"--name {name!r} is no name of a variable")
    shell.push({name: job})


def video_jobs(line: str = "") -> Any:
    """%video_jobs: the board of all jobs."""
    from notebook_ext.shortcuts import board

    return board()


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics, and what Tab completes."""
    from notebook_ext.completing import matcher

    ipython.register_magic_function(video, "line_cell", "video")
    ipython.register_magic_function(video_jobs, "line", "video_jobs")
    unload_matchers(ipython)
    ipython.Completer.custom_matchers.append(matcher())


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics and the completions away again."""
    unload_matchers(ipython)
    for kind, name in (("cell", "video"), ("line", "video"), ("line", "video_jobs")):
        ipython.magics_manager.magics[kind].pop(name, None)


def unload_matchers(ipython: Any) -> None:
    """Loading the extension twice completes once."""
    ours = ipython.Completer.custom_matchers
    ours[:] = [one for one in ours if getattr(one, "__name__", "") != "reelwright"]
