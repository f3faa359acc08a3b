"""The key-less, GPU-less previsualisation engine: a camera over a still, a motion brush, keyframe morphs, cards.

It makes no picture that was not given: what comes out is an animatic, and every text of it says so.
Importing this module is cheap; cv2, numpy and av load in `open`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.provider.protocol import Access, LocalBackend, Registration

__all__ = ["register"]


def register() -> Registration:
    """The engine's entry point: always available, on this machine's CPU."""
    return Registration("animatic", "local", _access, _open, Path(__file__).with_name("models.toml"))


def _access(env: Mapping[str, str]) -> Access:
    del env  # no credential and no address: the environment cannot matter
    return Access(lane="cpu")


def _open(env: Mapping[str, str], base_url: str) -> LocalBackend:
    from backends.animatic.engine import Animatic

    del env, base_url
    return Animatic()
