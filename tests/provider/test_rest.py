"""`provider.rest`: the fates of a POST, and what a provider over it gets without a line of its own."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.errors import VideoError
from backends.provider.outcome import Reported
from backends.provider.protocol import Handle
from backends.provider.rest import Rest, RestBackend
from tests.cloud import polled_cases
from tests.cloud.http_cases import FATES, JOB, PLAIN, Subject, asked, title, unreachable
from tests.fakes import FakeServer

ENV = {"LUMAAI_API_KEY": "luma-key-0123456789-secret"}
MODEL = "luma/ray-2"

pytestmark = pytest.mark.anyio


class Bare(RestBackend):
    """A service that needs no hook; `luma`'s fake speaks it."""

    rest = Rest(
        provider="luma",
        name="Bare",
        key="LUMAAI_API_KEY",
        url="https://bare.example",
        start="dream-machine/v1/generations",
        task="dream-machine/v1/generations/{id}",
        state=("state",),
        video=("assets", "video"),
        states={"queued": "queued", "dreaming": "running", "completed": "succeeded", "stopped": "cancelled"},
        kinds={"TooFast": "rate_limited", "Blocked": "moderation_input"},
    )


class Talkative(Bare):
    """Refuses with HTTP 200."""

    def refusal(self, answer: Any) -> Reported | None:
        said = self.reported(answer)
        return said if said.code else None


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    with polled_cases.fake("luma") as running:
        yield running


@pytest.fixture
def server(shared: FakeServer) -> Iterator[FakeServer]:
    with polled_cases.cleared(shared) as running:
        yield running


@pytest.fixture
async def bare(server: FakeServer) -> AsyncIterator[Subject]:
    backend = Bare(ENV, server.url)
    yield Subject(backend, server)
    await backend.aclose()


@pytest.mark.parametrize("outcome", FATES, ids=title)
async def test_an_unclear_post_is_unknown_and_made_once(bare: Subject, outcome: dict[str, Any]) -> None:
    await polled_cases.is_unclear(bare, MODEL, outcome)


@pytest.mark.parametrize(("status", "kind"), PLAIN)
async def test_a_refusal_is_told_by_its_status(bare: Subject, status: int, kind: str) -> None:
    error = await bare.refusal(asked(bare.backend, MODEL), {"status": status})
    assert (error.kind, error.retryable, error.charged) == (kind, False, "no")


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [("TooFast", "rate_limited", True), ("Blocked.Privacy", "moderation_input", False), ("Other", "quota", False)],
)
async def test_a_429_is_tried_again_on_the_services_own_word_alone(
    bare: Subject, code: str, kind: str, retryable: bool
) -> None:
    error = await bare.refusal(asked(bare.backend, MODEL), {"status": 429, "code": code})
    assert (error.kind, error.retryable, error.charged) == (kind, retryable, "no")


async def test_what_was_never_sent_may_be_tried_again() -> None:
    with unreachable() as addresses:
        for url in addresses:
            backend = Bare(ENV, url)
            with pytest.raises(VideoError) as caught:
                await backend.start(asked(backend, MODEL), {}, JOB)
            assert (caught.value.kind, caught.value.retryable, caught.value.charged) == ("network", True, "no")
            await backend.aclose()


@pytest.mark.parametrize(
    ("body", "kind", "charged"),
    [
        ({"error": {"code": "Blocked", "message": "no"}}, "moderation_input", "no"),
        ({"error": {"code": "Odd", "message": "what?"}}, "submit_unknown", "unknown"),
        ({"error": {"code": "Blocked"}, "id": "g1"}, "submit_unknown", "unknown"),
    ],
    ids=["known and no id", "unknown", "known, with an id"],
)
async def test_a_refusal_in_a_200_counts_where_it_is_known_and_names_no_job(
    server: FakeServer, body: dict[str, Any], kind: str, charged: str
) -> None:
    backend = Talkative(ENV, server.url)
    error = await Subject(backend, server).refusal(asked(backend, MODEL), {"status": 200, "body": body})
    assert (error.kind, error.charged) == (kind, charged)
    await backend.aclose()


@pytest.mark.parametrize(
    ("body", "state", "word", "charged"),
    [
        ({"state": "stopped"}, "cancelled", "stopped", "unknown"),
        ({"state": "completed"}, "failed", "completed", "unknown"),
        ({"state": "completed", "assets": {"video": 7}}, "failed", "completed", "unknown"),
        ({"state": {"a": 1}}, "unknown", "", ""),
        ({"state": "\u001b[31m" + "x" * 200}, "unknown", "[31m" + "x" * 55 + "…", ""),
        ([1], "unknown", "", ""),
    ],
    ids=["cancelled", "no clip", "a number for an address", "no word", "a long word", "no object"],
)
async def test_odd_answers_about_a_job(bare: Subject, body: Any, state: str, word: str, charged: str) -> None:
    handle = await bare.start(asked(bare.backend, MODEL))
    bare.server.script("status", {"status": 200, "body": body})
    status = await bare.backend.status(handle, Path())
    assert (status.state, status.raw_state, status.files) == (state, word, ())
    assert (status.error.charged if status.error else "") == charged


@pytest.mark.parametrize(
    ("outcome", "kind", "retryable"),
    [
        ({"status": 500}, "provider", True),
        ({"status": 404}, "not_found", False),
        ({"status": 401}, "auth", False),
        ({"status": 429}, "rate_limited", True),
        ({"hang": True}, "timeout", True),
        ({"reset": "before"}, "network", True),
    ],
    ids=str,
)
async def test_a_failed_question_says_nothing_of_the_charge(
    bare: Subject, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    handle = await bare.start(asked(bare.backend, MODEL))
    bare.script("status", outcome)
    with pytest.raises(VideoError) as caught:
        await bare.backend.status(handle, Path())
    assert (caught.value.kind, caught.value.retryable, caught.value.charged) == (kind, retryable, "unknown")


async def test_without_hooks_nothing_is_uploaded_stopped_or_looked_up(bare: Subject, tmp_path: Path) -> None:
    ready = asked(bare.backend, MODEL)
    assert ready.uploads == () and bare.backend.submit_dedupe == "none"
    for work in (bare.backend.upload(ready, None), bare.backend.reconcile(ready, JOB, 0.0)):
        with pytest.raises(VideoError) as caught:
            await work
        assert caught.value.kind == "unsupported"
    assert (await bare.backend.cancel(Handle("g1"))).outcome == "unsupported"
    assert await bare.backend.account() == {}
    assert bare.backend.task(Handle("g/1")) == "dream-machine/v1/generations/g%2F1", "an id is one part of a path"


async def test_a_row_without_an_endpoint_is_the_rows_fault(tmp_path: Path) -> None:
    class Nowhere(Bare):
        rest = dataclasses.replace(Bare.rest, start="")

    backend = Nowhere(ENV, "http://127.0.0.1:9")
    with pytest.raises(VideoError, match=r"luma/ray-2: its catalogue row has no wire\.endpoint"):
        asked(backend, MODEL)
    await backend.aclose()


async def test_what_it_registers(tmp_path: Path) -> None:
    entry = Bare.registration(tmp_path / "rows.toml")
    assert (entry.provider, entry.kind, entry.keys) == ("luma", "remote", ("LUMAAI_API_KEY",))
    assert (entry.address, entry.catalog) == ("REELWRIGHT_LUMA_BASE_URL", tmp_path / "rows.toml")
    assert entry.access({**ENV, entry.address: "http://127.0.0.1:9/"}).base_url == "http://127.0.0.1:9"
    assert entry.access({"LUMAAI_API_KEY": " "}).missing == ("LUMAAI_API_KEY",)


def test_registering_loads_no_http_client() -> None:
    code = "import sys, backends.cloud.luma as l; l.register(); sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
