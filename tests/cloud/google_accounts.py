"""Google's back ends opened for a test: a key for the Gemini API, a service account's file for Vertex AI."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from backends.cloud.google.omni import OmniBackend
from backends.cloud.google.side import GeminiSide, VertexSide
from backends.cloud.google.vertex import VertexBackend
from backends.provider.channel import Timing
from tests.fakes import FakeServer

KEY = "AIza-gemini-alpha-0123456789"
TOKEN = "ya29.fake-token-0123456789"
QUICK = Timing(paid_s=0.5, free_s=0.5, read_s=0.4, connect_s=1.0)


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def service_account(folder: Path, url: str) -> Path:
    """A service account's file whose token service is at that address."""
    path = folder / "service-account.json"
    told = {
        "type": "service_account",
        "project_id": "studio",
        "private_key_id": "1",
        "private_key": private_key(),
        "client_email": "reel@studio.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }
    path.write_text(json.dumps(told))
    return path


def vertex_env(folder: Path, url: str) -> dict[str, str]:
    return {
        "GOOGLE_CLOUD_PROJECT": "studio",
        "GOOGLE_CLOUD_LOCATION": "us-central1",
        "GOOGLE_APPLICATION_CREDENTIALS": str(service_account(folder, url)),
        "REELWRIGHT_VERTEX_BASE_URL": url,
    }


@asynccontextmanager
async def gemini(url: str, timing: Timing | None = None) -> AsyncIterator[OmniBackend]:
    backend = OmniBackend(GeminiSide(KEY, url, timing))
    try:
        yield backend
    finally:
        await backend.aclose()


@asynccontextmanager
async def vertex(env: Mapping[str, str], timing: Timing | None = None) -> AsyncIterator[VertexBackend]:
    backend = VertexBackend(VertexSide(env, env["REELWRIGHT_VERTEX_BASE_URL"], timing))
    try:
        yield backend
    finally:
        await backend.aclose()


@contextmanager
def as_new(running: FakeServer, **knobs: Any) -> Iterator[FakeServer]:
    """A module's one fake for one test: ordinary answers, these knobs, and every scripted outcome used by the end."""
    running.clear()
    running.set(**knobs)
    yield running
    assert running.left() == {}, "an outcome that no request has used"
    running.release()
