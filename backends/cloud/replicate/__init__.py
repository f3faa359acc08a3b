"""Replicate's official models."""

from __future__ import annotations

from pathlib import Path

from backends.cloud.replicate.backend import ReplicateBackend
from backends.provider.protocol import Registration


def register() -> Registration:
    return ReplicateBackend.registration(Path(__file__).with_name("models.toml"))
