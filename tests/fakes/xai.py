"""xAI's video API, as vercel/ai's @ai-sdk/xai speaks to it.

POST /v1/videos/generations   {model, prompt, duration, aspect_ratio, resolution, image: {url}, ...} -> {request_id}
GET  /v1/videos/ID            -> {status: pending | done | failed | expired, video: {url, ...}, progress, usage, error}
"""

from __future__ import annotations

from typing import Any

from tests.fakes.jobs import FakeJob
from tests.fakes.life import Phase
from tests.fakes.polled import Polled, is_data_uri

FIELDS = {
    "model": str,
    "prompt": str,
    "duration": int,
    "aspect_ratio": str,
    "resolution": str,
    "image": dict,
    "reference_images": list,
}
WORDS = {"queued": "pending", "running": "pending", "succeeded": "done", "cancelled": "expired"}


class Xai(Polled):
    submit_path = "/v1/videos/generations"
    task_path = "/v1/videos/{job}"

    def unfit(self, body: dict[str, Any]) -> str:
        for name, value in body.items():
            if type(value) is not FIELDS.get(name):
                return f"field {name}"
        images = [*body.get("reference_images", ()), *([body["image"]] if "image" in body else ())]
        return "" if all(set(image) == {"url"} and is_data_uri(image["url"]) for image in images) else "image"

    def taken(self, job: FakeJob) -> tuple[dict[str, Any], int]:
        return {"request_id": job.id}, 200

    def told(self, job: FakeJob, phase: Phase, url: str) -> dict[str, Any]:
        told: dict[str, Any] = {"status": WORDS.get(phase, phase), "model": job.group, "progress": 40}
        if phase == "failed":
            told["error"] = job.life.error or {"code": "internal", "message": "generation failed"}
        if phase == "succeeded":
            told["video"] = {"url": url, "duration": job.request.get("duration", 8), "respect_moderation": True}
            told["usage"] = {"cost_in_usd_ticks": int(job.usd * 10**10)}
        return told


SERVICE = Xai
