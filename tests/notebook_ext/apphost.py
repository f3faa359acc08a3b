"""A host that shows an MCP App's page: what it hands to the page, and what the page asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import FrameLocator, Page

from mcp_server.apps import CALLED, html
from tests.notebook_ext.browser import Look
from tests.notebook_ext.mount import STAGE
from tests.notebook_ext.shelf import Shelf

Serve = Callable[[str, dict[str, Any]], dict[str, Any]]
"""What a server answers to a method with its parameters; an exception of it is told to the page as an error."""
ABLE: dict[str, Any] = {"serverTools": {}, "serverResources": {}, "message": {"text": {}}}
STARTED = "image_to_video"


class AppHost:
    """serve: answers what the page asks of the server. As the extension wants it, calls of tools that are not the
    page's are refused here."""

    def __init__(self, page: Page, shelf: Shelf, look: Look, serve: Serve) -> None:
        self.page = page
        self._look = look
        self._serve = serve
        self.refused: list[str] = []
        self.deaf = False
        """Whether it takes no messages for the chat."""
        page.expose_function("serve", self._answer)
        page.goto(shelf.folder(STAGE) + "apphost.html")

    def open(
        self,
        result: Mapping[str, Any],
        given: Mapping[str, Any] | None = None,
        *,
        tool: str = STARTED,
        able: Mapping[str, Any] = ABLE,
        **context: Any,
    ) -> FrameLocator:
        """A fresh page for the result of a call."""
        told = {"theme": "dark" if self._look.dark else "light", "toolInfo": {"tool": {"name": tool}}, **context}
        notes = [
            ["ui/notifications/tool-input", {"arguments": dict(given or {})}],
            ["ui/notifications/tool-result", dict(result)],
        ]
        greeting = {"hostCapabilities": dict(able), "hostContext": told}
        self.page.evaluate("(given) => openPage(...given)", [html(), greeting, notes])
        return self.page.frame_locator("iframe")

    def asked(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all that the page has sent by this method, oldest first."""
        sent: list[dict[str, Any]] = self.page.evaluate("asked")
        return [one["params"] for one in sent if one["method"] == method]

    def _answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "tools/call" and params["name"] not in CALLED:
            self.refused.append(params["name"])
            return {"error": {"code": -32602, "message": "not a tool of the page"}}
        try:
            return {"result": {"isError": self.deaf} if method == "ui/message" else self._serve(method, params)}
        except Exception as error:
            return {"error": {"code": -32603, "message": str(error)}}
