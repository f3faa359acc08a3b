"""Replicate's HTTP API, from its public reference.

POST /v1/models/OWNER/NAME/predictions -> 201 prediction;  GET /v1/predictions[/ID];  POST /v1/predictions/ID/cancel
POST /v1/files (multipart `content`)   -> 201 {id, urls: {get}, expires_at};  GET /v1/account
Errors are {type, title, status, detail}; a 429 says "Request was throttled".
"""

from __future__ import annotations

import hashlib
import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import formatdate
from typing import Any

from tests.fakes.jobs import FakeJob, JobService
from tests.fakes.life import ENDS
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

WORDS = {"queued": "starting", "running": "processing", "cancelled": "canceled"}
MULTIPART = re.compile(
    rb"--(?P<edge>[^\r\n]+)\r\nContent-Disposition: form-data; name=\"content\"; filename=\"[^\"]+\"\r\n"
    rb"Content-Type: (?P<type>[^\r\n]+)\r\n\r\n(?P<data>.+)\r\n--(?P=edge)--\r\n",
    re.DOTALL,
)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


class Replicate(JobService):
    """Knobs besides `JobService`'s: models ({"owner/name": {input: JSON type}}; another input or type is 422), usd,
    many (outputs are lists), removed (inputs and outputs are deleted), page (results a page), adds (what the service
    adds to listed inputs), clock_s (how far its clock is ahead), logs (of a running prediction)."""

    def knobs_of_its_own(self) -> dict[str, Any]:
        own = {"models": {}, "usd": "0.35", "many": False, "removed": False, "page": 2, "adds": {}, "clock_s": 0.0}
        return {**super().knobs_of_its_own(), **own, "logs": "", "prefix": "rp"}

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("media", "GET", "/media/{token}", self.media),
            ("submit", "POST", "/v1/models/(?P<model>[^/]+/[^/]+)/predictions", self.submit),
            ("list", "GET", "/v1/predictions", self.listing),
            ("cancel", "POST", "/v1/predictions/{job}/cancel", self.cancel),
            ("status", "GET", "/v1/predictions/{job}", self.status),
            ("upload", "POST", "/v1/files", self.upload),
            ("account", "GET", "/v1/account", self.who),
        ]

    def error(self, status: int, outcome: Outcome) -> Any:
        detail = outcome.get("code", f"scripted {status}")
        return {"type": "about:blank", "title": f"Error {status}", "status": status, "detail": detail}

    def refuse(self, status: int, detail: str) -> Reply:
        return Reply.of({"type": "about:blank", "title": "Error", "status": status, "detail": detail}, status)

    def submit(self, request: Request, outcome: Outcome, model: str) -> Reply:
        if not (account := self.account(request)):
            return self.refuse(401, "You did not pass a valid authentication token")
        fields = self.knobs["models"].get(model)
        if fields is None:
            return self.refuse(404, "The requested resource could not be found.")
        body = request.json()
        wrong = [name for name, value in body["input"].items() if type(value).__name__ != fields.get(name)]
        if set(body) != {"input"} or wrong or "cancel-after" in request.headers:
            return self.refuse(422, f"- input.{wrong}: wrong")
        job = self.begin(account, "", model, body["input"], Decimal(self.knobs["usd"]), outcome)
        return Reply.of(self.told(job, request), 201)

    def told(self, job: FakeJob, request: Request) -> dict[str, Any]:
        phase, _ = self.look(job, time.time())
        word = WORDS.get(phase, phase)
        if phase == "cancelled" and job.id in self.ledger.refunded:
            word = "aborted"
        base = f"http://{request.headers['host']}/v1/predictions/{job.id}"
        removed = self.knobs["removed"]
        told: dict[str, Any] = {
            "id": job.id,
            "model": job.group,
            "version": "hidden",
            "input": {} if removed else {**job.request, **self.knobs["adds"]},
            "logs": self.knobs["logs"] if phase == "running" else "",
            "output": None,
            "data_removed": removed,
            "error": None,
            "source": "api",
            "status": word,
            "created_at": _iso(job.life.born + self.knobs["clock_s"]),
            "urls": {"get": base, "cancel": f"{base}/cancel"},
        }
        if phase == "failed":
            told["error"] = (job.life.error or {"message": "CUDA out of memory"})["message"]
        if phase == "succeeded" and not removed:
            url = f"http://{request.headers['host']}{self.shelf.path(job.id, '')}"
            told["output"] = [url] if self.knobs["many"] else url
        return told

    def status(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if not self.account(request):
            return self.refuse(401, "You did not pass a valid authentication token")
        if (own := self.own(request, job)) is None:
            return self.refuse(404, "The requested resource could not be found.")
        own.life.asked_once(time.time())
        return Reply.of(self.told(own, request))

    def listing(self, request: Request, outcome: Outcome) -> Reply:
        account = self.account(request)
        if not account:
            return self.refuse(401, "You did not pass a valid authentication token")
        newest = [job for job in reversed(self.jobs.values()) if job.account == account]
        start, size = int(request.query.get("cursor", "0")), self.knobs["page"]
        more = f"http://{request.headers['host']}/v1/predictions?cursor={start + size}"
        results = [self.told(job, request) for job in newest[start : start + size]]
        date = formatdate(time.time() + self.knobs["clock_s"], usegmt=True)
        following = more if len(newest) > start + size else None
        return Reply.of({"previous": None, "next": following, "results": results}, date=date)

    def cancel(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if (own := self.own(request, job)) is None:
            return self.refuse(404, "The requested resource could not be found.")
        now = time.time()
        if self.look(own, now)[0] not in ENDS:
            self.stop_job(own, now)
        return Reply.of(self.told(own, request))

    def upload(self, request: Request, outcome: Outcome) -> Reply:
        if not self.account(request):
            return self.refuse(401, "You did not pass a valid authentication token")
        shape = MULTIPART.fullmatch(request.body)
        if shape is None or shape["edge"].decode() not in request.headers["content-type"]:
            return self.refuse(400, "Missing content")
        name = hashlib.sha256(shape["data"]).hexdigest()
        file = {"id": name[:20], "name": "content", "content_type": shape["type"].decode(), "size": len(shape["data"])}
        file |= {"etag": name[:32], "checksums": {"sha256": name}, "metadata": {}, "created_at": _iso(time.time())}
        urls = {"get": f"http://{request.headers['host']}/v1/files/{name[:20]}"}
        return Reply.of({**file, "expires_at": _iso(time.time() + 86_400), "urls": urls}, 201)

    def who(self, request: Request, outcome: Outcome) -> Reply:
        if not self.account(request):
            return self.refuse(401, "You did not pass a valid authentication token")
        return Reply.of({"type": "organization", "username": "acme", "name": "Acme", "github_url": ""})

    def media(self, request: Request, outcome: Outcome, token: str) -> Reply:
        return self.shelf.serve(request, token)


SERVICE = Replicate
