"""Kling's own API: a bearer key, or an access key and a secret key that sign a short-lived token (JWT, HS256).

The job's key goes as `external_task_id`, which is unique within an account (API reference, Create Task): an unclear
submit is looked up by it. On Kling's own word there is no such task when it answers that question with its code 1203
(the resource asked for does not exist; API reference, Error Code); on nobody else's.
Images go inside the request as bare base64. There is no cancel.
Sources: Kling's API documentation and copies of it (2026-11), the vercel/ai provider 4.0.16 for the bearer key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from backends.cloud.kling import settings
from backends.errors import ErrorKind, VideoError
from backends.provider import border
from backends.provider.answer import at, dollars, listed, number, text
from backends.provider.channel import Answer, Channel
from backends.provider.outcome import Service, Told, clock_lead_s, made_at
from backends.provider.placing import filled, inputs_by_field, marked, place_media, plain_body, wire_text
from backends.provider.protocol import (
    Asset,
    Cancelled,
    Handle,
    Listing,
    Prepared,
    Ref,
    RemoteBackend,
    RemoteFile,
    Sighting,
    Status,
)
from backends.provider.protocol import RemoteState as State
from backends.provider.sending import Takes, sendable
from backends.request import VideoRequest

TOKEN_S, REFRESH_S = 1800, 1500
"""How long a token is valid, and after how long the next one is made; seconds."""
TAKES = Takes(images=frozenset({"image/jpeg", "image/png"}), image_bytes=5 << 20)
"""Kling takes 10 MB an image; half of that keeps a POST with two of them short on a slow line."""

STATES: Mapping[str, State] = {
    "submitted": "queued",
    "processing": "running",
    "succeed": "succeeded",
    "failed": "failed",
}

KINDS: Mapping[int, ErrorKind] = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), "auth"),
    1100: "auth",
    1101: "balance",
    1102: "quota",
    1103: "auth",
    1200: "invalid_request",
    1201: "invalid_request",
    1202: "unsupported",
    1203: "unsupported",
    1300: "moderation_input",
    1301: "moderation_input",
    1302: "rate_limited",
    1303: "concurrency",
    1304: "auth",
}
"""Kling's codes; only 1302 and 1303 are limits that pass by themselves, though 1100 to 1102 come with HTTP 429 too."""

NO_SUCH_THING = 1203
KINDS_OF_TASK = ("videos/text2video", "videos/image2video")

BLOCKED = re.compile(r"risk control|sensitive|content polic|violat", re.IGNORECASE)
"""How a failed task says that its result was stopped by the content policy."""


def signed_token(access_key: str, secret_key: str, now: float) -> str:
    """A JWT (RFC 7519) over HMAC-SHA256, valid from five seconds ago for half an hour."""
    claims = {"iss": access_key, "exp": int(now) + TOKEN_S, "nbf": int(now) - 5}
    head = ".".join(_segment(part) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{head}.{_base64url(hmac.digest(secret_key.encode(), head.encode(), hashlib.sha256))}"


def _segment(part: Mapping[str, object]) -> str:
    return _base64url(json.dumps(part, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class KlingBackend(RemoteBackend):
    """One Kling account."""

    submit_dedupe: Literal["key", "lookup", "none"] = "key"

    def __init__(self, env: Mapping[str, str], base_url: str) -> None:
        self._keys = settings.keys(env)
        self._token, self._made = "", float("-inf")
        variable = settings.KEY if len(self._keys) < 2 else " and ".join(settings.PAIR)
        self.service = Service("Kling", variable, self._keys)
        self.channel = Channel(self.service, base_url, self._headers, told)

    def _headers(self) -> Mapping[str, str]:
        if len(self._keys) == 2 and time.monotonic() - self._made > REFRESH_S:
            self._token, self._made = signed_token(*self._keys, time.time()), time.monotonic()
        return {"authorization": f"Bearer {self._token or ''.join(self._keys[:1])}"}

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        body = plain_body(prepared)
        place_media(body, prepared, inputs_by_field(request, prepared))
        return replace(prepared, request=request, body=body, endpoint=wire_text(prepared, "endpoint"))

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        raise VideoError("unsupported", "Kling has no uploads: images go inside the request")

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle:
        inline: dict[str, str] = {}
        for place in marked(prepared.body):
            data, _ = await sendable(prepared, prepared.assets[place], TAKES)
            inline[place] = base64.b64encode(data).decode()
        body = filled({**prepared.body, "external_task_id": job_key}, inline.__getitem__)
        try:
            answer = await self.channel.post_paid(f"v1/{prepared.endpoint}", body)
        except VideoError as error:
            raise self._taken_before(error) from None
        if number(at(answer.json, "code")) != 0:
            self._refuse(answer)
        name = text(at(answer.json, "data", "task_id"))
        name = self.service.taken(name, "a task id", answer.status, answer.text)
        return Handle(name, {"endpoint": prepared.endpoint})

    def _taken_before(self, error: VideoError) -> VideoError:
        """A refusal of the job's own key means that Kling holds the job already: it is looked up, not failed."""
        if error.charged == "no" and re.search(r"external_?task_?id", error.message, re.IGNORECASE):
            return self.service.unknown("it holds a job of this key already", error.http_status)
        return error

    def _refuse(self, answer: Answer) -> None:
        """A code in a 2xx: refused where the code is a documented refusal, else nobody knows."""
        said = told(answer)
        if said.kind is None:
            words = said.message or answer.text
            raise self.service.unknown(f"code {said.code}" if said.code else "no code", answer.status, words)
        raise self._taken_before(self.service.refused(answer.status, said))

    async def status(self, handle: Handle, spool: Path) -> Status:
        if endpoint := text(handle.data.get("endpoint")):
            return await self._ask(endpoint, handle.remote_id)
        try:  # bound by a person, by its id alone
            return await self._ask(KINDS_OF_TASK[0], handle.remote_id)
        except VideoError as error:
            if error.kind != "not_found":
                raise
            return await self._ask(KINDS_OF_TASK[1], handle.remote_id)

    async def _ask(self, endpoint: str, name: str) -> Status:
        answer = await self.channel.ask("GET", f"v1/{endpoint}/{quote(name, safe='')}", charged="unknown")
        self._check(answer)
        return self._reading(at(answer.json, "data"))

    def _check(self, answer: Answer) -> None:
        """A code in the answer to a question: the same as its HTTP status would be."""
        code = number(at(answer.json, "code"))
        if code is None or code == 0:
            return
        status = 404 if code == NO_SUCH_THING else 429 if code in (1302, 1303) else 500 if code >= 5000 else 400
        raise self.service.free_answer(status, told(answer), "unknown")

    def _reading(self, data: object) -> Status:
        word = text(at(data, "task_status"))
        state = STATES.get(word, "unknown")
        if state == "failed":
            return Status("failed", word, error=self._failure(data))
        if state != "succeeded":
            return Status(state, self.service.clean(word, 60))
        urls = [text(at(video, "url")) for video in listed(at(data, "task_result", "videos"))]
        files = [
            RemoteFile(url=url, authorised=self.channel.own(url), role="extra" if index else "clip")
            for index, url in enumerate(url for url in urls if url)
        ]
        if not files:
            return Status("failed", word, error=self.service.no_video("unknown"))
        return Status("succeeded", word, files=tuple(files))

    def _failure(self, data: object) -> VideoError:
        """Whether a failed task is billed is told by its `final_unit_deduction` (the units taken for the task; API
        reference, Query Task), where there is one."""
        message = text(at(data, "task_status_msg"))
        units = dollars(at(data, "final_unit_deduction"))
        charged = "unknown" if units is None or units < 0 else "yes" if units > 0 else "no"
        kind: ErrorKind | None = "moderation_output" if BLOCKED.search(message) else None
        return self.service.failed(Told(message, kind=kind), charged=charged, retryable=kind is None)

    async def cancel(self, handle: Handle) -> Cancelled:
        return Cancelled("unsupported", "yes", "Kling cannot stop a job: it runs on, and the clip will be kept")

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        """The task of this key, which Kling's query takes in place of its own id. Only Kling's own code for "no such
        thing" says that there is none: a gateway's 404, or another's task, says nothing."""
        path = f"v1/{prepared.endpoint}/{quote(job_key, safe='')}"
        answer = await self.channel.ask("GET", path, charged="unknown", accept=frozenset({404}))
        if number(at(answer.json, "code")) == NO_SUCH_THING:
            return Listing(complete=f"Kling's: it knows no task of this key (code {NO_SUCH_THING})")
        if not answer.ok:
            raise self.service.free_answer(answer.status, told(answer), "unknown")
        self._check(answer)
        data = at(answer.json, "data")
        name, owner = text(at(data, "task_id")), text(at(data, "task_info", "external_task_id"))
        if not border.is_id(name) or owner not in ("", job_key):
            return Listing()
        made = number(at(data, "created_at"))  # milliseconds
        when = made_at(None if made is None else made / 1000, clock_lead_s(answer.headers))
        return Listing((Sighting(Handle(name, {"endpoint": prepared.endpoint}), when),))

    async def account(self) -> dict[str, str]:
        """The resource packs with what is left in them (Kling's own figures lag by up to half a day)."""
        now = int(time.time() * 1000)
        params = {"start_time": str(now - 365 * 86_400_000), "end_time": str(now)}
        answer = await self.channel.ask("GET", "account/costs", charged="no", params=params)
        self._check(answer)
        packs = listed(at(answer.json, "data", "resource_pack_subscribe_infos"))
        shown = {
            self.service.clean(text(at(pack, "resource_pack_name")), 60): self.service.clean(
                f"{text(at(pack, 'remaining_quantity'))} of {text(at(pack, 'total_quantity'))} left, "
                f"{text(at(pack, 'status'))}",
                100,
            )
            for pack in packs
        }
        return shown or {"resource packs": "none"}

    def media_headers(self) -> Mapping[str, str]:
        return self._headers()

    async def aclose(self) -> None:
        await self.channel.aclose()


def told(answer: Answer) -> Told:
    """Kling's {code, message}."""
    code = number(at(answer.json, "code"))
    word = "" if code is None else f"{code:g}"
    return Told(text(at(answer.json, "message")), word, None if code is None else KINDS.get(int(code)))
