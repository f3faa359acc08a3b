"""The console script. `reelwright serve` goes straight to the server; every other word belongs to the command line.

An MCP host starts this with every session, so the serving path imports neither typer nor rich.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main() -> None:
    """`reelwright serve [--http] [--host H] [--port N]`, or nothing at all with stdin a pipe: serve MCP."""
    words = sys.argv[1:]
    if words[:1] == ["serve"]:
        sys.exit(serve(words[1:]))
    if not words and sys.stdin is not None and not sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        sys.exit(serve([]))
    from mcp_server.cli import app

    app()


def serve(words: Sequence[str]) -> int:
    """Serve until the client leaves or the person interrupts. The exit code: 2 when it cannot start as asked."""
    import argparse
    import os

    from backends.errors import VideoError
    from mcp_server import transports

    parser = argparse.ArgumentParser("reelwright serve", description="Serve MCP on stdin and stdout, or on HTTP.")
    parser.add_argument("--http", action="store_true", help="streamable HTTP at /mcp instead of stdio")
    parser.add_argument("--host", default=transports.DEFAULT_HOST, help="address to bind (default %(default)s)")
    parser.add_argument("--port", type=int, default=transports.DEFAULT_PORT, help="port to bind (default %(default)s)")
    asked = parser.parse_args(words)
    try:
        if asked.http:
            transports.run_http(asked.host, asked.port, transports.token_from(os.environ))
        else:
            if sys.stdin.isatty():
                print("serving MCP on stdin: an MCP client starts this; Ctrl-D ends it", file=sys.stderr)  # noqa: T201
            transports.run_stdio()
    except VideoError as error:
        print(f"reelwright serve: {error.message}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    main()
