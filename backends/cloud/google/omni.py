"""OmniBackend: the RemoteBackend over Google's Interactions API (Gemini Omni), by a key or on Vertex AI.

Work runs in the background: the POST answers with an interaction's id, by which it is watched and cancelled. There
is no list and no idempotency key, so that a POST without a clear answer cannot be looked up, and on nobody's word may
be taken for one that was not taken. That a request which fails with 400 or 500 is not charged (Gemini API billing FAQ)
is said of the POST; of an interaction that was taken and then failed only its usage tells.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from anyio import to_thread

from backends.cloud.google.failures import said_of_failure
from backends.cloud.google.files import File, as_block, spool_file, stored_file, upload_file
from backends.cloud.google.omni_wire import MADE_HERE, omni_body
from backends.cloud.google.side import GoogleSide, raw
from backends.errors import Charged, VideoError
from backends.provider.answer import Answer, at, listed, number, table, text
from backends.provider.outcome import CHARGED_WORDS, Reported
from backends.provider.placing import filled, marked
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
    RemoteState,
    Status,
)
from backends.provider.sending import Takes
from backends.request import VideoRequest

INLINE_TAKES = Takes(image_bytes=7 << 20, clip_bytes=20 << 20)
"""A whole request is at most 20 MB with its files inside as base64 (ai.google.dev/gemini-api/docs/files)."""
INLINE_TOTAL = 14 << 20

STATES: Mapping[str, RemoteState] = {
    "queued": "queued",
    "in_progress": "running",
    "completed": "succeeded",
    "failed": "failed",
    "incomplete": "failed",
    "budget_exceeded": "failed",
    "requires_action": "failed",
    "requires_continuation": "failed",
    "cancelled": "cancelled",
}
ENDED: frozenset[RemoteState] = frozenset({"succeeded", "failed", "cancelled"})


class OmniBackend(RemoteBackend):
    """One account at one address."""

    submit_dedupe: Literal["key", "lookup", "none"] = "none"

    def __init__(self, side: GoogleSide) -> None:
        self._side = side
        self._calls = side.calls

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        if prepared.wire.get("endpoint") != MADE_HERE:
            raise VideoError("unsupported", f"{prepared.model}: its row's wire.endpoint is not {MADE_HERE}: fix it")
        body, notes = omni_body(request, prepared, parent)
        uploads = _too_large_inline(prepared, marked(body)) if self._side.has_files else ()
        return replace(
            prepared,
            request=request,
            body=body,
            endpoint=MADE_HERE,
            uploads=uploads,
            notes=(*prepared.notes, *notes),
        )

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        return await upload_file(self._side, prepared, asset)

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle | Done:
        blocks: dict[str, JsonObject] = {}
        for place in marked(prepared.body):
            ref = refs.get(place)
            blocks[place] = await as_block(prepared, prepared.assets[place], INLINE_TAKES, ref)
        body = table(filled(prepared.body, blocks.__getitem__))
        # What the types of the SDK know of a body is less than what a row may name: it goes out as it is.
        known = {"model": text(body.pop("model")), "input": "-", "background": True}
        interactions = _raw((await self._side.paid()).aio.interactions)
        answer = await self._calls.paid(lambda: raw(interactions.create(**known, extra_body=body)))
        name = text(at(answer.json, "id"))
        name = self._calls.service.taken(name, "an interaction's id", answer.status, answer.text)
        return Handle(name, {"api": MADE_HERE, "born": time.time()})

    async def status(self, handle: Handle, spool: Path) -> Status:
        answer = await self._ask("get", handle)
        interaction = table(answer.json)
        state = STATES.get(text(interaction.get("status")), "unknown")
        word = self._calls.service.clean(text(interaction.get("status")), 60)
        if state in ("failed", "cancelled"):
            error = self._failed(interaction, word)
            return Status(state, word, error=error, retry_after_s=answer.retry_after_s)
        if state != "succeeded":
            return Status(state, word, retry_after_s=answer.retry_after_s)
        videos = _videos(interaction)
        if not videos:
            return Status("failed", word, error=self._empty(interaction, word))
        files: list[RemoteFile] = []
        for count, video in enumerate(videos):
            found = await self._file(handle, video, spool / f"inline{count}.mp4")
            if found.waits:
                return Status("running", found.waits)
            if found.remote is None:
                return Status("failed", word, error=self._lost(interaction))
            files.append(found.remote if not count else replace(found.remote, role="extra"))
        return Status(state, word, files=tuple(files))

    async def _file(self, handle: Handle, video: Mapping[str, object], target: Path) -> File:
        """One video of a finished interaction: inline bytes go to disk, an address may have to be waited for."""
        mime = text(video.get("mime_type")) or "video/mp4"
        if data := text(video.get("data")):
            path = await to_thread.run_sync(spool_file, data, target)
            return File(None if path is None else RemoteFile(path=path, mime=mime))
        return await stored_file(self._side, text(video.get("uri")), mime)

    def _failed(self, interaction: Mapping[str, object], word: str) -> VideoError:
        reported, again = said_of_failure(_errors(interaction))
        if word == "cancelled":
            charged = _charged(interaction)
            return VideoError("cancelled", f"cancelled at Google; {CHARGED_WORDS[charged]}", charged=charged)
        if word != "failed" and not reported.message:
            reported, again = replace(reported, message=f"it ended as {word}", code=reported.code or word), False
        return self._calls.service.failed(reported, charged=_charged(interaction), retryable=again)

    def _empty(self, interaction: Mapping[str, object], word: str) -> VideoError:
        """Completed without a video: what it wrote instead is its reason, mostly that it will not make this."""
        written = " ".join(text(block.get("text")) for block in _content(interaction) if block.get("type") == "text")
        reported, _ = said_of_failure(_errors(interaction) or {"message": written, "code": word})
        message = reported.message or "it says completed but gives no video"
        kind = reported.kind if reported.kind == "moderation_output" or not written else "moderation_output"
        return self._calls.service.failed(Reported(message, reported.code or word, kind), charged=_charged(interaction))

    def _lost(self, interaction: Mapping[str, object]) -> VideoError:
        said = Reported("its video cannot be read: neither whole bytes nor an address that leads anywhere")
        return self._calls.service.failed(said, charged=_charged(interaction))

    async def cancel(self, handle: Handle) -> Cancelled:
        answer = await self._ask("cancel", handle, accept=frozenset({400, 404, 409}))
        if not answer.ok:
            answer = await self._ask("get", handle)
            word = text(at(answer.json, "status"))
            if STATES.get(word, "unknown") in ENDED - {"cancelled"}:
                return Cancelled("unsupported", "unknown", f"it has {word} already; what it made is kept")
        billed = _charged(table(answer.json))
        stopped = text(at(answer.json, "status")) == "cancelled"
        return Cancelled("stopped" if stopped else "requested", billed)

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        raise VideoError("unsupported", "Google has no list of the interactions that it accepted", charged="unknown")

    async def account(self) -> dict[str, str]:
        """The video models that the key may use; there is no endpoint for money."""
        models = (await self._side.free()).aio.models

        async def ask() -> list[str]:
            found = [
                (model.name or "").rpartition("/")[2] async for model in await models.list(config={"page_size": 1000})
            ]
            return [name for name in found if re.search(r"omni|veo", name)]

        names = await self._calls.free_value(ask, charged="no")
        return {"video models": self._calls.service.clean(", ".join(sorted(names))) or "none"}

    def media_headers(self) -> Mapping[str, str]:
        return self._side.media_headers()

    async def aclose(self) -> None:
        await self._side.aclose()

    async def _ask(
        self, what: Literal["get", "cancel"], handle: Handle, accept: frozenset[int] = frozenset()
    ) -> Answer:
        interactions = _raw((await self._side.free()).aio.interactions)
        call = interactions.get if what == "get" else interactions.cancel
        return await self._calls.free(lambda: raw(call(id=handle.remote_id)), charged="unknown", accept=accept)


def _raw(interactions: object) -> Any:
    """The Interactions calls as raw responses: the SDK's types know only the states of their own day."""
    return cast("Any", interactions).with_raw_response


def _too_large_inline(prepared: Prepared, places: tuple[str, ...]) -> tuple[str, ...]:
    """Clips are uploaded, and stills once the request would be too large with them inside."""
    uploads: list[str] = []
    total = 0
    for place in places:
        asset = prepared.assets.get(place)
        size = min(asset.facts.bytes, INLINE_TAKES.image_bytes) if asset is not None else 0
        if (asset is not None and asset.facts.kind == "clip") or total + size > INLINE_TOTAL:
            uploads.append(place)
        else:
            total += size
    return tuple(uploads)


def _content(interaction: Mapping[str, object]) -> list[dict[str, object]]:
    """What the model has put out, in order."""
    steps = [table(step) for step in listed(interaction.get("steps"))]
    return [
        table(block) for step in steps if step.get("type") == "model_output" for block in listed(step.get("content"))
    ]


def _videos(interaction: Mapping[str, object]) -> list[dict[str, object]]:
    """The output videos, the last one (the SDK's `output_video`) first."""
    found = [block for block in _content(interaction) if block.get("type") == "video"]
    if not found and (shortcut := table(interaction.get("output_video"))):
        found = [shortcut]
    return found[::-1]


def _errors(interaction: Mapping[str, object]) -> list[object]:
    steps = [table(step).get("error") for step in listed(interaction.get("steps"))]
    return [*listed(interaction.get("errors")), *filter(None, [interaction.get("error"), *steps])]


def _charged(interaction: Mapping[str, object]) -> Charged:
    """What the usage says: video is billed by its output tokens (Gemini API pricing), and only what has been made.

    Usage that does not split its output by modality says nothing of video, and none at all says nothing.
    """
    split = [table(entry) for entry in listed(at(interaction.get("usage"), "output_tokens_by_modality"))]
    videos = [number(entry.get("tokens")) for entry in split if text(entry.get("modality")).lower() == "video"]
    if any(tokens is not None and tokens > 0 for tokens in videos):
        return "yes"
    return "no" if split and all(tokens == 0 for tokens in videos) else "unknown"
