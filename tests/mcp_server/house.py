"""A server over HTTP in this process, with people who have tokens of their own."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from backends.settings import Settings
from mcp_server.authentication import Doorkeeper
from mcp_server.issuer import Issuer
from mcp_server.tokens import People
from mcp_server.transports import http_app
from tests.patience import patient

ACCEPT = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@contextmanager
def in_thread(app: Any) -> Iterator[int]:
    """Serve an ASGI application on loopback; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, ws="none"))
    thread = threading.Thread(target=anyio.run, args=(server.serve, [listener]), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(patient(20))
        assert not thread.is_alive()


@dataclass
class House:
    """port: where it is served. tokens: by person."""

    port: int
    people: People
    tokens: dict[str, str] = field(default_factory=dict[str, str])

    @asynccontextmanager
    async def client(self, token: str, mode: str = "auto") -> AsyncIterator[Client]:
        """An SDK client that brings a token."""
        bring = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=bring, timeout=patient(60)) as carrier:
            transport = streamable_http_client(f"http://127.0.0.1:{self.port}/mcp", http_client=carrier)
            async with Client(transport, mode=mode) as client:
                yield client

    def ask(self, headers: Mapping[str, str], path: str = "/mcp", body: object = None) -> http.client.HTTPResponse:
        """The raw answer to one request, its body read: `answer.status`, `answer.headers`, `answer.body`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patient(20))
        try:
            method, data = ("GET", None) if body is None else ("POST", json.dumps(body))
            connection.request(method, path, data, ACCEPT | dict(headers))
            answer = connection.getresponse()
            answer.body = answer.read().decode()  # type: ignore[attr-defined]
            return answer
        finally:
            connection.close()


@contextmanager
def house(settings: Settings, *names: str, shared: str | None = None, issuer: Issuer | None = None) -> Iterator[House]:
    """Serve those people."""
    people = People(settings.home)
    tokens = {name: people.add(name) for name in names}
    keeper = Doorkeeper(people, shared, issuer)
    with in_thread(http_app("127.0.0.1", shared, keeper=keeper, settings=settings)) as port:
        yield House(port, people, tokens)
