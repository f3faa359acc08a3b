"""Checking tool arguments against the schema and the vocabulary: every problem at once, under the caller's own
names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from backends.errors import Problem, VideoError
from backends.verbs import Arguments, contradictions, finish_of, keyframe_order, request_of
from mcp_server.strict import StrictArguments, inside

REQUESTING = ("estimate_cost", "generate_video", "image_to_video", "interpolate_keyframes", "extend_clip")
"""Tools whose arguments describe a VideoRequest."""


def every_problem(check: StrictArguments, given: Arguments) -> list[Problem]:
    """The schema's problems, and the vocabulary's problems in the other arguments, all at once."""
    found = check.problems(given)
    if check.tool == "finish_clip":
        sound = {name: value for name, value in given.items() if name in check.properties and name not in found}
        return [*_listed(found), *(problem for problem in _film_problems(sound, found) if problem.field not in found)]
    if check.tool not in REQUESTING:
        return _listed(found)
    bad = {name for name in check.properties if name in found or (name == "frames" and _within(name, found))}
    sound = {name: value for name, value in given.items() if name in check.properties and name not in bad}
    if check.tool == "estimate_cost":
        found |= contradictions(sound)
    if "frames" in sound:
        found |= keyframe_order(cast("list[dict[str, object]]", sound["frames"]))
    more = _request_problems(check.tool, sound)
    return [*_listed(found), *(one for one in more if one.field not in found and not inside(one.field, found))]


def added_to(problems: Sequence[Problem], given: Arguments, seconds_of: Callable[[str], float | None]) -> list[Problem]:
    """The problems of an extension that was requested by its total length, with the add_s that is meant.

    seconds_of: the length of a clip, None when it is not known; VideoError when the clip may not be used.
    """
    whole, clip = given.get("duration_s"), given.get("clip")
    text = "duration_s: extend_clip takes add_s, the seconds to add"
    if isinstance(whole, int | float) and not isinstance(whole, bool) and isinstance(clip, str):
        try:
            length = seconds_of(clip)
        except VideoError:
            length = None
        if length is None:
            text += f": {whole:g} less the length of the clip"
        elif whole > length:
            text += f": for this clip of {length:g} s write add_s={round(whole - length, 3):g}"
        else:
            text += f"; this clip is {length:g} s long already"
    rest = [one for one in problems if one.field not in ("duration_s", "add_s")]
    return [Problem("duration_s", text), *rest]


def _within(name: str, places: Iterable[str]) -> bool:
    return any(place.startswith(f"{name}[") for place in places)


def _listed(found: Mapping[str, str]) -> list[Problem]:
    return [Problem(place, f"{place}: {sentence}" if place else sentence) for place, sentence in found.items()]


def _film_problems(given: Arguments, found: Mapping[str, str]) -> list[Problem]:
    if "clips" not in given or _within("clips", found):
        given = {**given, "clips": ["?"]}
    try:
        finish_of(given)
    except VideoError as error:
        return list(error.problems)
    return []


def _request_problems(tool: str, given: Arguments) -> list[Problem]:
    try:
        request_of(tool, given)
    except VideoError as error:
        return [problem.named(called(given)) for problem in error.problems]
    return []


def called(given: Arguments) -> dict[str, str]:
    """The caller's names for the back end's fields, where they differ: ours to theirs."""
    named: dict[str, str] = {}
    if "image" in given:
        named |= {"frames[0].image": "image", "frames[0]": "image", "frames": "image"}
    if "clip" in given:
        named["source_clip"] = "clip"
    if "add_s" in given:
        named["duration_s"] = "add_s"
    return named


def changed(given: Arguments, nearest: Mapping[str, object]) -> dict[str, object]:
    """The call with the back end's changes (None or empty = omit), in this tool's arguments."""
    call, names = dict(given), called(given)
    for field, value in nearest.items():
        name = names.get(field, field)
        if field == "frames" and isinstance(value, list):
            value = _stills(cast("list[dict[str, object]]", value), name)
        if value is None or value in ([], {}, ""):
            call.pop(name, None)
        else:
            call[name] = value
    return call


def _stills(frames: list[dict[str, object]], name: str) -> object:
    """Stills as a caller writes them: one image by its name, several without the roles that follow from their
    places."""
    if name == "image":
        return frames[0]["image"] if len(frames) == 1 and set(frames[0]) <= {"image", "role"} else frames
    return [{part: of for part, of in still.items() if part != "role" and of is not None} for still in frames]
