"""The HTTP client below every paid service, of either library: httpx, or httpx2, its fork that two vendors' SDKs need.

Both are made alike: one TLS context a process, the person's proxy as for downloads (`media.network`), no redirects,
answers with an end, and no request to another host than the service's own unless it is a public one.
All of it hangs on the libraries' event hooks, so that it also holds for what an SDK sends.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import anyio
import httpx

from backends.errors import VideoError
from backends.media import network
from backends.media.addresses import RESOLVE_S, Resolve, is_public, is_public_name, resolve_host
from backends.media.network import authorities

if TYPE_CHECKING:
    import httpx2

PAID_CONNECTIONS, FREE_CONNECTIONS = 3, 5
CONNECT_S = 10.0
PAID_TOTAL_S = 75.0
"""For the whole paid POST. Below the 90 s after which a look-up of an unclear one is believed."""
FREE_TOTAL_S = 60.0
UPLOAD_TOTAL_S = 600.0
MAX_ANSWER = 8 << 20
"""Bytes of an answer, as it comes and unpacked: JSON only, clips come through `media.fetch`."""
MAX_INLINE = 256 << 20
"""The same where a clip may lie in the answer as base64 (Gemini Omni, Veo): four clips of 8 s at 50 Mbit/s."""
UNPACKED_AT_ONCE = 64 << 10

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
"""Failures of httpx before the first byte of a request: name, address, TLS, proxy."""


@dataclass
class Timing:
    """Seconds for a whole call. read: without a byte. Tests shorten them."""

    paid_s: float = PAID_TOTAL_S
    free_s: float = FREE_TOTAL_S
    upload_s: float = UPLOAD_TOTAL_S
    read_s: float = PAID_TOTAL_S
    connect_s: float = CONNECT_S


class Unreadable(Exception):
    """An answer that is too large, or cannot be unpacked; its text says which."""


@dataclass(frozen=True)
class Failures:
    """A library's exceptions. not_sent: from before the first byte of a request. timeouts: its time-outs."""

    not_sent: tuple[type[BaseException], ...]
    timeouts: tuple[type[BaseException], ...]


HTTPX = Failures(NOT_SENT, (httpx.TimeoutException,))


@cache
def failures_of_httpx2() -> Failures:
    import httpx2

    not_sent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
    return Failures((*not_sent, httpx2.ProxyError), (httpx2.TimeoutException,))


class Routed(httpx.AsyncBaseTransport):
    """Sends each request through the proxy that the environment names for its address, or straight to it."""

    def __init__(self, made: Callable[[network.Proxy | None], Any]) -> None:
        self._made = made
        self._ways: dict[network.Proxy | None, Any] = {}

    async def handle_async_request(self, request: Any) -> Any:
        url = request.url
        host = request.extensions.get("sni_hostname", url.host)  # `guard` has put the checked address into the URL
        proxy = network.proxy_for(url.scheme, host, _port(url))
        if proxy not in self._ways:
            self._ways[proxy] = self._made(proxy)
        return await self._ways[proxy].handle_async_request(request)

    async def aclose(self) -> None:
        for way in self._ways.values():
            await way.aclose()
        self._ways.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self.aclose()


def httpx_client(
    base_url: str, timing: Timing, *, keep: int, connections: int = PAID_CONNECTIONS, most: int = MAX_ANSWER
) -> httpx.AsyncClient:
    """For back ends of our own and Runway's SDK. keep: connections kept open for the next request; a paid POST takes
    none (0), since a service may close it just then, which would leave the POST unclear. most: bytes of an answer.

    httpx.InvalidURL for a base URL that is no address.
    """
    base = httpx.URL(base_url)
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=keep, keepalive_expiry=20.0)

    def way(proxy: network.Proxy | None) -> httpx.AsyncHTTPTransport:
        try:
            through = network.for_httpx(proxy, authorities())
            return httpx.AsyncHTTPTransport(verify=authorities(), trust_env=False, limits=limits, proxy=through)
        except (ImportError, ValueError, httpx.InvalidURL) as error:  # before anything is sent
            raise httpx.UnsupportedProtocol(f"the proxy cannot be used: {error}") from None

    authorities()  # a certificate file that is not there is told when the client is opened
    return httpx.AsyncClient(
        base_url=base,
        transport=Routed(way),
        # Waiting for a free connection is our own crowd, not the service's silence: no time-out on it.
        timeout=httpx.Timeout(connect=timing.connect_s, read=timing.read_s, write=timing.read_s, pool=None),
        headers={"accept-encoding": "gzip, deflate"},
        follow_redirects=False,  # an SDK's own client would send a POST again to wherever it is pointed
        trust_env=False,
        event_hooks={"request": [guard(base)], "response": [_limit(most, Counted)]},
    )


def httpx2_client(base_url: str, timing: Timing, *, keep: int, most: int = MAX_ANSWER) -> httpx2.AsyncClient:
    """The same for the SDKs of OpenAI and Google. httpx2.InvalidURL for a base URL that is no address."""
    import httpx2

    class Counted2(Counted, httpx2.AsyncByteStream):
        """httpx2 takes its own kind of stream alone."""

    base = httpx2.URL(base_url)
    limits = httpx2.Limits(max_connections=PAID_CONNECTIONS, max_keepalive_connections=keep, keepalive_expiry=20.0)

    def way(proxy: network.Proxy | None) -> httpx2.AsyncHTTPTransport:
        try:
            tls = authorities()
            of_its_own = tls if proxy and proxy.url.startswith("https:") else None
            through = httpx2.Proxy(proxy.url, ssl_context=of_its_own) if proxy else None
            return httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits, proxy=through)
        except (ImportError, ValueError, httpx2.InvalidURL) as error:
            raise httpx2.UnsupportedProtocol(f"the proxy cannot be used: {error}") from None

    authorities()
    return httpx2.AsyncClient(
        base_url=base,
        transport=cast("httpx2.AsyncBaseTransport", Routed(way)),
        timeout=httpx2.Timeout(connect=timing.connect_s, read=timing.read_s, write=timing.read_s, pool=None),
        headers={"accept-encoding": "gzip, deflate"},
        follow_redirects=False,
        trust_env=False,
        # The fork's requests, responses and URLs have httpx's names and meanings.
        event_hooks={"request": [guard(cast("httpx.URL", base))], "response": [_limit(most, Counted2)]},
    )


# answers


class Counted(httpx.AsyncByteStream):
    """An answer's body, unpacked in small pieces, with an end."""

    def __init__(self, raw: Any, packed: str, most: int) -> None:
        self._raw, self._packed, self._most = raw, packed, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        unpack = unpacker(self._packed)
        came = given = 0
        async for part in self._raw:
            came += len(part)
            for piece in unpack(part):
                given += len(piece)
                if max(came, given) > self._most:
                    raise Unreadable("an answer too large to read")
                yield piece
            if came > self._most:
                raise Unreadable("an answer too large to read")

    async def aclose(self) -> None:
        await self._raw.aclose()


def _limit(most: int, counted: type[Counted]) -> Callable[[Any], Awaitable[None]]:
    async def hook(response: Any) -> None:
        length = response.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > most:
            await response.aclose()
            raise Unreadable("an answer too large to read")
        packed = response.headers.pop("content-encoding", "")
        response.stream = counted(response.stream, packed, most)

    return hook


def unpacker(packed: str) -> Callable[[bytes], Iterator[bytes]]:
    """What unpacks a body of that Content-Encoding piece by piece, 64 KiB at a time; one of another than was asked for
    stays as it is, and is no JSON then."""
    if packed.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return lambda part: iter((part,))
    engine = zlib.decompressobj(zlib.MAX_WBITS | 32)
    raw = packed.strip().lower() == "deflate"

    def unpack(part: bytes) -> Iterator[bytes]:
        nonlocal engine, raw
        while part or engine.unconsumed_tail:
            try:
                piece = engine.decompress(part, UNPACKED_AT_ONCE)
            except zlib.error:
                if not raw:
                    raise Unreadable("an answer that cannot be unpacked") from None
                raw, engine = False, zlib.decompressobj(-zlib.MAX_WBITS)  # deflate without its zlib header
                continue
            raw, part = False, engine.unconsumed_tail
            if piece:
                yield piece
            if engine.eof:
                return
        while piece := engine.decompress(b"", UNPACKED_AT_ONCE):
            yield piece

    return unpack


# requests


def guard(base: httpx.URL, resolve: Resolve = resolve_host) -> Callable[[Any], Awaitable[None]]:
    """A hook that lets a request to the service's own host pass, and one to any other (such as the address that it
    names for an upload) only over TLS to a public address: VideoError, before a byte is sent. The address that was
    checked is the one that is reached: a name server cannot answer otherwise a second time."""
    own = (base.host, _port(base))

    async def hook(request: httpx.Request) -> None:
        url = request.url
        if (url.host, _port(url)) == own:
            return
        if url.scheme != "https" or _port(url) != 443:
            raise _refused(url, "only https addresses on the usual port (443) are")
        proxied = network.proxy_for("https", url.host, 443) is not None
        found: list[str] = []
        try:
            with anyio.move_on_after(RESOLVE_S if proxied else None):
                found = await resolve(url.host, 443)
        except (socket.gaierror, UnicodeError):
            pass
        if not (all(map(is_public, found)) if found or not proxied else is_public_name(url.host)):
            raise _refused(url, "it leads to a private or reserved network address, and only public ones are")
        if proxied:  # the proxy finds the host by its name, as it is meant to
            return
        if not found:
            raise VideoError("network", f"{url.host!r}, which the service names, cannot be resolved", retryable=True)
        request.url = url.copy_with(host=found[0])
        request.extensions["sni_hostname"] = url.host

    return hook


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _refused(url: httpx.URL, why: str) -> VideoError:
    text = f"the service names {url.scheme}://{url.host[:100]} to send files to: {why} reached; nothing was sent there"
    return VideoError("provider", text, retryable=True)


def same_origin(url: str, base: str) -> bool:
    """Whether an address lies on the very host, port and scheme of another; False for what cannot be read as one."""
    try:
        one, other = httpx.URL(url), httpx.URL(base)
    except (httpx.InvalidURL, TypeError, ValueError):
        return False
    return bool(one.host) and (one.scheme, one.host, _port(one)) == (other.scheme, other.host, _port(other))
