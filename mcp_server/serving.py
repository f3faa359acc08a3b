"""`reelwright serve`: its arguments, and serving until the client leaves. Starts without typer and rich."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser


def serve_arguments() -> ArgumentParser:
    """The arguments of `reelwright serve`."""
    import argparse

    from mcp_server import transports

    parser = argparse.ArgumentParser("reelwright serve", description="Serve MCP on stdin and stdout, or on HTTP.")
    where = f"streamable HTTP at /mcp instead of stdio (default {transports.DEFAULT_HOST}:{transports.DEFAULT_PORT})"
    parser.add_argument("--http", nargs="?", const="", metavar="HOST:PORT", help=where)
    parser.add_argument("--host", default=transports.DEFAULT_HOST, help="address to bind, where --http names none")
    parser.add_argument("--port", type=int, default=transports.DEFAULT_PORT, help="port to bind, likewise")
    return parser


def serve(words: Sequence[str]) -> int:
    """Serve until the client leaves or the user interrupts. The exit code: 2 when it cannot start as requested."""
    from backends import starting

    with starting.imports():
        from backends.errors import VideoError
        from backends.jobs.run import platform
        from backends.settings import home_of
        from mcp_server import transports

    given = serve_arguments().parse_args(words)
    try:
        platform.refuse()
        if given.http is not None:
            host, port = transports.address(given.http, given.host, given.port)
            token = transports.token_from(os.environ)
            keeper = transports.keeper_from(os.environ, home_of(os.environ, Path.cwd()), token)
            transports.run_http(host, port, token, transports.idle_from(os.environ), keeper)
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
