"""What the environment's own network variables break, told by name before anything is asked for or reserved.

Every HTTP client of ours reads the proxies and certificates that the person's environment names (not for this machine's
own addresses). A value that it cannot use makes it fail as a whole, whatever it was to be used for, with words that
name neither the variable nor the value.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
SCHEMES = ("http", "https", "socks5", "socks5h")
CERTIFICATES = "SSL_CERT_FILE"
READS_RANGES = frozenset({"openai", "gemini", "vertex"})
"""Providers whose HTTP library (httpx2) takes any entry of NO_PROXY; httpx fails at a range of IPv6 addresses."""


def trouble(env: Mapping[str, str], provider: str, address: str) -> str:
    """Why no client for this address can be opened in this environment, with the variable; "" when one can."""
    found = _certificates(env)
    if not found and not _is_here(address):
        found = _proxy(env)
        if not found and provider not in READS_RANGES:
            found = _no_proxy(env)
    return found


def _is_here(address: str) -> bool:
    """Whether an address is this machine's: no proxy stands in between."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _set(env: Mapping[str, str], *names: str) -> Iterator[tuple[str, str]]:
    """The variables that are set, with their values; a small-letter name stands before its capital one."""
    for name in names:
        for spelling in (name.lower(), name):
            if value := env.get(spelling, "").strip():
                yield spelling, value
                break


def _certificates(env: Mapping[str, str]) -> str:
    path = env.get(CERTIFICATES, "")
    if not path or Path(path).is_file():
        return ""
    return f"{CERTIFICATES} names {path[:200]}, where there is no file of certificates: correct or unset it"


def _proxy(env: Mapping[str, str]) -> str:
    for name, value in _set(env, *PROXIES):
        scheme, found, rest = value.partition("://")
        if found and scheme.lower() not in SCHEMES:
            return f"{name} names a proxy of the kind {scheme[:20]!r}: the kinds are {', '.join(SCHEMES)}"
        if scheme.lower().startswith("socks") and find_spec("socksio") is None:
            return (
                f"{name} names a SOCKS proxy, which needs a package that is missing: pip install socksio, or unset it"
            )
        if not _has_port(rest if found else value):
            return f"{name} names a proxy whose port is no number: correct or unset it"
    return ""


def _has_port(host: str) -> bool:
    """Whether what stands behind a host's colon, if one does, is a number."""
    host = host.partition("/")[0].rpartition("@")[2]
    _, colon, port = host.rpartition("]")[2].rpartition(":")
    return not colon or not port or (port.isascii() and port.isdigit())


def _no_proxy(env: Mapping[str, str]) -> str:
    for name, value in _set(env, "NO_PROXY"):
        for entry in (part.strip() for part in value.split(",")):
            if ":" in entry and "://" not in entry and not _is_readable(entry):
                return (
                    f"{name} holds {entry[:60]!r}, which the HTTP library cannot read: leave that entry out (a single "
                    "IPv6 address stands there without brackets, a range cannot)"
                )
    return ""


def _is_readable(entry: str) -> bool:
    """An entry with a colon: an IPv6 address, or a host with a port."""
    try:
        ipaddress.IPv6Address(entry)
    except ValueError:
        port = entry.partition(":")[2]
        return port.isascii() and port.isdigit()
    return True
