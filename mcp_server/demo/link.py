"""A client's connection to the real MCP server over stdio, through the SDK's own client; it knows the server's
process."""

from __future__ import annotations

import os
import signal
import sys
from base64 import b64decode
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import ImageContent, TextContent

if TYPE_CHECKING:
    from mcp_types import CallToolResult

LAUNCH = (
    "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); "
    "os.execv(sys.executable, [sys.executable, '-P', '-m', 'mcp_server', 'serve'])"
)
"""The SDK doesn't give its server's process id: the process writes it down, then becomes the server."""

PASSED = ("PYTHONPATH", "VIRTUAL_ENV", "TMPDIR", "LANG", "LC_ALL")

Fields = dict[str, object]


class DemoFailed(Exception):
    """Something did not turn out as promised."""


class Link:
    """Calls tools; every refusal is a DemoFailed with the server's message."""

    def __init__(self, client: Client, pid: int, log: Path) -> None:
        self.client = client
        self.pid = pid
        self.log = log

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool: str, **arguments: object) -> Fields:
        """A tool's structured result."""
        result = await self._result(tool, arguments)
        if result.structured_content is None:
            raise DemoFailed(f"{tool} gave no structured result")
        return cast(Fields, result.structured_content)

    async def picture(self, tool: str, **arguments: object) -> tuple[str, bytes]:
        """A tool's text and its one picture."""
        result = await self._result(tool, arguments)
        pictures = [part for part in result.content if isinstance(part, ImageContent)]
        if len(pictures) != 1:
            raise DemoFailed(f"{tool} gave {len(pictures)} pictures instead of one")
        return _text(result), b64decode(pictures[0].data)

    async def _result(self, tool: str, arguments: Fields) -> CallToolResult:
        try:
            result = await self.client.call_tool(tool, arguments, read_timeout_seconds=90)
        except MCPError as error:
            raise DemoFailed(f"{tool}: the server is gone or broken: {error}{self._log_end()}") from None
        if result.is_error:
            raise DemoFailed(f"{tool} was refused: {_text(result)}{self._log_end()}")
        return result

    def _log_end(self) -> str:
        """The last line of the server's log, which is removed with its temporary data folder."""
        lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
        return f"\nthe server's log ends: {lines[-1][:300]}" if lines else ""

    def kill(self) -> None:
        """SIGKILL to the server: no clean-up of any kind, as when its host crashes."""
        os.kill(self.pid, signal.SIGKILL)


def _text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


@asynccontextmanager
async def linked(env: Mapping[str, str], folder: Path) -> AsyncGenerator[Link]:
    """Start a server and stay connected until the end of the block. env: its REELWRIGHT_* variables; no key reaches it.

    folder: its working folder, which also holds its process id and standard error.
    """
    note = folder / "server.pid"
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    server = StdioServerParameters(
        command=sys.executable, args=["-P", "-c", LAUNCH, str(note)], env={**passed, **env}, cwd=folder
    )
    path = folder / "server.log"
    with path.open("a") as log:
        async with Client(stdio_client(server, errlog=log)) as client:
            yield Link(client, int(note.read_text()), path)
