"""The options of the cell magic %%video: every argument of a starting call, as `backends.vocabulary` lists them."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn

from backends import vocabulary
from backends.errors import VideoError
from backends.vocabulary import Argument


class Parser(argparse.ArgumentParser):
    """A parser that raises VideoError where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        found = re.search(r"unrecognized arguments: (-\S+)", message)
        if found is None:
            raise VideoError("invalid_request", f"%%video: {message}; %%video? shows every option")
        options = [option for action in self._actions for option in action.option_strings]
        near = difflib.get_close_matches(found[1], options, n=1, cutoff=0.4)
        text = f"%%video: no such option {found[1]}" + (f"; did you mean {near[0]}?" if near else "")
        raise VideoError("invalid_request", text)


@cache
def parser() -> argparse.ArgumentParser:
    """The parser of the line of %%video."""
    found = Parser(prog="%%video", add_help=False, allow_abbrev=False, description="The cell's text is the prompt.")
    for one in (*vocabulary.asked().values(), *vocabulary.terms().values()):
        if one.name != "prompt":
            found.add_argument(*_names(one), dest=one.name, help=one.about.replace("%", "%%"), **_read_as(one))
    found.add_argument("--name", help="the variable that the job is kept in")
    found.add_argument("--dry-run", action="store_true", help="the prices only")
    return found


def _names(one: Argument) -> list[str]:
    """Its option, and other names for it: a term's other names exist only in tables."""
    also = () if one.name in vocabulary.terms() else one.written.also
    return list(dict.fromkeys(f"--{name.replace('_', '-')}" for name in (one.option, *also)))


def _read_as(one: Argument) -> dict[str, Any]:
    match one.kind:
        case "number":
            return {} if one.name.endswith("_usd") else {"type": float}
        case "whole":
            return {"type": int}
        case "flag":
            return {"action": argparse.BooleanOptionalAction}
        case "choice":
            return {"choices": one.choices}
        case "point":
            return {"type": point, "metavar": "X,Y"}
        case "regions":
            return {"type": json.loads, "action": "append", "metavar": "JSON"}
        case "options":
            return {"type": pair, "action": "append", "metavar": "NAME=VALUE"}
        case "list":
            return {"action": "append", "metavar": one.written.form or None}
        case "frames":
            return {"action": "append", "metavar": "PATH"}
        case _:
            return {}


def point(text: str) -> list[float]:
    """X,Y"""
    x, y = text.split(",")
    return [float(x), float(y)]


def pair(text: str) -> tuple[str, object]:
    """NAME=VALUE, the value as JSON where it is JSON, else as text."""
    name, value = text.split("=", 1)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def given(line: list[str]) -> dict[str, Any]:
    """The arguments given by a line, by the names of a starting call; and `name` and `dry_run`."""
    parsed = vars(parser().parse_args(line))
    found = {name: value for name, value in parsed.items() if value is not None}
    if "provider_options" in found:
        found["provider_options"] = dict(found["provider_options"])
    return found


@cache
def video_options() -> Mapping[str, str]:
    """The options of %%video, and the argument of each."""
    return {option: action.dest for action in parser()._actions for option in action.option_strings}
