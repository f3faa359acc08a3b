"""VeoBackend: the RemoteBackend over Veo's long-running predictions on Vertex AI.

The body goes out as the row names it (`extra_body` replaces what the SDK makes of its own arguments); the SDK brings
the project's path, the token and `fetchPredictOperation`. An operation cannot be listed or cancelled: on nobody's word
may an unclear POST be taken for one that was not taken. Vertex AI's pages do not say what a prediction costs that ends
in an error or is held back by the filters (pricing, and "Veo response codes", 2026-11): none is called uncharged.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from anyio import to_thread
from google.genai import types

from backends.cloud.google.failures import said_of_failure
from backends.cloud.google.files import spool_file, stored_file
from backends.cloud.google.omni_wire import EXTENDED
from backends.cloud.google.side import VertexSide
from backends.errors import VideoError
from backends.provider.answer import Answer, at, listed, table, text
from backends.provider.outcome import Reported
from backends.provider.placing import filled, inputs_by_field, marked, named, place_media, plain_body, put, wire_text
from backends.provider.protocol import (
    Asset,
    Cancelled,
    Done,
    Handle,
    JsonObject,
    Listing,
    Prepared,
    Ref,
    RemoteBackend,
    RemoteFile,
    Status,
)
from backends.provider.sending import Takes, sendable
from backends.request import VideoRequest

PREDICTIONS = "predictLongRunning"
TAKES = Takes(images=frozenset({"image/jpeg", "image/png"}), image_bytes=10 << 20, clip_bytes=60 << 20)
"""Stills as the Veo API reference names them (20 MB at most; 10 keep the request quick to send)."""


class VeoBackend(RemoteBackend):
    """One project and location at one address."""

    submit_dedupe: Literal["key", "lookup", "none"] = "none"

    def __init__(self, side: VertexSide) -> None:
        self._side = side
        self._calls = side.calls

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        body, notes = veo_body(request, prepared)
        return replace(prepared, request=request, body=body, endpoint=PREDICTIONS, notes=(*prepared.notes, *notes))

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        raise VideoError("unsupported", "files go with the request itself: nothing is uploaded before it")

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle | Done:
        files = {place: await _inline(prepared, prepared.assets[place]) for place in marked(prepared.body)}
        body = table(filled(prepared.body, files.__getitem__))
        model = wire_text(prepared, "model")
        models = (await self._side.paid()).aio.models
        sent = types.HttpOptions(extra_body=body, retry_options=types.HttpRetryOptions(attempts=1))

        async def post() -> Answer:
            operation = await models.generate_videos(
                model=model,
                source=types.GenerateVideosSource(prompt="-"),
                config=types.GenerateVideosConfig(http_options=sent),
            )
            return Answer(200, {"name": operation.name}, "", {})

        answer = await self._calls.paid(post)
        name = text(at(answer.json, "name"))
        known = name if re.search(r"[^/]/operations/[^/]", name) else ""
        name = self._calls.service.taken(known, "an operation's name", answer.status, name)
        return Handle(name, {"api": PREDICTIONS})

    async def status(self, handle: Handle, spool: Path) -> Status:
        operation = await self._ask(handle)
        if not operation.done:
            return Status("running", "running") if operation.name else Status("unknown", "no operation")
        if operation.error:
            reported, again = said_of_failure(operation.error)
            error = self._calls.service.failed(reported, charged="unknown", retryable=again)
            return Status("failed", "error", error=error)
        result = operation.response or operation.result
        files = [file for file in await self._files(result, spool) if file is not None]
        filtered = (result.rai_media_filtered_count or 0) if result is not None else 0
        reasons = [] if result is None else result.rai_media_filtered_reasons or []
        if not files:
            return Status("failed", "done", error=self._nothing(filtered, reasons, result))
        notes = (f"{filtered} more were made and held back by Google's filters",) if filtered else ()
        return Status("succeeded", "done", files=tuple(files), notes=notes)

    async def _files(self, result: types.GenerateVideosResponse | None, spool: Path) -> list[RemoteFile | None]:
        """The first is the clip; further ones that a row asked for are kept beside it."""
        files: list[RemoteFile | None] = []
        for count, made in enumerate((result.generated_videos or []) if result is not None else []):
            video = made.video
            if video is None:
                continue
            mime = video.mime_type or "video/mp4"
            if video.video_bytes:
                path = await to_thread.run_sync(spool_file, video.video_bytes, spool / f"inline{count}.mp4")
                file = None if path is None else RemoteFile(path=path, mime=mime)
            else:
                file = (await stored_file(self._side, video.uri or "", mime)).remote
            files.append(replace(file, role="extra") if file is not None and any(files) else file)
        return files

    def _nothing(self, filtered: int, reasons: list[str], result: types.GenerateVideosResponse | None) -> VideoError:
        """Done without a video: held back by the filters for responsible AI, or lost."""
        if filtered or reasons:
            said = "; ".join(reasons[:5]) or f"{filtered} video(s) held back by Google's filters"
            return self._calls.service.failed(Reported(said, "RAI_FILTERED", "moderation_output"), charged="unknown")
        lost = bool(result is not None and result.generated_videos)
        said = "its video cannot be read" if lost else "it says done but gives no video"
        return self._calls.service.failed(Reported(said), charged="unknown")

    async def cancel(self, handle: Handle) -> Cancelled:
        return Cancelled("unsupported", "yes", "Veo cannot be stopped: it runs on, and the clip will be kept")

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        raise VideoError("unsupported", "Vertex AI has no list of the predictions that it accepted", charged="unknown")

    async def account(self) -> dict[str, str]:
        """Whose work is billed; there is no endpoint for money."""
        await self._side.free()
        return {"project": self._side.project, "location": self._side.location, "credentials": "accepted"}

    def media_headers(self) -> Mapping[str, str]:
        return self._side.media_headers()

    async def aclose(self) -> None:
        await self._side.aclose()

    async def _ask(self, handle: Handle) -> types.GenerateVideosOperation:
        operations = (await self._side.free()).aio.operations
        asked = types.GenerateVideosOperation.model_validate({"name": handle.remote_id})
        return await self._calls.free_value(lambda: operations.get(asked), charged="unknown")


def veo_body(request: VideoRequest, prepared: Prepared) -> tuple[JsonObject, tuple[str, ...]]:
    """({"instances": [one], "parameters"}, notes), media marked. The row's paths go through "instances" as a table."""
    body = plain_body(prepared)
    inputs = inputs_by_field(request, prepared)
    place_media(body, prepared, inputs)
    if references := inputs.get("reference_images"):
        path = named(prepared, "reference_images").partition("[]")[0]
        images = listed(_inside(body, path))
        put(body, path, [{"image": at(image, "image") or image, "referenceType": "asset"} for image in images])
    instance = body.pop("instances", {})
    notes = _say_tags(request, prepared, instance, references or ())
    return {"instances": [instance], **body}, (*notes, EXTENDED) if request.task == "extend" else notes


def _inside(body: JsonObject, path: str) -> object:
    return at(body, *path.split("."))


def _say_tags(
    request: VideoRequest, prepared: Prepared, instance: JsonObject, places: tuple[str, ...]
) -> tuple[str, ...]:
    """Reference images have no names: the prompt's @tag becomes its position in words."""
    field = named(prepared, "prompt").rpartition(".")[2]
    prompt = instance.get(field)
    tags = {
        reference.tag: f"the subject of reference image {places.index(place) + 1}"
        for number, reference in enumerate(request.references)
        if (place := f"references[{number}].media") in places
    }
    if not tags or not isinstance(prompt, str):
        return ()
    used: list[str] = []

    def words(match: re.Match[str]) -> str:
        used.append(match[1])
        return tags[match[1]]

    longest_first = "|".join(sorted(map(re.escape, tags), key=len, reverse=True))
    instance[field] = re.sub(rf"@({longest_first})(?![A-Za-z0-9_-])", words, prompt)
    return tuple(f'@{tag} goes into the prompt as "{tags[tag]}"' for tag in tags if tag in used)


async def _inline(prepared: Prepared, asset: Asset) -> JsonObject:
    data, mime = await sendable(prepared, asset, TAKES)
    return {"bytesBase64Encoded": base64.b64encode(data).decode(), "mimeType": mime}
