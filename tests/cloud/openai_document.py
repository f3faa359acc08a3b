"""OpenAI's own OpenAPI document of /videos, as the judge of requests and replies of that protocol."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

NAME = "openai-videos.openapi.json"


def path() -> Path | None:
    """REELWRIGHT_OPENAPI, else the folder `shared/data` beside this checkout; None when neither is there."""
    named = os.environ.get("REELWRIGHT_OPENAPI")
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data" / NAME
    found = Path(named) if named else beside
    return found if found.is_file() else None


@cache
def _document() -> dict[str, Any]:
    found = path()
    assert found is not None
    return json.loads(found.read_text("utf-8"))


def schema(name: str) -> dict[str, Any]:
    return _document()["components"]["schemas"][name]


def findings(name: str, value: object) -> list[str]:
    """What the document has against a value, as one of its schemas."""
    resource = Resource.from_contents(_document(), default_specification=DRAFT202012)
    registry: Any = Registry().with_resource("urn:openai", resource)
    rule = {"$ref": f"urn:openai#/components/schemas/{name}"}
    judge = jsonschema.Draft202012Validator(rule, registry=registry)
    found = [f"{error.json_path}: {error.message}" for error in judge.iter_errors(value)]
    properties = schema(name).get("properties", {})
    foreign = sorted(set(value) - set(properties)) if isinstance(value, dict) and properties else []
    return found + [f"{key}: not in the document" for key in foreign]


def operations() -> set[tuple[str, str]]:
    return {(method, path) for path, item in _document()["paths"].items() for method in item}
