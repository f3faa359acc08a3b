"""Asking a home for a clip of a tiny model, and reading what came out."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from backends.jobs.views import Job
from backends.media.frames import decode
from backends.request import VideoRequest, build_request
from backends.studio import Studio
from tests.jobs.station import Station

STEPS = {"steps": 3}


def asked(name: str, task: str = "text_to_video", *, provider: str = "local", **fields: Any) -> VideoRequest:
    """A request for the tiny model of that name; the prompt and the seed are always the same unless given."""
    options = {**STEPS, **fields.pop("provider_options", {})}
    given = {"prompt": "a paper boat in the rain", "seed": 7, **fields}
    return build_request(
        task=task, model=f"{provider}/tiny-{name.replace('_', '-')}", provider_options=options, **given
    )


def made(
    station: Station,
    studio: Studio,
    request: VideoRequest,
    *,
    take: int = 1,
    anew: bool = False,
    timeout_s: float = 90,
) -> Job:
    """The job of a request, once it has succeeded; AssertionError with its error and the log when it has not.
    anew: make it once more, whatever was made of it before."""
    key = secrets.token_hex(8) if anew else None
    ticket = studio.submit(request, take=take, request_key=key)
    (job,) = station.settled(studio, [ticket.job_id], timeout_s)
    assert job.state == "succeeded", (job.error, station.log[-3000:])
    return job


def facts(station: Station, job: Job) -> dict[str, Any]:
    return recorded(station, job.job_id)


def recorded(station: Station, job_id: str) -> dict[str, Any]:
    """What the engine recorded of the making."""
    return json.loads(station.row(job_id)["result"])["facts"]


def frames_of(job: Job) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    assert job.file is not None
    return list(decode(Path(job.file)))


def digest(job: Job) -> str:
    assert job.file is not None
    return clip_digest(job.file)


def clip_digest(file: str) -> str:
    """Of the decoded frames."""
    return hashlib.sha256(b"".join(frame.tobytes() for frame in decode(Path(file)))).hexdigest()


def still(folder: Path, name: str = "still.png", *, turn: int = 0) -> str:
    """A small picture with a gradient and a square, in a folder that inputs may come from; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:64, 0:64]
    picture = np.stack([x * 4, y * 4, np.full_like(x, 90)], -1).astype(np.uint8)
    picture[16:32, 16:32] = (250, 240, 30)
    path = folder / name
    Image.fromarray(np.rot90(picture, turn)).save(path)
    return str(path)
