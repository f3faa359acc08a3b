"""The two transports: stdio for a host on this machine, and streamable HTTP.

HTTP binds to loopback, and to anything else only with tokens: the server's one (REELWRIGHT_HTTP_TOKEN: a process
argument would be readable by every user of the machine), or people's own (`authentication`).
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from backends.errors import VideoError
from backends.media.network import is_loopback
from mcp_server.headers import BearerToken, LoopbackNames, loopback_names
from mcp_server.server import build_server
from mcp_server.unreadable import Answering

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from backends.settings import Settings
    from mcp_server.authentication import Doorkeeper

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


def http_app(
    host: str,
    token: str | None = None,
    idle_s: float = DEFAULT_IDLE_S,
    keeper: Doorkeeper | None = None,
    settings: Settings | None = None,
) -> ASGIApp:
    """The server as an ASGI application: the tools at /mcp, and its metadata where it has an issuer. settings: default:
    from the environment. VideoError("auth") as in `http_security`."""
    issuer = None if keeper is None else keeper.issuer
    public = "" if issuer is None else issuer.host
    app: ASGIApp = build_server(settings).streamable_http_app(
        host=host,
        transport_security=http_security(host, token, public, guarded=keeper is not None),
        session_idle_timeout=idle_s,
        auth=None if issuer is None else issuer.settings,
    )
    if keeper is not None:
        from mcp_server.authentication import Door

        app = Door(app, keeper)
    elif token:
        app = BearerToken(app, token)
    return LoopbackNames(app, host, public) if is_loopback(host) else app


async def serve_http(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    token: str | None = None,
    idle_s: float = DEFAULT_IDLE_S,
    keeper: Doorkeeper | None = None,
) -> None:
    """Serve many clients on http://HOST:PORT/mcp until interrupted. port 0 = any free one; stderr shows it. idle_s: a
    session without requests for so many seconds ends; its next request gets a 404, and the client starts a new one.
    keeper: verifies people's tokens; None for a server without people.

    VideoError("auth") for an address beyond loopback without a token, or a short token; VideoError("invalid_request")
    when the address cannot be bound.
    """
    import uvicorn

    app = http_app(host, token, idle_s, keeper)
    listener = _listen(host, port)
    config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=2)
    shown = f"[{host}]" if ":" in host else host
    port = listener.getsockname()[1]
    print(f"reelwright serves MCP at http://{shown}:{port}/mcp", file=sys.stderr, flush=True)  # noqa: T201
    await uvicorn.Server(config).serve(sockets=[listener])


def http_security(
    host: str, token: str | None, public: str = "", *, guarded: bool = False
) -> TransportSecuritySettings:
    """Which Host and Origin headers are accepted at an address. VideoError("auth") when it needs a (better) token.

    On loopback only loopback names are (a web page must not reach the server through a rebound name). Beyond it the
    machine's names are unknown, but every request carries the token, which no web page knows; a page's Origin must then
    be the server's own (`headers.own_origin`). public: a name that is accepted on loopback too. guarded: people have
    tokens of their own.
    """
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise VideoError(
            "auth", f"{TOKEN_VARIABLE} is shorter than {SHORTEST_TOKEN} characters: make one with openssl rand -hex 32"
        )
    if is_loopback(host):
        names = loopback_names(host, public)
        return TransportSecuritySettings(
            allowed_hosts=[*names, *(f"{name}:*" for name in names)],
            allowed_origins=[
                form
                for root in (*(f"http://{name}" for name in names), *([f"https://{public}"] if public else []))
                for form in (root, f"{root}:*")
            ],
        )
    if token is None and not guarded:
        raise VideoError(
            "auth",
            f"{host} can be reached from other machines: set {TOKEN_VARIABLE} (openssl rand -hex 32) and send it as "
            f"'Authorization: Bearer ...', give people tokens (reelwright people add NAME), or serve on {DEFAULT_HOST}",
        )
    return TransportSecuritySettings(enable_dns_rebinding_protection=False)


def token_from(env: Mapping[str, str]) -> str | None:
    return env.get(TOKEN_VARIABLE) or None


def keeper_from(env: Mapping[str, str], home: Path, token: str | None) -> Doorkeeper | None:
    """Who verifies tokens with these settings and this data folder; None where there are neither people nor an issuer.

    VideoError("invalid_request") for impossible settings of an issuer, VideoError("auth") or ("storage") for a file of
    people that cannot be used.
    """
    from mcp_server.tokens import ISSUER_VARIABLE, People

    people = People(home)
    has_issuer = bool(env.get(ISSUER_VARIABLE, "").strip())
    if not has_issuer and not people.exist():
        return None
    from mcp_server.authentication import Doorkeeper
    from mcp_server.issuer import issuer_from

    people.all()
    return Doorkeeper(people, token, issuer_from(env) if has_issuer else None)


def idle_from(env: Mapping[str, str]) -> float:
    """Seconds without a request after which a session ends. VideoError("invalid_request") for an illegal number."""
    text = env.get(IDLE_VARIABLE) or str(DEFAULT_IDLE_S)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise VideoError("invalid_request", f"{IDLE_VARIABLE} is a number of seconds above 0, not {text[:40]!r}")
    return seconds


def address(text: str, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> tuple[str, int]:
    """HOST:PORT, HOST, :PORT, PORT or [IPv6]:PORT as its parts; a missing part is the default.

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


def run_stdio() -> None:
    anyio.run(serve_stdio)


def run_http(
    host: str, port: int, token: str | None, idle_s: float = DEFAULT_IDLE_S, keeper: Doorkeeper | None = None
) -> None:
    anyio.run(serve_http, host, port, token, idle_s, keeper)
