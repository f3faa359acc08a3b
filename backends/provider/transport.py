"""The HTTP client below every paid service, of either library: httpx, or httpx2, its fork that two vendors' SDKs need.

Both are made alike: one TLS context a process, the user's proxy as for downloads (`media.network`), no redirects,
answers with an end, and no request to another host than the service's own unless it is a public one.
All of it hangs on the libraries' event hooks, so that it also holds for what an SDK sends.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import anyio
import httpx

from backends.errors import VideoError
from backends.media import network
from backends.media.addresses import RESOLVE_S, Resolve, is_public, is_public_name, resolve_host
from backends.media.network import authorities
from backends.provider.timing import PAID_AT_ONCE, Timing

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER = 8 << 20
"""Bytes of an answer, as it comes and unpacked: JSON only, clips come through `media.fetch`."""
MAX_INLINE = 256 << 20
"""The same where a clip may lie in the answer as base64 (Gemini Omni, Veo): four clips of 8 s at 50 Mbit/s."""
UNPACKED_AT_ONCE = 64 << 10


class Closes(Protocol):
    async def aclose(self) -> None: ...


Client = TypeVar("Client", bound=Closes)


class Unreadable(Exception):
    """An answer that is too large, or cannot be unpacked; its text says which."""


class Response(Protocol):
    """What the libraries' responses have in common."""

    @property
    def status_code(self) -> int: ...
    @property
    def content(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def is_closed(self) -> bool: ...


@dataclass(frozen=True)
class Library(Generic[Client]):
    """An HTTP library. client(base URL, timing, connections kept, bytes of an answer). response: its class. failures:
    all its own exceptions. not_sent: those from before the first byte of a request: name, address, TLS, proxy.
    timeouts: its time-outs."""

    client: Callable[[str, Timing, int, int], Client]
    response: type[Response]
    failures: tuple[type[Exception], ...]
    not_sent: tuple[type[Exception], ...]
    timeouts: tuple[type[Exception], ...]

    def response_in(self, error: Exception) -> Response:
        """The response that an SDK's exception names. Where there is none, what lies below it is raised: the library's
        own exception, or one of ours from inside the client; else the exception itself."""
        named = getattr(error, "response", None)
        if isinstance(named, self.response) and named.is_closed:
            return named
        below: BaseException | None = error
        while below is not None and not isinstance(below, (VideoError, Unreadable, *self.failures)):
            below = below.__cause__
        raise below or error from None


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


def httpx_client(base_url: str, timing: Timing, keep: int, most: int = MAX_ANSWER) -> httpx.AsyncClient:
    """For back ends of our own and Runway's SDK. keep: connections kept open for the next request; a paid POST takes
    none (0), since a service may close it just then, which would leave the POST unclear. most: bytes of an answer.

    httpx.InvalidURL for a base URL that is no address.
    """
    return _client(httpx, Counted, base_url, timing, keep, most)


def httpx2_client(base_url: str, timing: Timing, keep: int, most: int = MAX_ANSWER) -> httpx2.AsyncClient:
    """The same for the SDKs of OpenAI and Google. httpx2.InvalidURL for a base URL that is no address."""
    import httpx2

    class Counted2(Counted, httpx2.AsyncByteStream):
        """httpx2 takes its own kind of stream alone."""

    return _client(httpx2, Counted2, base_url, timing, keep, most)


def _client(library: Any, counted: type[Counted], base_url: str, timing: Timing, keep: int, most: int) -> Any:
    """library: either module; the fork's classes have httpx's names and meanings."""
    base = library.URL(base_url)
    many = keep or PAID_AT_ONCE
    limits = library.Limits(max_connections=many, max_keepalive_connections=keep, keepalive_expiry=20.0)

    def way(proxy: network.Proxy | None) -> Any:
        try:
            tls = authorities()
            of_its_own = tls if proxy and proxy.url.startswith("https:") else None
            through = library.Proxy(proxy.url, ssl_context=of_its_own) if proxy else None
            return library.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits, proxy=through)
        except (ImportError, ValueError, library.InvalidURL) as error:  # before anything is sent
            raise library.UnsupportedProtocol(f"the proxy cannot be used: {error}") from None

    authorities()  # a certificate file that is not there is reported when the client is opened
    return library.AsyncClient(
        base_url=base,
        transport=Routed(way),
        # Waiting for a free connection is our own crowd, not the service's silence: no time-out on it.
        timeout=library.Timeout(connect=timing.connect_s, read=timing.read_s, write=timing.read_s, pool=None),
        headers={"accept-encoding": "gzip, deflate"},
        follow_redirects=False,  # an SDK's own client would send a POST again to wherever it is pointed
        trust_env=False,
        event_hooks={"request": [guard(base)], "response": [_limit(most, counted)]},
    )


def _exceptions(library: Any) -> tuple[tuple[type[Exception], ...], ...]:
    """(all of its failures, those from before the first byte, its time-outs)."""
    failures = (library.HTTPError, library.InvalidURL, library.StreamError)
    not_sent = (library.ConnectError, library.ConnectTimeout, library.PoolTimeout, library.UnsupportedProtocol)
    return failures, (*not_sent, library.ProxyError), (library.TimeoutException,)


HTTPX = Library(httpx_client, httpx.Response, *_exceptions(httpx))


@cache
def httpx2_library() -> Library[httpx2.AsyncClient]:
    import httpx2

    return Library(httpx2_client, httpx2.Response, *_exceptions(httpx2))


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
    """What unpacks a body of that Content-Encoding piece by piece, 64 KiB at a time; one of another than was requested
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
