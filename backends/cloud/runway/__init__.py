"""Runway. Its SDK loads when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.cloud.runway.settings import ADDRESS, KEY, access
from backends.provider.protocol import Registration, RemoteBackend


def open_backend(env: Mapping[str, str], base_url: str) -> RemoteBackend:
    from backends.cloud.runway.backend import RunwayBackend

    return RunwayBackend(env.get(KEY, "").strip(), base_url)


def register() -> Registration:
    rows = Path(__file__).with_name("models.toml")
    return Registration("runway", "remote", access, open_backend, rows, keys=(KEY,), address=ADDRESS)
