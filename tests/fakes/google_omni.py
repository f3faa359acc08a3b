"""Google's Interactions API with Gemini Omni, and the Files API beside it, as ai.google.dev documents them.

POST /v1/interactions {model, input: [{type: "user_input", content: [...]}], background, ...} -> {id, status}
GET  /v1/interactions/ID      POST /v1/interactions/ID/cancel
POST /upload/v1/files         resumable: "start" answers with x-goog-upload-url, "upload, finalize" with the file
GET  /v1/files/NAME           state PROCESSING, ACTIVE or FAILED
A finished clip comes inside (base64), or with delivery "uri" by the address of a file that wants the key.
"""

from __future__ import annotations

import base64
import re
import time
from decimal import Decimal
from typing import Any

from tests.fakes.jobs import FakeJob, JobService
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

MODELS = {"gemini-omni-1.1-flash", "gemini-omni-1.2-flash"}
FIELDS = {"model", "input", "background", "store", "generation_config", "response_format", "previous_interaction_id"}
FORMAT = {"type", "aspect_ratio", "delivery", "duration", "resolution", "gcs_uri"}
NEEDS = {"image_to_video": "image", "reference_to_video": "", "edit": "video", "extend": "video", "text_to_video": ""}
WORDS = {"queued": "queued", "running": "in_progress", "succeeded": "completed"}
TOKENS_PER_S = 5792
USD_PER_S = {"360p": "0.03", "720p": "0.10", "1080p": "0.15", "4k": "0.30"}
STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
STATUS |= {409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}


def google_error(status: int, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    """google.rpc.Status as JSON."""
    error: dict[str, Any] = {"code": status, "message": message, "status": STATUS.get(status, "UNKNOWN")}
    return {"error": {**error, "details": list(details)} if details else error}


class Omni(JobService):
    """Knobs besides `JobService`'s: inline (clips come inside whatever was asked), file_polls (how often a file is
    PROCESSING before it is ready), file_fails, elsewhere (an address of another host for the clip)."""

    outcome_keys = JobService.outcome_keys | {"message", "details"}

    def knobs_of_its_own(self) -> dict[str, Any]:
        own = {"inline": False, "file_polls": 0, "file_fails": False, "elsewhere": "", "prefix": "v1_"}
        return {**super().knobs_of_its_own(), **own}

    def __init__(self, config: dict[str, Any]) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self.looked: dict[str, int] = {}
        super().__init__(config)

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("upload", "POST", "/upload/v1/files", self.upload),
            ("file", "GET", "/v1/files/{name}", self.file),
            ("media", "GET", "/v1beta/files/{token}:download", self.media),
            ("models", "GET", "/v1/models", self.models),
            ("submit", "POST", "/v1/interactions", self.submit),
            ("status", "GET", "/v1/interactions/{job}", self.status),
            ("cancel", "POST", "/v1/interactions/{job}/cancel", self.cancel),
        ]

    def error(self, status: int, outcome: Outcome) -> Any:
        return google_error(status, outcome.get("message", f"scripted {status}"), *outcome.get("details", ()))

    def refuse(self, status: int, message: str) -> Reply:
        return Reply.of(google_error(status, message), status)

    def submit(self, request: Request, outcome: Outcome) -> Reply:
        if not (account := self.account(request)):
            return self.refuse(401, "API keys are not valid here")
        body = request.json()
        if wrong := self.unfit(body):
            return self.refuse(400, wrong)
        earlier = body.get("previous_interaction_id")
        if earlier is not None and (earlier not in self.jobs or self.jobs[earlier].account != account):
            return self.refuse(404, "previous interaction not found")
        asked = body.get("response_format", {})
        seconds = Decimal(asked.get("duration", "8s").removesuffix("s"))
        usd = seconds * Decimal(USD_PER_S[asked.get("resolution", "720p")])
        kept = {key: value for key, value in body.items() if key != "input"}
        job = self.begin(account, "", body["model"], {**kept, "seconds": str(seconds)}, usd, outcome)
        return Reply.of({"id": job.id, "object": "interaction", "status": "in_progress", "model": body["model"]})

    def unfit(self, body: Any) -> str:
        """Why a body is refused; "" when it is not."""
        if not isinstance(body, dict) or (foreign := sorted(set(body) - FIELDS)):
            return f"unknown fields {foreign}" if isinstance(body, dict) else "not an object"
        if body.get("model") not in MODELS:
            return "unknown model"
        if body.get("background") is not True:
            return "background is needed here"
        asked = body.get("response_format", {})
        if set(asked) - FORMAT or asked.get("type") != "video":
            return "response_format is no video format"
        if asked.get("aspect_ratio", "16:9") not in ("16:9", "9:16") or asked.get("resolution", "4k") not in USD_PER_S:
            return "aspect_ratio or resolution"
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?s", asked.get("duration", "8s")):
            return "duration is a number of seconds, such as 8s"
        steps = body.get("input")
        if isinstance(steps, str):
            steps = [{"type": "user_input", "content": [{"type": "text", "text": steps}]}]
        if not isinstance(steps, list) or any(step.get("type") != "user_input" for step in steps):
            return "input is a list of user_input steps"
        blocks = [block for step in steps for block in step["content"]]
        if wrong := next(filter(None, map(self.unfit_block, blocks)), ""):
            return wrong
        task = body.get("generation_config", {}).get("video_config", {}).get("task", "text_to_video")
        if task not in NEEDS:
            return f"unknown task {task}"
        kinds = {block["type"] for block in blocks}
        if NEEDS[task] == "video" and "previous_interaction_id" in body:
            return ""
        return f"{task} needs a {NEEDS[task]}" if NEEDS[task] and NEEDS[task] not in kinds else ""

    def unfit_block(self, block: dict[str, Any]) -> str:
        if block.get("type") == "text":
            return "" if set(block) == {"type", "text"} and block["text"] else "an empty text"
        if block.get("type") not in ("image", "video") or "mime_type" not in block:
            return f"a block of type {block.get('type')}"
        if ("data" in block) == ("uri" in block) or set(block) - {"type", "data", "uri", "mime_type"}:
            return "a block holds data or a uri"
        if "uri" in block:
            known = self.files.get(block["uri"].rpartition("/")[2])
            return "" if known is not None and known["ready"] else "the file is not in an ACTIVE state"
        magic = base64.b64decode(block["data"], validate=True)[:12]
        sound = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff"}.get(block["mime_type"], magic[:1])
        return "" if magic.startswith(sound) else "the bytes are not what mime_type says"

    def status(self, request: Request, outcome: Outcome, job: str) -> Reply:
        own = self.own(request, job)
        if own is None:
            return self.refuse(404, "Interaction not found")
        now = time.time()
        own.life.asked_once(now)
        return Reply.of(self.told(own, request, now))

    def told(self, job: FakeJob, request: Request, now: float) -> dict[str, Any]:
        phase, _ = self.look(job, now)
        born = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(job.life.born))
        told: dict[str, Any] = {"id": job.id, "object": "interaction", "status": WORDS.get(phase, phase)}
        told |= {"model": job.group, "created": born, "updated": born}
        if phase == "succeeded":
            tokens = int(Decimal(job.request["seconds"]) * TOKENS_PER_S)
            told["usage"] = {"output_tokens_by_modality": [{"modality": "video", "tokens": tokens}]}
            thought = {"type": "thought", "signature": "c2lnbmF0dXJl"}
            output = {"type": "model_output", "content": [self.video(job, request)]}
            told["steps"] = [{"type": "user_input", "content": []}, thought, output]
        elif phase == "failed":
            told["errors"] = [job.life.error or {"code": "internal", "message": "An internal error has occurred"}]
        return told

    def video(self, job: FakeJob, request: Request) -> dict[str, Any]:
        video = {"type": "video", "mime_type": "video/mp4"}
        seconds = job.request["seconds"]
        if self.knobs["inline"] or job.request.get("response_format", {}).get("delivery") != "uri":
            return {**video, "data": base64.b64encode(self.shelf.bytes_of(seconds)).decode()}
        token = self.shelf.path(job.id, seconds).rpartition("/")[2].removesuffix(".mp4")
        root = self.knobs["elsewhere"] or f"http://{request.headers['host']}"
        return {**video, "uri": f"{root}/v1beta/files/{token}:download?alt=media"}

    def cancel(self, request: Request, outcome: Outcome, job: str) -> Reply:
        own = self.own(request, job)
        if own is None:
            return self.refuse(404, "Interaction not found")
        now = time.time()
        if self.look(own, now)[0] in ("succeeded", "failed", "cancelled"):
            return self.refuse(400, "Interaction is not in a cancellable state")
        self.stop_job(own, now)
        return Reply.of(self.told(own, request, now))

    def upload(self, request: Request, outcome: Outcome) -> Reply:
        """Both halves of a resumable upload: the key comes with the first, its id with the second."""
        command = request.headers.get("x-goog-upload-command", "")
        if command == "start" and not self.account(request):
            return self.refuse(401, "API keys are not valid here")
        if command == "start":
            name = f"f{len(self.files) + 1:04d}"
            size = int(request.headers["x-goog-upload-header-content-length"])
            mime = request.headers["x-goog-upload-header-content-type"]
            self.files[name] = {"size": size, "mime": mime, "bytes": 0, "ready": False}
            # The real service names its own host here; the SDK puts the client's base URL in its place.
            address = f"https://nowhere.invalid/upload/v1/files?upload_id={name}"
            return Reply.of({}, 200, x_goog_upload_url=address, x_goog_upload_status="active")
        name = request.query.get("upload_id", "")
        if name not in self.files or "finalize" not in command:
            return self.refuse(400, "no such upload")
        self.files[name]["bytes"] += len(request.body)
        if self.files[name]["bytes"] != self.files[name]["size"]:
            return self.refuse(400, "the upload is incomplete")
        return Reply.of({"file": self.shown(name, request)}, 200, x_goog_upload_status="final")

    def shown(self, name: str, request: Request) -> dict[str, Any]:
        looks = self.looked[name] = self.looked.get(name, -1) + 1
        state = "PROCESSING" if looks < self.knobs["file_polls"] else "FAILED" if self.knobs["file_fails"] else "ACTIVE"
        if name in self.files:
            self.files[name]["ready"] = state == "ACTIVE"
        uri = f"http://{request.headers['host']}/v1beta/files/{name}"
        return {"name": f"files/{name}", "uri": uri, "mimeType": "video/mp4", "state": state}

    def file(self, request: Request, outcome: Outcome, name: str) -> Reply:
        if not self.account(request):
            return self.refuse(403, "You do not have permission to access the File")
        return Reply.of(self.shown(name, request))

    def media(self, request: Request, outcome: Outcome, token: str) -> Reply:
        if not self.account(request):
            return self.refuse(403, "You do not have permission to access the File")
        return self.shelf.serve(request, token)

    def models(self, request: Request, outcome: Outcome) -> Reply:
        if not self.account(request):
            return self.refuse(401, "API keys are not valid here")
        names = [*sorted(MODELS), "gemini-3.8-flash"]
        return Reply.of({"models": [{"name": f"models/{name}", "displayName": name} for name in names]})

    def do_counters(self) -> dict[str, Any]:
        return {**super().do_counters(), "uploaded": {name: file["bytes"] for name, file in self.files.items()}}


SERVICE = Omni
