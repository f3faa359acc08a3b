"""`demo`: see `mcp_server.demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[Path, typer.Option(help="Where the MP4s go.")] = Path("demo-output"),
    photo: Annotated[Path | None, typer.Option(help="Your own photo instead of the shipped still.")] = None,
    resolution: Annotated[str, typer.Option(help="Of the clips.")] = "720p",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """The main job through the real MCP server, key-less and GPU-less: a photo moved, keyframes, more of it."""
    from mcp_server.demo.run import run

    raise typer.Exit(run(output, photo, resolution, as_json))
