"""The options of the cell magic %%video."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import NoReturn

from backends import vocabulary
from backends.errors import VideoError
from backends.terms import CHOOSING


class Parser(argparse.ArgumentParser):
    """Raises VideoError where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        found = re.search(r"unrecognized arguments: (-\S+)", message)
        if found is None:
            raise VideoError("invalid_request", f"%%video: {message}; %%video? shows every option")
        options = [option for action in self._actions for option in action.option_strings]
        near = difflib.get_close_matches(found[1], options, n=1, cutoff=0.4)
        told = f"%%video: no such option {found[1]}" + (f"; did you mean {near[0]}?" if near else "")
        raise VideoError("invalid_request", told)


def parser() -> argparse.ArgumentParser:
    """What reads the line of %%video."""
    found = Parser(prog="%%video", add_help=False, allow_abbrev=False, description="The cell's text is the prompt.")
    add = found.add_argument
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
    for name in CHOOSING:
        add(f"--{name}", choices=vocabulary.terms()[name].choices)
    add("--max-cost", dest="max_cost_usd", help="US dollars; 0 unless given")
    add("--take", type=int)
    add("--label")
    add("--name", help="the variable that the job is kept in")
    add("--dry-run", action="store_true", help="the prices only")
    return found


def video_options() -> list[str]:
    """The options of %%video, for completion."""
    return [option for action in parser()._actions for option in action.option_strings if option.startswith("--")]
