"""BytePlus ModelArk: Seedance at its maker, one key (of the Asia-Pacific region, where the video models are).

DELETE stops a queued task, but removes the record of a finished one, clip and all: it is sent for queued ones alone.
Volcengine, the same platform in China, does not bill a failed task; BytePlus's own page was not read, so that none is
called uncharged here.
Sources: @ai-sdk/bytedance of vercel/ai (2026-11) for paths, roles and answers; codes as public clients report them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.provider.answer import text
from backends.provider.placing import asset_mark, named, plain_body
from backends.provider.protocol import Cancelled, Handle, JsonObject, Prepared, Registration
from backends.provider.rest import Rest, RestBackend
from backends.request import VideoRequest

CANNOT = frozenset({400, 404, 409})
"""How a task that is no longer queued may answer DELETE; which of them is not documented."""


class BytePlusBackend(RestBackend):
    rest = Rest(
        provider="byteplus",
        name="BytePlus",
        key="ARK_API_KEY",
        url="https://ark.ap-southeast.bytepluses.com",
        start="api/v3/contents/generations/tasks",
        task="api/v3/contents/generations/tasks/{id}",
        video=("content", "video_url"),
        seed=("seed",),
        states={
            "queued": "queued",
            "running": "running",
            "succeeded": "succeeded",
            "failed": "failed",
            "expired": "failed",
            "cancelled": "cancelled",
        },
        kinds={
            "InputTextSensitiveContentDetected": "moderation_input",
            "InputImageSensitiveContentDetected": "moderation_input",
            "OutputVideoSensitiveContentDetected": "moderation_output",
            "OutputAudioSensitiveContentDetected": "moderation_output",
            "AuthenticationError": "auth",
            "AccountOverdueError": "balance",
            "QuotaExceeded": "quota",
            "RateLimitExceeded": "rate_limited",
        },
    )

    def body(self, request: VideoRequest, prepared: Prepared, inputs: Mapping[str, tuple[str, ...]]) -> JsonObject:
        """The prompt and every image are blocks of content[]; an image's role is the name of its field."""
        body = plain_body(prepared)
        prompt = text(body.pop("prompt", ""))
        content: list[JsonObject] = [{"type": "text", "text": prompt}] if prompt else []
        for ours, places in inputs.items():
            block = {"type": "image_url", "role": named(prepared, ours)}
            content += [{**block, "image_url": {"url": asset_mark(place)}} for place in places]
        return {**body, "content": content}

    async def cancel(self, handle: Handle) -> Cancelled:
        if (await self.status(handle, Path())).state != "queued":
            return Cancelled("unsupported", "unknown", "BytePlus stops queued tasks only")
        answer = await self.channel.ask("DELETE", self.task(handle), charged="unknown", accept=CANNOT)
        if not answer.ok:
            return Cancelled("unsupported", "unknown", "BytePlus stops queued tasks only, and this one has started")
        return Cancelled("stopped", "unknown", "BytePlus took it out of its queue")


def register() -> Registration:
    return BytePlusBackend.registration(Path(__file__).with_name("models.toml"))
