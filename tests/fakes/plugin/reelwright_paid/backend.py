"""PaidBackend: the RemoteBackend over the paid service's HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, cast

import anyio
import httpx

from backends.errors import Charged, VideoError
from backends.provider.protocol import (
    Asset,
    Cancelled,
    Done,
    Handle,
    JsonObject,
    Listing,
    Prepared,
    Ref,
    RemoteFile,
    RemoteState,
    Sighting,
    Status,
)
from backends.request import VideoRequest
from reelwright_paid.outcomes import (
    BY_CODE,
    NOT_SENT,
    REFUSALS,
    clock_lead_s,
    not_sent,
    refused,
    retry_after,
    submit_unknown,
    told,
    unanswered,
    unhelpful,
)

STATES: dict[str, RemoteState] = {
    "queued": "queued",
    "running": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
}
SHOWN = 50
ROLES = {"frames[0].image": "first", "frames[1].image": "last"}
"""The catalogue's names for inputs by their place; a row's `wire.fields` turns them into the service's own."""


class PaidBackend:
    """One account of the service; 8 connections at most, one try a call."""

    submit_dedupe: Literal["key", "lookup", "none"]

    def __init__(self, env: Mapping[str, str], base_url: str) -> None:
        mode = env.get("PAID_MODE", "key")
        if mode not in ("key", "lookup", "none"):
            raise VideoError("invalid_request", f"PAID_MODE is {mode[:40]!r}: set it to key, lookup or none")
        self.submit_dedupe = mode
        read, connect = _number(env, "PAID_TIMEOUT_S", 30.0), _number(env, "PAID_CONNECT_TIMEOUT_S", 5.0)
        connections = int(_number(env, "PAID_CONNECTIONS", 8))
        try:
            httpx.URL(base_url)
        except httpx.InvalidURL as error:
            raise VideoError("invalid_request", f"PAID_BASE_URL is no address: {error}") from None
        self._key = {"authorization": f"Bearer {env.get('PAID_API_KEY', '')}"}
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=self._key,
            # Waiting for a free connection is our own crowd, not the service's silence: no time-out on it.
            timeout=httpx.Timeout(connect=connect, read=read, write=read, pool=None),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=False,
        )

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        wire = prepared.wire
        body: JsonObject = {"model": wire["model"], **wire["body"]}
        uploads: list[str] = []
        for place in request.media():
            if place == "source_clip" and parent is not None:
                body["source_job"] = parent.remote_id
                continue
            name = wire["fields"].get(ROLES.get(place, place))
            if name is None:
                raise VideoError("unsupported", f"{prepared.model} takes no {place} for {request.task}")
            body[name] = {"asset": place}
            uploads.append(place)
        return replace(prepared, request=request, body=body, endpoint=str(wire["endpoint"]), uploads=tuple(uploads))

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        content = await anyio.Path(asset.path).read_bytes()
        headers = {"content-type": asset.facts.mime}
        reply = await self._ask("no", "POST", "/uploads", content=content, headers=headers)
        return Ref(str(reply["ref"]), float(reply["expires_at"]))

    async def start(self, prepared: Prepared, refs: Mapping[str, Ref], job_key: str) -> Handle | Done:
        body = {
            name: refs[value["asset"]].value if _is_asset(value) else value for name, value in prepared.body.items()
        }
        try:
            response = await self._client.post(prepared.endpoint, json={**body, "job_key": job_key})
        except NOT_SENT as error:
            raise not_sent(error) from None
        except httpx.HTTPError as error:
            raise submit_unknown(type(error).__name__) from None
        if response.status_code in REFUSALS:
            raise refused(response)
        if not response.is_success:
            raise submit_unknown(f"HTTP {response.status_code}", response.status_code)
        reply = _object(response)
        if reply is None or not isinstance(reply.get("id"), str):
            raise submit_unknown("an answer without a job id", response.status_code)
        return Handle(reply["id"], est_cost_usd=_usd(reply.get("est_cost_usd")))

    async def status(self, handle: Handle, spool: Path) -> Status:
        response = await self._send("unknown", "GET", f"/jobs/{handle.remote_id}")
        reply = _read(response, "unknown")
        word = str(reply.get("status", ""))[:40]
        state = STATES.get(word, "unknown")
        error = None
        if state == "failed":
            error = _failure(reply)
        files = tuple(
            RemoteFile(
                url=file["url"],
                mime=file["mime"],
                authorised=bool(file.get("authorised")),
                role=file.get("role", "clip"),
            )
            for file in reply.get("files", [])
        )
        if state == "succeeded" and not files:
            text = "the paid service says succeeded but gives no file; ask the provider about the charge"
            state, error = "failed", VideoError("provider", text, charged="yes")
        return Status(
            state,
            word,
            progress=reply.get("progress"),
            queue_position=reply.get("queue_position"),
            files=files,
            error=error,
            cost_usd=_usd(reply.get("cost_usd")),
            seed=reply.get("seed"),
            retry_after_s=retry_after(response),
        )

    async def cancel(self, handle: Handle) -> Cancelled:
        try:
            response = await self._client.post(f"/jobs/{handle.remote_id}/cancel")
        except httpx.HTTPError as error:
            raise unanswered(error, "unknown") from None
        code, message = told(response)
        if code in ("already_ended", "cancel_unsupported"):
            return Cancelled("unsupported", "yes", message)
        if not response.is_success:
            raise unhelpful(response, "unknown")
        reply = _object(response) or {}
        outcome: Literal["stopped", "requested"] = "stopped" if reply.get("outcome") == "stopped" else "requested"
        billed = reply.get("billed")
        return Cancelled(outcome, billed if billed in ("yes", "no") else "unknown")

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        """By key, the service itself says whether it holds the job: on its word it does not. Its list is complete on
        nobody's word: a new job may be listed late."""
        if self.submit_dedupe == "key":
            try:
                reply = await self._ask("unknown", "GET", f"/jobs/by-key/{job_key}")
            except VideoError as error:
                if error.kind == "not_found" and error.provider_code == "not_found":
                    return Listing(complete="the paid service's: it holds no job of this key")
                raise
            if not isinstance(reply.get("id"), str):
                text = "the paid service's answer has no job id"
                raise VideoError("provider", text, retryable=True, charged="unknown")
            return Listing((_sighting(reply, 0.0),))
        if self.submit_dedupe == "lookup":
            response = await self._send("unknown", "GET", "/jobs", params={"since": repr(since)})
            lead = clock_lead_s(response)
            jobs: list[dict[str, Any]] = _read(response, "unknown")["jobs"]
            matches = [job for job in jobs if _matches(prepared.body, job["request"])]
            newest = sorted(jobs, key=lambda job: float(job["created_at"]), reverse=True)
            return Listing(
                tuple(_sighting(job, lead) for job in matches), tuple(_sighting(job, lead) for job in newest[:SHOWN])
            )
        raise VideoError("unsupported", "the paid service cannot be asked which jobs it has taken (PAID_MODE is none)")

    def media_headers(self) -> Mapping[str, str]:
        return self._key

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _send(self, charged: Charged, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A free call that is answered well; charged: what is known of the job that it is about."""
        try:
            response = await self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise unanswered(error, charged) from None
        if not response.is_success:
            raise unhelpful(response, charged)
        return response

    async def _ask(self, charged: Charged, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        return _read(await self._send(charged, method, path, **arguments), charged)


def _read(response: httpx.Response, charged: Charged) -> dict[str, Any]:
    """The answer's JSON object."""
    reply = _object(response)
    if reply is None:
        raise VideoError("provider", "the paid service's answer is not JSON", retryable=True, charged=charged)
    return reply


def _sighting(job: dict[str, Any], lead: float) -> Sighting:
    """lead: seconds by which the service's clock is ahead of ours."""
    made = job.get("created_at")
    handle = Handle(str(job["id"]), est_cost_usd=_usd(job.get("est_cost_usd")))
    return Sighting(handle, None if made is None else float(made) - lead)


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(env.get(name) or default)
    except ValueError:
        raise VideoError("invalid_request", f"{name} takes a number, such as {default:g}") from None


def _matches(body: JsonObject, listed: dict[str, Any]) -> bool:
    """Whether a listed job was made from this body: the same fields, with the same values but for the uploads, which
    go by another name each time."""
    return body.keys() == listed.keys() and all(
        _is_asset(value) or listed[name] == value for name, value in body.items()
    )


def _is_asset(value: object) -> bool:
    return isinstance(value, dict) and "asset" in value


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        value = response.json()
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _usd(text: object) -> Decimal | None:
    try:
        return None if text is None else Decimal(str(text))
    except InvalidOperation:
        return None


def _failure(reply: dict[str, Any]) -> VideoError:
    error: dict[str, Any] = reply.get("error") or {}
    code = str(error.get("code", ""))[:60]
    charged: Literal["yes", "no"] = "yes" if reply.get("charged", True) else "no"
    text = f"the generation failed ({code}): {str(error.get('message', ''))[:200]}"
    return VideoError(BY_CODE.get(code, "provider"), text, charged=charged, provider_code=code or None)
