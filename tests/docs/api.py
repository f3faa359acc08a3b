"""The tables of docs/python-api.md: the public methods of Studio and the fields of a request, from the code."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from decimal import Decimal

from backends.request import CameraMove, Frame, Lora, MotionRegion, Reference, VideoRequest
from backends.studio import Studio

WORDS: dict[object, str] = {
    str: "text",
    float: "number",
    int: "whole number",
    bool: "true or false",
    Decimal: "US dollars",
    Frame: "`{image, role, at_s, prompt}`",
    Reference: "`tag=path`",
    CameraMove: "`move:amount@from-to`",
    MotionRegion: "`{box, direction, intensity}`",
    Lora: "`name:weight`",
}
FIELDS = {
    "task": "what kind of work; needed",
    "model": "an id or alias of the catalogue, a family, or `auto`",
    "prompt": "what happens in the clip",
    "negative_prompt": "what must not be in the clip",
    "duration_s": "seconds of the clip; for `extend`, the seconds to add",
    "aspect_ratio": "such as `16:9`; left out with an image: the legal ratio nearest to the image",
    "resolution": "such as `720p`; left out: the model's default",
    "fps": "frames a second",
    "seed": "0 to 4294967295",
    "audio": "with or without sound; left out: the model's default",
    "frames": "images that the clip starts from or passes through",
    "references": "images or clips, used as `@tag` in the prompt",
    "source_clip": "what `extend`, `edit` and `upscale` start from",
    "camera": "camera moves, such as `dolly-in:0.4@0-2`",
    "motion": "regions that move, or stay still",
    "fit": "what to do when an image's aspect ratio is not the clip's; left out: crop, refused above a quarter",
    "focus": "`[x, y]` of the image, 0 to 1 from its top left, that a crop is made around",
    "style": "the look, in words",
    "loop": "make the clip loop seamlessly",
    "effect": "a model's named effect",
    "loras": "LoRA files of local models",
    "provider_options": "options of this one model, by name",
    "max_cost_usd": "refuse above this estimate; 0: nothing that costs money; left out: the spending limits alone",
}
"""What each field of a request means."""


def methods() -> dict[str, Callable[..., object]]:
    """The public methods of Studio, in the order of the file."""
    found: dict[str, Callable[..., object]] = {}
    for name, member in vars(Studio).items():
        method = member.__func__ if isinstance(member, classmethod) else member
        if not name.startswith("_") and inspect.isfunction(method):
            found[name] = method
    return found


def studio() -> str:
    """Each method with its signature and what its docstring says."""
    parts: list[str] = []
    for name, method in methods().items():
        wait = "await " if inspect.iscoroutinefunction(method) else ""
        parts.append(f"### `{name}`\n\n```text\n{wait}{_signature(name, method)}\n```\n\n{_text(method.__doc__ or '')}")
    return "\n\n".join(parts)


def _signature(name: str, method: Callable[..., object]) -> str:
    """The call as one writes it: without self, types as in the source."""
    shape = inspect.signature(method)
    given: list[str] = []
    starred = False
    for one in shape.parameters.values():
        if one.name in ("self", "cls"):
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            given.append("*")
            starred = True
        default = "" if one.default is one.empty else f" = {one.default!r}"
        given.append(f"{one.name}: {one.annotation}{default}")
    owner = "Studio" if name == "open" else "studio"
    return f"{owner}.{name}({', '.join(given)}) -> {shape.return_annotation}".replace("Self", "Studio")


def _text(docstring: str) -> str:
    """Paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(docstring).split("\n\n"))


def request() -> str:
    """The fields of a request."""
    lines = ["| field | takes | default | meaning |", "|---|---|---|---|"]
    hints = typing.get_type_hints(VideoRequest)
    for name, field in VideoRequest.model_fields.items():
        default = "" if field.is_required() else f"`{field.get_default(call_default_factory=True)!r}`"
        lines.append(f"| `{name}` | {_takes(hints[name])} | {default} | {FIELDS[name]} |")
    return "\n".join(lines)


def _takes(hint: object) -> str:
    """A type in a cell's words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return ", ".join(f"`{word}`" for word in inner)
    if origin in (typing.Union, types.UnionType):
        return ", ".join(_takes(one) for one in inner if one is not type(None))
    if origin in (tuple, list):
        return f"list: {_takes(inner[0])}"
    if origin is dict:
        return "table"
    return WORDS.get(hint, getattr(hint, "__name__", str(hint)))
