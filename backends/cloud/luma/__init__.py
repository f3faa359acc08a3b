"""Luma's Dream Machine API: Ray 2 from text, one key.

Its keyframes are public addresses: there is no upload and no data: URI, so that a file of this machine cannot be sent,
and images are not offered. DELETE removes a generation's record and is no cancel: it is never sent.
Sources: lumaai 1.21 (Luma's own Python package) for paths, fields and answers. Not documented: whether a failed
generation is billed, and whether HTTP 429 may be tried again.
"""

from __future__ import annotations

from pathlib import Path

from backends.provider.answer import Answer, at, text
from backends.provider.outcome import Reported
from backends.provider.protocol import Registration
from backends.provider.rest import Rest, RestBackend


class LumaBackend(RestBackend):
    rest = Rest(
        provider="luma",
        name="Luma",
        key="LUMAAI_API_KEY",
        url="https://api.lumalabs.ai",
        start="dream-machine/v1/generations",
        task="dream-machine/v1/generations/{id}",
        state=("state",),
        video=("assets", "video"),
        states={"queued": "queued", "dreaming": "running", "completed": "succeeded", "failed": "failed"},
    )

    def reported(self, answer: Answer) -> Reported:
        """{detail} of a refusal, {failure_reason} of a generation that failed."""
        return Reported(text(at(answer.json, "failure_reason")) or text(at(answer.json, "detail")))


def register() -> Registration:
    return LumaBackend.registration(Path(__file__).with_name("models.toml"))
