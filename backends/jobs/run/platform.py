"""Where jobs can run: a worker that cannot start would leave every job queued for ever, so that is told at the door."""

from __future__ import annotations

import sys

from backends.errors import VideoError


def refuse() -> None:
    """VideoError("unsupported") on a system where no worker can start."""
    if sys.platform == "win32":
        raise VideoError(
            "unsupported",
            "Reelwright does not run on Windows yet (no job could start there): install and start it inside WSL, "
            "where it runs as on Linux (wsl --install)",
        )
