"""fal.ai's queue, with the models that it hosts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.cloud.fal.settings import ADDRESS, KEY, access
from backends.provider.protocol import Registration, RemoteBackend


def open_backend(env: Mapping[str, str], base_url: str) -> RemoteBackend:
    from backends.cloud.fal.backend import FalBackend

    return FalBackend(env, base_url)


def register() -> Registration:
    rows = Path(__file__).with_name("models.toml")
    return Registration("fal", "remote", access, open_backend, rows, keys=(KEY,), address=ADDRESS)
