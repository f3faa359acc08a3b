"""Veo on Vertex AI, the token service and Cloud Storage beside it, as Google Cloud documents them.

POST /token                                                  an access token for a signed assertion
POST /v1beta1/projects/P/locations/L/publishers/google/models/M:predictLongRunning   -> {name: .../operations/ID}
POST ...models/M:fetchPredictOperation {operationName}       -> {name, done, response | error}
POST /v1beta1/projects/P/locations/L/interactions            Gemini Omni, as in `google_omni`; addresses are gs://
GET  /storage/v1/b/BUCKET/o/OBJECT?alt=media                 the clip, where a bucket was requested
"""

from __future__ import annotations

import base64
import json
import time
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.google_omni import Omni
from tests.fakes.jobs import FakeJob
from tests.fakes.script import Outcome
from tests.fakes.service import Handler
from tests.fakes.wire import Reply, Request

HOME = "/v1beta1/projects/{project}/locations/{location}"
MODEL = f"{HOME}/publishers/google/models/{{model}}"
VEO_MODELS = {"veo-3.1-generate-001", "veo-3.1-fast-generate-001", "veo-3.1-lite-generate-001"}
INSTANCE = {"prompt", "image", "lastFrame", "video", "referenceImages"}
PARAMETERS = {"sampleCount", "durationSeconds", "seed", "aspectRatio", "resolution", "personGeneration"}
PARAMETERS |= {"negativePrompt", "enhancePrompt", "generateAudio", "storageUri"}
RESPONSE = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"


class Vertex(Omni):
    """Knobs besides `Omni`'s: token (what the token service gives), token_error (its refusal), project,
    location, filtered (videos held back: a finished operation has none), reasons."""

    def knobs_of_its_own(self) -> dict[str, Any]:
        own = {"token": "ya29.fake-token-0123456789", "token_error": "", "project": "studio", "location": "us-central1"}
        return {**super().knobs_of_its_own(), **own, "filtered": 0, "reasons": [], "prefix": "op"}

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        return [
            ("token", "POST", "/token", self.token),
            ("submit", "POST", f"{MODEL}:predictLongRunning", self.predict),
            ("status", "POST", f"{MODEL}:fetchPredictOperation", self.operation),
            ("interact", "POST", f"{HOME}/interactions", at_home(self.submit)),
            ("look", "GET", f"{HOME}/interactions/{{job}}", at_home(self.status)),
            ("cancel", "POST", f"{HOME}/interactions/{{job}}/cancel", at_home(self.cancel)),
            ("media", "GET", r"/storage/v1/b/{bucket}/o/(?P<name>.+)", self.stored),
        ]

    def account(self, request: Request) -> str:
        right = request.headers.get("authorization") == f"Bearer {self.knobs['token']}"
        return super().account(request) if right else ""

    def token(self, request: Request, outcome: Outcome) -> Reply:
        """RFC 7523: the assertion's claims are looked at; its signature would need a library."""
        form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return Reply.of({"error": "unsupported_grant_type"}, 400)
        claims = form["assertion"].split(".")[1]
        told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        if "https://www.googleapis.com/auth/cloud-platform" not in told["scope"]:
            return Reply.of({"error": "invalid_scope"}, 400)
        if self.knobs["token_error"]:
            return Reply.of({"error": self.knobs["token_error"], "error_description": "scripted"}, 400)
        return Reply.of({"access_token": self.knobs["token"], "expires_in": 3600, "token_type": "Bearer"})

    def predict(self, request: Request, outcome: Outcome, project: str, location: str, model: str) -> Reply:
        if not (account := self.account(request)):
            return self.refuse(401, "Request had invalid authentication credentials")
        if (project, location) != (self.knobs["project"], self.knobs["location"]):
            return self.refuse(403, f"Permission denied on project {project}")
        if model not in VEO_MODELS:
            return self.refuse(404, f"Publisher Model `{model}` was not found")
        body = request.json()
        if wrong := unfit(body):
            return self.refuse(400, wrong)
        parameters = body["parameters"]
        usd = Decimal(parameters.get("durationSeconds", 7)) * Decimal("0.4")
        job = self.begin(account, "", model, parameters, usd, outcome)
        return Reply.of({"name": operation_name(job, project, location)})

    def operation(self, request: Request, outcome: Outcome, project: str, location: str, model: str) -> Reply:
        name = str(request.json().get("operationName", ""))
        own = self.own(request, name.rpartition("/")[2])
        if own is None or name != operation_name(own, project, location):
            return self.refuse(404, "The operation was not found")
        now = time.time()
        own.life.asked_once(now)
        phase, _ = self.look(own, now)
        told: dict[str, Any] = {"name": name}
        if phase == "succeeded":
            told |= {"done": True, "response": self.response(own)}
        elif phase in ("failed", "cancelled"):
            told |= {"done": True, "error": own.life.error or {"code": 13, "message": "Internal error"}}
        return Reply.of(told)

    def response(self, job: FakeJob) -> dict[str, Any]:
        told: dict[str, Any] = {"@type": RESPONSE, "raiMediaFilteredCount": self.knobs["filtered"]}
        if self.knobs["filtered"]:
            return {**told, "raiMediaFilteredReasons": self.knobs["reasons"]}
        seconds = str(job.request.get("durationSeconds", ""))
        video = {"mimeType": "video/mp4"}
        if place := place_of(job):
            video["gcsUri"] = place
        else:
            video["bytesBase64Encoded"] = base64.b64encode(self.shelf.bytes_of(seconds)).decode()
        return {**told, "videos": [video]}

    def unfit(self, body: Any) -> str:
        asked = body.get("response_format", {})
        if asked.get("delivery") == "uri" and not asked.get("gcs_uri", "").startswith("gs://"):
            return "gcs_uri is needed for delivery uri"
        return super().unfit(body)

    def video(self, job: FakeJob, request: Request) -> dict[str, Any]:
        place = place_of(job)
        return {"type": "video", "mime_type": "video/mp4", "uri": place} if place else super().video(job, request)

    def stored(self, request: Request, outcome: Outcome, bucket: str, name: str) -> Reply:
        if not self.account(request) or request.query.get("alt") != "media":
            return self.refuse(401, "Anonymous caller does not have storage.objects.get access")
        job = self.jobs.get(name.split("/")[-2])
        if job is None or f"gs://{bucket}/{name}" != place_of(job):
            return self.refuse(404, "No such object")
        token = self.shelf.path(job.id, str(job.request.get("durationSeconds", ""))).rpartition("/")[2]
        return self.shelf.serve(request, token)


def at_home(handler: Handler) -> Handler:
    """The Gemini API's handler below a project and location."""
    return lambda request, outcome, project, location, **params: handler(request, outcome, **params)


def place_of(job: FakeJob) -> str:
    """The object that a job writes; "" when its clip comes inside the answer."""
    folder = job.request.get("storageUri") or job.request.get("response_format", {}).get("gcs_uri", "")
    return f"{folder.rstrip('/')}/{job.id}/sample 0.mp4" if folder else ""


def operation_name(job: FakeJob, project: str, location: str) -> str:
    return f"projects/{project}/locations/{location}/publishers/google/models/{job.group}/operations/{job.id}"


def unfit(body: Any) -> str:
    """Why a body is refused; "" when it is not."""
    if not isinstance(body, dict) or set(body) != {"instances", "parameters"} or len(body["instances"]) != 1:
        return "instances (one) and parameters are needed"
    instance, parameters = body["instances"][0], body["parameters"]
    if foreign := sorted((set(instance) - INSTANCE) | (set(parameters) - PARAMETERS)):
        return f"unknown fields {foreign}"
    if "referenceImages" in instance and ("image" in instance or "lastFrame" in instance):
        return "reference images go without first and last frame"
    if "lastFrame" in instance and "image" not in instance:
        return "a last frame needs a first one"
    if not instance.get("prompt") and "image" not in instance:
        return "a prompt is needed"
    references = instance.get("referenceImages", [])
    if any(set(one) != {"image", "referenceType"} or one["referenceType"].lower() != "asset" for one in references):
        return "referenceImages are {image, referenceType: asset}"
    media = [instance.get("image"), instance.get("lastFrame"), *(one["image"] for one in references)]
    for still in filter(None, media):
        if set(still) != {"bytesBase64Encoded", "mimeType"}:
            return "an image is bytesBase64Encoded and mimeType"
        sound = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff"}[still["mimeType"]]
        if not base64.b64decode(still["bytesBase64Encoded"], validate=True).startswith(sound):
            return "the bytes are not what mimeType says"
    if "video" in instance and b"ftyp" not in base64.b64decode(instance["video"]["bytesBase64Encoded"])[:12]:
        return "the video is no MP4"
    return ""


SERVICE = Vertex
