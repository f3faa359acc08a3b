"""The text that makes an agent's host start this installation: the absolute command, no keys, the folders that are set.

A host started from a desktop has neither the shell's PATH nor its variables, hence the absolute interpreter and the
`env` with REELWRIGHT_* folders. Keys come from the key file (`reelwright config keys set`).
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from backends.settings import Settings

# -P: a folder named mcp_server in the user's project is not imported instead of ours.
ARGUMENTS = ("-P", "-m", "mcp_server", "serve")
PASSED = (
    "REELWRIGHT_HOME",
    "REELWRIGHT_OUTPUT_DIR",
    "REELWRIGHT_INPUT_ROOTS",
    "REELWRIGHT_CATALOG",
    "REELWRIGHT_WORKER",
)
"""Variables of this shell that the host's server also needs; no key is among them."""

UV_FOLDERS = ("archive-v", "builds-v", "environments-v")
"""Folders in uv's cache with the environments of `uvx` and `uv run --with`; their version number follows."""
KEEP = "reelwright config keys set NAME"
CODEX_START_S = 60
CODEX_TOOL_S = 120
"""Seconds: a cold start of a fresh installation, and a wait of 50 s on a busy machine, both with a margin."""

Snippet = Callable[[Settings], tuple[str, str]]
"""For the settings: (where the text goes, the text to paste)."""


def environment(settings: Settings) -> dict[str, str]:
    return {name: settings.env[name] for name in PASSED if settings.env.get(name)}


def ephemeral(settings: Settings) -> bool:
    """Whether this installation is a temporary one of `uvx` or `pipx run`, which may be removed later."""
    prefix = Path(sys.prefix)
    cache = settings.env.get("UV_CACHE_DIR")
    if cache and prefix.is_relative_to(Path(cache).expanduser().absolute()):
        return True
    parts = prefix.parts
    if any(part.startswith(UV_FOLDERS) for part in parts):
        return True
    return "pipx" in parts and "venvs" not in parts


def command(settings: Settings) -> list[str]:
    """The command that starts the server: this very interpreter, or the tool that makes a temporary installation
    again."""
    return ["uvx", "reelwright", "serve"] if ephemeral(settings) else [sys.executable, *ARGUMENTS]


def hints(settings: Settings) -> list[str]:
    """Hints beside the text to paste."""
    texts = ["a program that is started from the desktop sees none of your shell's variables: keep keys with " + KEEP]
    if ephemeral(settings):
        found = shutil.which("uvx", path=settings.env.get("PATH"))
        texts.append(
            "this installation is temporary, so the text names uvx"
            + (f"; if the program does not find it, write {found} instead" if found else "")
        )
    return texts


def _server(settings: Settings) -> dict[str, object]:
    program, *arguments = command(settings)
    server: dict[str, object] = {"command": program, "args": arguments}
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
    words += ["--scope", "user", "reelwright", "--", *command(settings)]
    return "in a terminal:", shlex.join(words)


def cursor(settings: Settings) -> tuple[str, str]:
    return "into ~/.cursor/mcp.json:", _json({"mcpServers": {"reelwright": _server(settings)}})


def vscode(settings: Settings) -> tuple[str, str]:
    return "into .vscode/mcp.json:", _json({"servers": {"reelwright": {"type": "stdio", **_server(settings)}}})


def gemini(settings: Settings) -> tuple[str, str]:
    return "into ~/.gemini/settings.json:", _json({"mcpServers": {"reelwright": _server(settings)}})


def codex(settings: Settings) -> tuple[str, str]:
    """Codex waits 10 s for a start and 60 s for a tool unless its settings say otherwise."""
    program, *arguments = command(settings)
    lines = [
        "[mcp_servers.reelwright]",
        f"command = {_toml(program)}",
        f"args = [{', '.join(map(_toml, arguments))}]",
        f"startup_timeout_sec = {CODEX_START_S}",
        f"tool_timeout_sec = {CODEX_TOOL_S}",
    ]
    if env := environment(settings):
        lines += ["", "[mcp_servers.reelwright.env]", *(f"{name} = {_toml(value)}" for name, value in env.items())]
    return "into ~/.codex/config.toml:", "\n".join(lines)


def _toml(text: str) -> str:
    """A basic string of TOML: it has all of JSON's escapes, and needs one more, for a character that JSON leaves as it
    is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def windsurf(settings: Settings) -> tuple[str, str]:
    return "into ~/.codeium/windsurf/mcp_config.json:", _json({"mcpServers": {"reelwright": _server(settings)}})


def zed(settings: Settings) -> tuple[str, str]:
    server = {"source": "custom", **_server(settings)}
    return "into ~/.config/zed/settings.json:", _json({"context_servers": {"reelwright": server}})


def cline(settings: Settings) -> tuple[str, str]:
    where = "into cline_mcp_settings.json (Cline, MCP Servers, Configure MCP Servers):"
    return where, _json({"mcpServers": {"reelwright": {**_server(settings), "disabled": False}}})


def jetbrains(settings: Settings) -> tuple[str, str]:
    where = "in Settings, Tools, AI Assistant, Model Context Protocol (MCP): Add, As JSON:"
    return where, _json({"mcpServers": {"reelwright": _server(settings)}})


CLIENTS: Mapping[str, Snippet] = {
    "claude-desktop": claude_desktop,
    "claude-code": claude_code,
    "cursor": cursor,
    "vscode": vscode,
    "gemini": gemini,
    "codex": codex,
    "windsurf": windsurf,
    "zed": zed,
    "cline": cline,
    "jetbrains": jetbrains,
}
