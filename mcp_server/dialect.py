"""The published copy of the tools' schemas, in the part of JSON Schema that every converter accepts.

Hosts turn schemas into the dialects of their models, and each drops or breaks on something: google-genai's own bridge
fails on a boolean `additionalProperties`, others show an enum without a type as "any". So the published copy has
neither. Calls are checked against the full schema (`strict`), whatever a host has made of this copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from mcp_types import Tool

Schema = dict[str, object]

TAUGHT_ONCE = {
    "prefer": "generate_video",
    "where": "generate_video",
    "fit": "image_to_video",
    "motion": "image_to_video",
    "frames": "interpolate_keyframes",
}
"""Arguments of several tools that only one of them describes in full: the list is read before every first call."""


def published(tools: Sequence[Tool]) -> list[Tool]:
    """The tools as in the answer to tools/list."""
    return [
        tool.model_copy(
            update={
                "input_schema": _short(tool.name, spoken(tool.input_schema)),
                "output_schema": None if tool.output_schema is None else spoken(tool.output_schema),
            }
        )
        for tool in tools
    ]


def _short(tool: str, schema: Schema) -> Schema:
    """The schema without descriptions of arguments that another tool explains; a wrong value is answered with all legal
    ones."""
    fields = cast("dict[str, Schema]", schema["properties"])
    short = {name: _bare(field) if TAUGHT_ONCE.get(name, tool) != tool else field for name, field in fields.items()}
    return schema | {"properties": short}


def _bare(field: Schema) -> Schema:
    """Only a field's type; for a list of objects also that of its entries."""
    items = cast("Schema | None", field.get("items"))
    if items is not None and items.get("type") == "object":
        return {"type": "array", "items": {"type": "object"}}
    return {"type": "string"} if "enum" in field else field


def spoken(schema: Mapping[str, object]) -> Schema:
    """A schema without `additionalProperties`, and with a type beside each enum of words, at every depth."""
    plain: Schema = {}
    for name, value in schema.items():
        if name == "properties":
            fields = cast("Mapping[str, Schema]", value)
            plain[name] = {field: spoken(inner) for field, inner in fields.items()}
        elif name == "items":
            plain[name] = spoken(cast(Schema, value))
        elif name == "anyOf":
            plain[name] = [spoken(branch) for branch in cast("Sequence[Schema]", value)]
        elif name == "enum":
            plain |= {"type": "string", "enum": value}
        elif name != "additionalProperties":
            plain[name] = value
    return plain
