"""The page that hosts with MCP Apps show: who is told of it, what it may do, and what it can load."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.extension import advertise
from mcp.shared.exceptions import MCPError
from mcp_types import ClientCapabilities

from backends.jobs.context import Context
from backends.settings import Settings
from mcp_server import resources
from mcp_server.apps import CALLED, EXTENSION, MIME, URI, html, shows_apps, with_app
from mcp_server.resources import NotFound, carried, part_of
from mcp_server.server import build_server
from mcp_server.surface import tools
from tests.jobs.rows import ended
from tests.mcp_server.conftest import Connect

DECLARED = {EXTENSION: {"mimeTypes": [MIME]}}
JOBS = ["job_" + letter * 26 for letter in "ab"]
ERAS = ("legacy", "auto")


def host(settings: Settings, era: str) -> Client:
    """A client that shows pages."""
    return Client(
        build_server(settings), mode=era, raise_exceptions=True, extensions=[advertise(EXTENSION, DECLARED[EXTENSION])]
    )


@contextmanager
def two_clips(settings: Settings, clip: Path) -> Iterator[None]:
    """A store with two finished jobs; the clip is the first one's."""
    clip.parent.mkdir(parents=True, exist_ok=True)
    asked = {"task": "text_to_video", "prompt": "a fox", "duration_s": 4, "fps": 24, "audio": False, "seed": 1}
    prepared = json.dumps({"request": asked, "width": 320, "height": 180})
    made = json.dumps({"file": str(clip), "published": str(clip)})
    context = Context.open(settings)
    try:
        for job, result in zip(JOBS, (made, "{}"), strict=True):
            context.store.write(partial(ended, job=job, prepared=prepared, result=result))
        yield
    finally:
        context.close()


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_only_a_client_that_declares_the_extension_is_told(
    settings: Settings, connect: Connect, era: str
) -> None:
    async with connect(settings) as client:
        plain = await client.list_tools()
        assert all(tool.meta is None for tool in plain.tools)
        assert [one.name for one in (await client.list_resources()).resources] == ["models"]
        assert [one.name for one in (await client.list_resource_templates()).resource_templates][-1] == "clip"
    async with host(settings, era) as client:
        told = await client.list_tools()
        assert [tool.model_copy(update={"meta": None}) for tool in told.tools] == plain.tools
        pages = {tool.name: (tool.meta or {})["ui"] for tool in told.tools}
        assert pages["image_to_video"] == {"resourceUri": URI, "visibility": ["model"]}
        assert pages["get_job"] == {"resourceUri": URI, "visibility": ["model", "app"]}
        assert pages["wait_for_job"] == {"visibility": ["model"]}, "the page of the starting call goes on"
        listed = [one for one in (await client.list_resources()).resources if str(one.uri) == URI]
        assert [one.mime_type for one in listed] == [MIME]
        (page,) = (await client.read_resource(URI)).contents
        assert (page.mime_type, page.text) == (MIME, html())
        assert (
            page.meta
            == listed[0].meta
            == {"ui": {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": True}}
        )


@pytest.mark.parametrize(
    "declared",
    [None, {}, {EXTENSION: {}}, {EXTENSION: {"mimeTypes": ["text/html"]}}, {"other/ui": {"mimeTypes": [MIME]}}],
)
def test_a_declaration_without_the_pages_type_is_none(declared: dict[str, Any] | None) -> None:
    assert not shows_apps(ClientCapabilities(extensions=declared))
    assert not shows_apps(None)
    assert shows_apps(ClientCapabilities(extensions=DECLARED))


def test_the_page_may_call_nothing_that_can_spend() -> None:
    """What the host is told, and what the page's own script holds itself to."""
    callable_by_it = [tool for tool in with_app(tools()) if "app" in (tool.meta or {})["ui"]["visibility"]]
    assert [tool.name for tool in callable_by_it] == list(CALLED)
    for tool in callable_by_it:
        assert "max_cost_usd" not in tool.input_schema["properties"], tool.name
    told = re.search(r"const CALLED = (\[.*?\]);", html())
    assert told and json.loads(told[1]) == list(CALLED)
    assert html().count('"tools/call"') == 1, "there is one way to a tool"
    assert len(re.findall(r'\bcall\("(\w+)"', html())) >= 3


def test_the_page_is_one_small_file_that_loads_nothing_and_sets_no_markup() -> None:
    page = html()
    assert len(page.encode()) <= 25_000
    assert "default-src 'none'" in page
    for word in (
        "http:",
        "https:",
        "//cdn",
        "@import",
        "url(",
        "innerHTML",
        "insertAdjacent",
        "eval(",
        "fetch(",
        "/*S",
    ):
        assert word not in page, word
    assert 'name: "reelwright"' in page


def test_a_clip_is_carried_in_parts_that_fit_together(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(bytes(range(256)) * 7000)
    told = carried(clip)
    assert told == {"bytes": 1_792_000, "parts": 3, "mime": "video/mp4"}
    blobs = [part_of("u", clip, number).contents[0].blob for number in range(3)]
    assert base64.b64decode("".join(blobs)) == clip.read_bytes(), "put together as text"
    assert max(map(len, blobs)) == 1 << 20
    with pytest.raises(NotFound, match="no such part"):
        part_of("u", clip, 3)


def test_what_no_page_can_play_has_no_parts(tmp_path: Path) -> None:
    large, other = tmp_path / "large.webm", tmp_path / "film.mov"
    with large.open("wb") as file:
        file.truncate(resources.MOST_CLIP_BYTES + 1)
    other.write_bytes(b"moov")
    assert carried(large) == {"bytes": large.stat().st_size, "parts": 0, "mime": "video/webm"}
    assert carried(other) == {"bytes": 4, "parts": 0}
    assert carried(tmp_path / "gone.mp4") == {}
    for clip in (large, other, tmp_path / "gone.mp4"):
        with pytest.raises(NotFound):
            part_of("u", clip, 0)


@pytest.mark.anyio
async def test_only_a_page_gets_a_clips_bytes(settings: Settings) -> None:
    clip = settings.output / "fox.mp4"
    with two_clips(settings, clip):
        clip.write_bytes(b"a clip")
        uri = f"video://jobs/{JOBS[0]}/clip"
        async with host(settings, "auto") as client:
            (named,) = (await client.read_resource(uri)).contents
            assert json.loads(named.text)["parts"] == 1
            (part,) = (await client.read_resource(f"{uri}/0")).contents
            assert (part.mime_type, base64.b64decode(part.blob)) == ("video/mp4", b"a clip")
        async with Client(build_server(settings)) as client:
            (named,) = (await client.read_resource(uri)).contents
            assert "parts" not in json.loads(named.text)
            with pytest.raises(MCPError, match="no such resource"):
                await client.read_resource(f"{uri}/0")


@pytest.mark.anyio
async def test_what_a_page_has_asked_the_model_is_told_all_the_same(settings: Settings, connect: Connect) -> None:
    """A wait tells an end once; a page's look at the job doesn't count as having told it."""
    with two_clips(settings, settings.output / "fox.mp4"):
        async with connect(settings) as client:
            for job in JOBS:
                await client.call_tool("get_job", {"job_id": job})
            waited = await client.call_tool("wait_for_job", {"job_ids": JOBS})
            assert all(job["told"] for job in (waited.structured_content or {})["jobs"])
        async with host(settings, "legacy") as client:
            for job in JOBS:
                await client.call_tool("get_job", {"job_id": job})
            waited = await client.call_tool("wait_for_job", {"job_ids": JOBS})
            assert all("cost_usd" in job for job in (waited.structured_content or {})["jobs"])
