"""The published schemas, as the hosts' converters take them: Google's own, OpenAI's strict rules, Anthropic's."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from google.genai import _mcp_utils as google
from mcp_types import Tool
from openai.lib import _pydantic as openai

from mcp_server.dialect import TAUGHT_ONCE, published, spoken
from mcp_server.server import Surface
from mcp_server.surface import tools as checked
from tests.mcp_server.test_mcp_surface import ORDER
from tests.rawclient import ERAS, RawClient, home_env

KINDS = {"string", "number", "integer", "boolean", "array", "object"}
STRICT = {"type", "description", "properties", "required", "additionalProperties", "items", "enum", "anyOf"}
STRICT |= {"minItems", "maxItems", "minimum", "maximum", "default"}
"""Keywords that OpenAI's strict mode and the Gemini API both know."""


@pytest.fixture(scope="module", params=ERAS)
def tools(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """tools/list as it is on the wire."""
    with RawClient(home_env(tmp_path_factory.mktemp("home")), era=request.param) as client:
        return {tool["name"]: tool for tool in client.request("tools/list")["tools"]}


def schemas(schema: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A schema and all within it, with where each stands."""
    yield place, schema
    for name, inner in schema.get("properties", {}).items():
        yield from schemas(inner, f"{place}.{name}")
    if "items" in schema:
        yield from schemas(schema["items"], f"{place}[]")
    for branch in schema.get("anyOf", []):
        yield from schemas(branch, f"{place}|")


def test_googles_own_bridge_takes_every_tool(tools: dict[str, dict[str, Any]]) -> None:
    assert list(tools) == ORDER
    for name, tool in tools.items():
        (declared,) = google.mcp_to_gemini_tool(Tool.model_validate(tool)).function_declarations or []
        assert declared.name == name and declared.parameters is not None
        assert set(declared.parameters.properties or {}) == set(tool["inputSchema"]["properties"]), name
        for field, schema in (declared.parameters.properties or {}).items():
            assert schema.type is not None, f"{name}.{field}"
            assert schema.enum == tool["inputSchema"]["properties"][field].get("enum"), f"{name}.{field}"


def test_openais_strict_form_can_be_made_of_every_tool(tools: dict[str, dict[str, Any]]) -> None:
    """Its documented rules: the root is an object and no anyOf; each schema has a type or is an anyOf of such; every
    object is closed and names all its properties; at most 10 levels; and no other keyword."""
    for name, tool in tools.items():
        made: Any = copy.deepcopy(tool["inputSchema"])
        strict: Any = openai._ensure_strict_json_schema(made, path=(), root=made)
        assert strict["type"] == "object" and "anyOf" not in strict
        for place, schema in schemas(strict, name):
            assert set(schema) <= STRICT, place
            assert schema.get("type") in KINDS or "anyOf" in schema, f"{place} has no type"
            assert place.count(".") + place.count("[]") <= 10
            if schema.get("type") == "object":
                assert schema["additionalProperties"] is False, place
                assert sorted(schema.get("required", [])) == sorted(schema.get("properties", {})), place


def test_anthropics_form_is_the_published_one(tools: dict[str, dict[str, Any]]) -> None:
    for name, tool in tools.items():
        assert tool["inputSchema"]["type"] == "object" and name.isidentifier() and len(name) <= 64
        assert tool["description"]


def test_every_published_schema_is_typed_and_none_says_additional_properties(tools: dict[str, dict[str, Any]]) -> None:
    for name, tool in tools.items():
        for side in ("inputSchema", "outputSchema"):
            for place, schema in schemas(tool.get(side, {"type": "object"}), name):
                assert "additionalProperties" not in schema, place
                assert schema.get("type") in KINDS or "anyOf" in schema, f"{place} has no type"


def test_what_is_published_says_no_other_than_what_is_checked() -> None:
    for full, copied in zip(checked(50), published(checked(50)), strict=True):
        assert full.name == copied.name
        assert list(full.input_schema["properties"]) == list(copied.input_schema["properties"])
        assert full.input_schema.get("required") == copied.input_schema.get("required")
        for field, teacher in TAUGHT_ONCE.items():
            said = copied.input_schema["properties"].get(field)
            if said is not None and full.name != "inspect_clip":  # whose frames are a number
                taught = "enum" in said or "properties" in said.get("items", {})
                assert taught == (full.name == teacher), f"{full.name}.{field}"
    fields = {"additionalProperties": {"enum": ["a"]}, "enum": {"type": "number"}}
    assert spoken({"type": "object", "properties": fields, "additionalProperties": False}) == {
        "type": "object",
        "properties": {"additionalProperties": {"type": "string", "enum": ["a"]}, "enum": {"type": "number"}},
    }, "a property may have any name"


def test_the_full_schema_is_what_a_call_is_held_against(tools: dict[str, dict[str, Any]]) -> None:
    surface = Surface(50)
    check = surface._checks["image_to_video"]
    found = check.problems({"image": "a.png", "motion": [{"bxo": [1]}], "prefer": "best", "zzz": 1})
    assert found["motion[0].bxo"] == "no such argument; did you mean box?"
    assert found["prefer"].startswith("must be one of quality, cheapest, ")
    assert found["zzz"].startswith("no such argument; there are ")
