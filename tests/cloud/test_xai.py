"""xAI's Grok Imagine: bodies, a clip that moderation holds back, the cost that it reports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backends.provider.registry import registered
from tests.cloud import polled_cases
from tests.cloud.http_cases import FATES, Subject, asked, boxes, still, title
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station

KEY = "xai-key-0123456789-secret"
ENV = {"XAI_API_KEY": KEY}
MODEL = "xai/grok-imagine-video"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    with polled_cases.fake("xai") as running:
        yield running


@pytest.fixture
def server(shared: FakeServer) -> Iterator[FakeServer]:
    with polled_cases.cleared(shared) as running:
        yield running


@pytest.fixture
async def xai(server: FakeServer) -> AsyncIterator[Subject]:
    async with polled_cases.subject("xai", server, ENV) as running:
        yield running


async def test_the_account_comes_from_the_environment_alone() -> None:
    entry = registered("xai")
    assert entry.access(ENV).base_url == "https://api.x.ai" and entry.access(ENV).available
    assert entry.access({**ENV, "REELWRIGHT_XAI_BASE_URL": "http://127.0.0.1:9"}).base_url == "http://127.0.0.1:9"
    assert entry.access({}).missing == ("XAI_API_KEY",) == entry.keys and KEY not in entry.access(ENV).lane


@pytest.mark.parametrize("outcome", FATES, ids=title)
async def test_an_unclear_post_is_unknown_and_made_once(xai: Subject, outcome: dict[str, Any]) -> None:
    await polled_cases.is_unclear(xai, MODEL, outcome)


@pytest.mark.parametrize(("status", "kind"), [(400, "invalid_request"), (401, "auth"), (403, "auth"), (429, "quota")])
async def test_a_refusal_is_uncharged_and_not_repeated(xai: Subject, status: int, kind: str) -> None:
    error = await xai.refusal(asked(xai.backend, MODEL), {"status": status})
    assert (error.kind, error.retryable, error.charged) == (kind, False, "no")


@pytest.mark.parametrize(("model", "number"), boxes("xai"))
async def test_every_promise_of_every_row_reaches_the_wire(
    xai: Subject, tmp_path: Path, model: str, number: int
) -> None:
    await polled_cases.keeps_its_promises(xai, tmp_path, model, number)


async def test_an_image_is_an_object_with_an_address(xai: Subject, tmp_path: Path) -> None:
    frames = [{"image": str(still(tmp_path)), "role": "first"}]
    await xai.start(asked(xai.backend, MODEL, task="image_to_video", frames=frames, duration_s=6))
    sent = xai.sent()
    assert sent.pop("image")["url"].startswith("data:image/png;base64,")
    assert sent == {
        "model": "grok-imagine-video",
        "prompt": "a fox",
        "duration": 6,
        "aspect_ratio": "16:9",
        "resolution": "720p",
    }


async def test_a_life_is_told_step_by_step_with_its_cost(xai: Subject) -> None:
    cancelled = await polled_cases.life(xai, MODEL, ("pending", "pending", "done"))
    assert (cancelled.outcome, cancelled.billed) == ("unsupported", "yes")
    xai.server.set(life={"after_s": 0})
    status = await xai.backend.status(await xai.start(asked(xai.backend, MODEL)), Path())
    assert status.cost_usd == Decimal("0.5")


async def test_a_clip_that_moderation_holds_back_is_a_failure_with_its_cost(xai: Subject) -> None:
    handle = await xai.start(asked(xai.backend, MODEL))
    held = {"url": "https://vidgen.x.ai/clip.mp4", "respect_moderation": False}
    body = {"status": "done", "video": held, "usage": {"cost_in_usd_ticks": 5_000_000_000}}
    xai.server.script("status", {"status": 200, "body": body})
    status = await xai.backend.status(handle, Path())
    assert (status.state, status.files, status.cost_usd) == ("failed", (), Decimal("0.5"))
    assert status.error is not None and status.error.kind == "moderation_output"
    assert status.error.charged == "unknown" and not status.error.retryable


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"status": "done"}, "failed"),
        ({"status": "expired"}, "failed"),
        ({"status": "dreaming"}, "unknown"),
        ({"status": "done", "video": {"url": ""}, "usage": {"cost_in_usd_ticks": "x"}}, "failed"),
    ],
    ids=str,
)
async def test_states_that_are_no_clip(xai: Subject, body: dict[str, Any], state: str) -> None:
    handle = await xai.start(asked(xai.backend, MODEL))
    xai.server.script("status", {"status": 200, "body": body})
    status = await xai.backend.status(handle, Path())
    assert status.state == state
    assert state != "failed" or (status.error is not None and status.error.charged == "unknown")


def test_a_life_through_the_whole_program_outlives_its_worker(
    server: FakeServer, stand: Callable[..., Station], nursery: Nursery
) -> None:
    polled_cases.whole_life(
        server, stand, nursery, "REELWRIGHT_XAI_BASE_URL", ENV, model=MODEL, task="text_to_video", prompt="a fox"
    )
