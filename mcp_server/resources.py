"""Resources: jobs and models to read by URI. A clip is only named; a host's page (`mcp_server.apps`), which can open no
file, gets its bytes in parts."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, cast

from anyio import to_thread
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    BlobResourceContents,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from backends.errors import VideoError
from backends.media_name import JOB_ID_PATTERN
from backends.plain import cleaned, escaped
from mcp_server.text import plain

if TYPE_CHECKING:
    from backends.jobs.views import Job
    from backends.studio import Studio

JSON = "application/json"
MODELS_URI = "video://models"
JOB_URI = re.compile(rf"video://jobs/({JOB_ID_PATTERN.strip('^$')})(?:/(poster|clip)(?:/(\d{{1,3}}))?)?")
MOST_POSTER_BYTES = 1_000_000
"""A larger poster is named instead of sent, bytes."""
PART_BYTES = 3 << 18
"""Bytes of a clip in one part: 1 MiB in base64, without padding, so that parts can be joined as text."""
MOST_CLIP_BYTES = 8 << 20
"""A larger clip is not sent, bytes: a page holds all of it several times."""
SHOWN_AS = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif", ".webp": "image/webp"}
"""Types that a page can show."""

LISTED = (Resource(name="models", uri=MODELS_URI, description="Every current model.", mime_type=JSON),)
TEMPLATES = (
    ResourceTemplate(name="job", uri_template="video://jobs/{job_id}", description="A job as it is.", mime_type=JSON),
    ResourceTemplate(
        name="poster", uri_template="video://jobs/{job_id}/poster", description="An image.", mime_type="image/jpeg"
    ),
    ResourceTemplate(
        name="clip", uri_template="video://jobs/{job_id}/clip", description="Where the MP4 lies.", mime_type=JSON
    ),
)
CARRIED = ResourceTemplate(
    name="part", uri_template="video://jobs/{job_id}/clip/{part}", description="A part of a clip's bytes, for a page."
)
"""Listed to clients that show pages."""


class NotFound(MCPError):
    """No such resource: -32602 with the URI, as the protocol requires."""

    def __init__(self, uri: str, why: str) -> None:
        super().__init__(INVALID_PARAMS, why, {"uri": uri})


async def read(studio: Studio, uri: str, apps: bool = False) -> ReadResourceResult:
    """A resource's content. NotFound for anything that does not exist, and for any URI of another form.

    apps: the client shows pages, to which the parts of a clip are given.
    """
    try:
        return await to_thread.run_sync(_read, studio, uri, apps)
    except VideoError as error:
        if error.kind == "not_found":
            raise NotFound(uri, error.message) from None
        raise MCPError(INTERNAL_ERROR, f"{error.kind}: {error.message}", {"uri": uri}) from None


def _read(studio: Studio, uri: str, apps: bool) -> ReadResourceResult:
    if uri == MODELS_URI:
        return _json(uri, studio.models(limit=1000))
    shape = JOB_URI.fullmatch(uri)
    if shape is None or (shape[3] and (shape[2] != "clip" or not apps)):
        raise NotFound(uri, "no such resource: read video://models or video://jobs/JOB_ID[/poster|/clip]")
    job = studio.get(shape[1])
    match shape[2]:
        case "poster":
            return _poster(uri, job)
        case "clip":
            if job.file is None:
                raise NotFound(uri, f"{job.job_id} is {job.state} and has no clip; read video://jobs/{job.job_id}")
            if shape[3]:
                return part_of(uri, Path(job.file), int(shape[3]))
            fields = ("job_id", "file", "files", "duration_s", "width", "height", "fps", "audio")
            named = {name: value for name, value in plain(job).items() if name in fields}
            return _json(uri, named | (carried(Path(job.file)) if apps else {}))
        case _:
            return _json(uri, plain(job))


def _poster(uri: str, job: Job) -> ReadResourceResult:
    try:
        path = Path(job.poster or "")
        if job.poster is None or path.stat().st_size > MOST_POSTER_BYTES:
            raise NotFound(uri, f"{job.job_id} is {job.state} and has no poster")
        still = path.read_bytes()
    except OSError:
        raise NotFound(uri, f"the poster of {job.job_id} is gone from the disk") from None
    return ReadResourceResult(
        contents=[BlobResourceContents(uri=uri, blob=b64encode(still).decode(), mime_type="image/jpeg")]
    )


def carried(clip: Path) -> dict[str, object]:
    """For a clip that a page may show: its bytes, its type, and the number of its parts; 0 parts: too large, or of a
    type that no page shows."""
    try:
        size = clip.stat().st_size
    except OSError:
        return {}
    mime = SHOWN_AS.get(clip.suffix.lower())
    parts = -(-size // PART_BYTES) if mime and size <= MOST_CLIP_BYTES else 0
    facts: dict[str, object] = {"bytes": size, "parts": parts}
    return facts | ({"mime": mime} if mime else {})


def part_of(uri: str, clip: Path, number: int) -> ReadResourceResult:
    """Bytes of a clip from PART_BYTES * number on."""
    found = carried(clip)
    if number >= cast(int, found.get("parts", 0)):
        raise NotFound(uri, f"no such part of the clip: {clip} has {found.get('parts', 0)}")
    try:
        with clip.open("rb") as file:
            file.seek(number * PART_BYTES)
            part = file.read(PART_BYTES)
    except OSError:
        raise NotFound(uri, f"{clip} is gone from the disk") from None
    blob = BlobResourceContents(uri=uri, blob=b64encode(part).decode(), mime_type=cast(str, found["mime"]))
    return ReadResourceResult(contents=[blob])


def _json(uri: str, content: object) -> ReadResourceResult:
    words = escaped(json.dumps(cleaned(content), ensure_ascii=False, separators=(",", ":")))
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=words, mime_type=JSON)])
