"""MiniMax: the Hailuo line and H3, errors inside HTTP 200, bodies, and whole lives."""

from __future__ import annotations

import base64
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
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station

KEY = "mm-api-key-0123456789-secret"
ENV = {"MINIMAX_API_KEY": KEY}
HAILUO, H3 = "minimax/MiniMax-Hailuo-02", "minimax/MiniMax-H3"
LINES = [(HAILUO, "submit"), (H3, "submit2")]

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    with FakeServer("minimax", clips=clips()) as running:
        yield running


@pytest.fixture
def server(shared: FakeServer) -> Iterator[FakeServer]:
    yield shared
    shared.release()
    shared.clear()
    shared.set(life={"polls": 2})


@pytest.fixture
async def minimax(server: FakeServer) -> AsyncIterator[Subject]:
    async with opened("minimax", server, ENV) as subject:
        yield subject


async def test_the_account_comes_from_the_environment_alone() -> None:
    access = registered("minimax").access
    assert access(ENV).base_url == "https://api.minimax.io" and access(ENV).available
    assert access({**ENV, "REELWRIGHT_MINIMAX_BASE_URL": "http://127.0.0.1:9/"}).base_url == "http://127.0.0.1:9"
    assert access({}).missing == ("MINIMAX_API_KEY",) and KEY not in access(ENV).lane


@pytest.mark.parametrize(("model", "route"), LINES)
@pytest.mark.parametrize("outcome", FATES, ids=title)
async def test_an_unclear_post_is_unknown_and_made_once(
    minimax: Subject, model: str, route: str, outcome: dict[str, Any]
) -> None:
    minimax.route = route
    unclear(await minimax.refusal(asked(minimax.backend, model), outcome))


@pytest.mark.parametrize("code", [1000, 1001, 1024, 1033, 4711])
async def test_a_fault_of_its_own_inside_a_200_is_unclear(minimax: Subject, code: int) -> None:
    body = {"task_id": "", "base_resp": {"status_code": code, "status_msg": "server"}}
    unclear(await minimax.refusal(asked(minimax.backend, HAILUO), {"status": 200, "body": body}))
    taken = {"task_id": "41", "base_resp": {"status_code": 1002, "status_msg": "odd"}}
    unclear(await minimax.refusal(asked(minimax.backend, HAILUO), {"status": 200, "body": taken}))


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (1002, "rate_limited", True),
        (1004, "auth", False),
        (1008, "balance", False),
        (1026, "moderation_input", False),
        (1027, "moderation_output", False),
        (1039, "rate_limited", True),
        (2013, "invalid_request", False),
        (2038, "auth", False),
        (2049, "auth", False),
        (2056, "quota", False),
    ],
)
async def test_a_refusal_inside_a_200_is_uncharged(minimax: Subject, code: int, kind: str, retryable: bool) -> None:
    for route, model, status, body in (
        ("submit", HAILUO, 200, {"task_id": "", "base_resp": {"status_code": code, "status_msg": "no"}}),
        ("submit2", H3, 400, {"error": {"code": str(code), "message": "no"}}),
        ("submit2", H3, 429, {"base_resp": {"status_code": code, "status_msg": "no"}}),
        ("submit2", H3, 200, {"error": {"code": str(code), "message": "no"}}),
    ):
        minimax.route = route
        error = await minimax.refusal(asked(minimax.backend, model), {"status": status, "body": body})
        assert (error.kind, error.retryable, error.charged) == (kind, retryable, "no"), route
        assert error.provider_code == str(code) and f"MiniMax refused ({status} {code}): no; " in error.message


@pytest.mark.parametrize(("status", "kind"), [*PLAIN[:2], (429, "quota")])
async def test_a_refused_post_is_uncharged(minimax: Subject, status: int, kind: str) -> None:
    outcome = {"status": status, "body": {"message": "no"}}
    error = await minimax.refusal(asked(minimax.backend, HAILUO), outcome)
    assert (error.kind, error.retryable, error.charged) == (kind, False, "no")


def block(kind: str, role: str, name: str) -> dict[str, Any]:
    return {"type": kind, "role": role, kind: {"url": name}}


TEXT = {"type": "text", "text": "a fox"}
BODIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        HAILUO,
        {"duration_s": 10, "provider_options": {"prompt_optimizer": False}},
        {
            "model": "MiniMax-Hailuo-02",
            "prompt": "a fox",
            "duration": 10,
            "resolution": "768P",
            "prompt_optimizer": False,
        },
    ),
    (
        HAILUO,
        {"task": "image_to_video", "frames": ["a.png"], "resolution": "512p", "camera": ["pan-left", "zoom-in"]},
        {
            "model": "MiniMax-Hailuo-02",
            "prompt": "a fox [Pan left] [Zoom in]",
            "duration": 6,
            "resolution": "512P",
            "first_frame_image": "a.png",
        },
    ),
    (
        HAILUO,
        {"task": "interpolate", "frames": ["a.png", "b.png"], "resolution": "1080p", "prompt": ""},
        {
            "model": "MiniMax-Hailuo-02",
            "duration": 6,
            "resolution": "1080P",
            "first_frame_image": "a.png",
            "last_frame_image": "b.png",
        },
    ),
    (
        HAILUO,
        {"task": "image_to_video", "frames": ["a.png"], "loop": True},
        {
            "model": "MiniMax-Hailuo-02",
            "prompt": "a fox",
            "duration": 6,
            "resolution": "768P",
            "first_frame_image": "a.png",
            "last_frame_image": "a.png",
        },
    ),
    (
        H3,
        {"duration_s": 7, "aspect_ratio": "21:9", "resolution": "2k"},
        {"model": "MiniMax-H3", "content": [TEXT], "duration": 7, "ratio": "21:9", "resolution": "2K"},
    ),
    (
        H3,
        {"task": "interpolate", "frames": ["a.png", "b.png"], "duration_s": 5},
        {
            "model": "MiniMax-H3",
            "content": [
                TEXT,
                block("image_url", "first_frame", "a.png"),
                block("image_url", "last_frame", "b.png"),
            ],
            "duration": 5,
            "ratio": "adaptive",
            "resolution": "768P",
        },
    ),
    (
        H3,
        {"task": "reference_to_video", "references": ["hero=a.png", "move=clip"], "duration_s": 5},
        {
            "model": "MiniMax-H3",
            "content": [
                TEXT,
                block("image_url", "reference_image", "a.png"),
                block("video_url", "reference_video", "clip"),
            ],
            "duration": 5,
            "ratio": "16:9",
            "resolution": "768P",
        },
    ),
]


def named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: named(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [named(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


def uri(path: Path, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(path.read_bytes()).decode()}"


@pytest.mark.parametrize(("model", "fields", "body"), BODIES, ids=[f"{c[0]} {c[1].get('task')}" for c in BODIES])
async def test_what_is_asked_is_what_is_sent(
    minimax: Subject, tmp_path: Path, model: str, fields: dict[str, Any], body: dict[str, Any]
) -> None:
    made, files = dict(fields), {uri(tiny_clip(), "video/mp4"): "clip"}
    for name in ("a.png", "b.png"):
        files[uri(still(tmp_path, name), "image/png")] = name
    if "frames" in made:
        roles = zip(made["frames"], ("first", "last"), strict=False)
        made["frames"] = [{"image": str(tmp_path / name), "role": role} for name, role in roles]
    if "references" in made:
        made["references"] = [f"hero={tmp_path / 'a.png'}", f"move={tiny_clip()}"]
    ready = asked(minimax.backend, model, **made)
    assert ready.uploads == () and len(str(ready.body)) < 1000, "rows hold names, not bytes"
    minimax.route = "submit2" if model == H3 else "submit"
    await minimax.start(ready)
    assert named(minimax.sent(), files) == body


@pytest.mark.parametrize(("model", "number"), boxes("minimax"))
async def test_every_promise_of_every_row_reaches_the_wire(
    minimax: Subject, tmp_path: Path, model: str, number: int
) -> None:
    fields, wanted = promises(model, number, tmp_path)
    ready = asked(minimax.backend, model, **fields)
    minimax.route = "submit2" if ready.endpoint.startswith("v2") else "submit"
    await minimax.start(ready)  # the fake refuses what MiniMax does not have
    found = flat(minimax.sent())
    assert all(value in found for value in wanted.values())
    assert all(uri(part.path, "image/png") in found for part in ready.assets.values())


async def test_inputs_beyond_its_limit_are_refused_before_the_post(
    minimax: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.cloud.minimax.backend.MAX_INPUTS", 1000)
    frames = [{"image": str(still(tmp_path))}]
    before = minimax.posts()
    with pytest.raises(VideoError, match="64 MB a request") as caught:
        await minimax.start(asked(minimax.backend, HAILUO, task="image_to_video", frames=frames))
    assert (caught.value.kind, caught.value.charged, minimax.posts()) == ("asset", "no", before)


@pytest.mark.parametrize(("model", "route"), LINES)
async def test_a_life_is_told_step_by_step(minimax: Subject, model: str, route: str) -> None:
    minimax.route = route
    minimax.server.set(life={"polls": 3, "queued_polls": 1})
    handle = await minimax.start(asked(minimax.backend, model))
    told = [await minimax.backend.status(handle, Path()) for _ in range(3)]
    words = ("queued", "running", "succeeded") if model == H3 else ("Queueing", "Processing", "Success")
    assert [one.state for one in told] == ["queued", "running", "succeeded"]
    assert tuple(one.raw_state for one in told) == words
    (file,) = told[2].files
    assert (file.url or "").startswith(f"{minimax.server.url}/media/") and file.authorised
    outcome = await minimax.backend.cancel(handle)
    assert (outcome.outcome, outcome.billed) == ("unsupported", "yes")


@pytest.mark.parametrize(("model", "route"), LINES)
@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [("1026", "moderation_input", False), ("1027", "moderation_output", False), ("1033", "provider", True)],
)
async def test_a_failed_task_is_told_with_its_reason(
    minimax: Subject, model: str, route: str, code: str, kind: str, retryable: bool
) -> None:
    minimax.route = route
    error = {"code": code, "message": "it was stopped"}
    minimax.server.set(life={"after_s": 0, "outcome": "failed", "error": error})
    status = await minimax.backend.status(await minimax.start(asked(minimax.backend, model)), Path())
    assert status.state == "failed" and status.error is not None
    assert (status.error.kind, status.error.retryable, status.error.charged) == (kind, retryable, "unknown")
    assert "it was stopped" in status.error.message


FIRST, SECOND = Handle("41", {"endpoint": "v1/video_generation"}), Handle("41", {"endpoint": "v2/video_generation"})
GOOD = {"base_resp": {"status_code": 0}}


@pytest.mark.parametrize(
    ("handle", "body", "state", "kind"),
    [
        (FIRST, {**GOOD, "status": "Success", "file_id": ""}, "failed", "provider"),
        (FIRST, {**GOOD, "status": "Dreaming"}, "unknown", ""),
        (FIRST, {**GOOD, "status": "Preparing"}, "queued", ""),
        (FIRST, {"base_resp": {"status_code": 1027, "status_msg": "x"}, "status": ""}, "failed", "moderation_output"),
        (SECOND, {"task": {"status": "succeeded", "content": {}}}, "failed", "provider"),
        (SECOND, {"task": {"status": "expired"}}, "failed", "provider"),
        (SECOND, {"task": {"status": "cancelled"}}, "cancelled", ""),
        (SECOND, {"status": "running"}, "running", ""),
        (SECOND, {"status": "failed", "error": {"code": "1026"}}, "failed", "moderation_input"),
        (SECOND, {"task": None}, "unknown", ""),
    ],
)
async def test_states_that_are_no_clip(
    minimax: Subject, handle: Handle, body: dict[str, Any], state: str, kind: str
) -> None:
    minimax.server.script("status" if handle is FIRST else "status2", {"status": 200, "body": body})
    status = await minimax.backend.status(handle, Path())
    assert status.state == state
    if kind:
        assert status.error is not None and (status.error.kind, status.error.charged) == (kind, "unknown")


@pytest.mark.parametrize(
    ("route", "outcome", "kind", "retryable"),
    [
        ("status", {"status": 500}, "provider", True),
        ("status", {"status": 404}, "not_found", False),
        ("status", {"status": 200, "body": {"base_resp": {"status_code": 1002}}}, "rate_limited", True),
        ("status", {"status": 200, "body": {"base_resp": {"status_code": 1004}}}, "auth", False),
        ("status", {"status": 200, "body": {"base_resp": {"status_code": 1000}}}, "provider", True),
        ("status2", {"status": 429}, "rate_limited", True),
        ("status2", {"status": 200, "body": {"base_resp": {"status_code": 1002}}}, "rate_limited", True),
        ("status2", {"status": 200, "body": {"error": {"code": "1004"}}}, "auth", False),
    ],
    ids=str,
)
async def test_a_failed_question_says_nothing_of_the_charge(
    minimax: Subject, route: str, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    minimax.script(route, outcome)
    with pytest.raises(VideoError) as caught:
        await minimax.backend.status(FIRST if route == "status" else SECOND, Path())
    assert (caught.value.kind, caught.value.retryable, caught.value.charged) == (kind, retryable, "unknown")


@pytest.mark.parametrize(("model", "route"), LINES)
async def test_a_job_that_a_person_has_bound_is_followed_by_its_id_alone(
    minimax: Subject, model: str, route: str
) -> None:
    minimax.route = route
    handle = await minimax.start(asked(minimax.backend, model))
    assert (await minimax.backend.status(Handle(handle.remote_id), Path())).state == "running"
    with pytest.raises(VideoError) as caught:
        await minimax.backend.status(Handle("40404"), Path())
    assert (caught.value.kind, caught.value.retryable) == ("not_found", False)


async def test_a_finished_clips_file_is_asked_for_until_it_is_told(minimax: Subject) -> None:
    minimax.server.set(life={"after_s": 0})
    handle = await minimax.start(asked(minimax.backend, HAILUO))
    for outcome in ({"status": 502}, {"status": 200, "body": {"base_resp": {"status_code": 1000}}}):
        minimax.script("file", outcome)
        with pytest.raises(VideoError) as caught:
            await minimax.backend.status(handle, Path())
        assert caught.value.retryable
    assert (await minimax.backend.status(handle, Path())).files


async def test_minimax_offers_no_look_up(minimax: Subject) -> None:
    assert minimax.backend.submit_dedupe == "none"
    with pytest.raises(VideoError, match="has no list of the jobs"):
        await minimax.backend.reconcile(asked(minimax.backend, HAILUO), JOB, 0.0)


async def test_every_row_that_is_served_says_so() -> None:
    rows = [row for row in load().rows if row.provider == "minimax" and row.state != "retired"]
    assert rows and all(row.tested == "contract-tested 2026-11-23" for row in rows)


def test_a_life_through_the_whole_program_outlives_its_worker(
    server: FakeServer, stand: Callable[..., Station], nursery: Nursery, tmp_path: Path
) -> None:
    """Of the newer line, whose route is not the one that the kill points go through."""
    station = stand(**ENV, REELWRIGHT_MINIMAX_BASE_URL=server.url)
    frames = [{"image": str(still(tmp_path, f"{role}.png")), "role": role} for role in ("first", "last")]
    request = build_request(task="interpolate", model=H3, prompt="a fox", max_cost_usd=5, frames=frames)
    outlives(station, nursery, server, request, KEY, route="submit2")
