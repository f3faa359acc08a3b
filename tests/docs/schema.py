"""docs/catalogue.schema.json: what an editor needs to complete and check a catalogue file, from the reader's keys."""

from __future__ import annotations

import json
from typing import Any

from backends.camera import CAMERA_MOVES
from tests.docs import keys
from tests.docs.keys import Section

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
RATIO = r"^([1-9][0-9]{0,3}(\.[0-9]+)?:[1-9][0-9]{0,3}|input)$"


def either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def at(section: Section) -> Schema:
    return {"$ref": f"#/$defs/{section.name}"}


TYPES: dict[str, Schema] = {
    "text": TEXT,
    "texts": either(TEXT, listed(TEXT)),
    "number": NUMBER,
    "numbers": either(NUMBER, listed(NUMBER)),
    "fraction": either(NUMBER, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(/[0-9]+)?$"}),
    "whole": {"type": "integer"},
    "flag": {"type": "boolean"},
    "day": {"type": "string", "format": "date"},
    "money": either({"type": "number", "minimum": 0}, TEXT),
    "table": {"type": "object"},
    "tables": listed({"type": "object"}),
    "plain": {"type": "object"},
}
SPAN = either(listed(NUMBER), at(keys.SPAN))
PIXELS = either(TEXT, at(keys.SIZE))
SIZES: Schema = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "propertyNames": {"pattern": RATIO},
        "additionalProperties": PIXELS,
    },
}
MOVES: Schema = {"enum": list(CAMERA_MOVES)}
NESTED: dict[str, dict[str, Schema]] = {
    "row": {
        "typical": at(keys.TYPICAL),
        "limits": at(keys.LIMITS),
        "mode": listed(at(keys.MODE)),
        "box": at(keys.MODE),
        "price": at(keys.PRICE),
        "sources": listed(either(TEXT, at(keys.SOURCE))),
        "like": {"type": "string", "description": "the row whose data this one starts from"},
    },
    "mode": {
        "durations": either({"const": "source"}, SPAN),
        "fps": SPAN,
        "sizes": either(TEXT, SIZES),
        "frames": at(keys.FRAMES),
        "references": at(keys.REFERENCES),
        "source": at(keys.SOURCE_RULE),
        "camera": either({"enum": ["words", "none"]}, at(keys.CAMERA)),
        "options": {"type": "object", "additionalProperties": at(keys.OPTION)},
        "price": at(keys.PRICE),
    },
    "camera": {
        "moves": either({"const": "all"}, listed(MOVES)),
        "tokens": {"type": "object", "propertyNames": MOVES, "additionalProperties": TEXT},
    },
    "options": {"values": {"type": "array"}},
    "price": {"rates": listed(at(keys.RATE)), "surcharges": listed(at(keys.SURCHARGE))},
}
"""Keys whose tables have keys of their own."""
PARTLY = {"row": ["id"], "mode": []}
"""A row may change some keys of another one, and a mode shares those of its row: so little must be given."""


def catalogue() -> Schema:
    """The schema of a file."""
    price = {name: of for name, of in _properties(keys.PRICE).items() if name != "unit"}
    properties: Schema = {
        "provider": {"type": "string", "description": "the back end of its rows, unless a row names its own"},
        "sizes": {"type": "object", "additionalProperties": SIZES, "description": "sizes that modes name"},
        "sources": {
            "type": "object",
            "additionalProperties": at(keys.SOURCE),
            "description": "sources that rows name",
        },
        "price": {
            "type": "object",
            "properties": price,
            "additionalProperties": False,
            "description": "what its prices have in common, such as date and source",
        },
        "model": listed(at(keys.ROW)),
        "bind": {"type": "object", "description": "the inputs of a ComfyUI workflow"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A catalogue file of Reelwright",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": {section.name: _closed(section) for section in keys.SECTIONS},
    }


def _closed(section: Section) -> Schema:
    known = keys.keys_of(section)
    needed = PARTLY.get(section.name, [name for name in section.meanings if known[name].needed])
    schema: Schema = {"type": "object", "properties": _properties(section), "additionalProperties": False}
    return schema | ({"required": needed} if needed else {})


def _properties(section: Section) -> Schema:
    known, nested = keys.keys_of(section), NESTED.get(section.name, {})
    found: Schema = {}
    for name, meaning in section.meanings.items():
        key = known[name]
        if name in nested:
            takes = nested[name]
        elif key.method == "word":
            takes = {"enum": list(key.legal)}
        elif key.method == "words":
            takes = either({"enum": list(key.legal)}, listed({"enum": list(key.legal)}))
        else:
            takes = TYPES[key.method]
        found[name] = takes | {"description": meaning}
    return found | {name: of for name, of in nested.items() if name not in found}


def text() -> str:
    """The file."""
    return json.dumps(catalogue(), indent=1, ensure_ascii=False) + "\n"
