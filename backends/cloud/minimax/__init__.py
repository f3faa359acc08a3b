"""MiniMax's own API (Hailuo, H3)."""

from __future__ import annotations

from pathlib import Path

from backends.cloud.minimax.backend import MiniMaxBackend
from backends.provider.protocol import Registration


def register() -> Registration:
    return MiniMaxBackend.registration(Path(__file__).with_name("models.toml"))
