"""Which network addresses a download may reach: public unicast ones, in every disguise checked.

Python's `is_global` alone is not enough: it is True for 224.0.0.1, 192.0.0.8, NAT64 (64:ff9b::7f00:1), 6to4
(2002:7f00:1::1) and IPv4-compatible (::127.0.0.1) addresses.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import anyio

from backends.errors import VideoError

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to addresses in text form."""

RESOLVE_S = 3.0
"""Behind a proxy there may be no name server that answers: the proxy finds the host then."""

_REFUSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT
            "192.0.0.0/24",  # IETF protocol assignments
            "192.88.99.0/24",  # 6to4 relays
            "198.18.0.0/15",  # benchmarks
            "240.0.0.0/4",
            "::/96",  # IPv4-compatible
            "64:ff9b::/96",  # NAT64
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/23",  # Teredo and other protocol assignments
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
            "5f00::/16",
            "fec0::/10",
        ),
    )
)


def is_public(text: str) -> bool:
    """Whether the address is one that anybody on the internet could reach."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
    if address.is_multicast or address.is_reserved or address.is_unspecified or not address.is_global:
        return False
    return not any(address in network for network in _REFUSED if network.version == address.version)


def refuse_known(url: str) -> None:
    """VideoError("asset") for an https address that no download would take, as far as that is known without a name
    server: another port, a private address written as such (also as 127.1 or 0x7f000001), this machine by name.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        host, port = "", None
    shown = repr(f"https://{host}{f':{port}' if port else ''}"[:160])
    if not host:
        raise VideoError(
            "asset", f"{url.split('?')[0][:120]!r} cannot be read as an address: give a complete https URL"
        )
    if port not in (None, 443):
        raise VideoError("asset", f"{shown}: only the usual https port (443) is reached, not {port}")
    here = host == "localhost" or host.endswith(".localhost")
    address = _literal(host)
    if here or (address and not is_public(address)):
        raise VideoError(
            "asset",
            f"{shown} leads to a private or reserved network address, and only public ones are fetched: download the "
            "file yourself and give its path",
        )


def _literal(host: str) -> str:
    """The address that a host is, where it is written as one, in any form that the system's resolver takes."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host)) if host[-1].isalnum() else ""
    except (OSError, UnicodeError):
        return ""


_INNER = ("localhost", "local", "internal", "intranet", "lan", "home.arpa")


def is_public_name(host: str) -> bool:
    """Whether a host's name, which cannot be resolved here, may be one on the internet: an address must be a public one
    as it is written, and a name has a dot and does not end in what is kept for inner networks."""
    name = host.strip("[]").rstrip(".").lower()
    last = name.rpartition(".")[2]
    if ":" in name or last.isdigit() or last.startswith("0x"):
        return is_public(name)
    return "." in name and not any(name.endswith(f".{inner}") for inner in _INNER)


async def resolve_host(host: str, port: int) -> list[str]:
    """The system's resolver; what looks like a number (127.1, 0x7f000001) comes back as the address it means."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))
