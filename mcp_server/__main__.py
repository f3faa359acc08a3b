"""The console script. `reelwright serve` goes straight to the server; every other command goes to the command line.

An MCP host starts this with every session, so the serving path imports neither typer nor rich.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path


def main() -> None:
    """`reelwright serve [--http [HOST:PORT]]`, or no command at all with a pipe as stdin: serve MCP."""
    if hidden := hidden_by():
        sys.exit(f"reelwright: {hidden}")
    words = sys.argv[1:]
    if words[:1] == ["serve"]:
        sys.exit(_serve(words[1:]))
    piped = sys.stdin is not None and not sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]
    if not words and piped and "_REELWRIGHT_COMPLETE" not in os.environ:  # completion gives no command either
        sys.exit(_serve([]))
    _encodable(words)
    from backends import starting

    with starting.imports():
        from mcp_server.cli import app

    app(prog_name="reelwright")


def _serve(words: Sequence[str]) -> int:
    from mcp_server.serving import serve

    return serve(words)


def hidden_by() -> str:
    """Which foreign package with one of our names Python would import instead of ours, and what to do; "" when none.

    Checked before anything of ours is imported, because a missing name in the foreign package would give a puzzling
    error.
    """
    own = Path(__file__).resolve().parents[1]
    for name in ("backends", "mcp_server"):
        found = find_spec(name)
        places = [] if found is None else [found.origin, *(found.submodule_search_locations or ())]
        place = next((Path(place).resolve() for place in places if place), own / name)
        if not place.is_relative_to(own / name):
            return (
                f"another package named {name} ({place}) hides Reelwright's own: start it from another folder and "
                "without PYTHONPATH, or isolated with `uvx reelwright serve`, or with python -P -m mcp_server serve"
            )
    return ""


def _encodable(words: Sequence[str]) -> None:
    """A character that the terminal or pipe cannot encode must not end a command: it is written as an escape. JSON in a
    pipe is UTF-8, whatever the locale says."""
    streams: list[object] = [sys.stdout, sys.stderr]
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            utf8 = "utf-8" if "--json" in words and stream is streams[0] and not stream.isatty() else None
            stream.reconfigure(encoding=utf8, errors="backslashreplace")


if __name__ == "__main__":
    main()
