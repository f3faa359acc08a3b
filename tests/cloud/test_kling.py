"""Kling: keys of both kinds, the task's own key against double charges, bodies, codes, and whole lives."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from backends.catalog.loader import load
from backends.cloud.kling import backend as module
from backends.errors import VideoError
from backends.provider.protocol import Handle
from backends.provider.registry import registered
from backends.request import build_request
from tests.cloud.http_cases import (
    FATES,
    JOB,
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
from tests.fakes.service import fingerprint
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station

KEY, ACCESS, SECRET = "kl-bearer-key-0123456789", "AK-access-5555", "SK-secret-of-the-access-key"
ENV = {"KLING_API_KEY": KEY}
PAIR = {"KLING_ACCESS_KEY": ACCESS, "KLING_SECRET_KEY": SECRET}
TURBO = "kling/kling-v2-5-turbo"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    keys = [fingerprint(KEY)]
    with FakeServer("kling", clips=clips(), keys=keys, secrets={ACCESS: SECRET}) as running:
        yield running


@pytest.fixture
def server(shared: FakeServer) -> Iterator[FakeServer]:
    yield shared
    shared.release()
    shared.clear()
    shared.set(life={"polls": 2})


@pytest.fixture
async def kling(server: FakeServer) -> AsyncIterator[Subject]:
    async with opened("kling", server, ENV) as subject:
        yield subject


@pytest.fixture
def job_key(request: pytest.FixtureRequest) -> str:
    """A key of this test's own: Kling takes each once."""
    return "job_" + base64.b32encode(request.node.name.encode()).decode().lower().strip("=")[:200]


async def test_the_account_comes_from_the_environment_alone() -> None:
    access = registered("kling").access
    assert access(ENV).base_url == "https://api-singapore.klingai.com" and access(ENV).available
    assert access(PAIR).available and access({**PAIR, **ENV}).lane == access(ENV).lane != access(PAIR).lane
    missing = "KLING_API_KEY or KLING_ACCESS_KEY and KLING_SECRET_KEY"
    for env in ({}, {"KLING_ACCESS_KEY": ACCESS}, {"KLING_SECRET_KEY": SECRET}):
        assert access(env).missing == (missing,)
    assert not any(secret in access({**PAIR, **ENV}).lane for secret in (KEY, ACCESS, SECRET))


async def test_a_pair_of_keys_signs_a_token_that_the_service_accepts(server: FakeServer, job_key: str) -> None:
    async with opened("kling", server, PAIR) as kling:
        handle = await kling.start(asked(kling.backend, TURBO), job_key)
        assert (await kling.backend.status(handle, Path())).state == "running"
    async with opened("kling", server, {**PAIR, "KLING_SECRET_KEY": "another"}) as kling:
        error = await kling.refusal(asked(kling.backend, TURBO))
        assert (error.kind, error.charged) == ("auth", "no") and "KLING_ACCESS_KEY" in error.message


async def test_a_token_is_the_documented_one_and_is_renewed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    head, claims, _ = module.signed_token("ak", "sk", 1_800_000_000.7).split(".")

    def read(part: str) -> Any:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    assert read(head) == {"alg": "HS256", "typ": "JWT"}
    assert read(claims) == {"iss": "ak", "exp": 1_800_001_800, "nbf": 1_799_999_995}
    fresh = module.signed_token("ak", "sk" * 16, time.time())
    assert jwt.decode(fresh, "sk" * 16, algorithms=["HS256"], issuer="ak")["iss"] == "ak"  # read by another library
    backend: Any = module.KlingBackend(PAIR, "http://127.0.0.1:9")
    first = backend.media_headers()
    assert backend.media_headers() == first
    now = time.monotonic() + module.REFRESH_S + 1
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    monkeypatch.setattr(module.time, "time", lambda: 1_900_000_000.0)
    assert backend.media_headers() != first
    await backend.aclose()


@pytest.mark.parametrize("outcome", [*FATES, {"status": 200, "body": {"code": 5001, "message": "busy"}}], ids=title)
async def test_an_unclear_post_is_unknown_and_made_once(kling: Subject, outcome: dict[str, Any], job_key: str) -> None:
    ready = asked(kling.backend, TURBO)
    kling.script("submit", outcome)
    before = kling.posts()
    with pytest.raises(VideoError) as caught:
        await kling.start(ready, job_key)
    unclear(caught.value)
    assert kling.posts() == before + 1


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (400, 1200, "invalid_request", False),
        (400, 1201, "invalid_request", False),
        (400, 1301, "moderation_input", False),
        (401, 1002, "auth", False),
        (402, 9, "balance", False),
        (403, 1103, "auth", False),
        (404, 1203, "unsupported", False),
        (409, 9, "conflict", False),
        (422, 9, "invalid_request", False),
        (429, 1100, "auth", False),
        (429, 1101, "balance", False),
        (429, 1102, "quota", False),
        (429, 1302, "rate_limited", True),
        (429, 1303, "concurrency", True),
        (429, 1304, "auth", False),
        (429, 9, "quota", False),
        (200, 1301, "moderation_input", False),
        (200, 1303, "concurrency", True),
        (200, 1101, "balance", False),
    ],
)
async def test_a_refused_post_is_uncharged(kling: Subject, status: int, code: int, kind: str, retryable: bool) -> None:
    body = {"code": code, "message": "no", "request_id": "r"}
    error = await kling.refusal(asked(kling.backend, TURBO), {"status": status, "body": body})
    assert (error.kind, error.retryable, error.charged) == (kind, retryable, "no")
    assert error.provider_code == str(code) and f"Kling refused ({status} {code}): no; " in error.message


async def test_an_unclear_submit_is_found_by_its_key(kling: Subject, job_key: str) -> None:
    ready = asked(kling.backend, TURBO)
    assert kling.backend.submit_dedupe == "key"
    none = await kling.backend.reconcile(ready, job_key, 0.0)
    assert none.matches == () and none.complete == "Kling's: it knows no job of this key (code 1203)"
    kling.server.script("submit", {"lose": True})
    with pytest.raises(VideoError, match="must not be sent again"):
        await kling.start(ready, job_key)
    (found,) = (await kling.backend.reconcile(ready, job_key, 0.0)).matches
    held = kling.server.jobs()[-1]
    assert abs((found.made_at or 0) - time.time()) < 10
    assert found.handle == Handle(held["id"], {"endpoint": "videos/text2video"}) and held["job_key"] == job_key


async def test_a_key_that_kling_holds_already_leads_to_a_look_up_not_to_a_failure(kling: Subject, job_key: str) -> None:
    ready = asked(kling.backend, TURBO)
    handle = await kling.start(ready, job_key)
    with pytest.raises(VideoError) as caught:
        await kling.start(ready, job_key)
    unclear(caught.value)
    (found,) = (await kling.backend.reconcile(ready, job_key, 0.0)).matches
    assert found.handle == handle


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        ({"status": 500}, True),
        ({"hang": True}, True),
        ({"status": 400, "code": 1201}, False),
        ({"status": 401}, False),
        ({"status": 404, "body": {"detail": "no route"}}, False),
    ],
    ids=str,
)
async def test_a_look_up_that_fails_is_not_taken_for_none(kling: Subject, outcome: dict[str, Any], again: bool) -> None:
    kling.script("status", outcome)
    with pytest.raises(VideoError) as caught:
        await kling.backend.reconcile(asked(kling.backend, TURBO), JOB, 0.0)
    assert (caught.value.retryable, caught.value.charged) == (again, "unknown")


BODIES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        TURBO,
        "text2video",
        {"duration_s": 10, "resolution": "1080p", "aspect_ratio": "1:1", "negative_prompt": "rain"},
        {
            "model_name": "kling-v2-5-turbo",
            "prompt": "a fox",
            "negative_prompt": "rain",
            "duration": "10",
            "mode": "pro",
            "aspect_ratio": "1:1",
        },
    ),
    (
        TURBO,
        "image2video",
        {"task": "image_to_video", "frames": ["a.png"], "resolution": "720p", "camera": ["static"]},
        {
            "model_name": "kling-v2-5-turbo",
            "prompt": "a fox Camera: the camera is locked off.",
            "duration": "5",
            "mode": "std",
            "image": "a.png",
        },
    ),
    (
        TURBO,
        "image2video",
        {"task": "interpolate", "frames": ["a.png", "b.png"], "prompt": ""},
        {"model_name": "kling-v2-5-turbo", "duration": "5", "mode": "pro", "image": "a.png", "image_tail": "b.png"},
    ),
    (
        "kling/kling-v2-6",
        "text2video",
        {"audio": True},
        {
            "model_name": "kling-v2-6",
            "prompt": "a fox",
            "duration": "5",
            "mode": "pro",
            "aspect_ratio": "16:9",
            "sound": "on",
        },
    ),
    (
        "kling/kling-v3",
        "text2video",
        {"duration_s": 13, "resolution": "4k", "audio": False},
        {
            "model_name": "kling-v3",
            "prompt": "a fox",
            "duration": "13",
            "mode": "4k",
            "aspect_ratio": "16:9",
            "sound": "off",
        },
    ),
]


@pytest.mark.parametrize(("model", "kind", "fields", "body"), BODIES, ids=[f"{c[0]} {c[1]}" for c in BODIES])
async def test_what_is_asked_is_what_is_sent(
    kling: Subject, tmp_path: Path, job_key: str, model: str, kind: str, fields: dict[str, Any], body: dict[str, Any]
) -> None:
    names = fields.get("frames", [])
    files = [still(tmp_path, name) for name in names]
    roles = ["first", "last"]
    frames = [{"image": str(path), "role": role} for path, role in zip(files, roles, strict=False)]
    ready = asked(kling.backend, model, **{**fields, "frames": frames})
    assert ready.uploads == () and "base64" not in str(ready.body) and len(str(ready.body)) < 1000
    await kling.start(ready, job_key)
    assert kling.server.log("submit")[-1]["path"] == f"/v1/videos/{kind}"
    bare = {base64.b64encode(path.read_bytes()).decode(): path.name for path in files}
    sent = {name: bare.get(value, value) for name, value in kling.sent().items()}
    assert sent == {**body, "external_task_id": job_key}


@pytest.mark.parametrize(("model", "number"), boxes("kling"))
async def test_every_promise_of_every_row_reaches_the_wire(
    kling: Subject, tmp_path: Path, job_key: str, model: str, number: int
) -> None:
    fields, wanted = promises(model, number, tmp_path)
    ready = asked(kling.backend, model, **fields)
    await kling.start(ready, job_key)  # the fake refuses what Kling does not have
    found = flat(kling.sent())
    assert all(value in found for value in wanted.values())
    images = [base64.b64encode(part.path.read_bytes()).decode() for part in ready.assets.values()]
    assert all(image in found for image in images)


async def test_an_image_is_sent_in_the_shape_that_was_agreed_on(kling: Subject, tmp_path: Path, job_key: str) -> None:
    import io

    from PIL import Image

    frames = [{"image": str(still(tmp_path, "tall.webp", (600, 700), "WEBP"))}]
    fields = {"task": "image_to_video", "frames": frames, "aspect_ratio": "1:1"}
    await kling.start(asked(kling.backend, TURBO, **fields), job_key)
    image = Image.open(io.BytesIO(base64.b64decode(kling.sent()["image"])))
    assert (image.size, image.format) == ((600, 600), "PNG")
    del fields["aspect_ratio"]
    await kling.start(asked(kling.backend, TURBO, **fields), f"{job_key}b")  # Kling reads no WebP
    image = Image.open(io.BytesIO(base64.b64decode(kling.sent()["image"])))
    assert (image.size, image.format) == ((600, 700), "PNG")


async def test_a_life_is_told_step_by_step(kling: Subject, job_key: str) -> None:
    kling.server.set(life={"polls": 3, "queued_polls": 1})
    handle = await kling.start(asked(kling.backend, TURBO), job_key)
    told = [await kling.backend.status(handle, Path()) for _ in range(3)]
    assert [(one.state, one.raw_state) for one in told] == [
        ("queued", "submitted"),
        ("running", "processing"),
        ("succeeded", "succeed"),
    ]
    (file,) = told[2].files
    assert (file.url or "").startswith(f"{kling.server.url}/media/") and file.authorised
    outcome = await kling.backend.cancel(handle)
    assert (outcome.outcome, outcome.billed) == ("unsupported", "yes")


async def test_a_job_that_a_person_has_bound_is_followed_by_its_id_alone(
    kling: Subject, tmp_path: Path, job_key: str
) -> None:
    frames = [{"image": str(still(tmp_path))}]
    handle = await kling.start(asked(kling.backend, TURBO, task="image_to_video", frames=frames), job_key)
    assert (await kling.backend.status(Handle(handle.remote_id), Path())).state == "running"
    with pytest.raises(VideoError) as caught:
        await kling.backend.status(Handle("40404"), Path())
    assert (caught.value.kind, caught.value.retryable) == ("not_found", False)


@pytest.mark.parametrize(
    ("message", "refund", "kind", "retryable", "charged"),
    [
        ("Failure to pass the risk control system", True, "moderation_output", False, "no"),
        ("Failure to pass the risk control system", False, "moderation_output", False, "yes"),
        ("internal error", True, "provider", True, "no"),
    ],
)
async def test_a_failed_task_tells_its_charge(
    kling: Subject, job_key: str, message: str, refund: bool, kind: str, retryable: bool, charged: str
) -> None:
    error = {"code": "x", "message": message}
    kling.server.set(life={"after_s": 0, "outcome": "failed", "error": error, "refund": refund})
    status = await kling.backend.status(await kling.start(asked(kling.backend, TURBO), job_key), Path())
    assert status.state == "failed" and status.error is not None
    assert (status.error.kind, status.error.retryable, status.error.charged) == (kind, retryable, charged)
    assert message in status.error.message


async def test_successes_without_a_video_and_unknown_words(kling: Subject, job_key: str) -> None:
    kling.server.set(life={"after_s": 0})
    handle = await kling.start(asked(kling.backend, TURBO), job_key)
    empty = {"code": 0, "data": {"task_id": "1", "task_status": "succeed", "task_result": {"videos": []}}}
    for body, state in (
        (empty, "failed"),
        ({"code": 0, "data": {"task_status": "succeed"}}, "failed"),
        ({"code": 0, "data": {"task_status": "dreaming"}}, "unknown"),
        ({"code": 0, "data": None}, "unknown"),
    ):
        kling.server.script("status", {"status": 200, "body": body})
        status = await kling.backend.status(handle, Path())
        assert status.state == state
        if state == "failed":
            assert status.error is not None and status.error.charged == "unknown"


@pytest.mark.parametrize(
    ("outcome", "kind", "retryable"),
    [
        ({"status": 500}, "provider", True),
        ({"status": 429, "code": 1302}, "rate_limited", True),
        ({"status": 200, "body": {"code": 1303, "message": "x"}}, "concurrency", True),
        ({"status": 200, "body": {"code": 5000, "message": "x"}}, "provider", True),
        ({"status": 200, "body": {"code": 1203, "message": "x"}}, "not_found", False),
        ({"status": 404}, "not_found", False),
    ],
    ids=str,
)
async def test_a_failed_question_says_nothing_of_the_charge(
    kling: Subject, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    kling.script("status", outcome)
    with pytest.raises(VideoError) as caught:
        await kling.backend.status(Handle("8001", {"endpoint": "videos/text2video"}), Path())
    assert (caught.value.kind, caught.value.retryable, caught.value.charged) == (kind, retryable, "unknown")


async def test_the_account_shows_its_packs(kling: Subject) -> None:
    told = await kling.backend.account()
    assert told == {"Video Generation - 10,000 entries": "118 of 200 left, online"}
    kling.server.script("account", {"status": 200, "body": {"code": 0, "data": {"resource_pack_subscribe_infos": []}}})
    assert await kling.backend.account() == {"resource packs": "none"}


async def test_every_row_that_is_served_says_so() -> None:
    rows = [row for row in load().rows if row.provider == "kling" and row.state != "retired"]
    assert rows and all(row.tested == "contract-tested 2026-11-23" for row in rows)


def test_a_life_through_the_whole_program_outlives_its_worker(
    server: FakeServer, stand: Callable[..., Station], nursery: Nursery, tmp_path: Path
) -> None:
    station = stand(**PAIR, REELWRIGHT_KLING_BASE_URL=server.url)
    frames = [{"image": str(still(tmp_path, f"{role}.png")), "role": role} for role in ("first", "last")]
    request = build_request(task="interpolate", model=TURBO, prompt="a fox", max_cost_usd=5, frames=frames)
    job = outlives(station, nursery, server, request, KEY, SECRET)
    assert server.jobs()[-1]["job_key"] == job.job_id
