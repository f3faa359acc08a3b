"""Runway's API (version 2024-11-06) on a loopback port, as its SDK's types and documentation describe it.

POST /v1/{text_to_video, image_to_video, video_to_video, video_upscale, character_performance} -> {id, estimatedCost}
GET  /v1/tasks/ID       PENDING | THROTTLED | RUNNING | SUCCEEDED | FAILED | CANCELLED, each with its own fields
DELETE /v1/tasks/ID     stops a task that has not ended (refunded only where unstarted), deletes one that has
POST /v1/uploads        {filename, type} -> {uploadUrl, fields, runwayUri}; the file then goes to uploadUrl as a form
GET  /v1/organization   balance, tier, usage
There is no list and no idempotency key. Money is charged in the POST, in credits of $0.01.
"""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Any

from tests.fakes.jobs import FakeJob, JobService
from tests.fakes.life import ENDS
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

VERSION = "2024-11-06"
BUCKET_FIELDS = {"key": "ephemeral/1", "policy": "cG9saWN5", "x-amz-signature": "00"}
WORDS = {"queued": "PENDING", "running": "RUNNING", "succeeded": "SUCCEEDED", "failed": "FAILED"}


class Runway(JobService):
    """Knobs besides `JobService`'s: variants (endpoint -> model -> {"fields": [...], "required": [...]}: what each
    model's body may and must hold, empty: anything); credits_per_s; throttled (unstarted tasks say THROTTLED);
    deleted (a deleted task is "gone" with 404, or says "CANCELLED"); upload_max (bytes); balance (credits)."""

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {
            **super().knobs_of_its_own(),
            "variants": {},
            "credits_per_s": 5,
            "throttled": False,
            "deleted": "CANCELLED",
            "upload_max": 200_000_000,
            "balance": 1234,
            "prefix": "task_",
        }

    def __init__(self, config: dict[str, Any]) -> None:
        self.uploaded: dict[str, int] = {}
        self.gone: set[str] = set()
        super().__init__(config)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("upload", "POST", "/v1/uploads", self.upload),
            ("bucket", "POST", "/bucket/{token}", self.bucket),
            ("organization", "GET", "/v1/organization", self.organization),
            ("status", "GET", "/v1/tasks/{job}", self.status),
            ("delete", "DELETE", "/v1/tasks/{job}", self.delete),
            ("submit", "POST", "/v1/{endpoint}", self.submit),
            ("media", "GET", "/media/{token}", self.media),
        ]

    def error(self, status: int, outcome: Outcome) -> Any:
        return {"error": outcome.get("code") or f"scripted {status}", "docUrl": "https://docs.dev.runwayml.com"}

    def refuse(self, status: int, message: str, *issues: dict[str, Any]) -> Reply:
        return Reply.of({"error": message, **({"issues": list(issues)} if issues else {})}, status)

    def let_in(self, request: Request) -> Reply | None:
        if not self.account(request):
            return self.refuse(401, "The API key you provided is not valid")
        if request.headers.get("x-runway-version") != VERSION:
            return self.refuse(400, f"X-Runway-Version must be {VERSION}")
        return None

    def submit(self, request: Request, outcome: Outcome, endpoint: str) -> Reply:
        if refusal := self.let_in(request) or self.unfit(request.json(), endpoint):
            return refusal
        body = request.json()
        seconds = body.get("duration", 5)
        usd = Decimal(self.knobs["credits_per_s"]) * Decimal(30 if seconds == "auto" else seconds) / 100
        account = self.account(request)
        job = self.begin(account, "", body["model"], {"endpoint": endpoint, **body}, usd, outcome)
        return Reply.of({"id": job.id, "estimatedCost": {"credits": self.credits(job)}})

    def unfit(self, body: Any, endpoint: str) -> Reply | None:
        """Why a body is refused: unknown endpoint or model, foreign or missing fields, URIs that cannot be read."""
        known = self.knobs["variants"]
        if not isinstance(body, dict):
            return self.refuse(400, "the body is no JSON object")
        if known and endpoint not in known:
            return self.refuse(404, "Not found")
        if known:
            variant = known[endpoint].get(body.get("model"))
            if variant is None:
                return self.refuse(400, "Validation of body failed", {"path": ["model"], "message": "unknown variant"})
            foreign = sorted(set(body) - set(variant["fields"]))
            missing = sorted(set(variant["required"]) - set(body))
            if foreign or missing:
                path = [(foreign or missing)[0]]
                message = "Unrecognized key" if foreign else "Required"
                return self.refuse(400, "Validation of body failed", {"path": path, "message": message})
        return self.unreadable(body)

    def unreadable(self, value: Any) -> Reply | None:
        if isinstance(value, dict | list):
            parts = value.values() if isinstance(value, dict) else value
            return next((refusal for part in parts if (refusal := self.unreadable(part))), None)
        if not isinstance(value, str):
            return None
        if value.startswith("data:") and len(value) > 5 * 1024 * 1024:
            return self.refuse(400, "Invalid asset: the data URI is larger than 5 MB")
        if value.startswith("runway://") and value not in self.uploaded:
            return self.refuse(400, "Invalid asset: no such upload")
        return None

    def credits(self, job: FakeJob) -> int:
        return int(job.usd * 100)

    def status(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if refusal := self.let_in(request):
            return refusal
        own = self.own(request, job)
        if own is None or job in self.gone:
            return self.refuse(404, "Not found")
        now = time.time()
        own.life.asked_once(now)
        return Reply.of(self.told(own, request, now))

    def told(self, job: FakeJob, request: Request, now: float) -> dict[str, Any]:
        phase, progress = self.look(job, now)
        born = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(job.life.born))
        told: dict[str, Any] = {"id": job.id, "createdAt": born, "status": WORDS.get(phase, "CANCELLED")}
        if phase == "queued" and self.knobs["throttled"]:
            told["status"] = "THROTTLED"
        if phase in ENDS:
            told["cost"] = {"credits": int(self.ledger.cost(job.id) * 100)}
        else:
            told["estimatedCost"] = {"credits": self.credits(job)}
        if phase == "running":
            told["progress"] = round(progress, 3)
        elif phase == "succeeded":
            path = self.shelf.path(job.id, str(job.request.get("duration", "")))
            told["output"] = [f"http://{request.headers['host']}{path}?_jwt=signed"]
        elif phase == "failed":
            error = job.life.error or {"code": "INTERNAL.BAD_OUTPUT.CODE01", "message": "An unexpected error occurred."}
            told["failure"], told["failureCode"] = error["message"], error["code"]
        return told

    def delete(self, request: Request, outcome: Outcome, job: str) -> Reply:
        own = self.own(request, job)
        if own is None or job in self.gone:
            return self.refuse(404, "Not found")
        now = time.time()
        phase, _ = self.look(own, now)
        if phase not in ENDS:
            self.stop_job(own, now)
        if phase in ENDS or self.knobs["deleted"] == "gone":
            self.gone.add(job)
        return Reply(204)

    def upload(self, request: Request, outcome: Outcome) -> Reply:
        if refusal := self.let_in(request):
            return refusal
        body = request.json()
        if not isinstance(body, dict) or body.get("type") != "ephemeral" or "." not in body.get("filename", ""):
            return self.refuse(400, "filename and type are needed")
        token = f"{len(self.uploaded) + 1:04d}"
        self.uploaded[f"runway://{token}"] = -1
        url = f"http://{request.headers['host']}/bucket/{token}"
        return Reply.of({"uploadUrl": url, "fields": BUCKET_FIELDS, "runwayUri": f"runway://{token}"})

    def bucket(self, request: Request, outcome: Outcome, token: str) -> Reply:
        """The presigned form: its fields, then the file; the API's key has no business here."""
        if "authorization" in request.headers:
            return Reply.of({"error": "a key was sent to the bucket"}, 400)
        head, _, rest = request.body.partition(b'name="file"')
        found = re.search(rb"\r\n\r\n(.*)\r\n--[^\r\n]+--\r\n?$", rest, re.DOTALL)
        if found is None or any(f'name="{name}"'.encode() not in head for name in BUCKET_FIELDS):
            return Reply(403)
        if len(found[1]) > self.knobs["upload_max"]:
            return Reply(400)
        self.uploaded[f"runway://{token}"] = len(found[1])
        return Reply(204)

    def organization(self, request: Request, outcome: Outcome) -> Reply:
        if refusal := self.let_in(request):
            return refusal
        limits = {"gen4.5": {"maxConcurrentGenerations": 2, "maxDailyGenerations": 50}}
        return Reply.of(
            {
                "creditBalance": self.knobs["balance"],
                "tier": {"maxMonthlyCreditSpend": 10_000, "models": limits},
                "usage": {"models": {"gen4.5": {"dailyGenerations": len(self.jobs)}}},
            }
        )

    def media(self, request: Request, outcome: Outcome, token: str) -> Reply:
        if "authorization" in request.headers:
            return Reply.of({"error": "a key was sent for a signed address"}, 400)
        return self.shelf.serve(request, token)

    def do_counters(self) -> dict[str, Any]:
        return {**super().do_counters(), "uploaded": dict(self.uploaded)}


SERVICE = Runway
