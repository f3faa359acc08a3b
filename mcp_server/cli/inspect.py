"""`inspect`: a clip or still in measures and words, and one picture of it. Free, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_server.cli import opening, show

if TYPE_CHECKING:
    from backends.studio import Inspection


def inspect(
    clip: Annotated[str, typer.Argument(metavar="FILE|JOB", help="A clip, an image or a job.")],
    against: Annotated[str | None, typer.Option(metavar="FILE|JOB", help="Another clip to compare it with.")] = None,
    frames: Annotated[int, typer.Option(min=1, max=32, help="Frames on the contact sheet.")] = 8,
    sheet: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the contact sheet (JPEG) to this path.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Measure a clip: what moves and where, faults, loudness; of two clips, how alike they are."""
    with opening.studio(as_json) as studio:
        seen = studio.inspect(clip, frames, against)
        where = seen.sheet if sheet is None else _saved(seen, sheet)
    if as_json:
        show.as_json({**_plain(seen.facts), "sheet": str(where)})
        return
    show.block(seen.text)
    show.line(f"contact sheet: {where}")


def _saved(seen: Inspection, path: Path) -> Path:
    """Write the picture to a path that the user has chosen."""
    from backends.jobs.files.artifacts import disk_errors

    with disk_errors(f"writing {path}"):
        path.write_bytes(seen.jpeg)
    return path


def _plain(facts: Any) -> dict[str, Any]:
    """The sandbox's result as JSON: the facts of each clip are a dataclass."""
    from dataclasses import asdict, is_dataclass

    return {
        name: _plain(value)
        if name == "against"
        else asdict(value)
        if is_dataclass(value) and not isinstance(value, type)
        else value
        for name, value in facts.items()
    }
