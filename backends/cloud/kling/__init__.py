"""Kling's own API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.cloud.kling.settings import ADDRESS, KEY, PAIR, access
from backends.provider.protocol import Registration, RemoteBackend


def open_backend(env: Mapping[str, str], base_url: str) -> RemoteBackend:
    from backends.cloud.kling.backend import KlingBackend

    return KlingBackend(env, base_url)


def register() -> Registration:
    rows = Path(__file__).with_name("models.toml")
    return Registration("kling", "remote", access, open_backend, rows, keys=(KEY, *PAIR), address=ADDRESS)
