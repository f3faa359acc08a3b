"""One side of Google (the Gemini API, or Vertex AI) through its SDK (`google-genai`), every retry off.

The SDK's clients are kept for as long as the back end lives: one that is collected in the middle of a call breaks it.
Both HTTP clients are handed to it, so that neither GOOGLE_GENAI_HTTP_CLIENT nor an installed aiohttp changes what is
sent how often; project and location are handed to it, since it ignores the environment's beside a base URL.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, cast

import httpx2
from google import genai
from google.genai import types

from backends.cloud.google.credentials import CloudCredentials
from backends.cloud.google.failures import reported_by
from backends.cloud.google.settings import (
    GEMINI_ADDRESS,
    GEMINI_URL,
    KEYS,
    LOCATION,
    PROJECT,
    VERTEX_ADDRESS,
)
from backends.media.network import authorities, is_loopback
from backends.provider.calls import Calls
from backends.provider.outcome import Service
from backends.provider.timing import Timing
from backends.provider.transport import MAX_INLINE, httpx2_library

GEMINI_VERSION, VERTEX_VERSION = "v1", "v1beta1"
"""API versions that google-genai 3.4.0 asks for."""
STORAGE_URL = "https://storage.googleapis.com"

GoogleCalls = Calls[httpx2.AsyncClient]


class GoogleSide(Protocol):
    """Where requests go, as whom, and what files this side can keep."""

    calls: GoogleCalls
    base_url: str
    has_files: bool
    """Whether inputs can be uploaded (the Files API of the Gemini API)."""

    async def paid(self) -> genai.Client:
        """For the one paid POST: it never takes a kept connection, which a service may close just then."""
        ...

    async def free(self) -> genai.Client: ...

    def media_headers(self) -> Mapping[str, str]: ...

    async def aclose(self) -> None: ...


class GeminiSide:
    """The Gemini API, by a key."""

    has_files = True

    def __init__(self, key: str, base_url: str, timing: Timing | None = None) -> None:
        service = Service("Google's Gemini API", KEYS[0], (key,) if key else ())
        self._key = key
        self.base_url = base_url.rstrip("/") or GEMINI_URL
        self.calls = _calls(service, self.base_url, GEMINI_ADDRESS, timing)
        self._clients = _Clients(self.calls, self.base_url, GEMINI_VERSION, vertexai=False, api_key=key)

    async def paid(self) -> genai.Client:
        return self._clients.paid

    async def free(self) -> genai.Client:
        return self._clients.free

    def media_headers(self) -> Mapping[str, str]:
        return {"x-goog-api-key": self._key}

    async def aclose(self) -> None:
        self._clients.close()
        await self.calls.aclose()


class VertexSide:
    """Vertex AI, by a project, a location and application default credentials."""

    has_files = False

    def __init__(self, env: Mapping[str, str], base_url: str, timing: Timing | None = None) -> None:
        service = Service("Vertex AI", "the Google Cloud credentials")
        self.project, self.location = env.get(PROJECT, "").strip(), env.get(LOCATION, "").strip()
        self.base_url = base_url.rstrip("/")
        self.calls = _calls(service, self.base_url, VERTEX_ADDRESS, timing)
        self._credentials = CloudCredentials(service, env)
        self._clients: _Clients | None = None

    async def paid(self) -> genai.Client:
        return (await self._ready()).paid

    async def free(self) -> genai.Client:
        return (await self._ready()).free

    async def _ready(self) -> _Clients:
        """The SDK's clients, with a token that it need not fetch itself."""
        credentials = await self._credentials.fresh()
        if self._clients is None:
            self._clients = _Clients(
                self.calls,
                self.base_url,
                VERTEX_VERSION,
                vertexai=True,
                project=self.project,
                location=self.location,
                credentials=credentials,
            )
        return self._clients

    def media_headers(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self._credentials.fresh_now().token}"}

    def storage_url(self) -> str:
        """Where Cloud Storage is: beside a base URL that was set to this machine, at that one."""
        return self.base_url if is_loopback(httpx2.URL(self.base_url).host) else STORAGE_URL

    async def aclose(self) -> None:
        if self._clients is not None:
            self._clients.close()
        await self.calls.aclose()


class _Clients:
    """The SDK's two clients, over the HTTP clients of `calls`."""

    def __init__(self, calls: GoogleCalls, base_url: str, version: str, **account: Any) -> None:
        self._unused = httpx2.Client(verify=authorities(), trust_env=False)
        self.paid, self.free = (
            genai.Client(
                **account,
                http_options=types.HttpOptions(
                    base_url=base_url,
                    api_version=version,
                    httpx_client=self._unused,
                    httpx_async_client=http,
                    async_client_args={"ssl": authorities()},  # for web sockets, which are never opened
                    retry_options=types.HttpRetryOptions(attempts=1),
                ),
            )
            for http in (calls.paid_client, calls.free_client)
        )

    def close(self) -> None:
        self._unused.close()


def _calls(service: Service, base_url: str, address: str, timing: Timing | None) -> GoogleCalls:
    """A finished clip may lie in the answer to a question."""
    return Calls(service, base_url, reported_by, httpx2_library(), timing, address=address, most=MAX_INLINE)


async def raw(call: Awaitable[object]) -> httpx2.Response:
    """The response under one of the Interactions calls (`with_raw_response`)."""
    reply = cast("Any", await call).http_response
    assert isinstance(reply, httpx2.Response)
    return reply
