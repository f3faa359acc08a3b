"""A /v1/videos server on a loopback port: OpenAI's own dialect, or that of a compatible server.

POST /v1/videos, /v1/videos/edits, /v1/videos/extensions, /v1/videos/ID/remix   JSON or multipart -> the job
GET  /v1/videos/ID, /v1/videos (after, limit, order), /v1/videos/ID/content?variant=
DELETE /v1/videos/ID       openai: only an ended job's record; vllm-omni: stops the work, 409 while it is stopping;
                           sglang, fastvideo: drops the record, the work goes on
GET  /v1/models
Listed jobs show their prompts in OpenAI's dialect alone. Jobs are charged in the POST ($0.10 a second).
"""

from __future__ import annotations

import hashlib
import time
from decimal import Decimal
from email import message_from_bytes
from email.message import Message
from typing import Any

from tests.fakes.jobs import FakeJob, JobService
from tests.fakes.life import ENDS
from tests.fakes.media import ranged
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8L\r\x00\x00\x00\x2f\x00\x00\x00\x00\x07\x10\x11\x11\x88\x88\xfe\x07\x00"
WORDS = {"queued": "queued", "running": "in_progress", "succeeded": "completed"}
CODES = {400: "invalid_value", 401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}


def form(request: Request) -> dict[str, Any]:
    """A multipart body by field: text, or {"file", "type", "bytes", "sha256"}; a repeated field is a list."""
    head = b"content-type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
    parts = message_from_bytes(head + request.body).get_payload()
    found: dict[str, Any] = {}
    for part in parts if isinstance(parts, list) else []:
        assert isinstance(part, Message)
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        filename = part.get_filename()
        value: Any = data.decode()if filename is None else {
            "file": filename,
            "type": part.get_content_type(),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }  # fmt: skip
        if name in found:
            value = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        found[name] = value
    return found


class Videos(JobService):
    """Knobs besides `JobService`'s: dialect "openai" | "vllm-omni" | "sglang" | "fastvideo"; keyless (no key is asked
    for); query (what every request must carry); stopping (a DELETE is answered 409); ahead_s (how far the server's
    clock is ahead)."""

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {
            **super().knobs_of_its_own(),
            "dialect": "openai",
            "keyless": False,
            "query": {},
            "stopping": False,
            "ahead_s": 0.0,
            "page": 100,
            "prefix": "video_",
        }

    def __init__(self, config: dict[str, Any]) -> None:
        self.gone: set[str] = set()
        super().__init__(config)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("submit", "POST", "/v1/videos", self.create),
            ("submit", "POST", "/v1/videos/edits", self.edit),
            ("submit", "POST", "/v1/videos/extensions", self.extend),
            ("submit", "POST", "/v1/videos/{job}/remix", self.remix),
            ("list", "GET", "/v1/videos", self.listing),
            ("status", "GET", "/v1/videos/{job}", self.status),
            ("delete", "DELETE", "/v1/videos/{job}", self.delete),
            ("media", "GET", "/v1/videos/{job}/content", self.content),
            ("models", "GET", "/v1/models", self.models),
        ]

    def account(self, request: Request) -> str:
        return "anybody" if self.knobs["keyless"] else super().account(request)

    def error(self, status: int, outcome: Outcome) -> Any:
        code = outcome.get("code") or CODES.get(status, "server_error")
        return {"error": {"message": f"scripted {code}", "type": "error", "param": None, "code": code}}

    def refuse(self, status: int, message: str, code: str = "") -> Reply:
        if self.knobs["dialect"] != "openai":
            return Reply.of({"detail": message}, status)
        return Reply.of(
            {"error": {"message": message, "type": "error", "param": None, "code": code or CODES.get(status)}}, status
        )

    def let_in(self, request: Request) -> Reply | None:
        if not self.account(request):
            return self.refuse(401, "Incorrect API key provided")
        missing = [key for key, value in self.knobs["query"].items() if request.query.get(key) != value]
        return self.refuse(404, f"no such resource without {missing}") if missing else None

    def create(self, request: Request, outcome: Outcome) -> Reply:
        return self.begun(request, outcome, "videos")

    def extend(self, request: Request, outcome: Outcome) -> Reply:
        return self.begun(request, outcome, "videos/extensions")

    def edit(self, request: Request, outcome: Outcome) -> Reply:
        return self.begun(request, outcome, "videos/edits")

    def remix(self, request: Request, outcome: Outcome, job: str) -> Reply:
        return self.begun(request, outcome, "videos/remix", job)

    def begun(self, request: Request, outcome: Outcome, endpoint: str, source: str = "") -> Reply:
        if refusal := self.let_in(request):
            return refusal
        multipart = request.headers.get("content-type", "").startswith("multipart/form-data")
        body = form(request) if multipart else request.json()
        if not isinstance(body, dict) or not isinstance(body.get("prompt"), str):
            return self.refuse(400, "prompt is required")
        video = body.get("video")
        source = source or (str(video["id"]) if isinstance(video, dict) and "id" in video else "")
        if source and (self.own(request, source) is None or source in self.gone):
            return self.refuse(404, f"no video {source}")
        if endpoint in ("videos/edits", "videos/extensions") and video is None:
            return self.refuse(400, "video is required")
        if self.knobs["dialect"] == "sglang" and multipart and "input_reference" not in body:
            return self.refuse(400, "input_reference file is required")
        record = {"endpoint": endpoint, "multipart": multipart, "body": body, **({"source": source} if source else {})}
        usd = Decimal("0.10") * Decimal(str(body.get("seconds", "4")))
        job = self.begin(self.account(request), "", body.get("model", "default"), record, usd, outcome)
        return Reply.of(self.told(job, time.time()), 200)

    def told(self, job: FakeJob, now: float) -> dict[str, Any]:
        phase, progress = self.look(job, now)
        body = job.request["body"]
        ended = int(job.life.ended_at) if job.life.ended_at is not None and phase in ENDS else None
        told: dict[str, Any] = {
            "id": job.id,
            "object": "video",
            "model": body.get("model", "sora-2"),
            "status": WORDS.get(phase, "failed"),
            "progress": round(progress * 100),
            "created_at": int(job.life.born + self.knobs["ahead_s"]),
            "completed_at": ended if phase == "succeeded" else None,
            "expires_at": None,
            "prompt": body["prompt"],
            "size": body.get("size", "720x1280"),
            "seconds": str(body.get("seconds", "4")),
            "remixed_from_video_id": job.request.get("source"),
            "error": None,
        }
        if phase == "failed":
            told["error"] = job.life.error or {"code": "server_error", "message": "the generation failed"}
        if self.knobs["dialect"] != "openai":
            told = {**told, "quality": "standard", "peak_memory_mb": 1.5, "inference_time_s": None}
            for key in ("prompt", "expires_at", "remixed_from_video_id"):
                del told[key]
            if phase == "cancelled":
                told["status"] = "cancelled"
        if self.knobs["dialect"] == "fastvideo":
            told["progress"] = 100 if phase == "succeeded" else 0
        return told

    def found(self, request: Request, job: str) -> FakeJob | None:
        return None if job in self.gone else self.own(request, job)

    def status(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if refusal := self.let_in(request):
            return refusal
        if (own := self.found(request, job)) is None:
            return self.refuse(404, "Video not found")
        now = time.time()
        own.life.asked_once(now)
        return Reply.of(self.told(own, now))

    def listing(self, request: Request, outcome: Outcome) -> Reply:
        if refusal := self.let_in(request):
            return refusal
        now, account = time.time(), self.account(request)
        jobs = [job for job in self.jobs.values() if job.account == account and job.id not in self.gone]
        if request.query.get("order", "desc") == "desc":
            jobs.reverse()
        if after := request.query.get("after"):
            names = [job.id for job in jobs]
            jobs = jobs[names.index(after) + 1 :] if after in names else []
        limit = min(int(request.query.get("limit", "20")), self.knobs["page"])
        page = [self.told(job, now) for job in jobs[:limit]]
        told: dict[str, Any] = {"object": "list", "data": page}
        if self.knobs["dialect"] == "openai":
            told |= {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
            told["has_more"] = len(jobs) > limit
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now + self.knobs["ahead_s"]))
        return Reply.of(told, 200, date=date)

    def delete(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if refusal := self.let_in(request):
            return refusal
        if (own := self.found(request, job)) is None:
            return self.refuse(404, "Video not found")
        now = time.time()
        phase, _ = self.look(own, now)
        if self.knobs["dialect"] == "openai" and phase not in ENDS:
            return self.refuse(400, "only a completed or failed video can be deleted")
        if self.knobs["dialect"] == "vllm-omni" and phase not in ENDS:
            if self.knobs["stopping"]:
                return self.refuse(409, "the job is being cancelled")
            self.stop_job(own, now)
        self.gone.add(job)
        return Reply.of({"id": job, "object": "video.deleted", "deleted": True})

    def content(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if refusal := self.let_in(request):
            return refusal
        own = self.found(request, job)
        if own is None or self.look(own, time.time())[0] != "succeeded":
            return self.refuse(404, "Generation is still in-progress")
        if request.query.get("variant", "video") != "video":
            return Reply(200, {"content-type": "image/webp"}, WEBP)
        body = self.shelf.bytes_of(str(own.request["body"].get("seconds", "")))
        return ranged(request.headers.get("range"), {"content-type": "video/mp4", "accept-ranges": "bytes"}, body)

    def models(self, request: Request, outcome: Outcome) -> Reply:
        if refusal := self.let_in(request):
            return refusal
        data = [{"id": "Wan-AI/Wan2.2-T2V-A14B-Diffusers", "object": "model", "created": 0, "owned_by": "vllm"}]
        return Reply.of({"object": "list", "data": data})


SERVICE = Videos
