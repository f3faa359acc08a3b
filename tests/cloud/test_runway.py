"""Runway's back end against a loopback Runway: one POST whatever happens, and the one right VideoError for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import runwayml
from PIL import Image

from backends.catalog.loader import load
from backends.cloud.runway.backend import RunwayBackend
from backends.errors import VideoError
from backends.provider.channel import Timing
from backends.provider.protocol import Handle, Prepared, Status
from backends.provider.registry import registered
from tests.cloud.http_cases import FATES, title
from tests.cloud.orders import asset, clip, order, still
from tests.cloud.runway_types import fields as variant_fields
from tests.fakes import FakeServer, tiny_clip

KEY = "key_runway_alpha_0123456789"
QUICK = Timing(paid_s=0.4, free_s=0.4, read_s=0.3, connect_s=1.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with FakeServer("runway", clips={"": tiny_clip()}, variants=variant_fields()) as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> Iterator[FakeServer]:
    """The module's one fake, as new."""
    running.clear()
    running.set(life={"polls": 2}, throttled=False, deleted="CANCELLED", upload_max=200_000_000)
    yield running
    running.release()


@pytest.fixture
def since(server: FakeServer) -> Callable[[str], int]:
    """How far a counter has gone since the test began."""
    before = server.counters()
    return lambda name: server.counters().get(name, 0) - before.get(name, 0)


@asynccontextmanager
async def opened(url: str, timing: Timing | None = None) -> AsyncIterator[RunwayBackend]:
    backend = RunwayBackend(KEY, url, timing)
    try:
        yield backend
    finally:
        await backend.aclose()


def fox(backend: RunwayBackend) -> Prepared:
    return order(backend, load().get("runway/gen4.5"), {}, task="text_to_video", prompt="a fox", duration_s=5)


async def started(backend: RunwayBackend) -> Handle:
    handle = await backend.start(fox(backend), {}, "job_1")
    assert isinstance(handle, Handle)
    return handle


async def refusal(backend: RunwayBackend) -> VideoError:
    with pytest.raises(VideoError) as caught:
        await started(backend)
    return caught.value


@pytest.mark.anyio
async def test_a_task_runs_from_the_post_to_its_file(server: FakeServer, tmp_path: Path) -> None:
    async with opened(server.url) as backend:
        handle = await started(backend)
        assert handle.est_cost_usd == Decimal("0.25"), "25 credits of $0.01"
        first, second = await backend.status(handle, tmp_path), await backend.status(handle, tmp_path)
        assert backend.media_headers() == {}
    assert (first.state, first.raw_state, first.progress, first.files) == ("running", "RUNNING", 0.5, ())
    assert (second.state, second.cost_usd, second.error) == ("succeeded", Decimal("0.25"), None)
    assert (second.files[0].url or "").startswith(f"{server.url}/media/") and not second.files[0].authorised
    posted = server.log("submit")[-1]
    assert posted["path"] == "/v1/text_to_video" and posted["headers"]["x-runway-version"] == "2024-11-06"
    expected = {"model": "gen4.5", "promptText": "a fox", "duration": 5, "ratio": "1280:720"}
    assert posted["json"] == expected


LIMIT = "Too many requests: slow down"
REFUSALS: list[tuple[int, dict[str, Any], str, bool]] = [
    (400, {}, "invalid_request", False),
    (400, {"code": "You do not have enough credits to run this task."}, "balance", False),
    (400, {"code": "Your prompt was rejected by content moderation"}, "moderation_input", False),
    (400, {"code": "The model gen4.5 is no longer available"}, "model_retired", False),
    (400, {"code": "Invalid asset: Timeout while fetching asset"}, "asset", False),
    (401, {}, "auth", False),
    (402, {}, "balance", False),
    (403, {}, "auth", False),
    (404, {}, "unsupported", False),
    (409, {}, "conflict", False),
    (422, {}, "invalid_request", False),
    (429, {"code": LIMIT}, "rate_limited", True),
    (429, {"code": "Concurrency limit reached"}, "concurrency", True),
    (429, {"code": "You have reached your daily limit of generations; the rate is 50 a day"}, "quota", False),
    (429, {"code": "No"}, "rate_limited", True),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "outcome", "kind", "retryable"), REFUSALS, ids=str)
async def test_a_refusal_is_uncharged_and_one_post(
    server: FakeServer, since: Callable[[str], int], status: int, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    server.script("submit", {"status": status, "headers": {"retry-after": "7"}, **outcome})
    async with opened(server.url) as backend:
        error = await refusal(backend)
    assert (error.kind, error.retryable, error.charged, error.http_status) == (kind, retryable, "no", status)
    assert error.retry_after_s == 7.0
    assert error.message.startswith(f"Runway refused ({status}): ") and len(error.message) < 420
    assert (since("submit"), since("charges")) == (1, 0)


@pytest.mark.anyio
async def test_a_429_that_names_no_limit_and_no_wait_is_not_tried_again(server: FakeServer) -> None:
    server.script("submit", {"status": 429, "code": "No"})
    async with opened(server.url) as backend:
        error = await refusal(backend)
    assert (error.kind, error.retryable, error.charged) == ("quota", False, "no")


@pytest.mark.anyio
@pytest.mark.parametrize("outcome", FATES, ids=title)
async def test_no_clear_answer_after_sending_is_unknown_and_one_post(
    server: FakeServer, since: Callable[[str], int], outcome: dict[str, Any]
) -> None:
    server.script("submit", outcome)
    async with opened(server.url, QUICK) as backend:
        error = await refusal(backend)
    assert (error.kind, error.retryable, error.charged) == ("submit_unknown", False, "unknown")
    assert "it must not be sent again" in error.message
    assert since("submit") == 1


@pytest.mark.anyio
async def test_a_key_that_no_header_can_hold_is_told_before_anything_is_sent() -> None:
    with pytest.raises(VideoError, match="RUNWAYML_API_SECRET holds characters that no key has") as caught:
        RunwayBackend("käy", "http://127.0.0.1:9")
    assert caught.value.kind == "auth"


@pytest.mark.anyio
async def test_a_key_that_the_service_repeats_is_not_told(server: FakeServer) -> None:
    server.script("submit", {"status": 401, "code": f"The key {KEY} is not valid"})
    async with opened(server.url) as backend:
        error = await refusal(backend)
    assert error.kind == "auth" and KEY not in str(error.to_json()) and "The key *** is not valid" in error.message


async def asked(server: FakeServer, spool: Path, *outcomes: dict[str, Any], **life: Any) -> list[Status]:
    """One task, and what its status is for each outcome."""
    server.set(life={"until_told": True, **life})
    async with opened(server.url) as backend:
        handle = await started(backend)
        server.script("status", *outcomes)
        return [await backend.status(handle, spool) for _ in outcomes]


@pytest.mark.anyio
async def test_states_are_read_tolerantly(server: FakeServer, tmp_path: Path) -> None:
    found = await asked(
        server,
        tmp_path,
        {"patch": {"status": "PENDING", "progress": None}},
        {"patch": {"status": "THROTTLED"}},
        {"patch": {"status": "DREAMING"}},
        {"patch": {"progress": "0.25"}},
        {"patch": {"progress": "soon"}},
        {"patch": {"progress": 1}},
        {"patch": {"status": None}, "headers": {"retry-after": "11"}},
        {"reply": ["odd"]},
    )
    assert [status.state for status in found] == ["queued", "queued", "unknown", *["running"] * 3, "unknown", "unknown"]
    assert [status.progress for status in found] == [None, None, None, 0.25, None, 1.0, None, None]
    assert (found[2].raw_state, found[6].retry_after_s) == ("DREAMING", 11.0)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("SAFETY.INPUT.TEXT", "moderation_input", False),
        ("SAFETY.OUTPUT.VIDEO", "moderation_output", False),
        ("INTERNAL.BAD_OUTPUT.CODE01", "provider", True),
        ("INTERNAL", "provider", True),
        ("THIRD_PARTY.UNAVAILABLE", "provider", True),
        ("ASSET.INVALID", "asset", False),
        ("SOMETHING.NEW", "provider", False),
    ],
)
async def test_a_failed_task_says_why_and_what_it_cost(
    server: FakeServer, tmp_path: Path, code: str, kind: str, retryable: bool
) -> None:
    error = {"code": code, "message": "It went\nwrong"}
    for refund, charged in ((False, "yes"), (True, "no")):
        server.set(life={"after_s": 0, "outcome": "failed", "error": error, "refund": refund})
        async with opened(server.url) as backend:
            status = await backend.status(await started(backend), tmp_path)
        assert status.state == "failed" and status.error is not None
        assert (status.error.kind, status.error.retryable, status.error.charged) == (kind, retryable, charged)
        assert status.error.message.startswith(f"Runway reports a failure ({code}): It went wrong")


@pytest.mark.anyio
async def test_success_without_a_file_is_a_failure(server: FakeServer, tmp_path: Path) -> None:
    server.set(life={"after_s": 0})
    async with opened(server.url) as backend:
        handle = await started(backend)
        server.script(
            "status",
            {"patch": {"output": []}},
            {"patch": {"output": None, "cost": {"credits": 0}}},
            {"patch": {"status": "FAILED", "failure": None, "cost": None}},
        )
        found = [await backend.status(handle, tmp_path) for _ in range(3)]
    told = [(one.state, one.error.kind, one.error.charged) for one in found if one.error]
    assert told == [("failed", "provider", "yes"), ("failed", "provider", "no"), ("failed", "provider", "unknown")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("outcome", "kind", "retryable"),
    [({"status": 500}, "provider", True), ({"status": 404}, "not_found", False)],
    ids=str,
)
async def test_a_failed_question_is_asked_once_and_says_nothing_of_the_charge(
    server: FakeServer, tmp_path: Path, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    async with opened(server.url, QUICK) as backend:
        handle = await started(backend)
        before = server.counters().get("status", 0)
        server.script("status", outcome)
        with pytest.raises(VideoError) as caught:
            await backend.status(handle, tmp_path)
    error = caught.value
    assert (error.kind, error.retryable, error.charged) == (kind, retryable, "unknown")
    assert server.counters()["status"] - before == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("credits", "cost", "charged"),
    [
        (25, "0.25", "yes"),
        (0, "0", "no"),
        (-100_000, "-1000", "unknown"),
        (1e25, "1e13", "yes"),
        ("NaN", None, "unknown"),
        (None, None, "unknown"),
    ],
    ids=str,
)
async def test_what_an_ended_task_costs_is_told_as_it_is_said(
    server: FakeServer, tmp_path: Path, credits: Any, cost: str | None, charged: str
) -> None:
    wanted = None if cost is None else Decimal(cost)
    words = {"yes": "it is charged", "no": "it is not charged", "unknown": "it may be charged"}
    async with opened(server.url) as backend:
        handle = await started(backend)
        for word in ("FAILED", "SUCCEEDED"):
            body = {"id": handle.remote_id, "status": word, "output": [], "cost": {"credits": credits}}
            server.script("status", {"reply": body})
            status = await backend.status(handle, tmp_path)
            assert (status.state, status.cost_usd) == ("failed", wanted) and status.error is not None
            assert status.error.charged == charged and words[charged] in status.error.message


@pytest.mark.anyio
async def test_cancel_tells_what_is_billed_and_never_deletes_a_finished_clip(
    server: FakeServer, tmp_path: Path
) -> None:
    server.script(
        "submit",
        {"job": {"after_s": 60, "queued_s": 60}},
        {"job": {"after_s": 60}},
        {"job": {"after_s": 60}},
        {"job": {"after_s": 60, "queued_s": 60}},
        {"job": {"after_s": 0}},
    )
    async with opened(server.url) as backend:
        queued, running, gone, gone_queued, done = [await started(backend) for _ in range(5)]
        told = [await backend.cancel(task) for task in (queued, running)]
        assert [(one.billed, one.cost_usd) for one in told] == [("no", Decimal(0)), ("yes", Decimal("0.25"))]
        ended = await backend.status(queued, tmp_path)
        assert (ended.state, ended.cost_usd) == ("cancelled", Decimal(0))
        server.set(deleted="gone")
        told = [await backend.cancel(task) for task in (gone, gone_queued)]
        assert [(one.outcome, one.billed) for one in told] == [("stopped", "yes"), ("stopped", "unknown")]
        with pytest.raises(VideoError, match="does not know it"):
            await backend.status(gone, tmp_path)
        deletes = server.counters()["delete"]
        late = await backend.cancel(done)
        assert (late.outcome, late.message) == ("unsupported", "it has succeeded already; what it made is kept")
        assert server.counters()["delete"] == deletes
        assert (await backend.status(done, tmp_path)).state == "succeeded"
        server.script("status", {"status": 500})
        with pytest.raises(VideoError, match="failed to answer"):
            await backend.cancel(running)


def picture(path: Path, width: int, height: int) -> Path:
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


@pytest.mark.anyio
async def test_a_small_still_goes_inside_and_a_large_one_by_upload(server: FakeServer, tmp_path: Path) -> None:
    small, large = picture(tmp_path / "s.png", 320, 180), picture(tmp_path / "l.png", 1920, 1080)
    row = load().get("runway/veo3.1")
    async with opened(server.url) as backend:
        facts = {
            "frames[0].image": still(320, 180, small.stat().st_size),
            "frames[1].image": still(1920, 1080, large.stat().st_size),
        }
        frames = [{"image": "/s.png"}, {"image": "/l.png"}]
        ready = order(backend, row, facts, task="interpolate", frames=frames, prompt="a day")
        assert ready.uploads == ("frames[1].image",)
        files = {
            "frames[0].image": asset("frames[0].image", facts["frames[0].image"], small),
            "frames[1].image": asset("frames[1].image", facts["frames[1].image"], large),
        }
        ready = Prepared(**{**vars(ready), "assets": files})
        ref = await backend.upload(ready, files["frames[1].image"])
        assert ref.value.startswith("runway://") and ref.expires_at is not None
        assert server.counters()["uploaded"][ref.value] == large.stat().st_size
        await backend.start(ready, {"frames[1].image": ref}, "job_1")
    sent = json.loads(json.dumps(server.jobs()[-1]["request"]))["promptImage"]
    assert sent[0]["uri"].startswith("data:image/png;base64,") and sent[0]["position"] == "first"
    assert sent[1] == {"uri": ref.value, "position": "last"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("route", "outcome", "retryable"),
    [
        ("upload", {"status": 500}, True),
        ("upload", {"status": 401}, False),
        ("bucket", {"status": 503}, True),
        ("bucket", {"status": 403}, False),
        ("bucket", {"reset": "before"}, True),
        ("bucket", {"hang": True}, True),
    ],
    ids=str,
)
async def test_a_failed_upload_is_free(
    server: FakeServer, tmp_path: Path, route: str, outcome: dict[str, Any], retryable: bool
) -> None:
    file = picture(tmp_path / "a.png", 64, 36)
    server.script(route, outcome)
    async with opened(server.url, QUICK) as backend:
        ready = fox(backend)
        with pytest.raises(VideoError) as caught:
            await backend.upload(ready, asset("references[0].media", still(64, 36, 99), file))
        assert (caught.value.retryable, caught.value.charged) == (retryable, "no")
        server.release()
        assert (await backend.upload(ready, asset("references[0].media", still(64, 36, 99), file))).value


@pytest.mark.anyio
async def test_the_account_is_told_in_words(server: FakeServer) -> None:
    async with opened(server.url) as backend:
        told = await backend.account()
    assert told["balance"] == "$12.34 (1234 credits)" and told["monthly limit"] == "$100.00"
    assert told["gen4.5"].startswith("2 at once, ") and told["gen4.5"].endswith(" of 50 today")


@pytest.mark.anyio
async def test_no_look_up_is_claimed(server: FakeServer) -> None:
    async with opened(server.url) as backend:
        assert backend.submit_dedupe == "none"
        with pytest.raises(VideoError, match="has no list of the tasks"):
            await backend.reconcile(fox(backend), "job_1", 0.0)


@pytest.mark.anyio
async def test_the_vendors_sdk_reads_every_answer_of_the_fake(server: FakeServer) -> None:
    """The fake is judged by the SDK's own methods and types, strictly."""
    server.set(life={"polls": 4, "queued_polls": 1})
    failed = {"job": {"after_s": 0, "outcome": "failed", "error": {"code": "SAFETY.INPUT.TEXT", "message": "no"}}}
    server.script("submit", {}, failed, {"job": {"after_s": 60}})
    async with runwayml.AsyncRunwayML(
        api_key=KEY, base_url=server.url, max_retries=0, _strict_response_validation=True
    ) as sdk:
        made = await sdk.text_to_video.create(model="gen4.5", prompt_text="a fox", ratio="1280:720", duration=5)
        assert made.estimated_cost.credits == 25
        states = []
        for _ in range(4):
            task = await sdk.tasks.retrieve(made.id)
            states.append(task.status)
        assert states == ["PENDING", "RUNNING", "RUNNING", "SUCCEEDED"]
        assert task.status == "SUCCEEDED" and task.output and task.cost.credits == 25
        image = "data:image/png;base64,AA=="
        bad = await sdk.image_to_video.create(model="gen4_turbo", prompt_image=image, ratio="1280:720")
        refused = await sdk.tasks.retrieve(bad.id)
        assert refused.status == "FAILED" and refused.failure_code == "SAFETY.INPUT.TEXT"
        third = await sdk.video_to_video.create(model="aleph2", video_uri="https://in.test/a.mp4")
        await sdk.tasks.delete(third.id)
        assert (await sdk.tasks.retrieve(third.id)).status == "CANCELLED"
        uploaded = await sdk.uploads.create_ephemeral(file=("a.png", b"png", "image/png"))
        assert uploaded.uri.startswith("runway://")
        organization = await sdk.organization.retrieve()
        assert organization.credit_balance == 1234 and organization.tier.models["gen4.5"].max_daily_generations == 50
        with pytest.raises(runwayml.BadRequestError):
            await sdk.text_to_video.create(
                model="gen4.5", prompt_text="a", ratio="1280:720", duration=5, extra_body={"n": 2}
            )


def test_registering_needs_no_sdk_and_the_lane_holds_no_key() -> None:
    found = registered("runway")
    access = found.access({"RUNWAYML_API_SECRET": KEY, "REELWRIGHT_RUNWAY_BASE_URL": "http://127.0.0.1:9/"})
    assert access.base_url == "http://127.0.0.1:9" and access.missing == ()
    provider, url, account = access.lane.split("|")
    assert (provider, url, len(account)) == ("runway", "http://127.0.0.1:9", 12) and KEY not in access.lane
    assert found.access({}).missing == ("RUNWAYML_API_SECRET",)
    assert found.access({}).base_url == "https://api.dev.runwayml.com"


def test_a_clip_of_above_200_mb_is_told_before_the_upload() -> None:
    import anyio

    backend = RunwayBackend(KEY, "http://127.0.0.1:9")
    huge = asset("source_clip", clip(size=201_000_000))
    with pytest.raises(VideoError, match="source_clip has 201 MB; at most 200 MB"):
        anyio.run(backend.upload, fox(backend), huge)
