"""Kling's API, from its public documentation: {code, message, request_id, data}, and keys of both kinds.

POST /v1/videos/KIND              -> {code: 0, data: {task_id, task_status, task_info, created_at, updated_at}}
GET  /v1/videos/KIND/ID           ID = task_id or external_task_id
GET  /account/costs               -> the resource packs
A bearer key is what the test puts into `keys`; a token is checked as the service would: HS256, iss, exp, nbf.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from decimal import Decimal
from typing import Any

from tests.fakes.jobs import FakeJob, JobService
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

HTTP_OF = {0: 200, 1004: 401, 1101: 429, 1102: 429, 1103: 403, 1200: 400, 1201: 400, 1202: 404, 1203: 404}
HTTP_OF |= {1300: 400, 1301: 400, 1302: 429, 1303: 429, 1304: 429, 5000: 500, 5001: 503, 5002: 504}
BY_STATUS = {400: 1201, 401: 1002, 403: 1103, 404: 1203, 429: 1302}
WORDS = {"queued": "submitted", "running": "processing", "succeeded": "succeed", "failed": "failed"}
TEXT2VIDEO = {"model_name", "prompt", "negative_prompt", "sound", "mode", "aspect_ratio", "duration"}
FIELDS = {
    "text2video": TEXT2VIDEO | {"external_task_id"},
    "image2video": TEXT2VIDEO - {"aspect_ratio"} | {"image", "image_tail", "external_task_id"},
}
MODELS = {"kling-v2-5-turbo", "kling-v2-6", "kling-v3", "kling-v3-turbo", "kling-v4"}
JPEG_OR_PNG = (b"\xff\xd8\xff", b"\x89PNG")


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Kling(JobService):
    """Knobs besides `JobService`'s: secrets (access key -> secret key, for tokens), units (a task's deduction), usd."""

    def knobs_of_its_own(self) -> dict[str, Any]:
        return {**super().knobs_of_its_own(), "secrets": {}, "units": "3.5", "usd": "0.35", "prefix": "8"}

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("media", "GET", "/media/{token}", self.media),
            ("account", "GET", "/account/costs", self.costs),
            ("submit", "POST", "/v1/videos/{kind}", self.submit),
            ("status", "GET", "/v1/videos/{kind}/{job}", self.status),
        ]

    def error(self, status: int, outcome: Outcome) -> Any:
        code = outcome.get("code", BY_STATUS.get(status, 5000))
        return {"code": code, "message": f"scripted {code}", "request_id": "r-1"}

    def account(self, request: Request) -> str:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        parts = token.split(".")
        if len(parts) != 3:
            return super().account(request)
        head, claims = json.loads(_unbase64(parts[0])), json.loads(_unbase64(parts[1]))
        secret = self.knobs["secrets"].get(claims["iss"], "")
        right = hmac.digest(secret.encode(), f"{parts[0]}.{parts[1]}".encode(), hashlib.sha256)
        now = time.time()
        fresh = claims["nbf"] <= now < claims["exp"] <= now + 1801
        good = head == {"alg": "HS256", "typ": "JWT"} and hmac.compare_digest(right, _unbase64(parts[2]))
        return claims["iss"] if secret and good and fresh else ""

    def refuse(self, code: int, message: str) -> Reply:
        return Reply.of({"code": code, "message": message, "request_id": "r-2"}, HTTP_OF[code])

    def submit(self, request: Request, outcome: Outcome, kind: str) -> Reply:
        if not (account := self.account(request)):
            return self.refuse(1004, "Authorization failed")
        body = request.json()
        if kind not in FIELDS:
            return self.refuse(1202, f"no method {kind}")
        if wrong := self.unfit(kind, body):
            return self.refuse(1203 if wrong.startswith("model") else 1201, wrong)
        key = body.get("external_task_id", "")
        if key and (account, key) in self.keyed:
            return self.refuse(1201, f"external_task_id {key} is not unique")
        job = self.begin(account, key, kind, body, Decimal(self.knobs["usd"]), outcome)
        return Reply.of({"code": 0, "message": "SUCCEED", "request_id": "r-3", "data": self.told(job, request)})

    def unfit(self, kind: str, body: dict[str, Any]) -> str:
        if unknown := set(body) - FIELDS[kind]:
            return f"unknown parameter {sorted(unknown)}"
        if body.get("model_name") not in MODELS:
            return f"model {body.get('model_name')} is not found"
        if not all(isinstance(value, str) for value in body.values()):
            return "every parameter is a string"
        if body.get("duration") not in {str(seconds) for seconds in range(3, 31)}:
            return "duration is out of range"
        for name in ("image", "image_tail"):
            if name in body:
                try:
                    data = base64.b64decode(body[name], validate=True)
                except ValueError:
                    return f"{name} is not base64"
                if not data.startswith(JPEG_OR_PNG):
                    return f"{name} is no jpg or png"
        return "image is missing" if kind == "image2video" and "image" not in body else ""

    def told(self, job: FakeJob, request: Request) -> dict[str, Any]:
        phase, _ = self.look(job, time.time())
        told: dict[str, Any] = {
            "task_id": job.id,
            "task_status": WORDS.get(phase, phase),
            "task_status_msg": "",
            "task_info": {"external_task_id": job.key},
            "created_at": int(job.life.born * 1000),
            "updated_at": int(time.time() * 1000),
        }
        if phase == "failed":
            error = job.life.error or {"message": "inference failed"}
            told["task_status_msg"] = error["message"]
            told["final_unit_deduction"] = "0" if job.life.refund else self.knobs["units"]
        if phase == "succeeded":
            url = f"http://{request.headers['host']}{self.shelf.path(job.id, '')}"
            told["task_result"] = {"videos": [{"id": "v-1", "url": url, "duration": job.request["duration"]}]}
            told["final_unit_deduction"] = self.knobs["units"]
        return told

    def status(self, request: Request, outcome: Outcome, kind: str, job: str) -> Reply:
        if not (account := self.account(request)):
            return self.refuse(1004, "Authorization failed")
        held = self.jobs.get(job) or self.keyed.get((account, job))
        if held is None or held.account != account or held.group != kind:
            return self.refuse(1203, "task not found")
        held.life.asked_once(time.time())
        return Reply.of({"code": 0, "message": "SUCCEED", "request_id": "r-4", "data": self.told(held, request)})

    def costs(self, request: Request, outcome: Outcome) -> Reply:
        if not self.account(request):
            return self.refuse(1004, "Authorization failed")
        if not int(request.query["start_time"]) < int(request.query["end_time"]):
            return self.refuse(1201, "start_time must be before end_time")
        pack = {"resource_pack_name": "Video Generation - 10,000 entries", "resource_pack_id": "p1"}
        pack |= {"total_quantity": 200.0, "remaining_quantity": 118.0, "status": "online"}
        data = {"code": 0, "msg": "SUCCEED", "resource_pack_subscribe_infos": [pack]}
        return Reply.of({"code": 0, "message": "SUCCEED", "request_id": "r-5", "data": data})

    def media(self, request: Request, outcome: Outcome, token: str) -> Reply:
        return self.shelf.serve(request, token)


SERVICE = Kling
