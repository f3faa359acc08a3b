"""The way out that the user's environment names: which proxy an address is reached through, and whom TLS trusts.

One rule for all that leaves: paid requests, uploads and downloads. HTTPS_PROXY, HTTP_PROXY and ALL_PROXY name the
proxies (small letters stand before capitals; on macOS and Windows the system's settings where no variable is set),
NO_PROXY the hosts that are reached without one, SSL_CERT_FILE and SSL_CERT_DIR the certificates. This machine's own
addresses are never reached through a proxy.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backends.errors import VideoError

if TYPE_CHECKING:
    import httpx

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Proxy:
    """url: with its scheme, and perhaps a user and a password: not for logs. named_by: the variable, "" where it is
    the system's setting."""

    url: str
    named_by: str

    @property
    def shown(self) -> str:
        """For error texts, without user and password."""
        scheme, _, rest = self.url.partition("://")
        return f"{self.named_by or 'the system'}={scheme}://{rest.rpartition('@')[2][:100]}"


@dataclass(frozen=True)
class Entry:
    """One of NO_PROXY: a range of addresses, or a name with all below it. scheme, port: None for any. below: only the
    names below it (`.corp.example`)."""

    network: Network | None
    name: str = ""
    below: bool = False
    scheme: str | None = None
    port: int | None = None

    def holds(self, scheme: str, host: str, port: int) -> bool:
        if self.scheme not in (None, scheme) or self.port not in (None, port):
            return False
        if self.network is None:
            return host.endswith(f".{self.name}") or (host == self.name and not self.below)
        try:
            return ipaddress.ip_address(host) in self.network
        except ValueError:
            return False


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy that an address is reached through, None where it is reached directly."""
    host = host.strip("[]").rstrip(".").lower()
    if is_loopback(host):
        return None
    from urllib.request import getproxies  # brings http and email

    found = getproxies()
    kind = next((kind for kind in (scheme, "all") if found.get(kind)), "")
    if not kind or passes_by(found.get("no", ""), scheme, host, port):
        return None
    url = found[kind] if "://" in found[kind] else f"http://{found[kind]}"
    names = (f"{kind}_proxy", f"{kind.upper()}_PROXY")
    return Proxy(url, next((name for name in names if os.environ.get(name)), ""))


def proxy_of(url: str) -> Proxy | None:
    """The same for a whole address; None also for what cannot be read as one."""
    try:
        parts = urlsplit(url)
        return proxy_for(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    except ValueError:
        return None


def passes_by(no_proxy: str, scheme: str, host: str, port: int) -> bool:
    """Whether that text of NO_PROXY holds an address. Its entries: a name, .name, *.name, an address, a range of
    addresses (10.0.0.0/8, fd07::/64), each with or without a port, and * for everything."""
    entries = [part.strip() for part in no_proxy.split(",")]
    return "*" in entries or any(
        entry.holds(scheme, host, port) for entry in map(_entry, filter(None, entries)) if entry is not None
    )


def unread(no_proxy: str) -> list[str]:
    """The entries of NO_PROXY that mean nothing, which are left out."""
    entries = (part.strip() for part in no_proxy.split(","))
    return [entry for entry in entries if entry and entry != "*" and _entry(entry) is None]


def _entry(text: str) -> Entry | None:
    scheme, found, rest = text.lower().rpartition("://")
    kind = scheme if found and scheme != "all" else None
    rest = rest.rstrip("/")
    if network := _network(rest.strip("[]")):
        return Entry(network, scheme=kind)
    host, colon, digits = rest.rpartition(":")
    if not colon:
        host, digits = rest, ""
    if digits and not (digits.isascii() and digits.isdigit()):
        return None
    port = int(digits) if digits else None
    if network := _network(host.strip("[]")):
        return Entry(network, scheme=kind, port=port)
    name = host.lstrip("*").lstrip(".")
    if not name or any(letter in name for letter in ":/[]*@ "):
        return None
    return Entry(None, name, host.lstrip("*").startswith("."), kind, port)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@cache
def authorities() -> ssl.SSLContext:
    """Whom TLS trusts. Reading the certificates takes a twentieth of a second or more: once a process, for all.

    VideoError("network") when SSL_CERT_FILE names none."""
    import httpx

    try:
        return httpx.create_ssl_context()
    except OSError as error:
        named = os.environ.get("SSL_CERT_FILE", "")
        text = f"the certificates of SSL_CERT_FILE ({named[:200]}) cannot be read ({error}): correct or unset it"
        raise VideoError("network", text, retryable=True) from None


def for_httpx(proxy: Proxy | None, trusted: ssl.SSLContext) -> httpx.Proxy | None:
    """The proxy as httpx takes it, with `trusted` for one that is itself reached over TLS. ValueError or
    httpx.InvalidURL where it is no proxy that httpx knows."""
    if proxy is None:
        return None
    import httpx

    return httpx.Proxy(proxy.url, ssl_context=trusted if proxy.url.startswith("https:") else None)
