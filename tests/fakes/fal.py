"""fal's queue, from its public documentation: any endpoint, its storage, and the model's own refusals.

POST /OWNER/APP[/PATH]                    -> 200 {request_id, status_url, response_url, cancel_url, queue_position}
GET  /OWNER/APP/requests/ID/status        -> 202 IN_QUEUE | IN_PROGRESS, 200 COMPLETED {error?, error_type?}
GET  /OWNER/APP/requests/ID               -> 200 the model's result | 4xx, 5xx {"detail": ...}
PUT  /OWNER/APP/requests/ID/cancel        -> 202 CANCELLATION_REQUESTED | 400 ALREADY_COMPLETED | 404 NOT_FOUND
POST /storage/upload/initiate             -> {upload_url, file_url};  PUT upload_url
COMPLETED is said of failures too. A job's life may fail with the error code "422:TYPE" (the result is that refusal),
"500:TYPE" (the result is a fault of the machines) or any other (the status carries error and error_type).
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from tests.fakes.jobs import FakeJob, JobService
from tests.fakes.life import ENDS
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

APP = r"/(?P<app>[^/]+/[^/]+)"


class Fal(JobService):
    """Knobs besides `JobService`'s: endpoints (id -> {field: JSON type}; a body with another field or type is 422;
    an id that is not there is 404), usd (a job), stops (whether a running job heeds a cancel), forgets (whether a
    cancelled one is 404 afterwards), result (merged into results), elsewhere (addresses on another host)."""

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {
            **super().knobs_of_its_own(),
            "endpoints": {},
            "usd": "0.35",
            "stops": True,
            "forgets": False,
            "result": {},
            "elsewhere": False,
            "prefix": "fal-",
        }

    def __init__(self, config: dict[str, Any]) -> None:
        self.uploads: dict[str, tuple[str, int]] = {}
        super().__init__(config)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("media", "GET", "/media/{token}", self.media),
            ("initiate", "POST", "/storage/upload/initiate", self.initiate),
            ("upload", "PUT", "/files/{name}", self.upload),
            ("status", "GET", APP + "/requests/{job}/status", self.status),
            ("cancel", "PUT", APP + "/requests/{job}/cancel", self.cancel),
            ("result", "GET", APP + "/requests/{job}", self.result),
            ("submit", "POST", "/(?P<endpoint>[^/]+/[^/]+.*)", self.submit),
        ]

    def error(self, status: int, outcome: Outcome) -> Any:
        if code := outcome.get("code"):
            return {"detail": [{"loc": ["body", "prompt"], "msg": f"scripted {code}", "type": code, "input": ""}]}
        return {"detail": f"scripted {status}"}

    def submit(self, request: Request, outcome: Outcome, endpoint: str) -> Reply:
        if not (account := self.account(request)):
            return Reply.of({"detail": "Cannot access application: no such key"}, 401)
        fields = self.knobs["endpoints"].get(endpoint)
        if fields is None:
            return Reply.of({"detail": f"Application '{endpoint}' not found"}, 404)
        body = request.json()
        wrong = [name for name in body if type(body[name]).__name__ != fields.get(name)]
        if wrong:
            where = {"loc": ["body", wrong[0]], "msg": f"wants {fields.get(wrong[0])}", "type": "type_error"}
            return Reply.of({"detail": [where]}, 422)
        job = self.begin(account, "", endpoint, body, Decimal(self.knobs["usd"]), outcome)
        base = f"http://{request.headers['host']}/{'/'.join(endpoint.split('/')[:2])}/requests/{job.id}"
        if self.knobs["elsewhere"]:
            base = f"https://elsewhere.invalid/requests/{job.id}"
        return Reply.of(
            {
                "status": "IN_QUEUE",
                "request_id": job.id,
                "response_url": base,
                "status_url": f"{base}/status",
                "cancel_url": f"{base}/cancel",
                "logs": None,
                "metrics": {},
                "queue_position": 0,
            }
        )

    def held(self, request: Request, app: str, job: str) -> FakeJob | None:
        own = self.own(request, job)
        return own if own is not None and own.group.startswith(app) else None

    def status(self, request: Request, outcome: Outcome, app: str, job: str) -> Reply:
        if (own := self.held(request, app, job)) is None:
            return Reply.of({"detail": "Request not found", "status": "NOT_FOUND"}, 404)
        now = time.time()
        own.life.asked_once(now)
        phase, _ = self.look(own, now)
        told: dict[str, Any] = {"request_id": job, "logs": None}
        if phase == "queued":
            return Reply.of({**told, "status": "IN_QUEUE", "queue_position": 2}, 202)
        if phase not in ENDS:
            return Reply.of({**told, "status": "IN_PROGRESS"}, 202)
        if phase == "cancelled" and self.knobs["forgets"]:
            return Reply.of({"detail": "Request not found", "status": "NOT_FOUND"}, 404)
        told |= {"status": "COMPLETED", "metrics": {"inference_time": 3.2}}
        error = self.failure(own)
        if phase == "cancelled":
            told |= {"error": "Request was cancelled", "error_type": "client_cancelled"}
        elif error and ":" not in error["code"]:
            told |= {"error": error["message"], "error_type": error["code"]}
        return Reply.of(told)

    def failure(self, job: FakeJob) -> dict[str, str] | None:
        if self.look(job, time.time())[0] != "failed":
            return None
        return job.life.error or {"code": "runner_disconnected", "message": "Runner disconnected"}

    def result(self, request: Request, outcome: Outcome, app: str, job: str) -> Reply:
        if (own := self.held(request, app, job)) is None:
            return Reply.of({"detail": "Request not found"}, 404)
        phase, _ = self.look(own, time.time())
        if phase not in ENDS:
            return Reply.of({"detail": "Request is still in progress"}, 400)
        if error := self.failure(own):
            status, _, kind = error["code"].partition(":")
            if status == "422":
                detail = [{"loc": ["body", "prompt"], "msg": error["message"], "type": kind, "input": "..."}]
                return Reply.of({"detail": detail}, 422, x_fal_retryable="false")
            return Reply.of({"detail": error["message"]}, 500, x_fal_error_type=kind or error["code"])
        url = f"http://{request.headers['host']}{self.shelf.path(own.id, '')}"
        video = {"url": url, "content_type": "video/mp4", "file_name": "output.mp4", "file_size": 4096}
        return Reply.of({"video": video, "seed": own.request.get("seed", 7), **self.knobs["result"]})

    def cancel(self, request: Request, outcome: Outcome, app: str, job: str) -> Reply:
        if (own := self.held(request, app, job)) is None:
            return Reply.of({"status": "NOT_FOUND"}, 404)
        now = time.time()
        phase, _ = self.look(own, now)
        if phase in ENDS:
            return Reply.of({"status": "ALREADY_COMPLETED"}, 400)
        if phase == "queued" or self.knobs["stops"]:
            self.stop_job(own, now)
        return Reply.of({"status": "CANCELLATION_REQUESTED"}, 202)

    def initiate(self, request: Request, outcome: Outcome) -> Reply:
        if not self.account(request):
            return Reply.of({"detail": "no such key"}, 401)
        asked = request.json()
        if not asked.get("content_type") or not asked.get("file_name"):
            return Reply.of({"detail": "content_type and file_name are needed"}, 422)
        name = f"{len(self.uploads)}-{asked['file_name']}"
        self.uploads[name] = (asked["content_type"], 0)
        url = f"http://{request.headers['host']}/files/{name}"
        return Reply.of({"upload_url": f"{url}?signature=abc", "file_url": url})

    def upload(self, request: Request, outcome: Outcome, name: str) -> Reply:
        kind, _ = self.uploads.get(name, ("", 0))
        if request.headers.get("content-type") != kind or "authorization" in request.headers or not request.body:
            return Reply.of({"detail": "signature does not match"}, 403)
        self.uploads[name] = (kind, len(request.body))
        return Reply(200)

    def media(self, request: Request, outcome: Outcome, token: str) -> Reply:
        return self.shelf.serve(request, token)


SERVICE = Fal
