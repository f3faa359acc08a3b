"""Luma's Ray 2 from text: bodies, the loop, failures in words, and that images are refused with the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.errors import VideoError
from backends.provider.registry import registered
from tests.cloud import polled_cases
from tests.cloud.http_cases import FATES, Subject, asked, boxes, still, title
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station

KEY = "luma-key-0123456789-secret"
ENV = {"LUMAAI_API_KEY": KEY}
MODEL = "luma/ray-2"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    with polled_cases.fake("luma") as running:
        yield running


@pytest.fixture
def server(shared: FakeServer) -> Iterator[FakeServer]:
    with polled_cases.cleared(shared) as running:
        yield running


@pytest.fixture
async def luma(server: FakeServer) -> AsyncIterator[Subject]:
    async with polled_cases.subject("luma", server, ENV) as running:
        yield running


async def test_the_account_comes_from_the_environment_alone() -> None:
    entry = registered("luma")
    assert entry.access(ENV).base_url == "https://api.lumalabs.ai" and entry.access(ENV).available
    assert entry.access({**ENV, "REELWRIGHT_LUMA_BASE_URL": "http://127.0.0.1:9"}).base_url == "http://127.0.0.1:9"
    assert entry.access({}).missing == ("LUMAAI_API_KEY",) == entry.keys and KEY not in entry.access(ENV).lane


@pytest.mark.parametrize("outcome", FATES, ids=title)
async def test_an_unclear_post_is_unknown_and_made_once(luma: Subject, outcome: dict[str, Any]) -> None:
    await polled_cases.is_unclear(luma, MODEL, outcome)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request"), (401, "auth"), (402, "balance"), (429, "quota")]
)
async def test_a_refusal_is_uncharged_and_told_in_its_words(luma: Subject, status: int, kind: str) -> None:
    error = await luma.refusal(asked(luma.backend, MODEL), {"status": status})
    assert (error.kind, error.retryable, error.charged) == (kind, False, "no")
    assert f"scripted {status}" in error.message


@pytest.mark.parametrize(("model", "number"), boxes("luma"))
async def test_every_promise_of_every_row_reaches_the_wire(
    luma: Subject, tmp_path: Path, model: str, number: int
) -> None:
    await polled_cases.keeps_its_promises(luma, tmp_path, model, number)


async def test_a_loop_is_native_and_seconds_are_words(luma: Subject) -> None:
    await luma.start(asked(luma.backend, MODEL, loop=True, duration_s=9, aspect_ratio="9:16"))
    assert luma.sent() == {
        "model": "ray-2",
        "prompt": "a fox",
        "duration": "9s",
        "resolution": "720p",
        "aspect_ratio": "9:16",
        "loop": True,
    }


async def test_an_image_is_refused_before_anything_is_sent(luma: Subject, tmp_path: Path) -> None:
    frames = [{"image": str(still(tmp_path)), "role": "first"}]
    before = luma.posts()
    with pytest.raises(VideoError) as caught:
        asked(luma.backend, MODEL, task="image_to_video", frames=frames)
    assert caught.value.kind == "unsupported" and luma.posts() == before


async def test_a_life_is_told_step_by_step_and_never_deleted(luma: Subject) -> None:
    cancelled = await polled_cases.life(luma, MODEL, ("queued", "dreaming", "completed"))
    assert (cancelled.outcome, cancelled.billed) == ("unsupported", "yes")
    assert "delete" not in luma.server.counters()


async def test_a_failed_generation_is_told_with_its_reason(luma: Subject) -> None:
    luma.server.set(life={"after_s": 0, "outcome": "failed", "error": {"message": "400: prompt not allowed"}})
    status = await luma.backend.status(await luma.start(asked(luma.backend, MODEL)), Path())
    assert status.state == "failed" and status.error is not None
    assert (status.error.kind, status.error.charged) == ("provider", "unknown")
    assert "prompt not allowed" in status.error.message and "it may be charged" in status.error.message


def test_a_life_through_the_whole_program_outlives_its_worker(
    server: FakeServer, stand: Callable[..., Station], nursery: Nursery
) -> None:
    polled_cases.whole_life(
        server, stand, nursery, "REELWRIGHT_LUMA_BASE_URL", ENV, model=MODEL, task="text_to_video", prompt="a fox"
    )
