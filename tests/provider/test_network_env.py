"""The network's variables: told by name exactly when the HTTP libraries cannot use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from backends.errors import VideoError
from backends.media import network as wire
from backends.provider import network
from backends.provider.registry import registered
from backends.provider.transport import Timing, httpx2_client, httpx_client

AWAY, HERE = "https://queue.fal.run", "http://127.0.0.1:8000"
VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")

PROXIES = [
    {"ALL_PROXY": "socks5://127.0.0.1:9"},
    {"all_proxy": "socks5h://127.0.0.1:9"},
    {"HTTPS_PROXY": "socks4://127.0.0.1:9"},
    {"HTTPS_PROXY": "http://host:port"},
    {"HTTPS_PROXY": "http://user:pass@host:80/"},
    {"HTTPS_PROXY": "http://user:p%40ss@host"},
    {"HTTPS_PROXY": "http://[::1]:3128"},
    {"HTTPS_PROXY": "127.0.0.1:9"},
    {"ALL_PROXY": "socks5://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"},
    {"HTTP_PROXY": "ftp://127.0.0.1:9"},
    {"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "*"},
    {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": ""},
]
RANGES = [
    {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": entries}
    for entries in (
        "localhost,fd07:b51a:cc66:f0::/64",
        "fd07::/64",
        "[::1]",
        "[::1]:80",
        "fd07:*",
        " ::1 , fe80::%eth0",
        "localhost,10.0.0.0/8,.corp,*.corp,a:80",
        "http://host",
        "http://",
    )
]


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No such variable of the person who runs the tests."""
    for name in (*VARIABLES, *(name.lower() for name in VARIABLES), "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def sends(make: Callable[..., Any]) -> bool:
    """Whether a request gets as far as the network: it is cut off there."""
    async with make(AWAY, Timing(connect_s=5), keep=0) as client:
        try:
            await client.get("/x", timeout=0.001)
        except (httpx.UnsupportedProtocol, httpx2.UnsupportedProtocol):
            return False
        except (httpx.TransportError, httpx2.TransportError):
            return True
    return True


@pytest.mark.parametrize("make", [httpx_client, httpx2_client], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("env", [*PROXIES, *RANGES], ids=str)
@pytest.mark.anyio
async def test_told_when_nothing_can_be_sent(
    env: Mapping[str, str], make: Callable[..., Any], clean: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        clean.setenv(name, value)
    found = network.trouble(env, AWAY)
    assert bool(found) == (not await sends(make)), found or "not told"
    assert found.startswith(tuple(env)) or not found


@pytest.mark.parametrize("make", [httpx_client, httpx2_client], ids=["httpx", "httpx2"])
def test_certificates_that_are_not_there_are_told_when_a_client_is_opened(
    make: Callable[..., Any], clean: pytest.MonkeyPatch
) -> None:
    wire.authorities.cache_clear()
    clean.setenv("SSL_CERT_FILE", "/nonexistent/cacert.pem")
    assert network.trouble({"SSL_CERT_FILE": "/nonexistent/cacert.pem"}, AWAY)
    with pytest.raises(VideoError, match="SSL_CERT_FILE"):
        make(AWAY, Timing(), keep=0)


def test_the_words() -> None:
    def told(**env: str) -> str:
        return network.trouble(env, AWAY)

    assert told(SSL_CERT_FILE="/nonexistent/cacert.pem") == (
        "SSL_CERT_FILE names /nonexistent/cacert.pem, where there is no file of certificates: correct or unset it"
    )
    assert told(NO_PROXY="localhost,fd07:b51a:cc66:f0::/64") == ""
    assert told(https_proxy="socks4://ann:s3cret@h:1") == (
        "https_proxy (socks4://h:1) names a proxy of the kind 'socks4': the kinds are http, https, socks5, socks5h"
    )
    assert told(ALL_PROXY="socks5://h:1080") == (
        "ALL_PROXY (socks5://h:1080) names a SOCKS proxy, which needs a package that is missing: pip install socksio, "
        "or unset it"
    )
    assert told(HTTPS_PROXY="http://h:x") == (
        "HTTPS_PROXY (http://h:x) names a proxy whose port is no number: correct or unset it"
    )


def test_what_cannot_be_fetched_is_told_for_its_own_address(clean: pytest.MonkeyPatch) -> None:
    env = {"ALL_PROXY": "socks5://h:1080", "NO_PROXY": "near.test,10.0.0.0/8"}
    for url in ("https://near.test/a.png", "https://a.near.test/a.png", "https://10.1.2.3/a.png", f"{HERE}/a.png"):
        network.check_download(env, url)
    with pytest.raises(VideoError) as caught:
        network.check_download(env, "https://far.test/a.png")
    assert caught.value.kind == "network"
    assert caught.value.message.startswith(
        "far.test cannot be reached to fetch the file: ALL_PROXY (socks5://h:1080) names a SOCKS proxy"
    )


def test_a_proxy_does_not_matter_for_this_machines_own_addresses() -> None:
    env = {"HTTPS_PROXY": "socks4://h:1", "NO_PROXY": "[::1]"}
    for here in (HERE, "http://localhost:1", "http://[::1]:1"):
        assert network.trouble(env, here) == ""
    assert network.trouble(env | {"SSL_CERT_FILE": "/nonexistent"}, HERE).startswith("SSL_CERT_FILE")


KEYS = {
    "fal": {"FAL_KEY": "a:b"},
    "gemini": {"GEMINI_API_KEY": "k"},
    "kling": {"KLING_API_KEY": "k"},
    "minimax": {"MINIMAX_API_KEY": "k"},
    "openai": {"OPENAI_API_KEY": "k"},
    "replicate": {"REPLICATE_API_TOKEN": "k"},
    "runway": {"RUNWAYML_API_SECRET": "k"},
    "vertex": {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "us-central1"},
}


@pytest.mark.parametrize("provider", KEYS)
def test_no_provider_is_available_then(provider: str, clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So that a request is refused before any money is held. Without a key that is what is told."""
    assert registered(provider).access(KEYS[provider]).available
    clean.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    access = registered(provider).access(KEYS[provider])
    assert not access.available and access.trouble.startswith(f"SSL_CERT_FILE names {tmp_path}")
    assert registered(provider).access({}).trouble.startswith("set ")
