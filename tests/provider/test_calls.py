"""The one seam for what goes over the wire: every fate of a POST and of a question, whichever client sends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import openai
import pytest
import runwayml

from backends.errors import VideoError
from backends.provider.answer import Answer, at, text
from backends.provider.calls import Calls
from backends.provider.channel import Channel
from backends.provider.outcome import Reported, Service
from backends.provider.timing import Timing
from backends.provider.transport import HTTPX, httpx2_library
from tests.cloud.http_cases import HURRY_S, PATIENCE_S, PLAIN, UNCLEAR, title, unclear, unreachable
from tests.fakes import FakeServer

KEY = "sk-calls-alpha-987654"
SERVICE = Service("Acme", "ACME_KEY", (KEY,))
BODY = {"model": "basic", "prompt": "a fox", "seconds": 4, "size": "320x180"}
OF_AN_SDK: tuple[dict[str, Any], ...] = (
    {"status": 500, "after_charge": True, "headers": {"x-should-retry": "true"}},
    {"status": 503, "headers": {"retry-after": "0"}},
    {"status": 307, "headers": {"location": "/jobs"}},
    {"content_type": "text/html", "truncate": 12},
)
"""What a vendor's SDK would repeat by itself."""

pytestmark = pytest.mark.anyio


@dataclass
class Client:
    """post(), look(job): one request each."""

    calls: Calls[Any]
    post: Callable[[], Awaitable[Answer]]
    look: Callable[[str], Awaitable[Answer]]


def reported(answer: Answer) -> Reported:
    return Reported(text(at(answer.json, "error", "message")), text(at(answer.json, "error", "code")))


def of_our_own(url: str, timing: Timing) -> Client:
    channel = Channel(SERVICE, url, lambda: {"authorization": f"Bearer {KEY}"}, reported, timing)
    return Client(
        channel,
        lambda: channel.post_paid("jobs", BODY),
        lambda job: channel.ask("GET", f"jobs/{job}", charged="unknown"),
    )


def over_openai(url: str, timing: Timing) -> Client:
    calls = Calls(SERVICE, url, reported, httpx2_library(), timing)
    paid, free = (
        openai.AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0, timeout=http.timeout, http_client=http)
        for http in (calls.paid_client, calls.free_client)
    )
    return Client(
        calls,
        lambda: calls.paid(lambda: paid.post("/jobs", cast_to=httpx2.Response, body=BODY)),
        lambda job: calls.free(lambda: free.get(f"/jobs/{job}", cast_to=httpx2.Response), charged="unknown"),
    )


def over_runway(url: str, timing: Timing) -> Client:
    calls = Calls(SERVICE, url, reported, HTTPX, timing)
    paid, free = (
        runwayml.AsyncRunwayML(api_key=KEY, base_url=url, max_retries=0, timeout=http.timeout, http_client=http)
        for http in (calls.paid_client, calls.free_client)
    )
    return Client(
        calls,
        lambda: calls.paid(lambda: paid.post("/jobs", cast_to=httpx.Response, body=BODY)),
        lambda job: calls.free(lambda: free.get(f"/jobs/{job}", cast_to=httpx.Response), charged="unknown"),
    )


CLIENTS = {"our own": of_our_own, "an SDK over httpx2": over_openai, "an SDK over httpx": over_runway}
every_client = pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)


@asynccontextmanager
async def opened(make: Callable[[str, Timing], Client], url: str, wait_s: float = PATIENCE_S) -> AsyncIterator[Client]:
    client = make(url, Timing(paid_s=wait_s, free_s=wait_s, connect_s=1.0))
    try:
        yield client
    finally:
        await client.calls.aclose()


async def refusal(make: Callable[[str, Timing], Client], server: FakeServer, outcome: dict[str, Any]) -> VideoError:
    before = server.counters().get("submit", 0)
    server.script("submit", outcome)
    async with opened(make, server.url, HURRY_S if outcome.get("hang") else PATIENCE_S) as client:
        with pytest.raises(VideoError) as caught:
            answer = await client.post()
            client.calls.service.taken(text(at(answer.json, "id")), "an id", answer.status, answer.text)
    assert server.counters()["submit"] == before + 1, "exactly one POST"
    return caught.value


@every_client
@pytest.mark.parametrize("outcome", [*UNCLEAR, *OF_AN_SDK], ids=title)
async def test_a_paid_post_without_a_clear_answer_is_unknown(
    server: FakeServer, make: Callable[[str, Timing], Client], outcome: dict[str, Any]
) -> None:
    unclear(await refusal(make, server, outcome))


@every_client
async def test_a_refused_post_is_uncharged(server: FakeServer, make: Callable[[str, Timing], Client]) -> None:
    for status, kind in (*PLAIN, (429, "quota"), (418, "invalid_request")):
        error = await refusal(make, server, {"status": status, "code": "x1", "headers": {"retry-after": "7"}})
        assert (error.kind, error.retryable, error.charged, error.http_status) == (kind, False, "no", status)
        assert error.message.startswith(f"Acme refused ({status} x1): the service says x1; ")
        assert (error.provider_code, error.retry_after_s) == ("x1", 7.0)


@every_client
async def test_what_was_never_sent_may_be_tried_again(
    server: FakeServer, make: Callable[[str, Timing], Client]
) -> None:
    before = server.counters().get("submit", 0)
    with unreachable() as addresses:
        for url in (*addresses, server.url.replace("http:", "https:")):
            async with opened(make, url) as client:
                with pytest.raises(VideoError, match="nothing was sent") as caught:
                    await client.post()
            error = caught.value
            assert (error.kind, error.retryable, error.charged) == ("network", True, "no"), url
    assert server.counters().get("submit", 0) == before


QUESTIONS: tuple[tuple[dict[str, Any], str, bool], ...] = (
    ({"status": 500}, "provider", True),
    ({"status": 302}, "provider", True),
    ({"status": 429}, "rate_limited", True),
    ({"status": 401}, "auth", False),
    ({"status": 404}, "not_found", False),
    ({"status": 410}, "not_found", False),
    ({"status": 422}, "invalid_request", False),
    ({"reset": "before"}, "network", True),
    ({"lose": True}, "network", True),
    ({"hang": True}, "timeout", True),
    ({"truncate": 3}, "network", True),
    ({"truncate": 5, "no_length": True}, "provider", True),
)


@every_client
@pytest.mark.parametrize(("outcome", "kind", "retryable"), QUESTIONS, ids=str)
async def test_a_free_question_is_asked_once_and_says_nothing_of_the_charge(
    server: FakeServer, make: Callable[[str, Timing], Client], outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    async with opened(make, server.url, HURRY_S if outcome.get("hang") else PATIENCE_S) as client:
        job = text(at((await client.post()).json, "id"))
        before = server.counters().get("status", 0)
        server.script("status", outcome)
        with pytest.raises(VideoError) as caught:
            await client.look(job)
    error = caught.value
    assert (error.kind, error.retryable, error.charged) == (kind, retryable, "unknown")
    assert server.counters()["status"] == before + 1


@every_client
async def test_a_paid_post_never_uses_a_kept_connection(
    server: FakeServer, make: Callable[[str, Timing], Client]
) -> None:
    async with opened(make, server.url) as client:
        jobs = [text(at((await client.post()).json, "id")) for _ in range(3)]
        for job in jobs:
            await client.look(job)
    posts, looks = ([entry["connection"] for entry in server.log(name)[-3:]] for name in ("submit", "status"))
    assert len(set(posts)) == 3 and len(set(looks)) == 1


async def test_inputs_put_off_the_end_of_the_call_that_sends_them(server: FakeServer) -> None:
    async with opened(over_openai, server.url, 0.1) as client:
        for extra_s, told_s in ((0.0, "0.1"), (0.2, "0.3")):
            server.script("submit", {"hang": True})
            http = client.calls.paid_client
            with pytest.raises(VideoError, match=f"no answer within {told_s} s"):
                await client.calls.paid(lambda http=http: http.post("jobs", json=BODY), extra_s)


async def test_a_key_that_no_header_can_hold_and_an_address_that_is_none_are_told_before_anything_is_sent() -> None:
    for key in ("sk-\nnew", "sk-ü-long", "sk with space"):
        for library in (HTTPX, httpx2_library()):
            with pytest.raises(VideoError, match="ACME_KEY holds characters") as caught:
                Calls(Service("Acme", "ACME_KEY", (key,)), "https://acme.invalid", reported, library)
            assert caught.value.kind == "auth" and key not in caught.value.message
    for library in (HTTPX, httpx2_library()):
        with pytest.raises(VideoError, match="ACME_BASE_URL cannot be read as an address") as caught:
            Calls(SERVICE, "http://[::1", reported, library, address="ACME_BASE_URL")
        assert caught.value.kind == "invalid_request"


async def test_an_sdk_may_raise_anything() -> None:
    """Of a paid request nobody knows then; a question is asked again; what it was raised from counts where it is ours
    or the library's."""

    async def raises(error: Exception, cause: Exception | None = None) -> Answer:
        raise error from cause

    async with opened(over_openai, "http://127.0.0.1:9") as client:
        calls = client.calls
        for error, cause in ((ZeroDivisionError("x"), None), (ValueError(KEY), TypeError()), (OSError(5, "x"), None)):
            with pytest.raises(VideoError) as caught:
                await calls.paid(lambda error=error, cause=cause: raises(error, cause))
            unclear(caught.value)
            assert type(error).__name__ in caught.value.message and KEY not in caught.value.message
            with pytest.raises(VideoError) as caught:
                await calls.free(lambda error=error, cause=cause: raises(error, cause), charged="yes")
            assert (caught.value.kind, caught.value.retryable, caught.value.charged) == ("network", True, "yes")
        with pytest.raises(VideoError) as caught:
            await calls.paid(lambda: raises(RuntimeError(), httpx2.ConnectError("no route")))
        assert caught.value.kind == "network" and "(ConnectError: no route); nothing was sent" in caught.value.message
        refused = VideoError("provider", "it leads to a private address", retryable=True)
        with pytest.raises(VideoError) as caught:
            await calls.paid(lambda: raises(RuntimeError(), refused))
        assert caught.value is refused


async def test_what_a_typed_call_makes_of_an_answer_is_handed_on() -> None:
    async def made() -> list[str]:
        return ["a model"]

    async with opened(of_our_own, "http://127.0.0.1:9") as client:
        assert await client.calls.free_value(made, charged="no") == ["a model"]
