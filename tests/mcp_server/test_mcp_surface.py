"""The published table: its size, its order, and the form of every schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from backends.camera import CAMERA_MOVES
from backends.edit import vocabulary as film
from backends.jobs.views import Job, JobPage, JobRow, Ticket
from backends.verbs import same
from mcp_server import outputs
from mcp_server.arguments import DEFAULTS, NOT_OFFERED
from mcp_server.surface import INSTRUCTIONS
from mcp_server.surface import tools as checked
from tests.mcp_server.conftest import Connect
from tests.rawclient import ERAS, RawClient

ORDER = [
    "list_models",
    "estimate_cost",
    "generate_video",
    "image_to_video",
    "interpolate_keyframes",
    "extend_clip",
    "finish_clip",
    "inspect_clip",
    "get_job",
    "wait_for_job",
    "list_jobs",
    "cancel_job",
]
STARTING = ORDER[2:6]
SAME_AS_GENERATE = [
    "model",
    "duration_s",
    "aspect_ratio",
    "resolution",
    "fps",
    "audio",
    "seed",
    "negative_prompt",
    "references",
    "camera",
    "style",
    "effect",
    "loras",
    "prefer",
    "where",
    "max_cost_usd",
    "take",
    "request_key",
    "label",
    "provider_options",
]


def size(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


@pytest.fixture(scope="module", params=ERAS)
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """tools/list as it is on the wire."""
    from tests.rawclient import home_env

    with RawClient(home_env(tmp_path_factory.mktemp("home")), era=request.param) as client:
        return client.request("tools/list")


@pytest.fixture(scope="module")
def tools(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {tool["name"]: tool for tool in table["tools"]}


def objects(schema: object, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of an object, with where it stands."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield place, schema
        for name, inner in schema.items():
            yield from objects(inner, f"{place}.{name}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from objects(inner, f"{place}[{index}]")


def test_fits_the_budget_of_an_agents_context(table: dict[str, Any]) -> None:
    visible = sum(
        size({name: tool[name] for name in ("name", "description", "inputSchema")}) for tool in table["tools"]
    )
    assert size(table) <= 20_000
    assert visible <= 10_000


def test_the_order_is_fixed(tools: dict[str, Any]) -> None:
    assert list(tools) == ORDER


def test_every_object_of_the_checked_schemas_is_closed_but_provider_options() -> None:
    """What a call is held against, whatever a host has made of the published copy."""
    for tool in checked(50):
        for place, schema in objects(tool.input_schema, tool.name):
            if place.endswith((".provider_options", "estimate_cost.properties.motion.items")):
                assert schema == {"type": "object"}
            else:
                assert schema["additionalProperties"] is False, place


def test_no_titles_no_null_branches_no_references(table: dict[str, Any]) -> None:
    listed = [{key: tool.get(key) for key in ("inputSchema", "outputSchema")} for tool in table["tools"]]
    text = json.dumps(listed)
    two_kinds = '{"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}]'
    assert text.count(two_kinds) == text.count("anyOf") == 1, "a direction is a word or two numbers"
    assert '"type": [' not in text, "some hosts drop or refuse a list of types"
    for word in ('"title"', '"null"', "oneOf", "$ref", "$defs"):
        assert word not in text.replace('"outputSchema": null', ""), word


def test_starting_tools_share_their_arguments(tools: dict[str, Any]) -> None:
    given = {name: set(tool["inputSchema"]["properties"]) for name, tool in tools.items()}
    shared = set(SAME_AS_GENERATE)
    assert given["generate_video"] == shared | {"prompt", "clip"}
    assert given["image_to_video"] == shared | {"prompt", "image", "motion", "loop", "fit", "focus"}
    assert given["interpolate_keyframes"] == shared | {"prompt", "frames", "loop", "fit", "focus"}
    sized = {"duration_s", "aspect_ratio", "resolution", "fps"}
    assert given["extend_clip"] == shared - sized | {"prompt", "clip", "add_s", "motion"}
    everything = set().union(*(given[name] for name in STARTING))
    assert given["estimate_cost"] == everything - {"take", "request_key", "label"} | {"count", "limit"}


def test_a_films_arguments_are_its_own_vocabulary(tools: dict[str, Any]) -> None:
    taken = set(tools["finish_clip"]["inputSchema"]["properties"])
    assert taken == film.known() - set(NOT_OFFERED) and tools["finish_clip"]["inputSchema"]["required"] == ["clips"]


def test_arguments_that_a_request_holds_are_its_fields(tools: dict[str, Any]) -> None:
    ours = {"image", "clip", "add_s", "prefer", "where", "take", "request_key", "label", "count", "limit"}
    for name in (*STARTING, "estimate_cost"):
        assert set(tools[name]["inputSchema"]["properties"]) - ours <= {*same(), "frames"}


def test_defaults_are_those_of_the_design(tools: dict[str, Any]) -> None:
    def default(tool: str, argument: str) -> object:
        return tools[tool]["inputSchema"]["properties"][argument].get("default", DEFAULTS.get(argument))

    for tool in STARTING:
        assert default(tool, "model") == "auto"
        assert default(tool, "prefer") == "quality"
        assert default(tool, "where") == "any"
        assert default(tool, "max_cost_usd") == 0
        assert default(tool, "take") == 1
    assert default("image_to_video", "prompt") == ""
    assert default("list_models", "limit") == default("list_jobs", "limit") == 20
    assert (default("estimate_cost", "count"), default("estimate_cost", "limit")) == (1, 5)
    assert default("inspect_clip", "frames") == 8
    assert (default("wait_for_job", "until"), default("wait_for_job", "timeout_s")) == ("all", 25)
    assert default("estimate_cost", "max_cost_usd") is None


def test_only_what_starts_or_stops_is_not_read_only(tools: dict[str, Any]) -> None:
    for name, tool in tools.items():
        hints = tool["annotations"]
        assert hints["readOnlyHint"] is (name not in (*STARTING, "finish_clip", "cancel_job")), name
    assert all(tools[name]["annotations"]["idempotentHint"] for name in STARTING)
    assert tools["cancel_job"]["annotations"]["destructiveHint"]


def test_every_camera_move_is_taught(tools: dict[str, Any]) -> None:
    taught = tools["image_to_video"]["inputSchema"]["properties"]["camera"]["description"]
    words = taught.partition("Moves: ")[2].split(", ")
    moves = [
        f"{word.partition('-')[0]}-{way}" for word in words if "-" in word for way in word.partition("-")[2].split("/")
    ]
    assert [*moves, *(word for word in words if "-" not in word)] == list(CAMERA_MOVES)


def test_output_schemas_follow_the_views(tools: dict[str, Any]) -> None:
    for name in (*STARTING, "finish_clip"):
        assert set(tools[name]["outputSchema"]["properties"]) == set(Ticket.model_fields)
    assert set(tools["get_job"]["outputSchema"]["properties"]) == set(Job.model_fields)
    waited = tools["wait_for_job"]["outputSchema"]["properties"]
    assert set(waited) == {"jobs", "notes", "next"}
    job, row = tools["get_job"]["outputSchema"], waited["jobs"]["items"]
    assert row["properties"] == job["properties"] | {"told": {"type": "boolean"}}
    assert row["required"] == ["job_id", "state"], "what a row always has"
    assert set(tools["list_jobs"]["outputSchema"]["properties"]) == set(JobPage.model_fields)
    assert set(tools["cancel_job"]["outputSchema"]["properties"]) == {*JobRow.model_fields, "notes", "next"}
    assert "outputSchema" not in tools["inspect_clip"]


def test_a_published_view_keeps_types_and_drops_the_rest() -> None:
    schema = outputs.published(Job)
    properties: Any = schema["properties"]
    assert properties["cost_usd"] == {"type": "number"}
    assert properties["files"] == {"type": "array", "items": {"type": "string"}}
    assert properties["error"]["properties"]["kind"] == {"type": "string"}
    assert schema["required"] == ["job_id", "uri", "state", "task", "engine", "model", "created_at"]


def test_instructions_are_eight_lines_that_name_real_tools() -> None:
    assert len(INSTRUCTIONS.splitlines()) <= 8
    assert all(len(line) <= 120 for line in INSTRUCTIONS.splitlines())
    for word in ("estimate_cost", "wait_for_job", "inspect_clip", "cancel_job"):
        assert word in INSTRUCTIONS and word in ORDER


@pytest.mark.anyio
async def test_the_longest_wait_is_published_from_the_settings(connect: Connect, settings: Any) -> None:
    from dataclasses import replace

    for most, default in ((50.0, 25), (300.0, 25), (10.0, 10)):
        async with connect(replace(settings, max_wait_s=most)) as client:
            listed = await client.list_tools()
        wait = next(tool for tool in listed.tools if tool.name == "wait_for_job")
        timeout = wait.input_schema["properties"]["timeout_s"]
        assert (timeout["maximum"], timeout["default"]) == (most, default)


def test_what_is_left_out_of_the_catalogue_is_declared() -> None:
    (tool,) = [one for one in checked() if one.name == "list_models"]
    assert tool.output_schema is not None
    assert tool.output_schema["properties"]["left_out"] == {"type": "array", "items": {"type": "string"}}
