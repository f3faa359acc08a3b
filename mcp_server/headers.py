"""Checks of an HTTP request's headers before anything else: its Host, its Origin, its token. Pure ASGI, cheap to
load."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class LoopbackNames:
    """ASGI middleware: Host must be a name of this machine's loopback, and Origin (where a browser sends it) a page of
    such a host, each with a numeric port or none and nothing else. The SDK's own check compares only the beginning.
    public: a name under which a proxy on this machine passes requests on, "" for none."""

    def __init__(self, app: ASGIApp, host: str, public: str = "") -> None:
        self._app = app
        names = "|".join(re.escape(name) for name in loopback_names(host, public))
        secure = f"|https://{re.escape(public)}" if public else ""
        self._host = re.compile(rf"({names})(:\d{{1,5}})?", re.IGNORECASE)
        self._origin = re.compile(rf"(http://({names}){secure})(:\d{{1,5}})?", re.IGNORECASE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers: list[tuple[bytes, bytes]] = list(scope["headers"])
            if not self._each(headers, b"host", self._host, needed=True):
                await refuse(send, 421, "Invalid Host header")
                return
            if not self._each(headers, b"origin", self._origin, needed=False):
                await refuse(send, 403, "Invalid Origin header")
                return
        await self._app(scope, receive, send)

    @staticmethod
    def _each(headers: list[tuple[bytes, bytes]], name: bytes, legal: re.Pattern[str], *, needed: bool) -> bool:
        found = [value.decode("latin-1") for key, value in headers if key.lower() == name]
        return len(found) <= 1 and (bool(found) or not needed) and all(legal.fullmatch(value) for value in found)


def loopback_names(host: str, public: str = "") -> list[str]:
    """The names of a loopback address as they appear in a Host header."""
    own = f"[{host}]" if ":" in host else host
    return list(dict.fromkeys(("127.0.0.1", "localhost", "[::1]", own, *([public] if public else []))))


class BearerToken:
    """ASGI middleware: every HTTP request must carry the token, and a browser's Origin must be the server's own."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
            await refuse(
                send, 401, "send the token as 'Authorization: Bearer TOKEN'", ((b"www-authenticate", b"Bearer"),)
            )
        elif not own_origin(headers):
            await refuse(send, 403, "Invalid Origin header")
        else:
            await self._app(scope, receive, send)


def own_origin(headers: Mapping[bytes, bytes]) -> bool:
    origin = headers.get(b"origin")
    return origin is None or urlsplit(origin.decode("latin-1")).netloc == headers.get(b"host", b"").decode("latin-1")


async def refuse(send: Send, status: int, words: str, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = words.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
