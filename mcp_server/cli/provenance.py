"""`provenance`: who made a file with what, and whether it is unchanged since it was signed. Free, and changes
nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_server.cli import opening, show


def provenance(
    file: Annotated[str, typer.Argument(metavar="FILE|JOB", help="A clip or still, or a job.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Show who made a clip or still with what, and whether it was changed since (C2PA). Exit code 0 only when it is
    signed, and neither it nor anything that it was made from was changed."""
    with opening.studio(as_json) as studio:
        found = studio.provenance(file)
    if as_json:
        show.as_json(dict(found.facts))
    else:
        show.block(found.text)
    raise typer.Exit(0 if found.is_whole else 1)
