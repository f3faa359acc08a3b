"""Streamable HTTP: loopback freely, else by token; hosts and origins checked; both eras by the SDK's client."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from mcp import Client

from backends.errors import VideoError
from mcp_server.serving import serve
from mcp_server.transports import (
    IDLE_VARIABLE,
    TOKEN_VARIABLE,
    address,
    http_security,
    idle_from,
    is_loopback,
    token_from,
)
from tests.mcp_server.test_mcp_arguments import ROWS
from tests.mcp_server.test_mcp_surface import ORDER
from tests.patience import patient
from tests.rawclient import LEGACY, home_env

TOKEN = "t" * 40
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


@dataclass
class Served:
    port: int
    url: str

    def post(self, headers: Mapping[str, str] | None = None, body: object = HELLO) -> tuple[int, str]:
        """Status and text of one POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patient(20))
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        try:
            connection.request("POST", "/mcp", json.dumps(body), sent | dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@contextmanager
def serving(env: dict[str, str], *words: str) -> Iterator[Served]:
    where = () if "--http" in words else ("--http", "--port", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "mcp_server", "serve", *where, *words],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None and process.stdout is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("reelwright serves MCP at http://"), line + process.stderr.read()
        url = line.split()[-1]
        yield Served(int(url.rsplit(":", 1)[1].removesuffix("/mcp")), url)
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=patient(20))
    assert out == "", "stdout belongs to nobody"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return home_env(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def loopback(home: dict[str, str]) -> Iterator[Served]:
    with serving(home) as served:
        yield served


@pytest.fixture(scope="module")
def guarded(home: dict[str, str]) -> Iterator[Served]:
    """Bound beyond loopback (reached by the test over loopback all the same), so only with a token."""
    with serving(home | {TOKEN_VARIABLE: TOKEN}, "--host", "0.0.0.0") as served:
        yield served


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_same_tools_and_the_same_strictness(loopback: Served, mode: str) -> None:
    async with Client(loopback.url, mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ORDER
        for tool, arguments, words in (ROWS[1], ROWS[6], ROWS[7], ROWS[30]):
            result = await client.call_tool(tool, arguments)
            assert result.is_error and words in result.content[0].text  # type: ignore[union-attr]


def test_loopback_needs_no_token_but_a_loopback_name(loopback: Served) -> None:
    assert loopback.post()[0] == 200
    assert loopback.post({"Host": "evil.example"})[0] == 421
    assert loopback.post({"Origin": "https://evil.example"})[0] == 403
    assert loopback.post({"Origin": f"http://localhost:{loopback.port}"})[0] == 200


@pytest.mark.parametrize(
    "host", ["localhost:80.evil.com", "localhost:", "localhost:8o", "127.0.0.1:1@evil.com", "localhost.evil.com", ""]
)
def test_a_host_that_only_begins_like_ours_is_refused(loopback: Served, host: str) -> None:
    assert loopback.post({"Host": host})[0] in (400, 421)


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:1@evil.com",
        "http://localhost:80.evil.com",
        "http://localhost:80/",
        "https://localhost:80",
        "http://localhost.evil.com",
        "null",
    ],
)
def test_an_origin_that_only_begins_like_ours_is_refused(loopback: Served, origin: str) -> None:
    assert loopback.post({"Origin": origin})[0] == 403


def test_loopback_names_are_taken_with_and_without_a_port(loopback: Served) -> None:
    for host in ("localhost", "localhost:9000", "[::1]", "[::1]:80", "127.0.0.1"):
        assert loopback.post({"Host": host})[0] == 200, host
    for origin in ("http://localhost", "http://[::1]:3000"):
        assert loopback.post({"Origin": origin})[0] == 200, origin


def test_an_idle_session_ends(home: dict[str, str]) -> None:
    with serving(home | {IDLE_VARIABLE: "0.3"}) as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=patient(20))
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        connection.request("POST", "/mcp", json.dumps(HELLO), sent)
        answer = connection.getresponse()
        session = answer.headers["mcp-session-id"]
        answer.read()
        connection.close()
        asked = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        told = {"Mcp-Session-Id": session, "Mcp-Protocol-Version": LEGACY}
        time.sleep(1)  # a request would make the session young again, so nothing can be asked meanwhile
        assert served.post(told, asked)[0] == 404


def test_the_time_of_a_session_is_checked() -> None:
    assert idle_from({}) == 1800 and idle_from({IDLE_VARIABLE: "60"}) == 60
    for odd in ("0", "-1", "nan", "inf", "soon"):
        with pytest.raises(VideoError, match=f"{IDLE_VARIABLE} is a number of seconds above 0, not '{odd}'"):
            idle_from({IDLE_VARIABLE: odd})


def test_the_address_may_follow_the_option(home: dict[str, str]) -> None:
    with serving(home, "--http", "127.0.0.1:0") as served:
        assert served.post()[0] == 200


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("127.0.0.1", 8731)),
        ("127.0.0.1:8765", ("127.0.0.1", 8765)),
        ("8765", ("127.0.0.1", 8765)),
        (":8765", ("127.0.0.1", 8765)),
        ("localhost", ("localhost", 8731)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_an_address_in_all_its_forms(text: str, parts: tuple[str, int]) -> None:
    assert address(text) == parts


@pytest.mark.parametrize("text", ["http://x:1", "a b", "x:y", "x:999999", "::1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(VideoError, match=r"--http takes HOST:PORT, such as 127\.0\.0\.1:8765, not "):
        address(text)


def test_answers_are_event_streams(loopback: Served) -> None:
    assert loopback.post()[1].startswith("event: message\r\ndata: {")


def test_a_body_of_five_megabytes_is_refused(loopback: Served) -> None:
    assert loopback.post(body=HELLO | {"padding": "x" * 5_000_000})[0] == 413


def test_nothing_without_the_token(guarded: Served) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer " + "x" * 40},
        {"Authorization": TOKEN},
        {"Authorization": "Basic dDp0"},
    ):
        status, words = guarded.post(headers)
        assert (status, words) == (401, "send the token as 'Authorization: Bearer TOKEN'")


def test_with_the_token_from_its_own_origin_only(guarded: Served) -> None:
    auth = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.post(auth)[0] == 200
    assert guarded.post(auth | {"Origin": "https://evil.example"})[0] == 403
    assert guarded.post(auth | {"Origin": f"http://127.0.0.1:{guarded.port}"})[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.evil.example"])
def test_beyond_loopback_only_with_a_token(host: str) -> None:
    with pytest.raises(VideoError, match=f"can be reached from other machines: set {TOKEN_VARIABLE}") as failed:
        http_security(host, None)
    assert failed.value.kind == "auth"
    assert http_security(host, TOKEN).enable_dns_rebinding_protection is False


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_is_loopback(host: str) -> None:
    assert is_loopback(host)
    assert http_security(host, None).enable_dns_rebinding_protection
    assert http_security(host, TOKEN).enable_dns_rebinding_protection


def test_a_guessable_token_is_refused() -> None:
    with pytest.raises(VideoError, match="shorter than 16 characters: make one with openssl rand -hex 32"):
        http_security("127.0.0.1", "secret")
    assert token_from({TOKEN_VARIABLE: ""}) is None and token_from({TOKEN_VARIABLE: TOKEN}) == TOKEN


def test_the_command_says_why_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)

    def refused(*words: str) -> str:
        assert serve(words) == 2
        out, err = capsys.readouterr()
        assert out == ""
        return err

    assert f"reelwright serve: 0.0.0.0 can be reached from other machines: set {TOKEN_VARIABLE}" in refused(
        "--http", "--host", "0.0.0.0"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port} cannot be bound" in refused("--http", "--port", port)
    assert "port 99999 does not exist: give 0" in refused("--http", "--port", "99999")
    with pytest.raises(SystemExit) as ended:
        serve(["--sse"])
    assert ended.value.code == 2 and "unrecognized arguments: --sse" in capsys.readouterr().err
