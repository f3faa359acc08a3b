"""Runway's bodies as its own SDK types them: the judge of what is sent, which shares no code with what sends it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from functools import cache
from typing import Any

import typing_extensions
from runwayml.types import (
    character_performance_create_params,
    image_to_video_create_params,
    text_to_video_create_params,
    video_to_video_create_params,
    video_upscale_create_params,
)

UNIONS = {
    "text_to_video": text_to_video_create_params.TextToVideoCreateParams,
    "image_to_video": image_to_video_create_params.ImageToVideoCreateParams,
    "video_to_video": video_to_video_create_params.VideoToVideoCreateParams,
    "video_upscale": video_upscale_create_params.VideoUpscaleCreateParams,
    "character_performance": character_performance_create_params.CharacterPerformanceCreateParams,
}
REQUIRED = (typing.Required, typing_extensions.Required)
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema_of(kind: Any) -> dict[str, Any]:
    """A type of the SDK as JSON Schema; TypedDicts let nothing else in."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is object:
        return {}
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if typing_extensions.is_typeddict(kind):
        return _object(kind)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(one) for one in arguments]}
    if origin in (list, Iterable):
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin in (*REQUIRED, typing.Annotated):
        return schema_of(arguments[0])
    raise TypeError(f"no schema for {kind!r}")


def _object(kind: Any) -> dict[str, Any]:
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    return {
        "type": "object",
        "properties": {alias(name, hint): schema_of(hint) for name, hint in hints.items()},
        "required": [alias(name, hint) for name, hint in hints.items() if typing.get_origin(hint) in REQUIRED],
        "additionalProperties": False,
    }


def alias(name: str, hint: Any) -> str:
    """The field's name on the wire."""
    while typing.get_origin(hint) in REQUIRED:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is typing.Annotated:
        for extra in hint.__metadata__:
            if getattr(extra, "alias", None):
                return str(extra.alias)
    return name


@cache
def variants() -> dict[str, dict[str, dict[str, Any]]]:
    """Endpoint -> model -> the schema of its body."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for endpoint, union in UNIONS.items():
        kinds = typing.get_args(union) or (union,)
        for kind in kinds:
            schema = _object(kind)
            (model,) = schema["properties"]["model"]["enum"]
            found.setdefault(endpoint, {})[model] = schema
    return found


def fields() -> dict[str, dict[str, dict[str, list[str]]]]:
    """The same for the fake, which has the standard library only: names and which of them are required."""
    return {
        endpoint: {
            model: {"fields": sorted(schema["properties"]), "required": sorted(schema["required"])}
            for model, schema in models.items()
        }
        for endpoint, models in variants().items()
    }
