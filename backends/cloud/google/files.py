"""Files on their way to Google and back: inline base64, the Files API of the Gemini API, Cloud Storage addresses."""

from __future__ import annotations

import base64
import binascii
import io
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import anyio
from google.genai import types

from backends.cloud.google.side import STORAGE_URL, GoogleSide, VertexSide
from backends.errors import VideoError
from backends.provider.calls import into
from backends.provider.protocol import Asset, JsonObject, Prepared, Ref, RemoteFile
from backends.provider.sending import Takes, sendable
from backends.provider.transport import same_origin

UPLOAD_TAKES = Takes(image_bytes=20 << 20, clip_bytes=500 << 20)
UPLOAD_LIFE_S = 47 * 3600.0
"""Files are deleted after 48 hours (ai.google.dev/gemini-api/docs/files); an hour is left for the queue."""
READY_EVERY_S, READY_S = 0.5, 120.0
"""How an uploaded clip is waited for until it has been looked through."""


@dataclass(frozen=True)
class File:
    """Where an output is. waits: the state of a file that is not ready. Neither: there is nothing to fetch."""

    remote: RemoteFile | None = None
    waits: str = ""


async def as_block(prepared: Prepared, asset: Asset, takes: Takes, ref: Ref | None) -> JsonObject:
    """An input as a content block of an interaction: by the address it was uploaded to, else inside."""
    kind = "video" if asset.facts.kind == "clip" else "image"
    if ref is not None:
        mime, _, uri = ref.value.partition(" ")
        return {"type": kind, "uri": uri, "mime_type": mime}
    data, mime = await sendable(prepared, asset, takes)
    return {"type": kind, "data": base64.b64encode(data).decode(), "mime_type": mime}


async def upload_file(side: GoogleSide, prepared: Prepared, asset: Asset) -> Ref:
    """Put an input into the Files API and wait until it can be used. The ref holds its MIME type and its address."""
    data, mime = await sendable(prepared, asset, UPLOAD_TAKES)
    files = (await side.free()).aio.files
    # With the base URL named here, the bytes go there whatever host the first answer names.
    config = types.UploadFileConfig(mime_type=mime, http_options=types.HttpOptions(base_url=side.base_url))
    file = await side.calls.free_value(
        lambda: files.upload(file=io.BytesIO(data), config=config), charged="no", upload=True
    )
    until = time.monotonic() + READY_S
    while _word(file) == "PROCESSING" and time.monotonic() < until:
        await anyio.sleep(READY_EVERY_S)
        file = await _look(side, file.name or "") or file
    if _word(file) == "FAILED":
        raise VideoError("asset", f"Google cannot read {asset.place}: give another file")
    if _word(file) == "PROCESSING" or not file.uri:
        raise side.calls.service.unanswered("provider", f"{asset.place} is not ready after its upload", "no")
    return Ref(f"{mime} {file.uri}", time.time() + UPLOAD_LIFE_S)


async def stored_file(side: GoogleSide, uri: str, mime: str) -> File:
    """An output that is fetched from an address: Cloud Storage's and the service's own get the key, others do not."""
    if uri.startswith("gs://"):
        return File(cloud_file(side, uri, mime))
    if not uri.startswith(("https://", "http://")):
        return File()
    own = same_origin(uri, side.base_url)
    if own and side.has_files and (name := re.search(r"/files/([A-Za-z0-9_-]+)", urlsplit(uri).path)):
        file = await _look(side, f"files/{name[1]}")
        if file is not None and _word(file) == "PROCESSING":
            return File(waits="PROCESSING")
        if file is not None and _word(file) == "FAILED":
            return File()
    return File(RemoteFile(url=uri, mime=mime, authorised=own))


def cloud_file(side: GoogleSide, uri: str, mime: str) -> RemoteFile | None:
    """A gs:// object as an address that the credentials may read; None for what names no object."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not bucket or not name:
        return None
    root = side.storage_url() if isinstance(side, VertexSide) else STORAGE_URL
    address = f"{root}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"
    return RemoteFile(url=address, mime=mime, authorised=isinstance(side, VertexSide))


def spool_file(data: str | bytes, target: Path) -> Path | None:
    """Inline bytes (base64 when text) as a file, whole or not at all; None when they are no base64 or empty."""
    try:
        content = base64.b64decode(data, validate=True) if isinstance(data, str) else data
    except (binascii.Error, ValueError):
        return None
    if not content:
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".writing")
    part.write_bytes(content)
    part.replace(target)
    return target


async def _look(side: GoogleSide, name: str) -> types.File | None:
    """What the Files API says of a file; None when it does not know it or will not tell."""
    files = (await side.free()).aio.files
    found: list[types.File] = []
    ask = into(found, lambda: files.get(name=name))
    await side.calls.free(ask, charged="unknown", accept=frozenset({403, 404}))
    return found[0] if found else None


def _word(file: types.File) -> str:
    return "" if file.state is None else str(file.state.value)
