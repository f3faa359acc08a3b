"""BytePlus ModelArk's video tasks, as vercel/ai's @ai-sdk/bytedance speaks to them.

POST   /api/v3/contents/generations/tasks      {model, content: [...], ...} -> {id}
GET    /api/v3/contents/generations/tasks/ID   -> {id, model, status, content: {video_url}, seed, error, usage}
DELETE /api/v3/contents/generations/tasks/ID   stops a queued task, removes another's record
"""

from __future__ import annotations

from typing import Any

from tests.fakes.jobs import FakeJob
from tests.fakes.life import Phase
from tests.fakes.polled import Polled, is_data_uri

FIELDS = {
    "model": str,
    "content": list,
    "resolution": str,
    "ratio": str,
    "duration": int,
    "seed": int,
    "generate_audio": bool,
    "watermark": bool,
}
ROLES = {"first_frame", "last_frame", "reference_image"}


class BytePlus(Polled):
    submit_path = "/api/v3/contents/generations/tasks"
    task_path = "/api/v3/contents/generations/tasks/{job}"

    def unfit(self, body: dict[str, Any]) -> str:
        for name, value in body.items():
            if type(value) is not FIELDS.get(name):
                return f"field {name}"
        for block in body["content"]:
            text = block.get("type") == "text" and set(block) == {"type", "text"}
            image = block.get("type") == "image_url" and block.get("role") in ROLES
            if not text and not (image and is_data_uri(block["image_url"]["url"])):
                return f"block {block.get('type')}"
        return ""

    def taken(self, job: FakeJob) -> tuple[dict[str, Any], int]:
        return {"id": job.id}, 200

    def told(self, job: FakeJob, phase: Phase, url: str) -> dict[str, Any]:
        told: dict[str, Any] = {"id": job.id, "model": job.group, "status": phase, "seed": job.request.get("seed", 7)}
        if phase == "failed":
            told["error"] = job.life.error or {"code": "InternalServiceError", "message": "generation failed"}
        if phase == "succeeded":
            told |= {"content": {"video_url": url}, "usage": {"completion_tokens": 108_900}}
        return told


SERVICE = BytePlus
