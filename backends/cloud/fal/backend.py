"""fal.ai's queue: any endpoint that a catalogue row describes by its field names (Pika, Kling, Hailuo, Veo ...).

Status, result and cancel go to the addresses of the submit's reply, which leave out the endpoint's subpath.
COMPLETED is not success: its `error`, and an error as the result's body, are failures (`failures`).
Sources: fal's queue documentation (2026-11), fal-client 1.0.3, uploads as its JavaScript client makes them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from backends.cloud.fal import failures
from backends.errors import VideoError
from backends.provider.answer import Answer, at, listed, table, text, whole
from backends.provider.outcome import CHARGED_WORDS, Reported
from backends.provider.placing import inputs_by_field, named, place_media, plain_body, put, wire_text
from backends.provider.protocol import (
    Asset,
    Cancelled,
    Handle,
    JsonObject,
    Prepared,
    Ref,
    Status,
)
from backends.provider.protocol import RemoteFile as File
from backends.provider.rest import Rest, RestBackend
from backends.provider.sending import Takes, sendable
from backends.request import VideoRequest

STORAGE_URL = "https://rest.fal.ai"
KEPT_S = 6 * 86_400.0
"""How long an upload is counted on; fal keeps media for 7 days at least."""
TAKES = Takes(image_bytes=20 << 20)
ACCEPTED = frozenset({400, 404, 422, 500, 502, 503, 504})


class FalBackend(RestBackend):
    """One fal account. fal has no idempotency key and no list: an unclear submit cannot be looked up, and on nobody's
    word may it be taken for one that was not taken."""

    rest = Rest(
        provider="fal",
        name="fal",
        key="FAL_KEY",
        url="https://queue.fal.run",
        task="",  # the reply to the POST says where to ask
        id=("request_id",),
        uploads=True,
        paid_headers={"x-fal-no-retry": "1"},  # else fal itself runs a failed request again, up to ten times
    )

    def __init__(self, env: Mapping[str, str], base_url: str) -> None:
        super().__init__(env, base_url)
        self._cancelled: set[str] = set()

    def headers(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Key {key}"}

    def secrets(self, key: str) -> tuple[str, ...]:
        return (key, *key.split(":"))

    def reported(self, answer: Answer) -> Reported:
        return failures.reported(answer)

    def task(self, handle: Handle) -> str:
        return self._address(handle, "status_url")

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        endpoint = wire_text(prepared, "endpoint").strip("/")
        if not endpoint:
            raise VideoError("storage", f"{prepared.model}: its catalogue row has no wire.endpoint. Fix the row.")
        body = plain_body(prepared)
        uploads = place_media(body, prepared, inputs_by_field(request, prepared))
        if transitions := named(prepared, "transitions"):
            put(body, transitions, _transitions(request))
        if request.loras:
            if not (loras := named(prepared, "loras")):
                raise VideoError("unsupported", f"{prepared.model} takes no LoRA: leave loras out")
            put(body, loras, [{"path": lora.name, "scale": lora.weight} for lora in request.loras])
        return replace(prepared, request=request, body=body, endpoint=endpoint, uploads=uploads)

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        """fal's storage: ask for an address with the key, then put the bytes there without it."""
        data, mime = await sendable(prepared, asset, TAKES)
        root = STORAGE_URL if self.channel.base.host == urlsplit(self.rest.url).hostname else str(self.channel.base)
        asked = await self.channel.exchange(
            "POST",
            f"{root.rstrip('/')}/storage/upload/initiate?storage_type=fal-cdn-v3",
            charged="no",
            body={"file_name": f"{asset.sha256[:16]}.{mime.rpartition('/')[2]}", "content_type": mime},
            headers=self.media_headers(),
        )
        self.channel.granted(asked, "no")
        target, address = text(at(asked.json, "upload_url")), text(at(asked.json, "file_url"))
        # An upload is called by an address over TLS, or on the service's own (loopback) host.
        if not target or not (address.startswith("https://") or self.channel.own(address)):
            raise self.service.unanswered("provider", "its storage gave no usable address", "no")
        # Wherever `target` leads, the transport sends the bytes only to a public address over TLS.
        await self.channel.upload(target, data, mime, method="PUT", key=False)
        return Ref(address, time.time() + KEPT_S)

    def handle(self, name: str, prepared: Prepared, answer: Answer) -> Handle:
        return Handle(name, {"endpoint": prepared.endpoint, **self._addresses(prepared.endpoint, name, answer.json)})

    def _address(self, handle: Handle, key: str) -> str:
        """The address of a job's status. One that the user has bound by hand has its id alone, or ENDPOINT/ID."""
        if known := text(handle.data.get(key)):
            return known
        before, _, name = handle.remote_id.rpartition("/")
        if endpoint := text(handle.data.get("endpoint")) or before:
            return str(self._addresses(endpoint, name, {})[key])
        raise VideoError(
            "invalid_request",
            "fal needs the endpoint with the request's id: bind ENDPOINT/ID, such as fal-ai/pika/v2.2/text-to-video/ID",
            charged="unknown",
        )

    def _addresses(self, endpoint: str, name: str, reply: object) -> JsonObject:
        """The reply's addresses; where one is missing or elsewhere, the documented form owner/app/requests/id."""
        base = self.channel.url("/".join([*endpoint.split("/")[:2], "requests", quote(name, safe="")]))
        default = {"status_url": f"{base}/status", "response_url": base, "cancel_url": f"{base}/cancel"}
        told = {key: text(at(reply, key)) for key in default}
        return {key: told[key] if self.channel.own(told[key]) else usual for key, usual in default.items()}

    async def status(self, handle: Handle, spool: Path) -> Status:
        cancelled = handle.remote_id in self._cancelled
        accept = frozenset({404}) if cancelled else frozenset[int]()
        answer = await self.channel.ask("GET", self._address(handle, "status_url"), charged="unknown", accept=accept)
        if answer.status == 404:
            return Status("cancelled", "NOT_FOUND", error=_was_cancelled())
        word = text(at(answer.json, "status"))
        if word == "IN_QUEUE":
            return Status("queued", word, queue_position=whole(at(answer.json, "queue_position")))
        if word == "IN_PROGRESS":
            return Status("running", word)
        if word != "COMPLETED":
            return Status("unknown", self.service.clean(word, 60))
        failure = failures.in_status(self.service, answer)
        if failure is not None:
            return _ended(word, failure, cancelled)
        return await self._result(handle, cancelled)

    async def _result(self, handle: Handle, cancelled: bool) -> Status:
        answer = await self.channel.ask(
            "GET", self._address(handle, "response_url"), charged="unknown", accept=ACCEPTED
        )
        failure = failures.in_result(self.service, answer)
        if failure is not None:
            return _ended("COMPLETED", failure, cancelled)
        files = [
            File(url=url, mime=mime, authorised=self.channel.own(url), role=role)
            for url, mime, role in outputs(answer.json)
        ]
        if not files:
            return Status("failed", "COMPLETED", error=self.service.no_video("unknown"))
        return Status("succeeded", "COMPLETED", files=tuple(files), seed=whole(at(answer.json, "seed")))

    async def cancel(self, handle: Handle) -> Cancelled:
        """Removed while it waits; a running one is only told, may go on and is then billed."""
        before = await self._word(handle)
        answer = await self.channel.ask(
            "PUT", self._address(handle, "cancel_url"), charged="unknown", accept=frozenset({400, 404, 409})
        )
        word = text(at(answer.json, "status"))
        if word == "ALREADY_COMPLETED":
            return Cancelled("unsupported", "yes", "fal had finished it already: the clip is kept")
        if not answer.ok:
            return Cancelled(
                "unsupported", "unknown", f"fal could not cancel it ({answer.status} {self.service.clean(word, 60)})"
            )
        self._cancelled.add(handle.remote_id)
        after = await self._word(handle)
        if before == "IN_QUEUE" and after in ("", "IN_QUEUE", "NOT_FOUND"):
            return Cancelled("stopped", "no", "taken out of fal's queue before it started")
        return Cancelled("requested", "unknown", "cancelling was requested; it may still finish")

    async def _word(self, handle: Handle) -> str:
        answer = await self.channel.ask(
            "GET", self._address(handle, "status_url"), charged="unknown", accept=frozenset({404})
        )
        return "NOT_FOUND" if answer.status == 404 else text(at(answer.json, "status"))


def _transitions(request: VideoRequest) -> list[JsonObject]:
    """What happens from each keyframe to the next: whole seconds, and its own prompt where it has one."""
    found: list[JsonObject] = []
    for frame, following in pairwise(request.frames):
        seconds = (following.at_s or 0.0) - (frame.at_s or 0.0)
        if abs(seconds - round(seconds)) > 1e-6 or seconds < 1:
            text_ = f"frames: {seconds:g} s from one to the next; this model takes whole seconds of at least 1"
            raise VideoError("invalid_request", f"{text_}: choose at_s (or the duration) so", problems=[text_])
        found.append({"duration": round(seconds), **({"prompt": frame.prompt} if frame.prompt else {})})
    return found


def _ended(word: str, failure: VideoError, cancelled: bool) -> Status:
    if failure.kind == "cancelled" or (cancelled and failure.kind in ("provider", "timeout")):
        return Status("cancelled", word, error=_was_cancelled())
    return Status("failed", word, error=failure)


def _was_cancelled() -> VideoError:
    return VideoError(
        "cancelled", f"fal stopped it; {CHARGED_WORDS['unknown']}: its list of requests shows it", charged="unknown"
    )


def outputs(result: object) -> list[tuple[str, str, Literal["clip", "extra"]]]:
    """(address, MIME type, role) of the clips in a result: `video`, `videos`, `output` or `outputs`, each an address,
    an object with one, or a list of them. The first is the clip."""
    found: list[tuple[str, str]] = []
    for name in ("video", "videos", "output", "outputs"):
        found += _files(at(result, name))
    unique = list(dict.fromkeys(found))
    return [(url, mime, "extra" if index else "clip") for index, (url, mime) in enumerate(unique)]


def _files(value: object) -> Sequence[tuple[str, str]]:
    if isinstance(value, str):
        return [(value, "video/mp4")] if value.startswith(("https://", "http://")) else []
    if many := listed(value):
        return [file for item in many for file in _files(item)]
    fields = table(value)
    if text(fields.get("url")):
        return [(text(fields["url"]), text(fields.get("content_type")) or "video/mp4")]
    return _files(fields["video"]) if "video" in fields else []
