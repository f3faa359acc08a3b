"""BytePlus ModelArk: bodies of content blocks, failures by code, and that a finished task is never deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.provider.registry import registered
from tests.cloud import polled_cases
from tests.cloud.http_cases import FATES, Subject, asked, boxes, still, title
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station

KEY = "ark-key-0123456789-secret"
ENV = {"ARK_API_KEY": KEY}
MODEL = "byteplus/dreamina-seedance-2-0-260128"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    with polled_cases.fake("byteplus") as running:
        yield running


@pytest.fixture
def server(shared: FakeServer) -> Iterator[FakeServer]:
    with polled_cases.cleared(shared) as running:
        yield running


@pytest.fixture
async def byteplus(server: FakeServer) -> AsyncIterator[Subject]:
    async with polled_cases.subject("byteplus", server, ENV) as running:
        yield running


async def test_the_account_comes_from_the_environment_alone() -> None:
    entry = registered("byteplus")
    assert entry.access(ENV).base_url == "https://ark.ap-southeast.bytepluses.com" and entry.access(ENV).available
    assert entry.access({**ENV, "REELWRIGHT_BYTEPLUS_BASE_URL": "http://127.0.0.1:9/"}).base_url == "http://127.0.0.1:9"
    assert entry.access({}).missing == ("ARK_API_KEY",) == entry.keys and KEY not in entry.access(ENV).lane


@pytest.mark.parametrize("outcome", FATES, ids=title)
async def test_an_unclear_post_is_unknown_and_made_once(byteplus: Subject, outcome: dict[str, Any]) -> None:
    await polled_cases.is_unclear(byteplus, MODEL, outcome)


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (400, "InvalidParameter", "invalid_request", False),
        (400, "InputImageSensitiveContentDetected.PrivacyInformation", "moderation_input", False),
        (401, "AuthenticationError", "auth", False),
        (403, "AccountOverdueError", "balance", False),
        (429, "QuotaExceeded", "quota", False),
        (429, "RateLimitExceeded.EndpointRPMExceeded", "rate_limited", True),
        (429, "SomethingElse", "quota", False),
    ],
)
async def test_a_refusal_is_uncharged(byteplus: Subject, status: int, code: str, kind: str, retryable: bool) -> None:
    error = await byteplus.refusal(asked(byteplus.backend, MODEL), {"status": status, "code": code})
    assert (error.kind, error.retryable, error.charged) == (kind, retryable, "no")


@pytest.mark.parametrize(("model", "number"), boxes("byteplus"))
async def test_every_promise_of_every_row_reaches_the_wire(
    byteplus: Subject, tmp_path: Path, model: str, number: int
) -> None:
    await polled_cases.keeps_its_promises(byteplus, tmp_path, model, number)


async def test_the_prompt_and_the_images_are_blocks(byteplus: Subject, tmp_path: Path) -> None:
    frames = [{"image": str(still(tmp_path, f"{name}.png")), "role": name} for name in ("first", "last")]
    await byteplus.start(asked(byteplus.backend, MODEL, task="interpolate", frames=frames, resolution="480p"))
    sent = byteplus.sent()
    assert [(block["type"], block.get("role")) for block in sent["content"]] == [
        ("text", None),
        ("image_url", "first_frame"),
        ("image_url", "last_frame"),
    ]
    assert {name: value for name, value in sent.items() if name != "content"} == {
        "model": "dreamina-seedance-2-0-260128",
        "duration": 5,
        "ratio": "16:9",
        "resolution": "480p",
        "generate_audio": True,
        "watermark": False,
    }


async def test_a_life_is_told_step_by_step_and_its_end_is_not_deleted(byteplus: Subject) -> None:
    cancelled = await polled_cases.life(byteplus, MODEL, ("queued", "running", "succeeded"))
    assert (cancelled.outcome, cancelled.billed) == ("unsupported", "unknown")
    assert "delete" not in byteplus.server.counters()


async def test_a_queued_task_is_stopped(byteplus: Subject) -> None:
    byteplus.server.set(life={"polls": 9, "queued_polls": 8})
    handle = await byteplus.start(asked(byteplus.backend, MODEL))
    cancelled = await byteplus.backend.cancel(handle)
    assert (cancelled.outcome, cancelled.billed) == ("stopped", "unknown")
    status = await byteplus.backend.status(handle, Path())
    assert status.state == "cancelled" and status.error is not None and status.error.charged == "unknown"


async def test_a_task_that_begins_just_then_runs_on(byteplus: Subject) -> None:
    byteplus.server.set(life={"polls": 9, "queued_polls": 8})
    handle = await byteplus.start(asked(byteplus.backend, MODEL))
    byteplus.script("delete", {"status": 409})
    assert (await byteplus.backend.cancel(handle)).outcome == "unsupported"


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("OutputVideoSensitiveContentDetected.PolicyViolation", "moderation_output", False),
        ("InternalServiceError", "provider", True),
    ],
)
async def test_a_failed_task_is_told_with_its_reason(byteplus: Subject, code: str, kind: str, retryable: bool) -> None:
    byteplus.server.set(life={"after_s": 0, "outcome": "failed", "error": {"code": code, "message": "because"}})
    status = await byteplus.backend.status(await byteplus.start(asked(byteplus.backend, MODEL)), Path())
    error = status.error
    assert status.state == "failed" and error is not None
    assert (error.kind, error.retryable, error.charged, error.provider_code) == (kind, retryable, "unknown", code)
    assert "because" in error.message and "it may be charged" in error.message


def test_a_life_through_the_whole_program_outlives_its_worker(
    server: FakeServer, stand: Callable[..., Station], nursery: Nursery, tmp_path: Path
) -> None:
    frames = [{"image": str(still(tmp_path)), "role": "first"}]
    polled_cases.whole_life(
        server, stand, nursery, "REELWRIGHT_BYTEPLUS_BASE_URL", ENV,
        model=MODEL, task="image_to_video", frames=frames, prompt="a fox",
    )  # fmt: skip
