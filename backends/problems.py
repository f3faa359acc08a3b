"""What is wrong with given values, as one refusal with every problem."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from backends import spelling
from backends.errors import Problem, VideoError, listing


def problems_of(error: ValidationError) -> list[Problem]:
    """pydantic's findings, one plain sentence each: where, what is wrong, what came in (bounded), what to write."""
    found: list[Problem] = []
    for item in error.errors(include_url=False):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
        text = item["msg"].removeprefix("Value error, ")
        if better := spelling.corrected(place, item["input"]):
            text = better
        elif item["type"] == "extra_forbidden":
            text = "no such argument"
        elif item["type"] != "value_error":
            shown = repr(item["input"])
            text = f"{text[:1].lower()}{text[1:]}, not {shown[:60]}{'…' if len(shown) > 60 else ''}"
        found.append(Problem(place, f"{place}: {text}" if place else text))
    return list(dict.fromkeys(found))


def refuse(problems: Iterable[Problem | str]) -> VideoError:
    """One invalid_request that names every problem at once."""
    listed = [one if isinstance(one, Problem) else Problem("", one) for one in problems]
    return VideoError("invalid_request", listing("", listed), problems=listed, lead="")
