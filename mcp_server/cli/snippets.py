"""What an agent's host needs to start this installation: the absolute command, no keys, the folders that are set.

A host started from a desktop has neither the shell's PATH nor its variables, hence the absolute interpreter and the
`env` with REELWRIGHT_* folders. Keys come from the key file (`reelwright config keys set`).
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping

from backends.settings import Settings

# -P: a folder named mcp_server in the person's project is not imported instead of ours.
ARGUMENTS = ("-P", "-m", "mcp_server", "serve")
PASSED = (
    "REELWRIGHT_HOME",
    "REELWRIGHT_OUTPUT_DIR",
    "REELWRIGHT_INPUT_ROOTS",
    "REELWRIGHT_CATALOG",
    "REELWRIGHT_WORKER",
)
"""Variables of this shell that the host's server needs too; no key is among them."""

Snippet = Callable[[Settings], tuple[str, str]]
"""From the settings to (where it goes, the text to paste)."""


def environment(settings: Settings) -> dict[str, str]:
    return {name: settings.env[name] for name in PASSED if settings.env.get(name)}


def _server(settings: Settings) -> dict[str, object]:
    server: dict[str, object] = {"command": sys.executable, "args": list(ARGUMENTS)}
    if env := environment(settings):
        server["env"] = env
    return server


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def claude_desktop(settings: Settings) -> tuple[str, str]:
    where = "into claude_desktop_config.json (Settings, Developer, Edit Config), then restart Claude Desktop:"
    return where, _json({"mcpServers": {"reelwright": _server(settings)}})


def claude_code(settings: Settings) -> tuple[str, str]:
    words = ["claude", "mcp", "add"]
    for name, value in environment(settings).items():
        words += ["--env", f"{name}={value}"]
    words += ["--scope", "user", "reelwright", "--", sys.executable, *ARGUMENTS]
    return "in a terminal:", shlex.join(words)


def cursor(settings: Settings) -> tuple[str, str]:
    return "into ~/.cursor/mcp.json:", _json({"mcpServers": {"reelwright": _server(settings)}})


def vscode(settings: Settings) -> tuple[str, str]:
    return "into .vscode/mcp.json:", _json({"servers": {"reelwright": {"type": "stdio", **_server(settings)}}})


def gemini(settings: Settings) -> tuple[str, str]:
    return "into ~/.gemini/settings.json:", _json({"mcpServers": {"reelwright": _server(settings)}})


CLIENTS: Mapping[str, Snippet] = {
    "claude-desktop": claude_desktop,
    "claude-code": claude_code,
    "cursor": cursor,
    "vscode": vscode,
    "gemini": gemini,
}
