"""Where jobs can run: where no worker can start every job would stay queued for ever, so that is refused at once."""

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
