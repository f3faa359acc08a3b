"""Opening the Studio for one command, and turning its failures into words and an exit code."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backends.errors import VideoError
from mcp_server.cli import show

if TYPE_CHECKING:
    from backends.studio import Studio


@contextmanager
def failures(json_wanted: bool = False) -> Generator[None]:
    """A VideoError inside ends the command with its message and exit code 1."""
    try:
        yield
    except VideoError as error:
        show.refuse(error, json_wanted)


@contextmanager
def studio(json_wanted: bool = False) -> Generator[Studio]:
    """The Studio of this data folder. Failures inside are printed, as JSON on standard output if requested."""
    from backends.studio import Studio

    with failures(json_wanted), Studio.open(client="cli") as opened:
        yield opened
