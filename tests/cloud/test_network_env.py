"""The network's variables: told by name exactly when the HTTP libraries cannot use them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
import httpx2
import pytest

from backends.backend import registered
from backends.cloud import network_env

AWAY, HERE = "https://queue.fal.run", "http://127.0.0.1:8000"
VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")

PROXIES = [
    {"ALL_PROXY": "socks5://127.0.0.1:9"},
    {"all_proxy": "socks5h://127.0.0.1:9"},
    {"HTTPS_PROXY": "socks4://127.0.0.1:9"},
    {"HTTP_PROXY": "ftp://127.0.0.1:9"},
    {"HTTPS_PROXY": "http://host:port"},
    {"HTTPS_PROXY": "http://user:pass@host:80/"},
    {"HTTPS_PROXY": "http://user:p%40ss@host"},
    {"HTTPS_PROXY": "http://[::1]:3128"},
    {"HTTP_PROXY": "127.0.0.1:9"},
]
RANGES = [
    {"NO_PROXY": "localhost,fd07:b51a:cc66:f0::/64"},
    {"no_proxy": "fd07::/64"},
    {"NO_PROXY": "[::1]"},
    {"NO_PROXY": "[::1]:80"},
    {"NO_PROXY": "::1/128"},
    {"NO_PROXY": "fd07:*"},
    {"NO_PROXY": "::1"},
    {"NO_PROXY": " ::1 , fe80::%eth0"},
    {"NO_PROXY": "localhost,10.0.0.0/8,.corp,*.corp,a:80"},
    {"NO_PROXY": "http://host"},
    {"NO_PROXY": "*"},
]


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No such variable of the person who runs the tests."""
    for name in (*VARIABLES, *(name.lower() for name in VARIABLES), "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def opens(library: type[httpx.Client | httpx2.Client]) -> bool:
    try:
        library().close()
    except Exception:
        return False
    return True


@pytest.mark.parametrize("env", [*PROXIES, *RANGES, {"SSL_CERT_FILE": "/nonexistent/cacert.pem"}], ids=str)
def test_told_when_the_library_cannot_be_opened(env: Mapping[str, str], clean: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        clean.setenv(name, value)
    (name,) = env
    for provider, library in (("fal", httpx.Client), ("openai", httpx2.Client)):
        found = network_env.trouble(env, provider, AWAY)
        assert bool(found) == (not opens(library)), found or "not told"
        assert found.startswith(name) or not found


def test_the_words() -> None:
    def told(**env: str) -> str:
        return network_env.trouble(env, "fal", AWAY)

    assert told(SSL_CERT_FILE="/nonexistent/cacert.pem") == (
        "SSL_CERT_FILE names /nonexistent/cacert.pem, where there is no file of certificates: correct or unset it"
    )
    assert told(NO_PROXY="localhost,fd07:b51a:cc66:f0::/64") == (
        "NO_PROXY holds 'fd07:b51a:cc66:f0::/64', which the HTTP library cannot read: leave that entry out (a single "
        "IPv6 address stands there without brackets, a range cannot)"
    )
    assert told(https_proxy="socks4://h:1") == (
        "https_proxy names a proxy of the kind 'socks4': the kinds are http, https, socks5, socks5h"
    )
    assert told(HTTP_PROXY="http://h:x") == "HTTP_PROXY names a proxy whose port is no number: correct or unset it"


def test_a_proxy_does_not_matter_for_this_machines_own_addresses() -> None:
    env = {"HTTPS_PROXY": "socks4://h:1", "NO_PROXY": "[::1]"}
    for here in (HERE, "http://localhost:1", "http://[::1]:1"):
        assert network_env.trouble(env, "fal", here) == ""
    assert network_env.trouble(env | {"SSL_CERT_FILE": "/nonexistent"}, "fal", HERE).startswith("SSL_CERT_FILE")


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
