"""Replicate: one POST, a careful look-up in the list, bodies, ends that are no clip, and whole lives."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.catalog.loader import load
from backends.errors import VideoError
from backends.provider.protocol import Handle
from backends.provider.registry import registered
from backends.request import build_request
from tests.cloud.http_cases import (
    FATES,
    JOB,
    PLAIN,
    Subject,
    asked,
    boxes,
    clips,
    flat,
    opened,
    outlives,
    promises,
    still,
    title,
    unclear,
)
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station

KEY = "r8_0123456789abcdefSECRET"
ENV = {"REPLICATE_API_TOKEN": KEY}
KLING, HAILUO = "replicate/kling-v2.5-turbo-pro", "replicate/hailuo-02"
MODELS = {
    "kwaivgi/kling-v2.5-turbo-pro": {
        "prompt": "str",
        "negative_prompt": "str",
        "duration": "int",
        "aspect_ratio": "str",
        "start_image": "str",
        "end_image": "str",
    },
    "minimax/hailuo-02": {
        "prompt": "str",
        "duration": "int",
        "resolution": "str",
        "first_frame_image": "str",
        "last_frame_image": "str",
        "prompt_optimizer": "bool",
    },
}
"""What each model takes, from Replicate's pages."""

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    with FakeServer("replicate", clips=clips(), models=MODELS) as running:
        yield running


@pytest.fixture
def server(shared: FakeServer) -> Iterator[FakeServer]:
    yield shared
    shared.release()
    shared.clear()
    shared.set(life={"polls": 2}, many=False, removed=False, adds={}, clock_s=0.0, logs="")


@pytest.fixture
async def replicate(server: FakeServer) -> AsyncIterator[Subject]:
    async with opened("replicate", server, ENV) as subject:
        yield subject


async def test_the_account_comes_from_the_environment_alone() -> None:
    access = registered("replicate").access
    assert access(ENV).base_url == "https://api.replicate.com" and access(ENV).available
    assert access({}).missing == ("REPLICATE_API_TOKEN",) and KEY not in access(ENV).lane


@pytest.mark.parametrize("outcome", FATES, ids=title)
async def test_an_unclear_post_is_unknown_and_made_once(replicate: Subject, outcome: dict[str, Any]) -> None:
    unclear(await replicate.refusal(asked(replicate.backend, KLING), outcome))


@pytest.mark.parametrize(
    ("outcome", "kind", "retryable", "wait"),
    [
        *(({"status": status}, kind, False, None) for status, kind in PLAIN[:2]),
        (
            {"status": 429, "body": {"detail": "Request was throttled. Your rate limit resets in ~30s."}},
            "rate_limited",
            True,
            30.0,
        ),
        ({"status": 429, "code": "Request was throttled.", "headers": {"retry-after": "4"}}, "rate_limited", True, 4.0),
        ({"status": 429, "code": "You have reached your monthly spend limit"}, "quota", False, None),
    ],
    ids=str,
)
async def test_a_refused_post_is_uncharged(
    replicate: Subject, outcome: dict[str, Any], kind: str, retryable: bool, wait: float | None
) -> None:
    error = await replicate.refusal(asked(replicate.backend, KLING), outcome)
    assert (error.kind, error.retryable, error.charged, error.retry_after_s) == (kind, retryable, "no", wait)
    assert error.message.startswith("Replicate refused (")


BODIES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        KLING,
        "kwaivgi/kling-v2.5-turbo-pro",
        {"duration_s": 10, "aspect_ratio": "1:1", "negative_prompt": "rain"},
        {"prompt": "a fox", "negative_prompt": "rain", "duration": 10, "aspect_ratio": "1:1"},
    ),
    (
        KLING,
        "kwaivgi/kling-v2.5-turbo-pro",
        {"task": "interpolate", "frames": ["a.png", "b.png"]},
        {"prompt": "a fox", "duration": 5, "start_image": "a.png", "end_image": "b.png"},
    ),
    (
        KLING,
        "kwaivgi/kling-v2.5-turbo-pro",
        {"task": "image_to_video", "frames": ["a.png"], "loop": True},
        {"prompt": "a fox", "duration": 5, "start_image": "a.png", "end_image": "a.png"},
    ),
    (
        HAILUO,
        "minimax/hailuo-02",
        {"task": "image_to_video", "frames": ["a.png"], "provider_options": {"prompt_optimizer": False}},
        {
            "prompt": "a fox",
            "duration": 6,
            "resolution": "768p",
            "first_frame_image": "a.png",
            "prompt_optimizer": False,
        },
    ),
]


@pytest.mark.parametrize(
    ("model", "path", "fields", "inputs"), BODIES, ids=[f"{c[0]} {c[2].get('task')}" for c in BODIES]
)
async def test_what_is_asked_is_what_is_sent(
    replicate: Subject, tmp_path: Path, model: str, path: str, fields: dict[str, Any], inputs: dict[str, Any]
) -> None:
    made = dict(fields)
    roles = zip(made.get("frames", []), ("first", "last"), strict=False)
    made["frames"] = [{"image": str(still(tmp_path, name)), "role": role} for name, role in roles]
    ready = asked(replicate.backend, model, **made)
    await replicate.start(ready)
    names = {f"{replicate.server.url}/v1/files/{part.sha256[:20]}": part.path.name for part in ready.assets.values()}
    sent = replicate.sent()
    assert {**sent, "input": {key: names.get(value, value) for key, value in sent["input"].items()}} == {
        "input": inputs
    }
    entry = replicate.server.log("submit")[-1]
    assert entry["path"] == f"/v1/models/{path}/predictions"
    assert "cancel-after" not in entry["headers"] and "prefer" not in entry["headers"]


@pytest.mark.parametrize(("model", "number"), boxes("replicate"))
async def test_every_promise_of_every_row_reaches_the_wire(
    replicate: Subject, tmp_path: Path, model: str, number: int
) -> None:
    fields, wanted = promises(model, number, tmp_path)
    ready = asked(replicate.backend, model, **fields)
    await replicate.start(ready)  # the fake refuses what the model does not have
    found = flat(replicate.sent())
    assert all(value in found for value in wanted.values())
    assert sum("/v1/files/" in value for value in found if isinstance(value, str)) == len(ready.assets)


async def test_an_upload_is_known_to_expire_and_may_be_repeated(replicate: Subject, tmp_path: Path) -> None:
    frames = [{"image": str(still(tmp_path))}]
    ready = asked(replicate.backend, KLING, task="image_to_video", frames=frames)
    before = replicate.posts()
    for outcome in ({"status": 500}, {"status": 201, "body": {"id": "x"}}, {"reset": "before"}, {"hang": True}):
        replicate.script("upload", outcome)
        with pytest.raises(VideoError) as caught:
            await replicate.backend.upload(ready, ready.assets["frames[0].image"])
        assert (caught.value.retryable, caught.value.charged) == (True, "no")
    ref = await replicate.backend.upload(ready, ready.assets["frames[0].image"])
    assert ref.expires_at is not None and 80_000 < ref.expires_at - time.time() < 90_000
    assert replicate.posts() == before


async def test_a_life_is_told_step_by_step(replicate: Subject) -> None:
    bar = "loading\n 12%|#2        | 6/50 [00:01<00:09]\n 40%|####      | 20/50 [00:04<00:06]\n"
    replicate.server.set(life={"polls": 3, "queued_polls": 1}, logs=bar)
    handle = await replicate.start(asked(replicate.backend, KLING))
    told = [await replicate.backend.status(handle, Path()) for _ in range(3)]
    assert [(one.state, one.raw_state, one.progress) for one in told] == [
        ("queued", "starting", None),
        ("running", "processing", 0.4),
        ("succeeded", "succeeded", None),
    ]
    replicate.server.set(many=True)
    (file,) = (await replicate.backend.status(handle, Path())).files
    assert (file.url or "").startswith(f"{replicate.server.url}/media/") and file.authorised


@pytest.mark.parametrize(
    ("body", "state", "kind", "charged"),
    [
        ({"status": "succeeded", "output": None}, "failed", "provider", "yes"),
        ({"status": "succeeded", "output": [], "data_removed": True}, "failed", "provider", "yes"),
        ({"status": "succeeded", "output": "no address"}, "failed", "provider", "yes"),
        ({"status": "failed", "error": "CUDA error"}, "failed", "provider", "unknown"),
        ({"status": "failed", "error": None}, "failed", "provider", "unknown"),
        ({"status": "failed", "error": "flagged as sensitive (E005)"}, "failed", "moderation_output", "unknown"),
        ({"status": "canceled"}, "cancelled", "cancelled", "yes"),
        ({"status": "aborted"}, "cancelled", "cancelled", "no"),
        ({"status": "dreaming", "logs": None}, "unknown", "", ""),
        ({}, "unknown", "", ""),
    ],
    ids=str,
)
async def test_ends_that_are_no_clip(
    replicate: Subject, body: dict[str, Any], state: str, kind: str, charged: str
) -> None:
    replicate.server.script("status", {"status": 200, "body": body})
    status = await replicate.backend.status(Handle("rp1"), Path())
    assert status.state == state
    if kind:
        assert status.error is not None and (status.error.kind, status.error.charged) == (kind, charged)


async def test_outputs_elsewhere_are_fetched_without_the_key(replicate: Subject) -> None:
    body = {"status": "succeeded", "output": {"video": "https://replicate.delivery/a.mp4", "n": 3}}
    replicate.server.script("status", {"status": 200, "body": body})
    (file,) = (await replicate.backend.status(Handle("rp1"), Path())).files
    assert (file.url, file.authorised) == ("https://replicate.delivery/a.mp4", False)


@pytest.mark.parametrize(
    ("outcome", "kind", "retryable"),
    [
        ({"status": 500}, "provider", True),
        ({"status": 429}, "rate_limited", True),
        ({"status": 404}, "not_found", False),
    ],
    ids=str,
)
async def test_a_failed_question_says_nothing_of_the_charge(
    replicate: Subject, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    for route, ask in (
        ("status", lambda: replicate.backend.status(Handle("rp1"), Path())),
        ("cancel", lambda: replicate.backend.cancel(Handle("rp1"))),
        ("list", lambda: replicate.backend.reconcile(asked(replicate.backend, KLING), JOB, time.time())),
    ):
        replicate.script(route, outcome)
        with pytest.raises(VideoError) as caught:
            await ask()
        assert (caught.value.kind, caught.value.retryable, caught.value.charged) == (kind, retryable, "unknown")


async def test_cancel_tells_what_is_still_billed(replicate: Subject) -> None:
    replicate.server.set(life={"after_s": 60, "queued_s": 60})
    waiting = await replicate.start(asked(replicate.backend, KLING))
    replicate.server.set(life={"after_s": 60})
    running = await replicate.start(asked(replicate.backend, KLING))
    told = [await replicate.backend.cancel(handle) for handle in (waiting, running)]
    assert [(one.outcome, one.billed) for one in told] == [("stopped", "no"), ("stopped", "yes")]
    ended = await replicate.start(asked(replicate.backend, KLING))
    replicate.server.tell(ended.remote_id)
    assert (await replicate.backend.cancel(ended)).outcome == "unsupported"
    replicate.server.script("cancel", {"status": 200, "body": {"status": "processing"}})
    assert (await replicate.backend.cancel(ended)).outcome == "requested"


async def test_an_unclear_submit_is_found_in_the_list_by_model_time_and_inputs(
    replicate: Subject, tmp_path: Path
) -> None:
    assert replicate.backend.submit_dedupe == "lookup"
    frames = [{"image": str(still(tmp_path))}]
    ready = asked(replicate.backend, KLING, task="image_to_video", frames=frames, prompt="a unique fox")
    since = time.time() - 1
    replicate.server.script("submit", {"lose": True})
    with pytest.raises(VideoError, match="must not be sent again"):
        await replicate.start(ready)
    wanted = replicate.server.jobs()[-1]["id"]
    for model, prompt in ((KLING, "another fox"), (HAILUO, "a unique fox"), (KLING, "a unique fox")):
        await replicate.start(asked(replicate.backend, model, prompt=prompt))
    for added in ({}, {"guidance": 0.5}):
        replicate.server.set(adds=added)
        found = await replicate.backend.reconcile(ready, JOB, since)
        assert [one.handle.remote_id for one in found.matches] == [wanted]
        assert found.complete == "", "a list proves nothing by what it does not show"
        assert [one.handle.remote_id for one in found.shown[:4]] == [
            job["id"] for job in replicate.server.jobs()[:-5:-1]
        ]
        assert found.shown[3].handle.remote_id == wanted and found.shown[0].made_at is not None
    assert (await replicate.backend.reconcile(ready, "job_other", time.time() + 60)).matches == ()


async def test_a_look_up_takes_no_other_models_prediction(replicate: Subject) -> None:
    ready = asked(replicate.backend, KLING)
    item = {
        "id": "rp9",
        "model": "minimax/hailuo-02",
        "input": ready.body["input"],
        "created_at": "2999-01-01T00:00:00Z",
    }
    for model, found in (("minimax/hailuo-02", []), ("kwaivgi/kling-v2.5-turbo-pro", [Handle("rp9")])):
        replicate.server.script("list", {"status": 200, "body": {"results": [{**item, "model": model}], "next": None}})
        assert [one.handle for one in (await replicate.backend.reconcile(ready, JOB, time.time())).matches] == found


async def test_a_look_up_goes_by_the_services_clock(replicate: Subject) -> None:
    for clock_s in (-3000.0, 3000.0):
        replicate.server.set(clock_s=clock_s)
        ready = asked(replicate.backend, KLING, prompt=f"a fox at {clock_s}")
        since = time.time() - 5
        handle = await replicate.start(ready)
        (found,) = (await replicate.backend.reconcile(ready, JOB, since)).matches
        assert found.handle == handle and abs((found.made_at or 0) - time.time()) < 10, "by this machine's clock"


async def test_a_look_up_concludes_nothing_from_deleted_inputs(replicate: Subject) -> None:
    ready = asked(replicate.backend, KLING, prompt="a forgotten fox")
    since = time.time() - 1
    await replicate.start(ready)
    replicate.server.set(removed=True)
    with pytest.raises(VideoError, match="has deleted the inputs") as caught:
        await replicate.backend.reconcile(ready, "job_forgotten", since)
    assert (caught.value.kind, caught.value.retryable) == ("not_found", False)
    later = time.time() + 30
    assert (await replicate.backend.reconcile(ready, "job_later", later)).matches == ()
    assert (await replicate.backend.reconcile(ready, "job_later", since)).matches == (), (
        "a wider look, of what was before"
    )


async def test_the_account_is_named(replicate: Subject) -> None:
    assert await replicate.backend.account() == {"type": "organization", "username": "acme"}


async def test_every_row_that_is_served_says_so() -> None:
    rows = [row for row in load().rows if row.provider == "replicate" and row.state != "retired"]
    assert rows and all(row.tested == "contract-tested 2026-11-23" for row in rows)


def test_a_life_through_the_whole_program_outlives_its_worker(
    server: FakeServer, stand: Callable[..., Station], nursery: Nursery, tmp_path: Path
) -> None:
    station = stand(**ENV, REELWRIGHT_REPLICATE_BASE_URL=server.url)
    frames = [{"image": str(still(tmp_path, f"{role}.png")), "role": role} for role in ("first", "last")]
    request = build_request(task="interpolate", model=KLING, prompt="a fox between", max_cost_usd=5, frames=frames)
    outlives(station, nursery, server, request, KEY)
