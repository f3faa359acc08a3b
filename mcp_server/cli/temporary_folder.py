"""A temporary data folder: the user's store is not touched, and the folder is removed after its worker has left."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from backends.errors import VideoError
from backends.settings import Settings, load_settings

LEAVING_S = 10.0
"""Seconds that an idle worker gets to end."""


@contextmanager
def short_home(env: Mapping[str, str], output: Path | None = None, idle_s: float = 1.0) -> Generator[Settings]:
    """Settings of an empty data folder in the system's temporary folder. output: the folder for clips (default: inside
    it).

    At the end open jobs are cancelled and the folder is removed, once its worker has left.
    """
    with tempfile.TemporaryDirectory(prefix="reelwright-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        settings = load_settings(
            {
                **env,
                "REELWRIGHT_HOME": str(home / "home"),
                "REELWRIGHT_OUTPUT_DIR": str(output or home / "output"),
                "REELWRIGHT_WORKER": "detached",
                "REELWRIGHT_WORKER_IDLE_S": f"{idle_s:g}",
            },
            cwd=home,
        )
        try:
            yield settings
        finally:
            with suppress(VideoError):
                _empty(settings)


def _empty(settings: Settings) -> None:
    from backends.jobs.lanes.lanes import driver_of
    from backends.jobs.lanes.process import is_alive
    from backends.studio import Studio

    if not settings.store.exists():
        return
    with Studio.open(settings, client="cleanup") as studio:
        for job in studio.list("open", limit=1000).jobs:
            studio.cancel(job.job_id)
        drivers = [driver_of(lane) for lane in studio.context.store.rows("SELECT * FROM lanes")]
        deadline = time.monotonic() + LEAVING_S
        while any(one is not None and is_alive(one) for one in drivers) and time.monotonic() < deadline:
            time.sleep(0.05)
