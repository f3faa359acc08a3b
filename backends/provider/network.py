"""What the environment's own network variables break, reported by name before anything is requested or reserved.

What leaves goes by the proxies and certificates that the user's environment names (`media.network`). With a value
that cannot be used nothing would be sent, or, worse, a clip would be paid for and could not be fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from backends.errors import VideoError
from backends.media.network import is_loopback, passes_by, proxy_for, unread

SCHEMES = ("http", "https", "socks5", "socks5h")
CERTIFICATES = "SSL_CERT_FILE"


def trouble(env: Mapping[str, str], address: str) -> str:
    """Why no request can reach a service at this address, or fetch its clips, in this environment, with the
    variable; "" when it can. Clips lie on hosts of their own: only NO_PROXY=* spares all of them the proxy."""
    found = _certificates(env)
    scheme, host, _ = _parts(address)
    if found or is_loopback(host) or passes_by(_value(env, "NO_PROXY"), "https", "", 443):
        return found
    return next(filter(None, (_proxy(env, one) for one in dict.fromkeys((scheme, "https")))), "")


def check_download(env: Mapping[str, str], url: str) -> None:
    """VideoError("network") when nothing can be fetched from this address in this environment, with the variable."""
    found = _certificates(env)
    scheme, host, port = _parts(url)
    if not found and not is_loopback(host) and not passes_by(_value(env, "NO_PROXY"), scheme, host, port):
        found = _proxy(env, scheme)
    if found:
        raise VideoError("network", f"{host or 'the address'} cannot be reached to fetch the file: {found}")


def told(env: Mapping[str, str]) -> Iterator[tuple[bool, str]]:
    """The ways out that the environment names, for `doctor`: whether each is in order, and a sentence."""
    if why := _certificates(env):
        yield False, why
    elif path := env.get(CERTIFICATES, ""):
        yield True, f"certificates are trusted by {CERTIFICATES}={path[:200]}"
    for scheme in ("https", "http"):
        if why := _proxy(env, scheme):
            yield False, why
        elif proxy := proxy_for(scheme, f"{scheme}.invalid", 443):
            text = (
                f"{scheme} addresses are reached through {proxy.shown}, which finds the hosts itself: whether a file "
            )
            yield True, f"{text}named by an address lies on a public host is then judged by its name alone"
    for entry in unread(_value(env, "NO_PROXY")):
        yield False, f"NO_PROXY holds {entry[:60]!r}, which is no host and no range of addresses: it is left out"


def _parts(url: str) -> tuple[str, str, int]:
    """Scheme, host and port; "https" and no host for what cannot be read."""
    try:
        parts = urlsplit(url)
        scheme = parts.scheme or "https"
        return scheme, parts.hostname or "", parts.port or (443 if scheme == "https" else 80)
    except ValueError:
        return "https", "", 443


def _set(env: Mapping[str, str], name: str) -> Iterator[tuple[str, str]]:
    """The variable with its value, when it has one; a small-letter name stands before its capital one."""
    for spelling in (name.lower(), name):
        if spelling in env:
            if value := env[spelling].strip():
                yield spelling, value
            return


def _value(env: Mapping[str, str], name: str) -> str:
    return next((value for _, value in _set(env, name)), "")


def _certificates(env: Mapping[str, str]) -> str:
    path = env.get(CERTIFICATES, "")
    if not path or Path(path).is_file():
        return ""
    return f"{CERTIFICATES} names {path[:200]}, where there is no file of certificates: correct or unset it"


def _proxy(env: Mapping[str, str], scheme: str) -> str:
    """What is wrong with the proxy for addresses of that scheme."""
    chosen = [*_set(env, f"{scheme.upper()}_PROXY")] or [*_set(env, "ALL_PROXY")]
    for name, value in chosen:
        kind, found, rest = value.partition("://")
        shown = f"{name} ({f'{kind}://' if found else ''}{(rest if found else value).rpartition('@')[2][:100]})"
        if found and kind.lower() not in SCHEMES:
            return f"{shown} names a proxy of the kind {kind[:20]!r}: the kinds are {', '.join(SCHEMES)}"
        if kind.lower().startswith("socks") and find_spec("socksio") is None:
            return (
                f"{shown} names a SOCKS proxy, which needs a package that is missing: pip install socksio, or unset it"
            )
        if not _has_port(rest if found else value):
            return f"{shown} names a proxy whose port is no number: correct or unset it"
    return ""


def _has_port(host: str) -> bool:
    """Whether what stands behind a host's colon, if one does, is a number."""
    host = host.partition("/")[0].rpartition("@")[2]
    _, colon, port = host.rpartition("]")[2].rpartition(":")
    return not colon or not port or (port.isascii() and port.isdigit())
