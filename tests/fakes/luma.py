"""Luma's Dream Machine API, as lumaai 1.21 speaks to it.

POST   /dream-machine/v1/generations      {model, prompt, duration, resolution, aspect_ratio, loop} -> 201 generation
GET    /dream-machine/v1/generations/ID   -> {id, state, failure_reason, assets: {video}, ...}
DELETE /dream-machine/v1/generations/ID   removes the record
"""

from __future__ import annotations

from typing import Any

from tests.fakes.jobs import FakeJob
from tests.fakes.life import Phase
from tests.fakes.polled import Polled

LEGAL = {
    "model": {"ray-2", "ray-flash-2"},
    "duration": {"5s", "9s"},
    "resolution": {"540p", "720p", "1080p", "4k"},
    "aspect_ratio": {"1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"},
    "loop": {True, False},
}
WORDS = {"running": "dreaming", "succeeded": "completed", "cancelled": "failed"}


class Luma(Polled):
    submit_path = "/dream-machine/v1/generations"
    task_path = "/dream-machine/v1/generations/{job}"

    def unfit(self, body: dict[str, Any]) -> str:
        for name, value in body.items():
            if name != "prompt" and value not in LEGAL.get(name, ()):
                return f"field {name}"
        return "" if isinstance(body.get("prompt"), str) else "prompt"

    def taken(self, job: FakeJob) -> tuple[dict[str, Any], int]:
        return {"id": job.id, "state": "queued", "assets": None}, 201

    def told(self, job: FakeJob, phase: Phase, url: str) -> dict[str, Any]:
        reason = (job.life.error or {}).get("message", "generation failed") if phase == "failed" else None
        assets = {"video": url} if phase == "succeeded" else None
        return {"id": job.id, "state": WORDS.get(phase, phase), "failure_reason": reason, "assets": assets}


SERVICE = Luma
