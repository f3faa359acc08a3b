"""RunwayBackend: the RemoteBackend over Runway's own SDK (`runwayml`), every retry off.

The SDK brings the key's and the API version's headers; bodies go through it as they were prepared, and answers are
read tolerantly here, since its types know only the states of their own day. Its upload is not used: it sends the bytes
to whatever address it is given, by an HTTP client of its own, without the checks of `transport`.
There is no list and no idempotency key: on nobody's word may an unclear POST be taken for one that was not taken.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import httpx
import runwayml

from backends.cloud.runway.failures import charged_by, failed_task, reported_by
from backends.cloud.runway.settings import ADDRESS, KEY
from backends.cloud.runway.wire import INLINE_BYTES, UPLOAD_MAX, runway_body, too_large_inline
from backends.errors import Charged, VideoError
from backends.provider.answer import Answer, at, dollars, listed, share, table, text, whole
from backends.provider.calls import Calls
from backends.provider.outcome import Service
from backends.provider.placing import filled, marked
from backends.provider.protocol import (
    Asset,
    Cancelled,
    Done,
    Handle,
    Listing,
    Prepared,
    Ref,
    RemoteBackend,
    RemoteFile,
    RemoteState,
    Status,
)
from backends.provider.sending import Takes, data_uri, sendable
from backends.provider.timing import Timing
from backends.provider.transport import HTTPX
from backends.request import VideoRequest

CREDIT_USD = Decimal("0.01")
"""US dollars for one credit (docs.dev.runwayml.com, Pricing)."""
UPLOAD_LIFE_S = 23 * 3600.0
"""runway:// addresses live for 24 h (same site, Uploads); an hour is left for the queue."""
SLOW_BYTES_PER_S = 100_000.0

STATES: Mapping[str, RemoteState] = {
    "PENDING": "queued",
    "THROTTLED": "queued",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}
ENDED: frozenset[RemoteState] = frozenset({"succeeded", "failed", "cancelled"})
SUFFIX = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "video/webm": ".webm"}


class RunwayBackend(RemoteBackend):
    """One account at one address."""

    submit_dedupe: Literal["key", "lookup", "none"] = "none"

    def __init__(self, key: str, base_url: str, timing: Timing | None = None) -> None:
        service = Service("Runway", KEY, (key,) if key else ())
        self._calls = Calls(service, base_url, reported_by, HTTPX, timing, address=ADDRESS)
        self._paid = _sdk(key, base_url, self._calls.paid_client)
        self._free = _sdk(key, base_url, self._calls.free_client)

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        body, notes = runway_body(request, prepared)
        return replace(
            prepared,
            request=request,
            body=body,
            endpoint=f"/v1/{prepared.wire['endpoint']}",
            uploads=too_large_inline(prepared, marked(body)),
            notes=(*prepared.notes, *notes),
        )

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        data, mime = await sendable(prepared, asset, Takes(image_bytes=UPLOAD_MAX, clip_bytes=UPLOAD_MAX))
        name = f"{asset.sha256[:16]}{SUFFIX.get(mime, '.mp4')}"
        begun = await self._calls.free(
            lambda: self._free.post(
                "/v1/uploads", cast_to=httpx.Response, body={"filename": name, "type": "ephemeral"}
            ),
            charged="no",
        )
        target, uri = text(at(begun.json, "uploadUrl")), text(at(begun.json, "runwayUri"))
        if not target or not uri:
            raise self._calls.service.unanswered("provider", "the upload has no address", "no")
        fields = {key: text(value) for key, value in table(at(begun.json, "fields")).items()}
        # Without the SDK, whose key the other host must not see.
        plain, files = self._calls.free_client, {"file": (name, data, mime)}
        await self._calls.free(lambda: plain.post(target, data=fields, files=files), charged="no", upload=True)
        return Ref(uri, time.time() + UPLOAD_LIFE_S)

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle | Done:
        inline = Takes(image_bytes=INLINE_BYTES, clip_bytes=INLINE_BYTES)
        uris = {
            place: refs[place].value if place in refs else await data_uri(prepared, prepared.assets[place], inline)
            for place in marked(prepared.body)
        }
        body = filled(prepared.body, uris.__getitem__)
        # No look-up depends on when the POST ends, so a slow line gets the time that its files need.
        extra_s = sum(map(len, uris.values())) / SLOW_BYTES_PER_S
        answer = await self._calls.paid(
            lambda: self._paid.post(prepared.endpoint, cast_to=httpx.Response, body=table(body)), extra_s
        )
        task = self._calls.service.taken(text(at(answer.json, "id")), "a task id", answer.status, answer.text)
        return Handle(task, est_cost_usd=_usd(at(answer.json, "estimatedCost", "credits")))

    async def status(self, handle: Handle, spool: Path) -> Status:
        answer = await self._ask("GET", handle)
        task = table(answer.json)
        word = text(task.get("status"))
        state = STATES.get(word, "unknown")
        cost = _usd(at(task, "cost", "credits"))
        files = tuple(RemoteFile(url=url) for url in map(text, listed(task.get("output"))) if url)
        error = None
        if state == "failed":
            error = failed_task(self._calls.service, task, cost)
        elif state == "succeeded" and not files:
            state, error = "failed", self._calls.service.no_video(charged_by(cost), "SUCCEEDED")
        return Status(
            state,
            self._calls.service.clean(word, 60),
            progress=share(task.get("progress")) if state == "running" else None,
            files=files if state == "succeeded" else (),
            error=error,
            cost_usd=cost,
            retry_after_s=answer.retry_after_s,
        )

    async def cancel(self, handle: Handle) -> Cancelled:
        """DELETE stops a task that has not ended, and throws away one that has: so it is looked at first.

        Refunded is only what the service itself saw unstarted (the SDK's words); the task says so afterwards, where
        it can still be requested.
        """
        before = STATES.get(text(at((await self._ask("GET", handle)).json, "status")), "unknown")
        if before in ENDED:
            return Cancelled("unsupported", "unknown", f"it has {before} already; what it made is kept")
        await self._ask("DELETE", handle, accept=frozenset({404}))
        billed: Charged = "yes" if before == "running" else "unknown"
        try:
            after = await self._ask("GET", handle, accept=frozenset({404}))
        except VideoError:
            return Cancelled("stopped", billed)
        cost = _usd(at(after.json, "cost", "credits"))
        return Cancelled("stopped", billed if cost is None else charged_by(cost), cost_usd=cost)

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        raise VideoError("unsupported", "Runway has no list of the tasks that it accepted", charged="unknown")

    async def account(self) -> dict[str, str]:
        """Balance, monthly limit, and each model's concurrency and daily limits, in words."""
        answer = await self._calls.free(
            lambda: self._free.get("/v1/organization", cast_to=httpx.Response), charged="no"
        )
        credits = whole(at(answer.json, "creditBalance"))
        monthly = whole(at(answer.json, "tier", "maxMonthlyCreditSpend"))
        told: dict[str, str] = {}
        if credits is not None:
            told["balance"] = f"${credits * CREDIT_USD} ({credits} credits)"
        if monthly is not None:
            told["monthly limit"] = f"${monthly * CREDIT_USD}"
        for model, limits in sorted(table(at(answer.json, "tier", "models")).items()):
            at_once = whole(at(limits, "maxConcurrentGenerations"))
            a_day = whole(at(limits, "maxDailyGenerations"))
            used = whole(at(answer.json, "usage", "models", model, "dailyGenerations")) or 0
            told[model] = f"{at_once or 'any number'} at once, {used} of {a_day or 'any number'} today"
        return told

    def media_headers(self) -> Mapping[str, str]:
        return {}  # outputs are signed addresses on another host

    async def aclose(self) -> None:
        await self._calls.aclose()

    async def _ask(
        self, verb: Literal["GET", "DELETE"], handle: Handle, accept: frozenset[int] = frozenset()
    ) -> Answer:
        path = f"/v1/tasks/{quote(handle.remote_id, safe='')}"
        ask = self._free.get if verb == "GET" else self._free.delete
        return await self._calls.free(lambda: ask(path, cast_to=httpx.Response), charged="unknown", accept=accept)


def _sdk(key: str, base_url: str, http: httpx.AsyncClient) -> runwayml.AsyncRunwayML:
    return runwayml.AsyncRunwayML(api_key=key, base_url=base_url, max_retries=0, timeout=http.timeout, http_client=http)


def _usd(credits: object) -> Decimal | None:
    amount = dollars(credits)
    return None if amount is None else amount * CREDIT_USD
