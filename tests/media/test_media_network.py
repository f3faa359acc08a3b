"""Downloads behind a proxy: by the rule of the paid requests, with what can be checked there checked."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest

from backends.errors import VideoError
from backends.media import network
from backends.media.addresses import is_public_name
from backends.media.fetch import Fetched, fetch
from tests.fakes.proxy import Proxy
from tests.media.test_media_fetch import BODY, Server, authority, redirect, send

VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
__all__ = ["authority"]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No such variable of the person who runs the tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.fixture
def plain() -> Iterator[Server]:
    server = Server()
    server.answers["/a.jpg"] = send()
    yield server
    server.close()


@pytest.fixture
def secret(authority: Contexts) -> Iterator[Server]:
    """media.example, over TLS."""
    server = Server(authority[0])
    server.answers["/a.jpg"] = send()
    yield server
    server.close()


async def nothing(host: str, port: int) -> list[str]:
    """A name server that knows no name, as inside a network whose proxy alone looks names up."""
    return []


def get(url: str, dest: Path, **options: object) -> Fetched:
    arguments: dict[str, object] = {"max_bytes": 10_000_000, "timeout_s": 20, "resolve": nothing} | options
    return anyio.run(partial(fetch, url, dest, **arguments))  # type: ignore[arg-type]


def refusal(url: str, tmp_path: Path, **options: object) -> VideoError:
    with pytest.raises(VideoError) as caught:
        get(url, tmp_path / "file", **options)
    return caught.value


def test_a_host_that_only_the_proxy_knows(plain: Server, clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Proxy({"videos.corp.test": plain.port}) as proxy:
        clean.setenv("HTTP_PROXY", proxy.url)
        got = get("http://videos.corp.test/a.jpg?s=1", tmp_path / "a", allow_hosts=frozenset({"videos.corp.test:80"}))
    assert (tmp_path / "a").read_bytes() == BODY and got.notes == ()
    assert proxy.asked == ["GET http://videos.corp.test/a.jpg?s=1 HTTP/1.1"]
    assert plain.requests[0][1]["host"] == "videos.corp.test"


def test_tls_through_the_proxy_is_checked_by_the_hosts_own_name(
    secret: Server, authority: Contexts, clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Proxy({"media.example": secret.port, "other.example": secret.port}, login="ann:s3cret") as proxy:
        clean.setenv("https_proxy", proxy.url)
        got = get("https://media.example/a.jpg", tmp_path / "a", ssl_context=authority[1])
        assert got.notes == (
            "'media.example' was reached through the proxy (https_proxy), which alone can find it: that it lies on a "
            "public address could not be checked",
        )
        assert proxy.asked == ["CONNECT media.example:443 HTTP/1.1"]
        error = refusal("https://other.example/a.jpg", tmp_path, ssl_context=authority[1])
        assert (error.kind, error.retryable) == ("network", False) and "certificate is not trusted" in error.message

        async def public(host: str, port: int) -> list[str]:
            return ["93.184.215.14"]

        assert get("https://media.example/a.jpg", tmp_path / "b", ssl_context=authority[1], resolve=public).notes == ()
    assert (tmp_path / "b").read_bytes() == BODY


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://10.0.0.5/a.jpg", "private or reserved network address"),
        ("https://[fd00::1]/a.jpg", "private or reserved network address"),
        ("https://2130706433/a.jpg", "private or reserved network address"),
        ("https://0x7f.1/a.jpg", "private or reserved network address"),
        ("https://metadata/a.jpg", "private or reserved network address"),
        ("https://metadata.google.internal/a.jpg", "private or reserved network address"),
        ("https://printer.local./a.jpg", "private or reserved network address"),
        ("http://media.example/a.jpg", "only https addresses are fetched"),
        ("https://media.example:8443/a.jpg", "only the usual https port"),
    ],
)
def test_a_proxy_is_no_way_into_the_inner_network(
    url: str, told: str, clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Proxy({}) as proxy:
        clean.setenv("ALL_PROXY", proxy.url)
        error = refusal(url, tmp_path)
    assert error.kind == "asset" and told in error.message
    assert proxy.asked == []


def test_a_name_that_is_private_here_is_refused_behind_a_proxy_too(clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def inner(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "192.168.1.1"]

    with Proxy({"media.example": 9}) as proxy:
        clean.setenv("HTTPS_PROXY", proxy.url)
        assert "private or reserved" in refusal("https://media.example/a.jpg", tmp_path, resolve=inner).message
    assert proxy.asked == []


def test_a_redirect_behind_a_proxy_is_checked_too(
    secret: Server, authority: Contexts, clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret.answers["/in"] = redirect("https://169.254.169.254/a.jpg")
    with Proxy({"media.example": secret.port}) as proxy:
        clean.setenv("HTTPS_PROXY", proxy.url)
        error = refusal("https://media.example/in", tmp_path, ssl_context=authority[1])
    assert "private or reserved" in error.message and len(proxy.asked) == 1


def test_a_proxy_that_refuses_or_is_gone_is_named_without_its_password(
    clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Proxy({}) as proxy:
        clean.setenv("HTTPS_PROXY", f"http://ann:s3cret@127.0.0.1:{proxy.port}")
        error = refusal("https://media.example/a.jpg", tmp_path)
        assert error.message == (
            f"'https://media.example/a.jpg' cannot be reached: the proxy of HTTPS_PROXY=http://127.0.0.1:{proxy.port} "
            "refuses it (502 No Such Host); check both"
        )
        assert (error.kind, error.retryable) == ("network", True)
    error = refusal("https://media.example/a.jpg", tmp_path)
    assert f"the proxy of HTTPS_PROXY=http://127.0.0.1:{proxy.port} does not lead there" in error.message
    assert error.retryable and "s3cret" not in error.message


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "ftp://127.0.0.1:9", "http://host:port"])
def test_a_proxy_that_cannot_be_used_is_named(value: str, clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clean.setenv("ALL_PROXY", value)
    error = refusal("https://media.example/a.jpg", tmp_path)
    assert f"the proxy of ALL_PROXY={value} cannot be used" in error.message
    assert (error.kind, error.retryable) == ("network", True), "a paid clip is requested again when it is corrected"


def test_certificates_that_are_not_there_are_named(clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network.authorities.cache_clear()
    clean.setenv("SSL_CERT_FILE", "/nonexistent/cacert.pem")
    error = refusal("https://media.example/a.jpg", tmp_path)
    assert "SSL_CERT_FILE (/nonexistent/cacert.pem) cannot be read" in error.message and error.retryable


def test_this_machine_and_what_no_proxy_names_are_reached_directly(
    plain: Server, clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with Proxy({}) as proxy:
        clean.setenv("ALL_PROXY", proxy.url)
        clean.setenv("NO_PROXY", "localhost,fd07:b51a:cc66:f0::/64,.near.test")
        for host in (plain.host, f"a.near.test:{plain.port}"):
            get(f"http://{host}/a.jpg", tmp_path / "a", allow_hosts=frozenset({host}), resolve=here)
    assert proxy.asked == [] and len(plain.requests) == 2


HOSTS = (
    "corp.test",
    "a.corp.test",
    "xcorp.test",
    "localhost",
    "10.1.2.3",
    "11.1.2.3",
    "fd07::1",
    "fd08::1",
    "127.0.0.1",
)
NONSENSE = "a b, fd07:*, ,[x, /8, http://"
SPARED = [
    ("corp.test", {"corp.test", "a.corp.test"}),
    (".corp.test", {"a.corp.test"}),
    ("*.corp.test", {"a.corp.test"}),
    ("CORP.test:443", {"corp.test", "a.corp.test"}),
    ("corp.test:80", set[str]()),
    ("https://corp.test", {"corp.test", "a.corp.test"}),
    ("http://corp.test", set[str]()),
    ("10.0.0.0/8", {"10.1.2.3"}),
    ("10.1.2.3", {"10.1.2.3"}),
    ("fd07::/64", {"fd07::1"}),
    ("[fd07::1]", {"fd07::1"}),
    ("[fd07::1]:443", {"fd07::1"}),
    (NONSENSE, set[str]()),
    ("nothing.test,*", set(HOSTS)),
]


@pytest.mark.parametrize(("entries", "spared"), SPARED, ids=[one[0] for one in SPARED])
def test_who_is_reached_without_the_proxy(entries: str, spared: set[str], clean: pytest.MonkeyPatch) -> None:
    clean.setenv("HTTPS_PROXY", "proxy.test:3128")
    clean.setenv("NO_PROXY", entries)
    found = {host for host in HOSTS if network.proxy_for("https", host, 443) is None}
    assert found == spared | {"localhost", "127.0.0.1"}
    assert network.proxy_for("http", "corp.test", 80) is None, "no proxy is named for http"
    nonsense = [entry.strip() for entry in entries.split(",") if entry.strip()] if entries == NONSENSE else []
    assert network.unread(entries) == nonsense


def test_the_rule_is_that_of_the_http_library_where_it_has_one(clean: pytest.MonkeyPatch) -> None:
    cases = [
        {"HTTPS_PROXY": "http://one:1", "ALL_PROXY": "http://two:2"},
        {"HTTP_PROXY": "one:1", "http_proxy": "two:2"},
        {"ALL_PROXY": "http://one:1", "NO_PROXY": "corp.test, .test, 10.1.2.3, fd07::1"},
        {"ALL_PROXY": "http://one:1", "NO_PROXY": "*"},
    ]
    for env in cases:
        with clean.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            with httpx2.Client() as client:
                for url in ("https://corp.test/x", "http://corp.test/", "https://10.1.2.3/", "http://[fd07::1]:80/"):
                    direct = client._transport_for_url(httpx2.URL(url)) is client._transport
                    assert (network.proxy_of(url) is None) == direct, (env, url)


def test_names_of_inner_networks() -> None:
    inner = (
        "intranet",
        "localhost",
        "a.localhost",
        "nas.local",
        "x.home.arpa",
        "127.1",
        "0x7f000001",
        "10.0.0.1",
        "a.9",
    )
    assert [host for host in inner if is_public_name(host)] == []
    assert all(
        map(is_public_name, ("cdn.example.com", "a.b.", "93.184.215.14", "xn--bcher-kva.example", "localhost.com"))
    )
