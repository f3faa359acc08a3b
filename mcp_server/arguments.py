"""The published schemas of tool arguments, as data: flat, closed at every depth, without titles or null branches.

Every byte here is read by an agent before its first call, so a sentence is kept only where it prevents a mistake,
and once: generate_video explains the arguments that all starting tools share, image_to_video the camera and motion.
Ranges that `VideoRequest` holds stay there, since its refusal comes together with this one's (`asked.every_problem`).
`tests/mcp_server/test_mcp_surface.py` holds the sum under its limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from backends.edit.request import Format
from backends.request import CAMERA_MOVES, TASKS

Schema = dict[str, object]

DEFAULTS: Mapping[str, object] = {
    "model": "auto",
    "prompt": "",
    "prefer": "quality",
    "where": "any",
    "take": 1,
    "loop": False,
    "include_retired": False,
    "count": 1,
}
"""What an argument is when it is left out, whatever the tool, where the schema names no default itself."""

RANGES: Mapping[str, tuple[int, int]] = {
    "take": (1, 99),
    "count": (1, 1000),
    "limit": (1, 200),
    "frames": (1, 32),
}
"""The legal values of whole numbers that no `VideoRequest` holds; unpublished, since no agent needs to know them."""

LENGTHS: Mapping[str, int] = {"label": 80, "request_key": 200, "query": 200, "cursor": 500, "job_id": 200}
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
    """An object that takes these properties and no other."""
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return schema


def _described(schema: Schema, description: str) -> Schema:
    return schema | {"description": description} if description else schema


def _moves() -> str:
    """pan-left/right, tilt-up/down ...: every camera move, each pair written once."""
    pairs: dict[str, list[str]] = {}
    for move in CAMERA_MOVES:
        word, _, way = move.partition("-")
        pairs.setdefault(word, []).append(way)
    return ", ".join(f"{word}-{'/'.join(ways)}" if ways[0] else word for word, ways in pairs.items())


MODEL = text()
CLIP = text("path, https URL or job id")
CAMERA = listed(text())
CAMERA_TAUGHT = listed(text(), f"MOVE[:amount 0-1][@from-to s], as dolly-in:0.4@0-2. Moves: {_moves()}")
SIZE: dict[str, Schema] = {"duration_s": number(), "aspect_ratio": text(), "resolution": text(), "fps": number()}
SIZE_TAUGHT = SIZE | {"aspect_ratio": text("as 16:9"), "resolution": text("as 720p")}
LOOK: dict[str, Schema] = {
    "audio": flag(),
    "seed": whole(),
    "negative_prompt": text(),
    "references": listed(text()),
    "camera": CAMERA,
    "style": text(),
    "effect": text(),
    "loras": listed(text()),
}
LOOK_TAUGHT = LOOK | {
    "camera": listed(text(), "as dolly-in:0.4@0-2"),
    "references": listed(text(), "tag=path; the prompt says @tag"),
    "loras": listed(text(), "name[:weight]"),
}
CHOOSING: dict[str, Schema] = {
    "prefer": choice("quality", "cheapest", "fastest", "consistency", "motion"),
    "where": choice("any", "local"),
}
ORDER: dict[str, Schema] = {
    "max_cost_usd": number(default=0),
    "take": whole(),
    "request_key": text(),
    "label": text(),
    "provider_options": {"type": "object"},
}
"""How a started job is paid and named. provider_options alone is open: its fields are the provider's own."""
ORDER_TAUGHT = ORDER | {
    "max_cost_usd": number("refuse above this; 0 = free models only", default=0),
    "take": whole("2, 3.. = another variant of the same request", default=1),
    "request_key": text("your own idempotency key"),
    "label": text("names the file"),
}

# A list of types would be shorter than anyOf, but hosts that turn schemas into another dialect drop or refuse it.
REGION: dict[str, Schema] = {
    "box": listed({"type": "number"}),
    "polygon": listed(listed({"type": "number"})),
    "mask": text(),
    "direction": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}]},
    "intensity": number(),
    "static": flag(),
}
MOTION = listed(closed(REGION))
MOTION_TAUGHT = listed(
    closed(
        REGION
        | {
            "box": listed({"type": "number"}, "[left,top,right,bottom] 0-1 from the top left"),
            "mask": text("image path; white moves"),
            "direction": REGION["direction"] | {"description": "up, left, ... or [dx,dy], y down"},
            "intensity": number("0-1"),
            "static": flag("freeze it"),
        }
    )
)
FRAME: dict[str, Schema] = {"image": text(), "at_s": number(), "hold_s": number(), "camera": CAMERA, "prompt": text()}
FRAMES = listed(closed(FRAME, "image"), minItems=2)
FRAMES_TAUGHT = listed(
    closed(FRAME | {"hold_s": number("stands so long; camera moves in it")}, "image"),
    "in time order; evenly spaced without at_s",
    minItems=2,
)
LOOP = flag()
FIT: dict[str, Schema] = {"fit": choice("crop", "pad", "blur", "refuse"), "focus": listed({"type": "number"})}
FIT_TAUGHT = FIT | {
    "fit": choice("crop", "pad", "blur", "refuse", description="blur = whole, over a blurred copy"),
    "focus": listed({"type": "number"}, "[x,y] 0-1 to crop around"),
}


def generate_video() -> Schema:
    asked = {"prompt": text(), "model": text("list_models id", default="auto"), "clip": CLIP}
    return closed(asked | SIZE_TAUGHT | LOOK_TAUGHT | CHOOSING | ORDER_TAUGHT, "prompt")


def image_to_video() -> Schema:
    asked = {"image": text("path, https URL or video://jobs/ID/last_frame"), "prompt": text(), "model": MODEL}
    moved = {"camera": CAMERA_TAUGHT, "motion": MOTION_TAUGHT, "loop": LOOP} | FIT_TAUGHT
    return closed(asked | SIZE | LOOK | moved | CHOOSING | ORDER, "image")


def interpolate_keyframes() -> Schema:
    asked = {"frames": FRAMES_TAUGHT, "prompt": text(), "model": MODEL}
    return closed(asked | SIZE | LOOK | {"loop": LOOP} | FIT | CHOOSING | ORDER, "frames")


def extend_clip() -> Schema:
    """Size, ratio and frame rate are the clip's own."""
    asked = {"clip": text(), "add_s": number(), "prompt": text(), "model": MODEL, "motion": MOTION}
    return closed(asked | LOOK | CHOOSING | ORDER, "clip", "add_s")


def finish_clip() -> Schema:
    """Its own vocabulary (`backends.edit.request`); size, fit and the ticket's terms are as everywhere."""
    asked = {
        "clips": listed(
            text(), "in order: jobs, also unfinished, paths, stills; #t=FROM,TO takes a part or holds a still"
        ),
        "crossfade_s": number(),
        **{name: SIZE[name] for name in ("aspect_ratio", "resolution", "fps")},
        **FIT,
        "loop": LOOP,
        "speed": number(),
        "upscaler": text(),
        "narration": text("to speak, or a sound file"),
        "music": text("sound file"),
        "mute": flag(),
        "loudness": number("LUFS"),
        "captions": listed(text(), "FROM-TO TEXT, or one .srt"),
        "titles": listed(text()),
        "format": choice(*get_args(Format)),
    }
    named = {name: ORDER[name] for name in ("max_cost_usd", "take", "request_key", "label")}
    return closed(asked | named, "clips")


def estimate_cost() -> Schema:
    """Any starting tool's request, and nothing of how it is ordered. Its motion regions are open here, to be short:
    the vocabulary closes them."""
    asked = {"prompt": text(), "model": MODEL, "image": text(), "frames": FRAMES, "clip": text(), "add_s": number()}
    shape = SIZE | LOOK | {"motion": listed({"type": "object"}), "loop": LOOP} | FIT
    told = {
        "max_cost_usd": number(),
        "provider_options": ORDER["provider_options"],
        "count": whole("how many such clips"),
        "limit": whole(default=5),
    }
    return closed(asked | shape | CHOOSING | told)


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
    asked = {"clip": text("path or job id"), "against": text(), "frames": whole(default=8)}
    return closed(asked, "clip")
