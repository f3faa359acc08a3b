"""MiniMax's API, from its public documentation: the Hailuo line (v1) and H3 (v2).

POST /v1/video_generation             -> 200 {task_id, base_resp: {status_code, status_msg}}; errors are 200 too
GET  /v1/query/video_generation       -> {task_id, status, file_id, base_resp}
GET  /v1/files/retrieve               -> {file: {download_url, backup_download_url}, base_resp}
POST /v2/video_generation             -> {task_id}
GET  /v2/query/video_generation/ID    -> {task: {id, status, content: {url}, error: {code, message}, usage}}
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from tests.fakes.jobs import FakeJob, JobService
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

FIRST = {"queued": "Queueing", "running": "Processing", "succeeded": "Success", "failed": "Fail"}
FIELDS = {
    "model": str,
    "prompt": str,
    "duration": int,
    "resolution": str,
    "first_frame_image": str,
    "last_frame_image": str,
    "prompt_optimizer": bool,
    "fast_pretreatment": bool,
    "aigc_watermark": bool,
}
FIRST_MODELS = {"MiniMax-Hailuo-02", "MiniMax-Hailuo-2.3", "MiniMax-Hailuo-2.3-Fast"}
SECOND_MODELS = {"MiniMax-H3", "MiniMax-H3-Max"}
ROLES = {"image_url": {"first_frame", "last_frame", "reference_image"}, "video_url": {"reference_video"}}
RATIOS = {"adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"}
GOOD = {"status_code": 0, "status_msg": "success"}


def _resp(code: int, message: str) -> dict[str, Any]:
    return {"base_resp": {"status_code": code, "status_msg": message}}


class MiniMax(JobService):
    """Knobs besides `JobService`'s: usd (a job)."""

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {**super().knobs_of_its_own(), "usd": "0.28", "prefix": "4"}

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("media", "GET", "/media/{token}", self.media),
            ("submit", "POST", "/v1/video_generation", self.submit),
            ("submit2", "POST", "/v2/video_generation", self.submit2),
            ("status", "GET", "/v1/query/video_generation", self.status),
            ("file", "GET", "/v1/files/retrieve", self.file),
            ("status2", "GET", "/v2/query/video_generation/{job}", self.status2),
        ]

    def error(self, status: int, outcome: Outcome) -> Any:
        return _resp(outcome.get("code", 1000), f"scripted {status}")

    def submit(self, request: Request, outcome: Outcome) -> Reply:
        if not (account := self.account(request)):
            return Reply.of(_resp(1004, "login fail"))
        body = request.json()
        wrong = [name for name, value in body.items() if type(value) is not FIELDS.get(name)]
        images = [value for name, value in body.items() if name.endswith("_frame_image")]
        if wrong or body.get("model") not in FIRST_MODELS or not all(map(_data_uri, images)):
            return Reply.of(_resp(2013, f"invalid params {wrong}"))
        job = self.begin(account, "", body["model"], body, Decimal(self.knobs["usd"]), outcome)
        return Reply.of({"task_id": job.id, "base_resp": GOOD})

    def submit2(self, request: Request, outcome: Outcome) -> Reply:
        if not (account := self.account(request)):
            return Reply.of({"error": {"code": "1004", "message": "login fail"}}, 401)
        body = request.json()
        if wrong := _unfit(body):
            return Reply.of({"error": {"code": "2013", "message": f"invalid params: {wrong}"}}, 400)
        job = self.begin(account, "", body["model"], body, Decimal(self.knobs["usd"]), outcome)
        return Reply.of({"task_id": job.id})

    def _held(self, request: Request, name: str, models: set[str]) -> tuple[FakeJob, str] | None:
        """A task of that line: neither knows the other's."""
        job = self.own(request, name)
        if job is None or job.group not in models:
            return None
        now = time.time()
        job.life.asked_once(now)
        return job, self.look(job, now)[0]

    def status(self, request: Request, outcome: Outcome) -> Reply:
        if not self.account(request):
            return Reply.of(_resp(1004, "login fail"))
        if (held := self._held(request, request.query["task_id"], FIRST_MODELS)) is None:
            return Reply.of(_resp(2013, "no such task"))
        job, phase = held
        told: dict[str, Any] = {"task_id": job.id, "status": FIRST.get(phase, phase), "base_resp": GOOD}
        if phase == "failed":
            error = job.life.error or {"code": "1033", "message": "generation failed"}
            told |= _resp(int(error["code"]), error["message"])
        if phase == "succeeded":
            told |= {"file_id": f"9{job.id}", "video_width": 1366, "video_height": 768}
        return Reply.of(told)

    def file(self, request: Request, outcome: Outcome) -> Reply:
        job = self.own(request, request.query["file_id"][1:])
        if job is None:
            return Reply.of(_resp(2013, "no such file"))
        url = f"http://{request.headers['host']}{self.shelf.path(job.id, '')}"
        file = {"file_id": request.query["file_id"], "filename": "output.mp4", "download_url": url}
        return Reply.of({"file": {**file, "backup_download_url": url}, "base_resp": GOOD})

    def status2(self, request: Request, outcome: Outcome, job: str) -> Reply:
        if not self.account(request):
            return Reply.of({"error": {"code": "1004", "message": "login fail"}}, 401)
        if (held := self._held(request, job, SECOND_MODELS)) is None:
            return Reply.of({"error": {"code": "2013", "message": "no such task"}}, 404)
        own, phase = held
        task: dict[str, Any] = {"id": own.id, "model": own.group, "status": phase, "created_at": int(own.life.born)}
        if phase == "failed":
            task["error"] = own.life.error or {"code": "1033", "message": "generation failed"}
        if phase == "succeeded":
            url = f"http://{request.headers['host']}{self.shelf.path(own.id, '')}"
            task |= {"content": {"url": url}, "usage": {"total_seconds": own.request["duration"]}}
        return Reply.of({"task": task})

    def media(self, request: Request, outcome: Outcome, token: str) -> Reply:
        return self.shelf.serve(request, token)


def _data_uri(text: str) -> bool:
    return text.startswith(("data:image/jpeg;base64,", "data:image/png;base64,", "data:image/webp;base64,"))


def _unfit(body: dict[str, Any]) -> str:
    if set(body) - {"model", "content", "resolution", "duration", "ratio"} or body.get("model") not in SECOND_MODELS:
        return "fields or model"
    if type(body.get("duration")) is not int or not 4 <= body["duration"] <= 15 or body.get("ratio") not in RATIOS:
        return "duration or ratio"
    if body.get("resolution") not in {"480P", "768P", "2K"}:
        return "resolution"
    for block in body["content"]:
        kind = block.get("type")
        if kind == "text":
            if set(block) != {"type", "text"}:
                return "text block"
        elif block.get("role") not in ROLES.get(kind, ()) or set(block) != {"type", "role", kind}:
            return f"{kind} block"
        elif not block[kind]["url"].startswith(("data:", "https://")):
            return "url"
    return ""


SERVICE = MiniMax
