"""Servers that speak OpenAI's Videos API (/v1/videos). The SDK loads when one is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.cloud.openai.settings import ADDRESS, KEY, access
from backends.provider.protocol import Registration, RemoteBackend


def open_backend(env: Mapping[str, str], base_url: str) -> RemoteBackend:
    from backends.cloud.openai.backend import OpenAIBackend

    return OpenAIBackend(env.get(KEY, "").strip(), base_url)


def register() -> Registration:
    rows = Path(__file__).with_name("models.toml")
    return Registration("openai", "remote", access, open_backend, rows, keys=(KEY,), address=ADDRESS)
