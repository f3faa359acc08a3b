"""xAI: Grok Imagine video at its maker, one key.

A finished clip that xAI's moderation holds back comes as "done" with `respect_moderation` false; resellers report that
it is billed. There is no cancel, no list and no idempotency key. `usage.cost_in_usd_ticks` counts 10^10 a dollar.
Sources: @ai-sdk/xai of vercel/ai (2026-11) for paths, fields and answers; docs.x.ai (Video Generation).
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from backends.provider.answer import Answer, at, dollars
from backends.provider.outcome import Reported
from backends.provider.protocol import Registration, Status
from backends.provider.rest import Rest, RestBackend

TICKS = Decimal(10) ** 10
"""Of one US dollar, in `usage.cost_in_usd_ticks`."""


class XaiBackend(RestBackend):
    rest = Rest(
        provider="xai",
        name="xAI",
        key="XAI_API_KEY",
        url="https://api.x.ai",
        start="v1/videos/generations",
        task="v1/videos/{id}",
        id=("request_id",),
        progress=("progress",),
        states={"pending": "running", "done": "succeeded", "failed": "failed", "expired": "failed"},
    )

    def reading(self, answer: Answer) -> Status:
        if at(answer.json, "video", "respect_moderation") is False:
            held = Reported("xAI's moderation held the clip back", "respect_moderation", "moderation_output")
            return Status(
                "failed", "done", error=self.service.failed(held, charged="unknown"), cost_usd=self.cost(answer)
            )
        return super().reading(answer)

    def cost(self, answer: Answer) -> Decimal | None:
        ticks = dollars(at(answer.json, "usage", "cost_in_usd_ticks"))
        return None if ticks is None else ticks / TICKS


def register() -> Registration:
    return XaiBackend.registration(Path(__file__).with_name("models.toml"))
