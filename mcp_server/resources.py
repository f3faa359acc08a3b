"""Resources: jobs and models to read by URI. The MP4 itself is never carried, only named."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

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
JOB_URI = re.compile(rf"video://jobs/({JOB_ID_PATTERN.strip('^$')})(?:/(poster|clip))?")
MOST_POSTER_BYTES = 1_000_000
"""A poster larger than this is named, not carried."""

LISTED = (Resource(name="models", uri=MODELS_URI, description="Every model that is alive.", mime_type=JSON),)
TEMPLATES = (
    ResourceTemplate(name="job", uri_template="video://jobs/{job_id}", description="A job as it is.", mime_type=JSON),
    ResourceTemplate(
        name="poster", uri_template="video://jobs/{job_id}/poster", description="An image.", mime_type="image/jpeg"
    ),
    ResourceTemplate(
        name="clip", uri_template="video://jobs/{job_id}/clip", description="Where the MP4 lies.", mime_type=JSON
    ),
)


class NotFound(MCPError):
    """No such resource: -32602 with the URI, as the protocol wants it."""

    def __init__(self, uri: str, why: str) -> None:
        super().__init__(INVALID_PARAMS, why, {"uri": uri})


async def read(studio: Studio, uri: str) -> ReadResourceResult:
    """A resource's content. NotFound for anything that isn't there, and for any URI that names nothing of ours."""
    try:
        return await to_thread.run_sync(_read, studio, uri)
    except VideoError as error:
        if error.kind == "not_found":
            raise NotFound(uri, error.message) from None
        raise MCPError(INTERNAL_ERROR, f"{error.kind}: {error.message}", {"uri": uri}) from None


def _read(studio: Studio, uri: str) -> ReadResourceResult:
    if uri == MODELS_URI:
        return _json(uri, studio.models(limit=1000))
    shape = JOB_URI.fullmatch(uri)
    if shape is None:
        raise NotFound(uri, "no such resource: read video://models or video://jobs/JOB_ID[/poster|/clip]")
    job = studio.get(shape[1])
    match shape[2]:
        case "poster":
            return _poster(uri, job)
        case "clip":
            if job.file is None:
                raise NotFound(uri, f"{job.job_id} is {job.state} and has no clip; read video://jobs/{job.job_id}")
            fields = ("job_id", "file", "files", "duration_s", "width", "height", "fps", "audio")
            return _json(uri, {name: value for name, value in plain(job).items() if name in fields})
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


def _json(uri: str, content: object) -> ReadResourceResult:
    words = escaped(json.dumps(cleaned(content), ensure_ascii=False, separators=(",", ":")))
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=words, mime_type=JSON)])
