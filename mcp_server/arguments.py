"""The published schemas of tool arguments, as data: flat, closed at every depth, without titles or null branches.

The names are those of `backends.vocabulary`: a new field of a request appears in these schemas by itself.

An agent reads every byte here before its first call, so a sentence is kept only where it prevents a mistake, and only
once: generate_video explains the arguments that all starting tools share, image_to_video the camera and motion. Ranges
that `VideoRequest` checks are not repeated here, since its refusal comes together with this one's (`problems`).
`tests/mcp_server/test_mcp_surface.py` keeps the sum under its limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from backends import vocabulary
from backends.camera import CAMERA_MOVES
from backends.edit import vocabulary as film
from backends.request import TASKS
from backends.terms import CHOOSING, MOST_LABEL, MOST_TAKES
from backends.written import Verb

Schema = dict[str, object]

DEFAULTS: Mapping[str, object] = {"prompt": "", "include_retired": False, "count": 1} | {
    one.name: one.default
    for one in (*vocabulary.asked().values(), *vocabulary.terms().values())
    if isinstance(one.default, str | int | float) and one.default != ""
}
"""The default of an argument, in any tool, where the schema itself names none."""

RANGES: Mapping[str, tuple[int, int]] = {
    "take": (1, MOST_TAKES),
    "count": (1, 1000),
    "limit": (1, 200),
    "frames": (1, 32),
}
"""Ranges of whole numbers that `VideoRequest` does not check; unpublished, since no agent needs to know them."""

LENGTHS: Mapping[str, int] = {"label": MOST_LABEL, "request_key": 200, "query": 200, "cursor": 500, "job_id": 200}
"""The longest such texts, in characters."""


def text(description: str = "", **more: object) -> Schema:
    return _described({"type": "string", **more}, description)


def number(description: str = "", **more: object) -> Schema:
    return _described({"type": "number", **more}, description)


def whole(description: str = "", **more: object) -> Schema:
    return _described({"type": "integer", **more}, description)


def flag(description: str = "", **more: object) -> Schema:
    return _described({"type": "boolean", **more}, description)


def listed(items: Schema, description: str = "", **more: object) -> Schema:
    return _described({"type": "array", "items": items, **more}, description)


def choice(*values: str, **more: object) -> Schema:
    return {"enum": list(values), **more}


def closed(properties: Mapping[str, Schema], *required: str) -> Schema:
    """An object with exactly these properties."""
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return schema


def _described(schema: Schema, description: str) -> Schema:
    return schema | {"description": description} if description else schema


def _moves() -> str:
    """pan-left/right, tilt-up/down ...: every camera move, each pair once."""
    pairs: dict[str, list[str]] = {}
    for move in CAMERA_MOVES:
        word, _, way = move.partition("-")
        pairs.setdefault(word, []).append(way)
    return ", ".join(f"{word}-{'/'.join(ways)}" if ways[0] else word for word, ways in pairs.items())


REGION: dict[str, Schema] = {
    "box": listed({"type": "number"}),
    "polygon": listed(listed({"type": "number"})),
    "mask": text(),
    # A list of types would be shorter than anyOf, but hosts that turn schemas into another dialect drop or refuse it.
    "direction": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}]},
    "intensity": number(),
    "static": flag(),
}
REGION_TAUGHT = REGION | {
    "box": listed({"type": "number"}, "[left,top,right,bottom] 0-1 from the top left"),
    "mask": text("image path; white moves"),
    "direction": REGION["direction"] | {"description": "up, left, ... or [dx,dy], y down"},
    "intensity": number("0-1"),
    "static": flag("freeze it"),
}
FRAME: dict[str, Schema] = {
    "image": text(),
    "at_s": number(),
    "hold_s": number(),
    "camera": listed(text()),
    "prompt": text(),
}
FRAME_TAUGHT = FRAME | {"hold_s": number("seconds held; camera moves in it")}

KINDS: Mapping[vocabulary.Kind, Schema] = {
    "text": text(),
    "number": number(),
    "whole": whole(),
    "flag": flag(),
    "list": listed(text()),
    "point": listed({"type": "number"}),
    "frames": listed(closed(FRAME, "image"), minItems=2),
    "regions": listed(closed(REGION)),
    "options": {"type": "object"},
}
"""A schema by the kind of an argument (a choice lists its words). Only "options" is open: its fields are the provider's
own."""

FREE: Mapping[str, Schema] = {"max_cost_usd": {"default": 0}}
"""The default shown by every starting tool: nothing is spent unless it is raised."""
NOT_OFFERED = ("codec",)
"""Arguments of a film that are not offered to an agent: users choose them at a terminal or in a notebook."""
TAUGHT: Mapping[str, Mapping[str, Schema]] = {
    "generate_video": {
        "model": {"description": "list_models id", "default": "auto"},
        "clip": {"description": "path, https URL or job id"},
        "aspect_ratio": {"description": "as 16:9"},
        "resolution": {"description": "as 720p"},
        "camera": {"description": "as dolly-in:0.4@0-2"},
        "references": {"description": "tag=path; the prompt says @tag"},
        "loras": {"description": "name[:weight]"},
        "max_cost_usd": {"description": "refuse above this; 0 = free models only"},
        "take": {"description": "2, 3.. = another variant of the same request", "default": 1},
        "request_key": {"description": "your own idempotency key"},
        "label": {"description": "names the file"},
    },
    "image_to_video": {
        "image": {"description": "path, https URL or video://jobs/ID/last_frame"},
        "camera": {"description": f"MOVE[:amount 0-1][@from-to s], as dolly-in:0.4@0-2. Moves: {_moves()}"},
        "motion": {"items": closed(REGION_TAUGHT)},
        "fit": {"description": "blur = whole, over a blurred copy"},
        "focus": {"description": "[x,y] 0-1 to crop around"},
    },
    "interpolate_keyframes": {
        "frames": {
            "items": closed(FRAME_TAUGHT, "image"),
            "description": "in time order; evenly spaced without at_s",
        },
    },
    "finish_clip": {
        "clips": {
            "description": "in order: jobs, also unfinished, paths, images; #t=FROM,TO takes a part or holds an image"
        },
        "narration": {"description": "to speak, or a sound file"},
        "music": {"description": "sound file"},
        "loudness": {"description": "LUFS"},
        "captions": {"description": "FROM-TO TEXT, or one .srt"},
        "max_cost_usd": FREE["max_cost_usd"],
    },
    # Its motion regions are left open here, to save bytes: the vocabulary checks them.
    "estimate_cost": {"motion": {"items": {"type": "object"}}},
}
"""What one tool's schema says about an argument beside its kind: each argument is explained once, where an agent meets
it first."""


def of(argument: vocabulary.Argument) -> Schema:
    """The schema of an argument without a description."""
    return choice(*argument.choices) if argument.kind == "choice" else dict(KINDS[argument.kind])


def _taught(tool: str, arguments: Iterable[vocabulary.Argument], *required: str) -> Schema:
    """A tool's schema with descriptions, required arguments first."""
    taught = TAUGHT.get(tool, {})
    found = {one.name: of(one) | taught.get(one.name, {}) for one in arguments}
    order = (*required, *(name for name in found if name not in required))
    return closed({name: found[name] for name in order}, *required)


def starting(verb: Verb, *required: str) -> Schema:
    """The schema of a starting tool: every argument that applies to it, and all terms."""
    arguments = (one for one in vocabulary.asked().values() if verb in one.written.verbs)
    schema = _taught(verb, (*arguments, *vocabulary.terms().values()), *required)
    properties = cast("dict[str, Schema]", schema["properties"])
    for name, more in FREE.items():
        properties[name] = properties[name] | more
    return schema


def estimate_cost() -> Schema:
    """The fields of any starting tool's request, without the terms of an order."""
    choosing = (vocabulary.terms()[name] for name in CHOOSING)
    schema = _taught("estimate_cost", (*vocabulary.asked().values(), *choosing))
    extra = {"count": whole("how many such clips"), "limit": whole(default=5)}
    cast("dict[str, Schema]", schema["properties"]).update(extra)
    return schema


def finish_clip() -> Schema:
    """Its own vocabulary (`backends.edit.vocabulary`); of the terms, all but the choice of a model."""
    arguments = (one for name, one in film.asked().items() if name not in NOT_OFFERED)
    return _taught("finish_clip", (*arguments, *film.terms().values()), "clips")


def list_models() -> Schema:
    return closed(
        {
            "task": choice(*TASKS),
            "query": text(),
            "include_retired": flag(),
            "limit": whole(default=20),
        }
    )


def list_jobs(states: tuple[str, ...]) -> Schema:
    return closed(
        {
            "state": choice(*states),
            "label": text(),
            "limit": whole(default=20),
            "cursor": text(),
        }
    )


def one_job() -> Schema:
    return closed({"job_id": text()}, "job_id")


def wait_for_job(max_wait_s: float) -> Schema:
    longest = int(max_wait_s) if max_wait_s == int(max_wait_s) else max_wait_s
    return closed(
        {
            "job_ids": listed(text(), minItems=1, maxItems=50),
            "until": choice("all", "any", default="all"),
            "timeout_s": number(minimum=0, maximum=longest, default=min(25, longest)),
        },
        "job_ids",
    )


def inspect_clip() -> Schema:
    properties = {"clip": text("path or job id"), "against": text(), "frames": whole(default=8)}
    return closed(properties, "clip")
