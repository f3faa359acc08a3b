"""The two ways in: stdio for a host on this machine, streamable HTTP for one that speaks it.

HTTP binds to loopback, and to anything else only with a token (REELWRIGHT_HTTP_TOKEN: a process argument would be
readable by every user of the machine).
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from backends.errors import VideoError
from mcp_server.server import build_server
from mcp_server.unreadable import Answering

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN_VARIABLE = "REELWRIGHT_HTTP_TOKEN"  # noqa: S105 (the variable's name, not a token)
SHORTEST_TOKEN = 16
"""Characters; `openssl rand -hex 32` gives 64."""
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8731
ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|(?=[^:]*[^:\d])[^:/\[\]\s]+)?(?::?(?P<port>\d{1,5}))?")
"""A host that is more than digits (or an IPv6 address in brackets), a port, either or both."""
IDLE_VARIABLE = "REELWRIGHT_HTTP_IDLE_S"
DEFAULT_IDLE_S = 1800.0


async def serve_stdio() -> None:
    """Serve one client on stdin and stdout until it closes stdin. Jobs go on in their own process."""
    server = build_server()
    async with stdio_server() as (incoming, outgoing):
        await server.run(Answering(incoming, outgoing), outgoing, server.create_initialization_options())


async def serve_http(
    host: str = DEFAULT_HOST, port: int = DEFAULT_PORT, token: str | None = None, idle_s: float = DEFAULT_IDLE_S
) -> None:
    """Serve many clients on http://HOST:PORT/mcp until interrupted. port 0 = any free one; stderr says which. idle_s:
    a session that has asked nothing for so many seconds ends; its next request gets a 404, and the client begins anew.

    VideoError("auth") for an address beyond loopback without a token, or a short token; VideoError("invalid_request")
    when the address cannot be bound.
    """
    import uvicorn

    security = http_security(host, token)
    listener = _listen(host, port)
    app: ASGIApp = build_server().streamable_http_app(
        host=host, transport_security=security, session_idle_timeout=idle_s
    )
    app = BearerToken(app, token) if token else app
    if is_loopback(host):
        app = LoopbackNames(app, host)
    config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=2)
    shown = f"[{host}]" if ":" in host else host
    port = listener.getsockname()[1]
    print(f"reelwright serves MCP at http://{shown}:{port}/mcp", file=sys.stderr, flush=True)  # noqa: T201
    await uvicorn.Server(config).serve(sockets=[listener])


def http_security(host: str, token: str | None) -> TransportSecuritySettings:
    """Which Host and Origin headers are taken at an address. VideoError("auth") when it needs a (better) token.

    On loopback only loopback names are (a web page must not reach the server through a rebound name). Beyond it the
    names of the machine are unknown, but every request carries the token, which no web page knows; a page's Origin
    must then be the server's own (`BearerToken`).
    """
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise VideoError(
            "auth", f"{TOKEN_VARIABLE} is shorter than {SHORTEST_TOKEN} characters: make one with openssl rand -hex 32"
        )
    if is_loopback(host):
        names = _loopback_names(host)
        return TransportSecuritySettings(
            allowed_hosts=[*names, *(f"{name}:*" for name in names)],
            allowed_origins=[form for name in names for form in (f"http://{name}", f"http://{name}:*")],
        )
    if token is None:
        raise VideoError(
            "auth",
            f"{host} can be reached from other machines: set {TOKEN_VARIABLE} (openssl rand -hex 32) and send it as "
            f"'Authorization: Bearer ...', or serve on {DEFAULT_HOST}",
        )
    return TransportSecuritySettings(enable_dns_rebinding_protection=False)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_from(env: Mapping[str, str]) -> str | None:
    return env.get(TOKEN_VARIABLE) or None


def idle_from(env: Mapping[str, str]) -> float:
    """After how many seconds without a request a session ends. VideoError("invalid_request") for no such number."""
    text = env.get(IDLE_VARIABLE) or str(DEFAULT_IDLE_S)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise VideoError("invalid_request", f"{IDLE_VARIABLE} is a number of seconds above 0, not {text[:40]!r}")
    return seconds


def address(text: str, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> tuple[str, int]:
    """HOST:PORT, HOST, :PORT, PORT or [IPv6]:PORT as its parts; what is left out is the default.

    VideoError("invalid_request") for anything else.
    """
    shape = ADDRESS.fullmatch(text)
    if shape is None:
        raise VideoError("invalid_request", f"--http takes HOST:PORT, such as {DEFAULT_HOST}:8765, not {text[:60]!r}")
    return (shape["host"] or host).strip("[]"), int(shape["port"] or port)


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise VideoError("invalid_request", f"port {port} does not exist: give 0 (any free one) to 65535")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise VideoError(
            "invalid_request", f"{host}:{port} cannot be bound ({error}): choose another --port or --host"
        ) from None


class LoopbackNames:
    """ASGI middleware: Host is a name of this machine's loopback, Origin (where a browser sends it) a page of such a
    host, each with a port of digits or none and with nothing else. The SDK's own check compares only the beginning."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        names = "|".join(re.escape(name) for name in _loopback_names(host))
        self._host = re.compile(rf"({names})(:\d{{1,5}})?", re.IGNORECASE)
        self._origin = re.compile(rf"http://({names})(:\d{{1,5}})?", re.IGNORECASE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers: list[tuple[bytes, bytes]] = list(scope["headers"])
            if not self._each(headers, b"host", self._host, needed=True):
                await _refuse(send, 421, "Invalid Host header")
                return
            if not self._each(headers, b"origin", self._origin, needed=False):
                await _refuse(send, 403, "Invalid Origin header")
                return
        await self._app(scope, receive, send)

    @staticmethod
    def _each(headers: list[tuple[bytes, bytes]], name: bytes, legal: re.Pattern[str], *, needed: bool) -> bool:
        found = [value.decode("latin-1") for key, value in headers if key.lower() == name]
        return len(found) <= 1 and (bool(found) or not needed) and all(legal.fullmatch(value) for value in found)


def _loopback_names(host: str) -> list[str]:
    return list(dict.fromkeys(("127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host)))


class BearerToken:
    """ASGI middleware: every HTTP request carries the token, and a browser's Origin is the server's own."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
            await _refuse(
                send, 401, "send the token as 'Authorization: Bearer TOKEN'", ((b"www-authenticate", b"Bearer"),)
            )
        elif not _own_origin(headers):
            await _refuse(send, 403, "Invalid Origin header")
        else:
            await self._app(scope, receive, send)


def _own_origin(headers: Mapping[bytes, bytes]) -> bool:
    origin = headers.get(b"origin")
    return origin is None or urlsplit(origin.decode("latin-1")).netloc == headers.get(b"host", b"").decode("latin-1")


async def _refuse(send: Send, status: int, words: str, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = words.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def run_stdio() -> None:
    anyio.run(serve_stdio)


def run_http(host: str, port: int, token: str | None, idle_s: float = DEFAULT_IDLE_S) -> None:
    anyio.run(serve_http, host, port, token, idle_s)
