"""MCP Apps (the extension `io.modelcontextprotocol/ui`): a page that a host shows beside a tool's result.

Only a client that declares the extension sees it. The page may read and cancel, but start nothing: each tool says so to
the host (`visibility`), which then refuses any other call from the page, even from a page that was tampered with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import cast

from mcp_types import ClientCapabilities, ReadResourceResult, Resource, TextResourceContents, Tool

EXTENSION = "io.modelcontextprotocol/ui"
MIME = "text/html;profile=mcp-app"
URI = "ui://reelwright/app"

SHOWN = (
    "estimate_cost",
    "generate_video",
    "image_to_video",
    "interpolate_keyframes",
    "extend_clip",
    "finish_clip",
    "get_job",
    "list_jobs",
)
"""Tools whose result has a page. A wait has none: the page of the call that started the job shows its progress."""
CALLED = ("get_job", "list_jobs", "cancel_job")
"""Tools that the page may call. None of them can spend money."""

META: dict[str, object] = {"ui": {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": True}}
"""What the page needs of its host: no address to load from or connect to, no permission."""

RESOURCE = Resource(
    name="app",
    title="Reelwright",
    uri=URI,
    description="Page of a job, a price or the list of jobs, for hosts with MCP Apps.",
    mime_type=MIME,
    _meta=META,
)


def shows_apps(capabilities: ClientCapabilities | None) -> bool:
    """Whether the client declared that it shows such pages."""
    declared: Mapping[str, object] = (capabilities.extensions if capabilities else None) or {}
    settings = declared.get(EXTENSION)
    if not isinstance(settings, Mapping):
        return False
    kinds = cast("Mapping[str, object]", settings).get("mimeTypes")
    return isinstance(kinds, list | tuple) and MIME in kinds


def with_app(tools: Sequence[Tool]) -> list[Tool]:
    """The tools as published to a client that shows pages."""
    return [tool.model_copy(update={"meta": {"ui": _ui(tool.name)}}) for tool in tools]


def _ui(tool: str) -> dict[str, object]:
    page: dict[str, object] = {"resourceUri": URI} if tool in SHOWN else {}
    return page | {"visibility": ["model", "app"] if tool in CALLED else ["model"]}


def read() -> ReadResourceResult:
    """The page as a resource."""
    page = TextResourceContents(uri=URI, text=html(), mime_type=MIME, _meta=META)
    return ReadResourceResult(contents=[page])


@cache
def html() -> str:
    """The page: one file that loads nothing."""
    static = Path(__file__).with_name("static")
    parts = {name: (static / name).read_text("utf-8") for name in ("page.html", "page.css", "bridge.js", "views.js")}
    script = parts["bridge.js"] + parts["views.js"]
    return parts["page.html"].replace("/*STYLE*/", parts["page.css"]).replace("/*SCRIPT*/", script)
