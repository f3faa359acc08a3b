"""Whether the engine on this machine really makes a clip: one second of video, in a temporary data folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from backends.errors import VideoError
from backends.settings import Settings
from mcp_server.cli.temporary_folder import short_home

if TYPE_CHECKING:
    from backends.studio import Studio

LONGEST_S = 60.0


def check_engine(settings: Settings) -> str:
    """What was made, in words. VideoError("provider") when no clip comes."""
    from backends.studio import Studio

    began = time.monotonic()
    with short_home(settings.env, idle_s=0.0) as own, Studio.open(own, client="doctor") as studio:
        return f"{_make(studio)} in {time.monotonic() - began:.1f} s"


def _make(studio: Studio) -> str:
    from backends.request import build_request

    request = build_request(
        task="text_to_video", model="animatic", prompt="reelwright doctor", duration_s=1.0, resolution="360p", fps=12.0
    )
    ticket = studio.submit(request, label="doctor")
    job = anyio.run(lambda: studio.wait([ticket.job_id], timeout_s=LONGEST_S))[0]
    if job.state != "succeeded" or job.file is None:
        reason = job.error.message if job.error else job.phase or f"nothing in {LONGEST_S:.0f} s"
        raise VideoError("provider", f"the animatic engine made no clip: {job.state}, {reason}")
    size = Path(job.file).stat().st_size
    return f"a test clip of {job.duration_s:g} s, {job.width}x{job.height}, {size} bytes"
