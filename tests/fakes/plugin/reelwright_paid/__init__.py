"""The sample back end with what only tests need: its service in three moods, and short waits.

Environment: PAID_API_KEY, PAID_BASE_URL; PAID_MODE "key" | "lookup" | "none" (what the service offers against double
charges; "key"); PAID_TIMEOUT_S (waiting for an answer, 30), PAID_CONNECT_TIMEOUT_S (5).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.errors import VideoError
from backends.provider.answer import at, dollars, listed, number, table, text
from backends.provider.outcome import clock_lead_s, made_at
from backends.provider.placing import marked
from backends.provider.protocol import Handle, Listing, Prepared, Registration, Sighting
from backends.provider.timing import Timing
from reelwright_paid.backend import KeyedBackend

WAITS = {"TIMEOUT": 30.0, "CONNECT_TIMEOUT": 5.0}


class PaidBackend(KeyedBackend):
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


access = PaidBackend.rest.access


def register() -> Registration:
    return PaidBackend.registration(Path(__file__).with_name("paid.toml"))
