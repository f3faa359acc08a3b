"""`demo`: see `mcp_server.demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the MP4 files.")] = Path("demo-output"),
    photo: Annotated[Path | None, typer.Option(help="A photo of your own instead of the shipped image.")] = None,
    resolution: Annotated[str, typer.Option(help="Resolution of the clips.")] = "720p",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Make three sample clips through the MCP server. Needs no key and no GPU."""
    from mcp_server.demo.run import run

    raise typer.Exit(run(output, photo, resolution, as_json))
