"""fal.ai's queue, with the models that it hosts."""

from __future__ import annotations

from pathlib import Path

from backends.cloud.fal.backend import FalBackend
from backends.provider.protocol import Registration


def register() -> Registration:
    return FalBackend.registration(Path(__file__).with_name("models.toml"))
