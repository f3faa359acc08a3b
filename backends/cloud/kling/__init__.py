"""Kling's own API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from backends.cloud.kling.backend import KlingBackend
from backends.cloud.kling.settings import KEY, PAIR, access
from backends.provider.protocol import Registration


def register() -> Registration:
    entry = KlingBackend.registration(Path(__file__).with_name("models.toml"))
    return replace(entry, access=access, keys=(KEY, *PAIR))
