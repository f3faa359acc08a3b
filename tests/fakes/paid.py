"""A paid video service that nobody runs: it charges in the middle of the POST, as real ones do.

POST /jobs                {model, prompt, seconds, size, job_key?, image?, last_image?, source?, source_job?} -> 201 job
GET  /jobs/ID             -> {id, status, progress, files, cost_usd, charged, error}
GET  /jobs?since=POSIX    what this account has started since then (mode "lookup")
GET  /jobs/by-key/KEY     -> 200 job | 404 (mode "key"; there a repeated POST gives the same job, uncharged)
POST /jobs/ID/cancel      -> {outcome: stopped | requested, billed: no | yes | unknown}
POST /uploads             bytes -> {ref, expires_at}; free
GET  /media/NAME          ranges, expiry
Errors are {"error": {"code", "message"}}; 4xx are never charged; 429 carries Retry-After where it is known.
With the knob `hostile` its answers lie (`PaidEvil`); what it charges stays in its ledger.
In the modes "lookup" and "none" job_key is only counted, for the test: the service neither obeys nor shows it.
"""

from __future__ import annotations

import hashlib
import time
from decimal import Decimal
from typing import Any

from tests.fakes.jobs import FakeJob
from tests.fakes.life import ENDS
from tests.fakes.paid_evil import PaidEvil
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

CODES = {
    400: "invalid_request",
    401: "unauthorized",
    402: "insufficient_balance",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    410: "model_retired",
    422: "unprocessable",
    429: "rate_limited",
}
ASSETS = ("image", "last_image", "source")


class Paid(PaidEvil):
    """Knobs besides `JobService`'s: mode "key" | "lookup" | "none"; prices (US dollars a second by model);
    report_cost; media_auth (clips only with the key, and the reply says so); max_open (open jobs a model; more are
    429 "concurrency"); list_lag_s (how late a new job is listed); read_lag_s (how late a question for it is answered);
    cancel "stops" | "requested" | "unsupported"; upload_life_s; also (names of clips that come beside every clip)."""

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {
            **super().knobs_of_its_own(),
            "mode": "key",
            "prices": {"basic": "0.10", "slow": "0.05", "unknown-price": "0.20"},
            "report_cost": True,
            "media_auth": False,
            "max_open": None,
            "list_lag_s": 0.0,
            "read_lag_s": 0.0,
            "cancel": "stops",
            "upload_life_s": 3600.0,
            "also": [],
            "prefix": "pj_",
        }

    def __init__(self, config: dict[str, Any]) -> None:
        self.uploads: dict[str, tuple[str, float]] = {}
        super().__init__(config)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("submit", "POST", "/jobs", self.submit),
            ("list", "GET", "/jobs", self.listing),
            ("by-key", "GET", "/jobs/by-key/{key}", self.by_key),
            ("cancel", "POST", "/jobs/{job}/cancel", self.cancel),
            ("status", "GET", "/jobs/{job}", self.status),
            ("upload", "POST", "/uploads", self.upload),
            ("media", "GET", "/media/{token}", self.media),
        ]

    def error(self, status: int, outcome: Outcome) -> Any:
        code = outcome.get("code") or CODES.get(status, "internal")
        return {"error": {"code": code, "message": f"the service says {code}"}}

    def refuse(self, status: int, message: str, code: str = "", **headers: str) -> Reply:
        return Reply.of({"error": {"code": code or CODES[status], "message": message}}, status, **headers)

    def submit(self, request: Request, outcome: Outcome) -> Reply:
        now = time.time()
        if not (account := self.account(request)):
            return self.refuse(401, "no such key")
        body = request.json()
        if not isinstance(body, dict) or not isinstance(body.get("prompt"), str):
            return self.refuse(400, "prompt is missing")
        wanted = {name: value for name, value in body.items() if name != "job_key"}
        key = str(body.get("job_key") or "")
        if key and self.knobs["mode"] == "key" and (known := self.keyed.get((account, key))):
            if known.request != wanted:
                return self.refuse(409, f"key {key} was used for another request")
            return self.told(known, request, now)
        if refusal := self.unfit(wanted, account, now):
            return refusal
        usd = Decimal(self.knobs["prices"][wanted["model"]]) * Decimal(str(wanted["seconds"]))
        trick, draw = self.trick_of_submit()
        job = self.begin(account, key, wanted["model"], wanted, self.bill(trick, usd), outcome)
        return self.spoilt_submit(trick, draw, job, request, self.told(job, request, now, 201))

    def unfit(self, wanted: dict[str, Any], account: str, now: float) -> Reply | None:
        """Why a request is refused, uncharged; None when it is taken."""
        model, seconds = wanted.get("model"), wanted.get("seconds")
        if model not in self.knobs["prices"]:
            return self.refuse(404, f"no model {model!r}", "model_not_found")
        if not isinstance(seconds, int | float) or not 0 < seconds <= 60:
            return self.refuse(400, "seconds is a number up to 60")
        for name in ASSETS:
            if name in wanted:
                owner, expires_at = self.uploads.get(wanted[name], ("", 0.0))
                if owner != account or now >= expires_at:
                    return self.refuse(422, f"{name}: no such upload, or it has expired", "asset")
        if "source_job" in wanted:
            parent = self.jobs.get(wanted["source_job"])
            if parent is None or parent.account != account or self.look(parent, now)[0] != "succeeded":
                return self.refuse(422, "source_job: no such finished job", "asset")
        limit = self.knobs["max_open"]
        self.open.settle(now)
        if limit is not None and self.open.counts[model] >= limit:
            return self.refuse(429, f"{limit} jobs of {model} are open", "concurrency", retry_after="1")
        return None

    def told(self, job: FakeJob, request: Request, now: float, status: int = 200) -> Reply:
        """A job as its owner sees it; a finished one with a fresh URL."""
        phase, progress = self.look(job, now)
        told: dict[str, Any] = {
            "id": job.id,
            "status": phase,
            "progress": round(progress, 3),
            "created_at": job.life.born,
            "request": job.request,
            "files": [],
            "est_cost_usd": str(job.usd),
        }
        if phase == "succeeded":
            path = self.shelf.path(job.id, self.clip_of(job) or f"{job.request['seconds']:g}")
            url = f"http://{request.headers['host']}{path}"
            own = {"authorised": self.knobs["media_auth"]}
            further = [f"http://{request.headers['host']}{self.shelf.path(job.id, one)}" for one in self.knobs["also"]]
            told["files"] = [
                {"url": url, "mime": "video/mp4", **own},
                *({"url": one, "role": "extra", **own} for one in further),
            ]
            told["seed"] = job.request.get("seed", int(hashlib.sha256(job.id.encode()).hexdigest()[:8], 16))
        if phase in ENDS:
            if self.knobs["report_cost"]:
                told["cost_usd"] = str(self.ledger.cost(job.id))
            told["charged"] = job.id not in self.ledger.refunded
        if phase == "failed":
            told["error"] = job.life.error or {"code": "internal", "message": "the generation failed"}
        return Reply.of(told, status)

    def status(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if not self.account(request):
            return self.refuse(401, "no such key")
        if (own := self.own(request, job)) is None:
            return self.refuse(404, f"no job {job}")
        now = time.time()
        if now < own.life.born + self.knobs["read_lag_s"]:
            return self.refuse(404, f"no job {job} yet")
        own.life.asked_once(now)
        return self.told(own, request, now)

    def by_key(self, request: Request, outcome: Outcome, key: str) -> Reply:
        account = self.account(request)
        if not account:
            return self.refuse(401, "no such key")
        job = self.keyed.get((account, key)) if self.knobs["mode"] == "key" else None
        return self.refuse(404, "no job of that key") if job is None else self.told(job, request, time.time())

    def listing(self, request: Request, outcome: Outcome) -> Reply:
        account = self.account(request)
        if not account:
            return self.refuse(401, "no such key")
        if self.knobs["mode"] != "lookup":
            return self.refuse(404, "jobs cannot be listed")
        now, since = time.time(), float(request.query.get("since", "0"))
        listed = [
            {"id": job.id, "created_at": job.life.born, "request": job.request}
            for job in self.jobs.values()
            if job.account == account and since <= job.life.born <= now - self.knobs["list_lag_s"]
        ]
        return Reply.of({"jobs": listed})

    def cancel(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if (own := self.own(request, job)) is None:
            return self.refuse(404, f"no job {job}")
        how, now = self.knobs["cancel"], time.time()
        if how == "unsupported":
            return self.refuse(404, "jobs cannot be cancelled", "cancel_unsupported")
        phase, _ = self.look(own, now)
        if phase in ENDS:
            return self.refuse(409, f"the job has {phase}", "already_ended")
        if how == "requested":
            return Reply.of({"outcome": "requested", "billed": "unknown"})
        return Reply.of({"outcome": "stopped", "billed": "yes" if self.stop_job(own, now) else "no"})

    def upload(self, request: Request, outcome: Outcome) -> Reply:
        account = self.account(request)
        if not account:
            return self.refuse(401, "no such key")
        if not request.body:
            return self.refuse(400, "an empty file")
        digest = hashlib.sha256(request.body).hexdigest()[:16]
        ref, expires_at = f"up_{account}_{digest}", time.time() + self.knobs["upload_life_s"]
        self.uploads[ref] = (account, expires_at)
        return Reply.of({"ref": ref, "expires_at": expires_at}, 201)

    def media(self, request: Request, outcome: Outcome, token: str) -> Reply:
        if self.knobs["media_auth"] and not self.account(request):
            return self.refuse(401, "no such key")
        return self.shelf.serve(request, token)


SERVICE = Paid
