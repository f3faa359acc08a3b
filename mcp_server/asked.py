"""Tool arguments held against the schema and the vocabulary: every problem at once, under the caller's own names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from backends.errors import VideoError
from backends.verbs import Arguments, contradictions, keyframe_order, request_of
from mcp_server.strict import StrictArguments

REQUESTING = ("estimate_cost", "generate_video", "image_to_video", "interpolate_keyframes", "extend_clip")
"""Tools whose arguments mean a VideoRequest."""


def every_problem(check: StrictArguments, given: Arguments) -> list[str]:
    """What the schema refuses, and what the vocabulary refuses in the arguments that are left: all at once."""
    found = check.problems(given)
    if check.tool not in REQUESTING:
        return _listed(found)
    bad = {name for name in check.properties if name in found or (name == "frames" and _within(name, found))}
    sound = {name: value for name, value in given.items() if name in check.properties and name not in bad}
    if check.tool == "estimate_cost":
        found |= contradictions(sound)
    if "frames" in sound:
        found |= keyframe_order(cast("list[dict[str, object]]", sound["frames"]))
    more = _request_problems(check.tool, sound)
    return [*_listed(found), *(problem for problem in more if problem.partition(": ")[0] not in found)]


def _within(name: str, places: Iterable[str]) -> bool:
    return any(place.startswith(f"{name}[") for place in places)


def _listed(found: Mapping[str, str]) -> list[str]:
    return [f"{place}: {sentence}" if place else sentence for place, sentence in found.items()]


def _request_problems(tool: str, given: Arguments) -> list[str]:
    try:
        request_of(tool, given)
    except VideoError as error:
        return [as_argued(given, problem) for problem in error.problems]
    return []


def as_argued(given: Arguments, told: str) -> str:
    """What the back end says of a field, under the name that the caller wrote; line by line."""
    return "\n".join(_renamed(given, line) for line in told.split("\n"))


def _renamed(given: Arguments, line: str) -> str:
    bullet = "- " if line.startswith("- ") else ""
    rest = line.removeprefix(bullet)
    for field, argument in (
        ("frames[0].image:", "image"),
        ("frames[0]:", "image"),
        ("source_clip:", "clip"),
        ("duration_s:", "add_s"),
    ):
        if argument in given and rest.startswith(field):
            return f"{bullet}{argument}:{rest.removeprefix(field)}"
    return line
