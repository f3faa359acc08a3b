"""A back end as a third party would write it: one module, one TOML file of rows, one entry point.

Environment: PAID_API_KEY, PAID_BASE_URL; PAID_MODE "key" | "lookup" | "none" (what the service offers against double
charges; "key"); PAID_TIMEOUT_S (waiting for an answer, 30), PAID_CONNECT_TIMEOUT_S (5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

from backends.errors import Charged, VideoError
from backends.provider.answer import Answer, at, dollars, listed, number, table, text
from backends.provider.outcome import clock_lead_s, made_at
from backends.provider.placing import marked
from backends.provider.protocol import (
    Asset,
    Cancelled,
    Handle,
    Listing,
    Prepared,
    Ref,
    Registration,
    RemoteFile,
    Sighting,
)
from backends.provider.rest import Rest, RestBackend
from backends.provider.timing import Timing
from backends.request import VideoRequest

WAITS = {"TIMEOUT": 30.0, "CONNECT_TIMEOUT": 5.0}


class PaidBackend(RestBackend):
    rest = Rest(
        provider="paid", name="the paid service", key="PAID_API_KEY", address="PAID_BASE_URL", url="",
        task="jobs/{id}", progress=("progress",), queue=("queue_position",), seed=("seed",), cost=("cost_usd",),
        estimate=("est_cost_usd",),
        states={word: word for word in ("queued", "running", "succeeded", "failed", "cancelled")},
        kinds={
            "not_found": "invalid_request", "rate_limited": "rate_limited", "concurrency": "concurrency",
            "moderation": "moderation_input", "moderation_output": "moderation_output", "asset": "asset",
            "quota": "quota", "insufficient_balance": "balance", "model_not_found": "unsupported",
        },
        uploads=True, job_key="job_key", by_key="jobs/by-key/{key}", no_such=frozenset({"not_found"}),
        created=("created_at",),
    )  # fmt: skip

    def __init__(self, env: Mapping[str, str], base_url: str) -> None:
        mode = env.get("PAID_MODE", "key")
        if mode not in ("key", "lookup", "none"):
            raise VideoError("invalid_request", f"PAID_MODE is {mode[:40]!r}: set it to key, lookup or none")
        self.submit_dedupe = mode
        super().__init__(env, base_url)

    def timing(self, env: Mapping[str, str]) -> Timing:
        wait, connect = (number(env.get(f"PAID_{name}_S") or usual) for name, usual in WAITS.items())
        if wait is None or connect is None:
            raise VideoError("invalid_request", "PAID_TIMEOUT_S and PAID_CONNECT_TIMEOUT_S take numbers, such as 30")
        return Timing(wait, wait, wait, wait, connect)

    def prepare(self, request: VideoRequest, prepared: Prepared, parent: Handle | None) -> Prepared:
        made = super().prepare(request, prepared, parent)
        if parent is None or request.source_clip is None:
            return made
        body = {name: value for name, value in made.body.items() if name != "source"}
        return replace(made, body={**body, "source_job": parent.remote_id}, uploads=marked(body))

    async def upload(self, prepared: Prepared, asset: Asset) -> Ref:
        answer = await self.channel.upload("uploads", asset.path.read_bytes(), asset.facts.mime)
        return Ref(text(at(answer.json, "ref")), number(at(answer.json, "expires_at")))

    def files(self, answer: Answer) -> tuple[RemoteFile, ...]:
        found: list[RemoteFile] = []
        for file in map(table, listed(at(answer.json, "files"))):
            role = cast('Literal["clip", "extra"]', text(file.get("role")) or "clip")
            url, own = text(file.get("url")), file.get("authorised") is True
            found.append(RemoteFile(url, mime=text(file.get("mime")), authorised=own, role=role))
        return tuple(found)

    def failure(self, answer: Answer) -> VideoError:
        charged: Charged = "no" if at(answer.json, "charged") is False else "yes"
        return self.service.failed(self.told(answer), charged=charged)

    async def cancel(self, handle: Handle) -> Cancelled:
        path = f"{self.task(handle)}/cancel"
        answer = await self.channel.ask("POST", path, charged="unknown", accept=frozenset({404, 409}))
        if self.told(answer).code in ("already_ended", "cancel_unsupported"):
            return Cancelled("unsupported", "yes", self.told(answer).message)
        billed = cast("Charged", text(at(self.channel.granted(answer, "unknown").json, "billed")))
        return Cancelled("stopped" if at(answer.json, "outcome") == "stopped" else "requested", billed)

    async def reconcile(self, prepared: Prepared, job_key: str, since: float) -> Listing:
        if self.submit_dedupe != "lookup":
            return await super().reconcile(prepared, job_key, since)
        answer = await self.channel.ask("GET", "jobs", charged="unknown", params={"since": repr(since)})
        jobs, lead = [table(job) for job in listed(at(answer.json, "jobs"))], clock_lead_s(answer.headers)
        matches = [job for job in jobs if _matches(prepared.body, table(job.get("request")))]
        newest = sorted(jobs, key=lambda job: number(job.get("created_at")) or 0.0, reverse=True)[:50]
        return Listing(tuple(_sighting(job, lead) for job in matches), tuple(_sighting(job, lead) for job in newest))


def _sighting(job: dict[str, object], lead: float) -> Sighting:
    handle = Handle(text(job.get("id")), est_cost_usd=dollars(job.get("est_cost_usd")))
    return Sighting(handle, made_at(number(job.get("created_at")), lead))


def _matches(body: Mapping[str, object], shown: Mapping[str, object]) -> bool:
    """The same fields with the same values, but for uploads, which go by another name each time."""
    return body.keys() == shown.keys() and all(marked(part) or shown[name] == part for name, part in body.items())


def register() -> Registration:
    return PaidBackend.registration(Path(__file__).with_name("paid.toml"))
