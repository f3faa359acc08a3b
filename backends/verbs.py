"""The verbs' arguments as an agent or a notebook gives them, and the `VideoRequest` that they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from backends import vocabulary
from backends.edit.request import FinishRequest, build_finish
from backends.request import Task, VideoRequest, build_request
from backends.terms import Terms, build_terms

Arguments = Mapping[str, object]


def same() -> list[str]:
    """Arguments that a VideoRequest holds under the same name."""
    return [name for name in VideoRequest.model_fields if name not in vocabulary.OWN_NAMES]


def task_of(verb: str, given: Arguments) -> Task:
    """The kind of work that a verb's arguments ask for."""
    match verb:
        case "image_to_video":
            return "image_to_video"
        case "interpolate_keyframes":
            return "interpolate"
        case "extend_clip":
            return "extend"
        case _:
            return _task_by_inputs(given)


def _task_by_inputs(given: Arguments) -> Task:
    """generate_video's and estimate_cost's task: it follows from what the clip is made from."""
    if "frames" in given:
        return "interpolate"
    if "image" in given:
        return "image_to_video"
    if "clip" in given:
        return "extend" if "add_s" in given else "edit"
    return "reference_to_video" if given.get("references") else "text_to_video"


def request_of(verb: str, given: Arguments) -> VideoRequest:
    """The request that a verb's arguments mean. VideoError("invalid_request") names every problem."""
    fields: dict[str, object] = {name: given[name] for name in same() if name in given}
    if "frames" in given:
        fields["frames"] = _keyframes(cast("list[dict[str, object]]", given["frames"]))
    elif "image" in given:
        fields["frames"] = [{"image": given["image"], "role": "first"}]
    if "clip" in given:
        fields["source_clip"] = given["clip"]
    if "add_s" in given:
        fields["duration_s"] = given["add_s"]
    return build_request(task=task_of(verb, given), **fields)


def terms_of(given: Arguments) -> Terms:
    """How a verb's arguments order it. VideoError("invalid_request") names every problem."""
    return build_terms(None, **{name: given[name] for name in Terms.model_fields if name in given})


def finish_of(given: Arguments) -> FinishRequest:
    """The film that finish_clip's arguments mean. VideoError("invalid_request") names every problem."""
    return build_finish(**{name: given[name] for name in FinishRequest.model_fields if name in given})


def _keyframes(frames: list[dict[str, object]]) -> list[dict[str, object]]:
    """The stills with their roles, in the order given."""
    last = len(frames) - 1
    roles = ("first", "middle", "last")
    return [frame | {"role": roles[(index > 0) + (index == last and last > 0)]} for index, frame in enumerate(frames)]


def contradictions(given: Arguments) -> dict[str, str]:
    """What estimate_cost's arguments cannot mean together, as place -> sentence."""
    found: dict[str, str] = {}
    sources = [name for name in ("image", "frames", "clip") if name in given]
    if len(sources) > 1:
        found[sources[1]] = f"give one of {', '.join(sources)}: a clip starts from one of them"
    if "add_s" in given and "clip" not in given:
        found["add_s"] = "needs clip: it is how much that clip is extended by"
    if "add_s" in given and "duration_s" in given:
        found["duration_s"] = "is not for extending: add_s alone says how much is added"
    return found


def keyframe_order(frames: list[dict[str, object]]) -> dict[str, str]:
    """The first keyframe that stands before its time, as place -> sentence. No model makes anything of it."""
    latest, at = -math.inf, ""
    for number, frame in enumerate(frames):
        time = frame.get("at_s")
        if not isinstance(time, int | float):
            continue
        if time < latest:
            place = f"frames[{number}].at_s"
            return {place: f"{time:g} is earlier than {at} ({latest:g}): give the keyframes in time order"}
        latest, at = time, f"frames[{number}].at_s"
    return {}
