"""What holds for both HTTP libraries, by our own client and every vendor's SDK: answers end, addresses are checked."""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from backends.errors import VideoError
from backends.provider import transport
from backends.provider.protocol import Handle, Prepared
from backends.provider.registry import registered
from backends.provider.transport import MAX_ANSWER, Timing, Unreadable, guard, httpx2_client, httpx_client, same_origin
from tests.cloud import openai_rows
from tests.cloud.http_cases import asked, asset, still, unclear
from tests.cloud.spill import Spill, bomb, spilling

FOX: dict[str, Any] = {"prompt": "a fox"}
SERVICES: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "runway": ("runway/gen4.5", {"RUNWAYML_API_SECRET": "key-runway-987654"}, {"duration_s": 5}),
    "openai": ("openai/my-proxy-video", {"OPENAI_API_KEY": "sk-openai-987654"}, {"duration_s": 4}),
    "gemini": ("gemini/gemini-omni-1.1-flash", {"GEMINI_API_KEY": "AIza-gemini-987654"}, {"duration_s": 4}),
    "kling": ("kling/kling-v2-5-turbo", {"KLING_API_KEY": "kl-long-secret"}, {}),
    "minimax": ("minimax/MiniMax-Hailuo-02", {"MINIMAX_API_KEY": "mm-long-secret"}, {}),
    "fal": ("fal/pika-v2.2", {"FAL_KEY": "a:b-long-secret"}, {}),
    "replicate": ("replicate/kling-v2.5-turbo-pro", {"REPLICATE_API_TOKEN": "r8-long-secret"}, {}),
}


@pytest.fixture
def spill() -> Iterator[Spill]:
    with spilling() as running:
        yield running


async def with_service(name: str, url: str, folder: Path, work: Callable[[Any, Prepared], Awaitable[None]]) -> None:
    model, env, fields = SERVICES[name]
    folders = (openai_rows.save(folder / "rows"),) if name == "openai" else ()
    backend: Any = registered(name).open(env, f"{url}/v1" if name == "openai" else url)
    try:
        await work(backend, asked(backend, model, folders, **FOX, **fields))
    finally:
        await backend.aclose()


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.anyio
async def test_a_bomb_is_unclear_on_the_paid_post_and_asked_again_on_a_question(
    spill: Spill, tmp_path: Path, name: str
) -> None:
    megabytes = 300 if name == "gemini" else 64  # a clip may lie in what Gemini answers to a question
    spill.headers, spill.body = {"content-encoding": "gzip"}, bomb(megabytes)

    async def work(backend: Any, ready: Prepared) -> None:
        with pytest.raises(VideoError, match="an answer too large to read") as caught:
            await backend.start(ready, {}, "job_1")
        unclear(caught.value)
        assert [method for method, _ in spill.asked] == ["POST"]
        with pytest.raises(VideoError, match="an answer too large to read") as caught:
            await backend.status(Handle("t1", {"endpoint": ready.endpoint}), tmp_path)
        error = caught.value
        assert (error.kind, error.retryable, error.charged) == ("provider", True, "unknown")

    await with_service(name, spill.url, tmp_path, work)


@pytest.mark.parametrize("make", [httpx_client, httpx2_client], ids=["httpx", "httpx2"])
@pytest.mark.anyio
async def test_an_answer_ends_before_it_fills_the_memory(spill: Spill, make: Callable[..., Any]) -> None:
    async with make(spill.url, Timing(), keep=0) as client:
        for kind in ("gzip", "deflate"):
            spill.headers, spill.body = {"content-encoding": kind}, bomb(200, kind)
            tracemalloc.start()
            with pytest.raises(Unreadable, match="too large"):
                await client.get("/x")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 3 * MAX_ANSWER, f"{peak / 1e6:.0f} MB"
        spill.headers, spill.body, spill.endless, spill.sent = {}, b"", True, 0
        with pytest.raises(Unreadable, match="too large"):
            await client.get("/x")
        assert spill.sent < 4 * MAX_ANSWER
        spill.endless, spill.headers, spill.body = False, {"content-length": str(MAX_ANSWER + 1)}, b"{"
        with pytest.raises(Unreadable, match="too large"):
            await client.get("/x")


@pytest.mark.parametrize("make", [httpx_client, httpx2_client], ids=["httpx", "httpx2"])
@pytest.mark.anyio
async def test_packed_answers_are_read_and_damaged_ones_told(spill: Spill, make: Callable[..., Any]) -> None:
    async with make(spill.url, Timing(), keep=0) as client:
        spill.packed(b'{"a": 1}')
        assert (await client.get("/x")).json() == {"a": 1}
        for kind in ("deflate", "raw"):
            spill.headers, spill.body = {"content-encoding": "deflate"}, bomb(1, kind)
            assert (await client.get("/x")).json()["status"] == "RUNNING"
        spill.headers, spill.body = {"content-encoding": "gzip"}, b"no gzip at all"
        with pytest.raises(Unreadable, match="cannot be unpacked"):
            await client.get("/x")
        spill.headers, spill.body = {"content-encoding": "br"}, b"\x8b\x03\x80{}\x03"
        assert (await client.get("/x")).content == spill.body, "what was not requested stays as it is"
        spill.headers, spill.body = {}, b'{"b": 2}'
        assert (await client.get("/x")).json() == {"b": 2}


def hooked(base: str, url: str, found: list[str] | None) -> httpx.Request:
    """The request as the hook leaves it; found: what the host resolves to, None = nothing."""
    import anyio

    async def resolve(host: str, port: int) -> list[str]:
        if found is None:
            raise socket.gaierror
        return found

    request = httpx.Request("PUT", url, content=b"bytes")
    anyio.run(guard(httpx.URL(base), resolve), request)
    return request


BASE = "https://api.acme.test"


@pytest.mark.parametrize(
    ("url", "found", "told"),
    [
        ("http://bucket.acme.test/x", ["93.184.215.14"], "only https addresses"),
        ("https://bucket.acme.test:8443/x", ["93.184.215.14"], "only https addresses"),
        ("https://127.0.0.1/x", ["127.0.0.1"], "private or reserved"),
        ("https://bucket.acme.test/x", ["10.0.0.5"], "private or reserved"),
        ("https://bucket.acme.test/x", ["93.184.215.14", "169.254.169.254"], "private or reserved"),
        ("https://metadata/x", ["::ffff:169.254.169.254"], "private or reserved"),
        ("https://nowhere.test/x", None, "cannot be resolved"),
    ],
)
def test_bytes_go_only_to_public_addresses_over_tls(
    monkeypatch: pytest.MonkeyPatch, url: str, found: list[str] | None, told: str
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(VideoError, match=told) as caught:
        hooked(BASE, url, found)
    assert (caught.value.retryable, caught.value.charged) == (True, "no")


def test_the_checked_address_is_the_one_that_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    request = hooked(BASE, "https://bucket.acme.test/x?sig=1", ["93.184.215.14", "93.184.215.15"])
    assert str(request.url) == "https://93.184.215.14/x?sig=1"
    assert request.headers["host"] == "bucket.acme.test"
    assert request.extensions["sni_hostname"] == "bucket.acme.test"


def test_a_proxy_finds_hosts_by_their_names_and_private_ones_stay_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for found in (["93.184.215.14"], None):
        assert str(hooked(BASE, "https://bucket.acme.test/x", found).url) == "https://bucket.acme.test/x"
    with pytest.raises(VideoError, match="private or reserved"):
        hooked(BASE, "https://bucket.acme.test/x", ["192.168.1.1"])


def test_the_services_own_host_is_trusted_wherever_the_person_has_set_it() -> None:
    for base in (BASE, "http://127.0.0.1:9", "http://[::1]:9", "http://10.0.0.5"):
        assert str(hooked(base, f"{base}/x", None).url) == f"{base}/x"


def test_an_origin_is_host_port_and_scheme() -> None:
    assert same_origin("https://A.test:443/x", "https://a.test/") and not same_origin("http://a.test", "https://a.test")
    for odd in ("", "//a.test", "https://a.test.evil.com", "http://[::1", "https://a.test:1", "\ud800"):
        assert not same_origin(odd, "https://a.test")


@pytest.mark.parametrize("name", ["runway", "fal"])
@pytest.mark.parametrize("leads", ["http://{other}/internal/admin", "https://localhost/x", "https://169.254.169.254/x"])
@pytest.mark.anyio
async def test_an_upload_goes_nowhere_private(spill: Spill, tmp_path: Path, name: str, leads: str) -> None:
    with spilling() as other:
        target = leads.format(other=other.url.removeprefix("http://"))
        spill.body = (
            f'{{"uploadUrl": "{target}", "fields": {{}}, "runwayUri": "runway://1",'
            f' "upload_url": "{target}", "file_url": "https://v3.fal.media/a.png"}}'
        ).encode()

        async def work(backend: Any, ready: Prepared) -> None:
            with pytest.raises(VideoError, match="nothing was sent there") as caught:
                await backend.upload(ready, asset("frames[0].image", still(tmp_path)))
            assert (caught.value.kind, caught.value.retryable, caught.value.charged) == ("provider", True, "no")

        await with_service(name, spill.url, tmp_path, work)
        assert len(spill.asked) == 1 and other.asked == []


@pytest.mark.anyio
async def test_googles_upload_stays_on_its_own_host(spill: Spill, tmp_path: Path) -> None:
    with spilling() as other:
        spill.headers = {"x-goog-upload-url": f"{other.url}/internal", "x-goog-upload-status": "active"}

        async def work(backend: Any, ready: Prepared) -> None:
            with pytest.raises(VideoError):
                await backend.upload(ready, asset("frames[0].image", still(tmp_path)))

        await with_service("gemini", spill.url, tmp_path, work)
        assert len(spill.asked) >= 2 and other.asked == []


def test_both_libraries_fail_by_the_same_names() -> None:
    ours, theirs = transport.HTTPX, transport.httpx2_library()
    assert [error.__name__ for error in ours.failures] == [error.__name__ for error in theirs.failures]
    assert [error.__name__ for error in ours.not_sent] == [error.__name__ for error in theirs.not_sent]
    assert ours.timeouts == (httpx.TimeoutException,) and theirs.timeouts == (httpx2.TimeoutException,)
