"""The one downloader. It fetches from public https addresses only, within a byte and a time limit.

A host is resolved once, every address it resolves to is checked, and the connection goes to the checked address with
the host's name kept for TLS and the Host header: a name server cannot answer otherwise a second time. Redirects are
followed by hand and checked like the first address; headers given by the caller stay with the first host. Requests go
through a bare transport: no cookies, no credentials from the environment.

Where the environment names a proxy for the address (`network`), it is used, as for paid requests: it may be the only
way out. The proxy finds the host by its name, so what can be checked then is the name, and what it resolves to here.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx

from backends.errors import VideoError
from backends.media import network
from backends.media.addresses import RESOLVE_S, Resolve, is_public, is_public_name, resolve_host
from backends.media.diskspace import disk_full, is_full
from backends.media.magic import sniff
from backends.media.partial import PartFile
from backends.provider import border

MAX_REDIRECTS = 3
CONNECT_S = 10.0
READ_S = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Fetched:
    """A finished download. mime: by content, "" when unknown. final_url: after redirects (it may hold a signature:
    not for logs). resumed_from: bytes that were there already. notes: what could not be checked."""

    bytes: int
    sha256: str
    mime: str
    final_url: str
    resumed_from: int = 0
    notes: tuple[str, ...] = ()


class FileTooLarge(VideoError):
    """The file at an address is larger than what is fetched ("asset", never retryable): another try, or a fresh
    address for the same file, would bring as much again. size: bytes where they are known; most: the limit."""

    def __init__(self, shown: str, size: int | None, most: int) -> None:
        told = f"has {size / 1e6:.0f} MB" if size is not None else "is larger than allowed"
        super().__init__("asset", f"{shown} {told}; at most {most / 1e6:.0f} MB are fetched")
        self.shown, self.size, self.most = shown, size, most

    def __reduce__(self) -> tuple[Any, ...]:
        return (FileTooLarge, (self.shown, self.size, self.most))


@dataclass(frozen=True)
class _Rules:
    max_bytes: int
    allow_hosts: frozenset[str]
    resolve: Resolve
    ssl_context: ssl.SSLContext
    notes: list[str] = field(default_factory=list[str])


async def fetch(
    url: str,
    dest: Path,
    *,
    max_bytes: int,
    timeout_s: float,
    allow_hosts: frozenset[str] = frozenset(),
    headers: Mapping[str, str] | None = None,
    resume: bool = False,
    resolve: Resolve = resolve_host,
    ssl_context: ssl.SSLContext | None = None,
) -> Fetched:
    """Download `url` to `dest` (replaced only by a complete file, synced to the disk).

    max_bytes, timeout_s: limits of the whole download. allow_hosts: "host:port" that are trusted, so that http, any
    port and a private address are allowed there (a provider's own base URL that the user has set). headers: sent to
    the first host alone. resume: keep what has arrived in `dest`.part when it breaks off, and go on from there next
    time if the server says that the file is the same. resolve, ssl_context: instead of the system's.

    VideoError: "asset" for an address that is refused, an empty file and a definite refusal (http_status is set), as
    `FileTooLarge` for a file above max_bytes; "network" and "timeout", retryable, for a transport that failed (with
    retry_after_s of at most 300 s); "storage" for a full disk.
    """
    rules = _Rules(max_bytes, allow_hosts, resolve, ssl_context or network.authorities())
    part = PartFile(dest, keep=resume)
    shown = _shown(url)
    try:
        with anyio.fail_after(timeout_s):
            final_url = await _download(url, part, rules, headers or {})
            await anyio.to_thread.run_sync(part.finish)
    except VideoError as error:
        if not error.retryable:
            part.forget()
        raise
    except TimeoutError:
        raise VideoError("timeout", f"{shown} did not arrive within {timeout_s:g} s", retryable=True) from None
    except httpx.TimeoutException:
        raise VideoError("timeout", f"{shown} stopped sending; try again", retryable=True) from None
    except httpx.HTTPError as error:
        raise _transport_error(error, shown) from None
    except OSError as error:
        raise _os_error(error, shown, dest) from None
    finally:
        part.close()
    return Fetched(part.size, part.sha256, sniff(dest), final_url, part.resumed_from, tuple(dict.fromkeys(rules.notes)))


async def _download(url: str, part: PartFile, rules: _Rules, headers: Mapping[str, str]) -> str:
    """The body into the part file; the final URL. A part that the server no longer has is started again, once."""
    while True:
        ranged = {**headers, **part.range_headers()}
        async with _final_response(url, rules, ranged, frozenset(headers)) as (response, final_url):
            if response.status_code == 416 and part.offset:
                if part.is_whole(response.headers.get("content-range", "")):
                    return final_url
                part.restart()
                continue
            _check_status(response, _shown(final_url))
            await _receive(response, part, rules.max_bytes, _shown(final_url))
            return final_url


@asynccontextmanager
async def _final_response(
    url: str, rules: _Rules, headers: Mapping[str, str], private: frozenset[str]
) -> AsyncGenerator[tuple[httpx.Response, str]]:
    """The first response that is no redirect. `private`: the names of headers that stay with the first host."""
    first = _origin(_parsed(url))
    for _ in range(MAX_REDIRECTS + 1):
        target = _parsed(url)
        sent = headers if _origin(target) == first else {k: v for k, v in headers.items() if k not in private}
        if sent is not headers:
            headers, first = sent, ("", "", 0)  # once away, a way back doesn't bring them back
        async with _request(target, rules, sent) as response:
            if response.status_code not in _REDIRECTS:
                yield response, url
                return
            try:
                url = str(target.join(response.headers.get("location", "")))
            except (httpx.InvalidURL, ValueError):
                raise VideoError("asset", f"{_shown(str(target))} leads to an address that cannot be read") from None
    raise VideoError("asset", f"{_shown(url)} redirects more than {MAX_REDIRECTS} times: give the final address")


@asynccontextmanager
async def _request(target: httpx.URL, rules: _Rules, headers: Mapping[str, str]) -> AsyncGenerator[httpx.Response]:
    """One GET: through the environment's proxy, or to the first checked address that takes a connection."""
    proxy = network.proxy_for(target.scheme, target.host, _port(target))
    hosts = await _addresses(target, rules, proxy)
    sent = {"User-Agent": "reelwright", "Accept": "*/*", "Accept-Encoding": "identity", **headers}
    sent["Host"] = target.netloc.decode("ascii")
    extensions: dict[str, Any] = {
        "timeout": {"connect": CONNECT_S, "read": READ_S, "write": READ_S, "pool": CONNECT_S},
        "sni_hostname": target.raw_host.decode("ascii"),
    }
    # A transport of its own for every hop: a pooled connection could be reused for another host on the same address.
    async with _transport(rules.ssl_context, proxy) as transport:
        for last, host in enumerate(hosts, 1 - len(hosts)):
            url = target.copy_with(host=host, fragment=None)
            request = httpx.Request("GET", url, headers=sent, extensions=extensions)
            try:
                response = await transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                if proxy is not None:
                    raise _proxy_error(error, _shown(str(target)), proxy) from None
                if last == 0:
                    raise
                continue
            try:
                yield response
            finally:
                await response.aclose()
            return


def _transport(trusted: ssl.SSLContext, proxy: network.Proxy | None) -> httpx.AsyncHTTPTransport:
    try:
        return httpx.AsyncHTTPTransport(verify=trusted, trust_env=False, proxy=network.for_httpx(proxy, trusted))
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        shown = proxy.shown if proxy else ""
        text = f"the proxy of {shown} cannot be used ({error}): correct or unset it"
        raise VideoError("network", text, retryable=True) from None


async def _addresses(target: httpx.URL, rules: _Rules, proxy: network.Proxy | None) -> list[str]:
    """The addresses of an allowed host, all of them checked; its name alone where a proxy looks it up."""
    host, port, shown = target.host, _port(target), _shown(str(target))
    trusted = f"{host}:{port}" in rules.allow_hosts
    if not trusted and target.scheme != "https":
        raise VideoError("asset", f"{shown}: only https addresses are fetched: give the https one, or a local file")
    if not trusted and port != 443:
        raise VideoError("asset", f"{shown}: only the usual https port (443) is reached, not {port}")
    if proxy is not None and trusted:
        return [host]
    addresses: list[str] = []
    try:
        with anyio.move_on_after(None if proxy is None else RESOLVE_S):
            addresses = await rules.resolve(host, port)
    except (socket.gaierror, UnicodeError):
        pass
    if not addresses and proxy is None:
        raise VideoError(
            "network", f"{host!r} cannot be resolved: check the address and the connection", retryable=True
        )
    if not trusted and not (all(is_public(address) for address in addresses) if addresses else is_public_name(host)):
        raise VideoError(
            "asset",
            f"{shown} leads to a private or reserved network address, and only public ones are fetched: download the "
            "file yourself and give its path",
        )
    if proxy is None:
        return addresses
    if not addresses:
        rules.notes.append(
            f"{host!r} was reached through the proxy ({proxy.named_by or 'the system setting'}), which alone can find "
            "it: that it lies on a public address could not be checked"
        )
    return [host]


def _parsed(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError, TypeError):
        raise VideoError("asset", f"{_shown(url)} cannot be read as an address: give a complete https URL") from None
    if target.scheme not in ("https", "http"):
        raise VideoError("asset", f"{_shown(url)}: only https addresses are fetched: give the https one")
    if not target.host or "%" in target.host:
        raise VideoError("asset", f"{_shown(url)} names no host: give a complete https URL")
    if target.userinfo:
        raise VideoError("asset", "an address with a user name or password in it is not fetched: leave them out")
    return target


def _port(target: httpx.URL) -> int:
    return target.port or (443 if target.scheme == "https" else 80)


def _origin(target: httpx.URL) -> tuple[str, str, int]:
    return target.scheme, target.host, _port(target)


def _check_status(response: httpx.Response, shown: str) -> None:
    status = response.status_code
    if status in (200, 206):
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise VideoError("asset", f"{shown} sends its file compressed, which was not requested: give another")
        return
    if status in _BUSY:
        after = response.headers.get("retry-after", "")
        raise VideoError(
            "network",
            f"{shown} answered {status}; try again later",
            retryable=True,
            http_status=status,
            retry_after_s=border.retry_after(after, border.POLL_WAIT_MAX_S),
        )
    why = {401: "it needs a login", 403: "it refuses access, or the link has expired", 404: "no such file", 410: "gone"}
    raise VideoError(
        "asset", f"{shown} answered {status} ({why.get(status, 'no file')}): give a working link", http_status=status
    )


async def _receive(response: httpx.Response, part: PartFile, max_bytes: int, shown: str) -> None:
    expected = border.whole(response.headers.get("content-length", ""))
    offset = part.begin(response.status_code, response.headers)
    if expected is not None and offset + expected > max_bytes:
        raise FileTooLarge(shown, offset + expected, max_bytes)
    received = 0
    async for chunk in response.aiter_raw():  # as it arrives: a resume starts from the last byte
        received += len(chunk)
        if offset + received > max_bytes:
            raise FileTooLarge(shown, None, max_bytes)
        part.write(chunk)
    if expected is not None and received != expected:
        raise VideoError(
            "network", f"{shown} broke off after {received} of {expected} bytes; try again", retryable=True
        )
    if not part.size:
        raise VideoError("asset", f"{shown} is empty (0 bytes): give a working link")


def _transport_error(error: httpx.HTTPError, shown: str) -> VideoError:
    text = str(error)
    if "certificate" in text.lower():
        return VideoError("network", f"{shown}: its certificate is not trusted ({text[:120]})")
    what = "cannot be reached" if isinstance(error, httpx.ConnectError) else "broke off the transfer"
    return VideoError("network", f"{shown} {what}; check the address and the connection", retryable=True)


def _proxy_error(error: httpx.HTTPError, shown: str, proxy: network.Proxy) -> VideoError:
    text = str(error)
    if "certificate" in text.lower():
        return _transport_error(error, shown)
    why = f"refuses it ({text[:120]})" if isinstance(error, httpx.ProxyError) else "does not lead there"
    return VideoError(
        "network", f"{shown} cannot be reached: the proxy of {proxy.shown} {why}; check both", retryable=True
    )


def _os_error(error: OSError, shown: str, dest: Path) -> VideoError:
    if is_full(error):
        return disk_full(dest)
    if isinstance(error, ConnectionError | ssl.SSLError):
        return VideoError("network", f"{shown} broke off the transfer; try again", retryable=True)
    return VideoError("storage", f"{dest} cannot be written ({error.strerror}): choose another folder")


def _shown(url: str) -> str:
    """For error texts: without query and user part, which may hold a key, and bounded."""
    try:
        target = httpx.URL(url.strip())
        text = f"{target.scheme}://{target.host}{f':{target.port}' if target.port else ''}{target.path}"
    except (httpx.InvalidURL, ValueError, TypeError):
        text = url.split("?")[0].rpartition("@")[2]
    return repr(text if len(text) <= 160 else f"{text[:160]}…")
