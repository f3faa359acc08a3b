"""Google: Gemini Omni by the Gemini API, Veo and Omni on Vertex AI. The SDK loads when one of them is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.cloud.google.settings import (
    CREDENTIALS,
    GEMINI,
    GEMINI_ADDRESS,
    KEYS,
    LOCATION,
    PROJECT,
    VERTEX,
    VERTEX_ADDRESS,
    gemini_access,
    gemini_key,
    vertex_access,
)
from backends.provider.protocol import Registration, RemoteBackend


def open_gemini(env: Mapping[str, str], base_url: str) -> RemoteBackend:
    from backends.cloud.google.omni import OmniBackend
    from backends.cloud.google.side import GeminiSide

    return OmniBackend(GeminiSide(gemini_key(env), base_url))


def register_gemini() -> Registration:
    rows = Path(__file__).with_name("gemini.toml")
    return Registration(GEMINI, "remote", gemini_access, open_gemini, rows, keys=KEYS, address=GEMINI_ADDRESS)


def open_vertex(env: Mapping[str, str], base_url: str) -> RemoteBackend:
    from backends.cloud.google.side import VertexSide
    from backends.cloud.google.vertex import VertexBackend

    return VertexBackend(VertexSide(env, base_url))


def register_vertex() -> Registration:
    rows = Path(__file__).with_name("vertex.toml")
    keys = (PROJECT, LOCATION, CREDENTIALS)
    return Registration(VERTEX, "remote", vertex_access, open_vertex, rows, keys=keys, address=VERTEX_ADDRESS)
