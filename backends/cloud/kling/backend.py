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
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from backends.cloud.kling import settings
from backends.errors import ErrorKind, VideoError
from backends.provider.answer import Answer, at, dollars, listed, number, text
from backends.provider.outcome import Reported, Service
from backends.provider.protocol import Asset, Handle, Prepared, Ref, Status
from backends.provider.protocol import RemoteState as State
from backends.provider.rest import Rest, RestBackend
from backends.provider.sending import Takes, sendable

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

KINDS: Mapping[str, ErrorKind] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), "auth"),
    "1100": "auth",
    "1101": "balance",
    "1102": "quota",
    "1103": "auth",
    "1200": "invalid_request",
    "1201": "invalid_request",
    "1202": "unsupported",
    "1203": "unsupported",
    "1300": "moderation_input",
    "1301": "moderation_input",
    "1302": "rate_limited",
    "1303": "concurrency",
    "1304": "auth",
}
"""Kling's codes; only 1302 and 1303 are limits that pass by themselves, though 1100 to 1102 come with HTTP 429 too."""

NO_SUCH_THING = "1203"
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


class KlingBackend(RestBackend):
    """One Kling account."""

    rest = Rest(
        provider=settings.PROVIDER,
        name="Kling",
        key=settings.KEY,
        url=settings.DEFAULT_URL,
        task="",  # the path of a job begins with that of its POST
        root="v1/",
        id=("data", "task_id"),
        state=("data", "task_status"),
        video=("data", "task_result", "videos"),
        code=("code",),
        message=("message",),
        states=STATES,
        kinds=KINDS,
        takes=TAKES,
        job_key="external_task_id",
        by_key="v1/{endpoint}/{key}",  # in place of its own id
        no_such=frozenset({NO_SUCH_THING}),
    )
    submit_dedupe: Literal["key", "lookup", "none"] = "key"

    def __init__(self, env: Mapping[str, str], base_url: str) -> None:
        self._keys = settings.keys(env)
        self._token, self._made = "", float("-inf")
        super().__init__(env, base_url)

    def service_of(self, env: Mapping[str, str]) -> Service:
        variable = settings.KEY if len(self._keys) < 2 else " and ".join(settings.PAIR)
        return Service(self.rest.name, variable, self._keys)

    def media_headers(self) -> Mapping[str, str]:
        if len(self._keys) == 2 and time.monotonic() - self._made > REFRESH_S:
            self._token, self._made = signed_token(*self._keys, time.time()), time.monotonic()
        return {"authorization": f"Bearer {self._token or ''.join(self._keys[:1])}"}

    async def inline(self, prepared: Prepared, asset: Asset) -> str:
        data, _ = await sendable(prepared, asset, TAKES)
        return base64.b64encode(data).decode()

    def refusal(self, answer: Answer) -> Reported | None:
        """A code in a 2xx."""
        return None if number(at(answer.json, "code")) == 0 else self.reported(answer)

    def handle(self, name: str, prepared: Prepared, answer: Answer) -> Handle:
        return Handle(name, {"endpoint": prepared.endpoint})

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle:
        """A refusal of the job's own key means that Kling holds the job already: it is looked up, not failed."""
        try:
            return await super().start(prepared, refs, job_key)
        except VideoError as error:
            if error.charged == "no" and re.search(r"external_?task_?id", error.message, re.IGNORECASE):
                raise self.service.unknown("it holds a job of this key already", error.http_status) from None
            raise

    def task(self, handle: Handle) -> str:
        return f"v1/{text(handle.data.get('endpoint')) or KINDS_OF_TASK[0]}/{quote(handle.remote_id, safe='')}"

    async def status(self, handle: Handle, spool: Path) -> Status:
        try:
            return await super().status(handle, spool)
        except VideoError as error:
            if error.kind != "not_found" or text(handle.data.get("endpoint")):
                raise
            # Bound by the user, by its id alone.
            return await super().status(Handle(handle.remote_id, {"endpoint": KINDS_OF_TASK[1]}), spool)

    def check_answer(self, answer: Answer) -> None:
        """A code in the answer to a question: the same as its HTTP status would be."""
        code, said = number(at(answer.json, "code")), self.reported(answer)
        if code is None or code == 0:
            return
        limited = said.kind in ("rate_limited", "concurrency")
        status = 404 if said.code == NO_SUCH_THING else 429 if limited else 500 if code >= 5000 else 400
        raise self.service.free_answer(status, said, "unknown")

    def failure(self, answer: Answer) -> VideoError:
        """Whether a failed task is billed is reported by its `final_unit_deduction` (the units taken for the task; API
        reference, Query Task), where there is one."""
        data = at(answer.json, "data")
        message = text(at(data, "task_status_msg"))
        units = dollars(at(data, "final_unit_deduction"))
        charged = "unknown" if units is None or units < 0 else "yes" if units > 0 else "no"
        kind: ErrorKind | None = "moderation_output" if BLOCKED.search(message) else None
        return self.service.failed(Reported(message, kind=kind), charged=charged, retryable=kind is None)

    def is_ours(self, answer: Answer, job_key: str) -> bool:
        return text(at(answer.json, "data", "task_info", "external_task_id")) in ("", job_key)

    def created(self, answer: Answer) -> float | None:
        made = number(at(answer.json, "data", "created_at"))  # milliseconds
        return None if made is None else made / 1000

    async def account(self) -> dict[str, str]:
        """The resource packs with what is left in them (Kling's own figures lag by up to half a day)."""
        now = int(time.time() * 1000)
        params = {"start_time": str(now - 365 * 86_400_000), "end_time": str(now)}
        answer = await self.channel.ask("GET", "account/costs", charged="no", params=params)
        self.check_answer(answer)
        packs = listed(at(answer.json, "data", "resource_pack_subscribe_infos"))
        shown: dict[str, str] = {}
        for pack in packs:
            left, whole = (number(at(pack, f"{which}_quantity")) for which in ("remaining", "total"))
            figures = "" if left is None or whole is None else f"{left:.10g} of {whole:.10g} left, "
            name = self.service.clean(text(at(pack, "resource_pack_name")), 60)
            shown[name] = self.service.clean(f"{figures}{text(at(pack, 'status'))}", 100)
        return shown or {"resource packs": "none"}
