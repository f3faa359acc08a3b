"""The tables of docs/python-api.md: the public methods of Studio, the fields of a request and a film, from the code."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from decimal import Decimal

from pydantic import BaseModel

from backends.camera import CameraMove
from backends.edit.request import FinishRequest
from backends.regions import MotionRegion
from backends.request import Frame, Lora, Reference, VideoRequest
from backends.studio import Studio
from backends.terms import Terms

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
        if one.kind is one.VAR_KEYWORD:
            given.append(f"**{one.name}: {one.annotation}")
            continue
        default = "" if one.default is one.empty else f" = {one.default!r}"
        given.append(f"{one.name}: {one.annotation}{default}")
    owner = "Studio" if name == "open" else "studio"
    return f"{owner}.{name}({', '.join(given)}) -> {shape.return_annotation}".replace("Self", "Studio")


def _text(docstring: str) -> str:
    """Paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(docstring).split("\n\n"))


def request() -> str:
    """The fields of a request."""
    return _fields(VideoRequest)


def film() -> str:
    """The fields of a film."""
    return _fields(FinishRequest)


def terms() -> str:
    """The terms of an order."""
    return _fields(Terms)


def _fields(model: type[BaseModel]) -> str:
    lines = ["| field | takes | default | meaning |", "|---|---|---|---|"]
    hints = typing.get_type_hints(model)
    for name, field in model.model_fields.items():
        default = "" if field.is_required() else f"`{field.get_default(call_default_factory=True)!r}`"
        lines.append(f"| `{name}` | {_takes(hints[name])} | {default} | {field.description} |")
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
