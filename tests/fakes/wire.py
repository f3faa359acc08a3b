"""HTTP/1.1 on a loopback socket, small enough to break on purpose.

Standard library only, so that a fake starts in well under half a second. It can do what a proper server framework
refuses to: send half of a body, end a connection without an answer, or reset it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD = 64 * 1024
MAX_BODY = 256 * 1024 * 1024
TLS_HANDSHAKE = b"\x16"
"""How a client that speaks TLS begins: hung up on at once, since it would wait for an answer."""


class BadRequest(Exception):
    """What came in is not HTTP/1.1; the connection is ended."""


@dataclass(frozen=True)
class Request:
    """One request, whole. headers: by lower-case name. connection: the server's running number of the connection."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    connection: int = 0
    target: str = ""

    def json(self) -> Any:
        """The body as JSON; None when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass
class Reply:
    """One answer.

    cut: send only so many bytes of the body, then end the connection. length: False leaves Content-Length out, so
    that the body ends with the connection. end: what happens to the connection afterwards; "reset" and "close" with
    `silent` send nothing at all. hold: waited for after what is sent, before the end. take: speaks another protocol on
    the connection from then on (a WebSocket).
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    cut: int | None = None
    length: bool = True
    end: Literal["keep", "close", "reset"] = "keep"
    silent: bool = False
    hold: Callable[[], Awaitable[None]] | None = None
    take: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Reply:
        """JSON; header names are written with underscores."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, {"content-type": "application/json", **named}, json.dumps(value).encode())


Answer = Callable[[Request], Awaitable[Reply]]


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    total = 0
    while size := int((await reader.readline()).split(b";")[0], 16):
        total += size
        if total > MAX_BODY:
            raise BadRequest
        parts.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():  # trailers
        pass
    return b"".join(parts)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> Request:
    start = await reader.readexactly(1)
    if start == TLS_HANDSHAKE:
        raise BadRequest
    head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    try:
        method, target, _version = first.split(" ")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name
        }
        length = int(headers.get("content-length", "0"))
    except ValueError:
        raise BadRequest from None
    if length > MAX_BODY:
        raise BadRequest
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunked(reader)
    else:
        body = await reader.readexactly(length) if length else b""
    url = urlsplit(target)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    return Request(method, unquote(url.path), query, headers, body, connection, target)


async def _send(writer: asyncio.StreamWriter, reply: Reply, *, head_only: bool) -> None:
    if not reply.silent:
        headers = dict(reply.headers)
        if reply.length and reply.take is None:
            headers["content-length"] = str(len(reply.body))
        if reply.end != "keep" or not reply.length:
            headers["connection"] = "close"
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if not head_only:
            writer.write(reply.body if reply.cut is None else reply.body[: reply.cut])
        await writer.drain()
    if reply.hold is not None:
        await reply.hold()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End with RST, not FIN: linger 0 makes close() drop what was not read and reset the peer."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Wire:
    """A listening server. connections: open now; opened: ever, both without those that only carried control calls."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._numbers = 0
        self.opened: set[int] = set()
        self.open: set[int] = set()
        self.peak = 0

    async def listen(self, port: int) -> asyncio.Server:
        """On 127.0.0.1; port 0 = any free one. The backlog takes a thousand clients that arrive at once."""
        return await asyncio.start_server(self._connection, "127.0.0.1", port, limit=MAX_HEAD, backlog=1024)

    def counted(self, request: Request) -> None:
        """Say that a connection carries real requests."""
        if request.connection not in self.opened:
            self.opened.add(request.connection)
            self.open.add(request.connection)
            self.peak = max(self.peak, len(self.open))

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._numbers += 1
        number = self._numbers
        try:
            while True:
                request = await _read(reader, writer, number)
                # The answer is worked out even when the client is gone meanwhile, as a real service would.
                reply = await self._answer(request)
                if request.headers.get("connection", "").lower() == "close" and reply.end == "keep":
                    reply.end = "close"
                await _send(writer, reply, head_only=request.method == "HEAD")
                if reply.take is not None:
                    await reply.take(reader, writer)
                    return
                if reply.end == "reset":
                    _reset(writer)
                if reply.end != "keep" or reply.cut is not None or not reply.length:
                    return
        except (BadRequest, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            return
        except asyncio.CancelledError:  # the service goes down
            writer.transport.abort()
            raise
        finally:
            self.open.discard(number)
            writer.close()
