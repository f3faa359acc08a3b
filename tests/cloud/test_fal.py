"""fal: one POST whatever comes back, every row's body, failures that look like success, and whole lives."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.catalog.loader import load
from backends.cloud.fal.backend import outputs
from backends.errors import VideoError
from backends.provider.protocol import Handle, RemoteFile, Status
from backends.provider.registry import registered
from backends.request import build_request
from tests.cloud.http_cases import (
    FATES,
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

KEY = "0a1b2c3d-fal-id:9f8e7d6c5b4a-fal-secret"
ENV = {"FAL_KEY": KEY}

KLING = dict.fromkeys(("prompt", "negative_prompt", "duration", "aspect_ratio", "image_url", "tail_image_url"), "str")
HAILUO = dict.fromkeys(("prompt", "duration", "resolution", "image_url", "end_image_url"), "str")
PIKA = {**dict.fromkeys(("prompt", "negative_prompt", "resolution", "aspect_ratio", "image_url"), "str"), "seed": "int"}
VEO = {**PIKA, "duration": "str", "generate_audio": "bool", "auto_fix": "bool", "safety_tolerance": "str"}
H3 = {"prompt": "str", "duration": "int", "resolution": "str", "image_url": "str", "prompt_expansion_mode": "str"}
WAN = {**PIKA, "duration": "str", "enable_prompt_expansion": "bool"}
ENDPOINTS: dict[str, dict[str, str]] = {
    **{
        f"fal-ai/kling-video/v2.5-turbo/{name}": {**KLING, "cfg_scale": "float"}
        for name in ("pro/text-to-video", "pro/image-to-video", "standard/image-to-video")
    },
    **{
        f"fal-ai/minimax/hailuo-{name}": {**HAILUO, "prompt_optimizer": "bool"}
        for name in (
            "02/standard/text-to-video",
            "02/standard/image-to-video",
            "2.3/standard/image-to-video",
            "2.3-fast/standard/image-to-video",
        )
    },
    **{f"minimax/h3-max/{name}": H3 for name in ("text-to-video", "image-to-video")},
    **{f"fal-ai/pika/v2.2/{name}": {**PIKA, "duration": "int"} for name in ("text-to-video", "image-to-video")},
    "fal-ai/pika/v2.2/pikaframes": {**PIKA, "image_urls": "list", "transitions": "list"},
    "fal-ai/pika/v2.2/pikascenes": {**PIKA, "duration": "int", "images": "list", "ingredients_mode": "str"},
    "fal-ai/pika/v1.5/pikaffects": {**PIKA, "pikaffect": "str"},
    "fal-ai/veo3.1": VEO,
    "fal-ai/veo3.1/image-to-video": VEO,
    **{f"fal-ai/wan-25-preview/{name}": WAN for name in ("text-to-video", "image-to-video")},
    "acme/dream/extend": {"text": "str", "clip": "dict", "loras": "list", "steps": "int", "strength": "float"},
}
"""What each endpoint takes, from fal's pages; the last is a made-up one for a row of a person's own."""

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    with FakeServer("fal", clips=clips(), endpoints=ENDPOINTS) as running:
        yield running


@pytest.fixture
def server(shared: FakeServer) -> Iterator[FakeServer]:
    yield shared
    shared.release()
    shared.clear()
    shared.set(life={"polls": 2}, stops=True, forgets=False, result={}, elsewhere=False)


@pytest.fixture
async def fal(server: FakeServer) -> AsyncIterator[Subject]:
    async with opened("fal", server, ENV) as subject:
        yield subject


async def states(subject: Subject, handle: Handle, times: int = 1) -> Status:
    """What the last of so many questions says."""
    for _ in range(times):
        status = await subject.backend.status(handle, Path())
    return status


async def test_the_account_comes_from_the_environment_alone() -> None:
    access = registered("fal").access
    assert access(ENV).base_url == "https://queue.fal.run" and access(ENV).available
    lane = access({**ENV, "REELWRIGHT_FAL_BASE_URL": "http://127.0.0.1:9/"}).lane
    assert lane.startswith("fal|http://127.0.0.1:9|") and len(lane.rpartition("|")[2]) == 12 and KEY not in lane
    assert access({}).missing == ("FAL_KEY",) and access({}).lane.endswith("|")


@pytest.mark.parametrize("outcome", FATES, ids=title)
async def test_an_unclear_post_is_unknown_and_made_once(fal: Subject, outcome: dict[str, Any]) -> None:
    unclear(await fal.refusal(asked(fal.backend, "fal/pika-v2.2"), outcome))


@pytest.mark.parametrize(
    ("outcome", "kind", "retryable"),
    [
        *(({"status": status}, kind, False) for status, kind in PLAIN[:2]),
        ({"status": 403, "body": {"detail": "User is locked. Reason: Exhausted balance."}}, "balance", False),
        ({"status": 422, "code": "content_policy_violation"}, "moderation_input", False),
        ({"status": 422, "code": "image_too_small"}, "asset", False),
        (
            {"status": 422, "body": {"detail": "no", "error_type": "content_policy_violation", "message": "credit"}},
            "moderation_input",
            False,
        ),
        (
            {"status": 422, "body": {"detail": [{"msg": "a credit card", "type": "content_policy_violation"}]}},
            "moderation_input",
            False,
        ),
        ({"status": 429, "headers": {"retry-after": "3"}}, "rate_limited", True),
        ({"status": 429, "body": {"detail": "Concurrency limit reached"}}, "concurrency", True),
        ({"status": 429, "body": {"detail": "Monthly quota exceeded"}}, "quota", False),
    ],
    ids=str,
)
async def test_a_refused_post_is_uncharged(fal: Subject, outcome: dict[str, Any], kind: str, retryable: bool) -> None:
    error = await fal.refusal(asked(fal.backend, "fal/pika-v2.2"), outcome)
    assert (error.kind, error.retryable, error.charged) == (kind, retryable, "no")
    assert error.message.startswith("fal refused (")


async def test_fal_itself_must_not_run_it_twice(fal: Subject) -> None:
    await fal.start(asked(fal.backend, "fal/pika-v2.2"))
    assert fal.server.log("submit")[-1]["headers"]["x-fal-no-retry"] == "1"


BODIES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "fal/pika-v2.2",
        "fal-ai/pika/v2.2/text-to-video",
        {"aspect_ratio": "9:16", "resolution": "1080p", "seed": 3, "negative_prompt": "rain", "duration_s": 10},
        {
            "prompt": "a fox",
            "negative_prompt": "rain",
            "duration": 10,
            "resolution": "1080p",
            "aspect_ratio": "9:16",
            "seed": 3,
        },
    ),
    (
        "fal/pika-v2.2",
        "fal-ai/pika/v2.2/image-to-video",
        {"task": "image_to_video", "frames": ["a.png"], "duration_s": 5},
        {"prompt": "a fox", "duration": 5, "resolution": "720p", "image_url": "a.png"},
    ),
    (
        "fal/pikaframes",
        "fal-ai/pika/v2.2/pikaframes",
        {
            "task": "interpolate",
            "duration_s": 10,
            "frames": [("a.png", 0, "it wakes"), ("b.png", 3, ""), ("c.png", 10, "")],
        },
        {
            "prompt": "a fox",
            "resolution": "720p",
            "image_urls": ["a.png", "b.png", "c.png"],
            "transitions": [{"duration": 3, "prompt": "it wakes"}, {"duration": 7}],
        },
    ),
    (
        "fal/pikascenes",
        "fal-ai/pika/v2.2/pikascenes",
        {
            "task": "reference_to_video",
            "references": ["hero=a.png", "hat=b.png"],
            "duration_s": 5,
            "provider_options": {"ingredients_mode": "precise"},
        },
        {
            "prompt": "a fox",
            "duration": 5,
            "resolution": "720p",
            "aspect_ratio": "16:9",
            "images": [{"image_url": "a.png"}, {"image_url": "b.png"}],
            "ingredients_mode": "precise",
        },
    ),
    (
        "fal/pikaffects",
        "fal-ai/pika/v1.5/pikaffects",
        {"task": "image_to_video", "frames": ["a.png"], "effect": "Melt", "prompt": ""},
        {"pikaffect": "Melt", "image_url": "a.png"},
    ),
    (
        "fal/kling-v2.5-turbo-pro",
        "fal-ai/kling-video/v2.5-turbo/pro/image-to-video",
        {"task": "interpolate", "frames": [("a.png", None, ""), ("b.png", None, "")], "duration_s": 10},
        {"prompt": "a fox", "duration": "10", "image_url": "a.png", "tail_image_url": "b.png"},
    ),
    (
        "fal/kling-v2.5-turbo-pro",
        "fal-ai/kling-video/v2.5-turbo/pro/image-to-video",
        {"task": "image_to_video", "frames": ["a.png"], "loop": True, "camera": ["dolly-in:0.4"]},
        {
            "prompt": "a fox Camera: gentle dolly in (move towards the subject).",
            "duration": "5",
            "image_url": "a.png",
            "tail_image_url": "a.png",
        },
    ),
    (
        "fal/hailuo-02-standard",
        "fal-ai/minimax/hailuo-02/standard/image-to-video",
        {"task": "image_to_video", "frames": ["a.png"], "resolution": "512p", "duration_s": 6},
        {"prompt": "a fox", "duration": "6", "resolution": "512P", "image_url": "a.png"},
    ),
    (
        "fal/h3-max",
        "minimax/h3-max/text-to-video",
        {"duration_s": 7, "resolution": "480p"},
        {"prompt": "a fox", "duration": 7, "resolution": "480p"},
    ),
    (
        "fal/veo3.1",
        "fal-ai/veo3.1",
        {"duration_s": 4, "resolution": "1080p", "audio": False, "aspect_ratio": "9:16"},
        {
            "prompt": "a fox",
            "duration": "4s",
            "aspect_ratio": "9:16",
            "resolution": "1080p",
            "generate_audio": False,
        },
    ),
    (
        "fal/wan-2.5",
        "fal-ai/wan-25-preview/text-to-video",
        {"duration_s": 5, "resolution": "480p", "aspect_ratio": "1:1"},
        {"prompt": "a fox", "duration": "5", "resolution": "480p", "aspect_ratio": "1:1"},
    ),
]


def with_files(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Names such as a.png become files, frames become objects."""
    made = dict(fields)
    if "frames" in made:
        rows = [(frame, None, "") if isinstance(frame, str) else frame for frame in made["frames"]]
        made["frames"] = [
            {"image": str(still(folder, name)), "role": role, "at_s": at_s, "prompt": prompt}
            for (name, at_s, prompt), role in zip(rows, ["first", *["middle"] * (len(rows) - 2), "last"], strict=False)
        ]
    if "references" in made:
        pairs = [reference.split("=") for reference in made["references"]]
        made["references"] = [f"{tag}={still(folder, name)}" for tag, name in pairs]
    return made


@pytest.mark.parametrize(("model", "endpoint", "fields", "body"), BODIES, ids=[f"{c[0]} {c[1]}" for c in BODIES])
async def test_what_is_asked_is_what_is_sent(
    fal: Subject, tmp_path: Path, model: str, endpoint: str, fields: dict[str, Any], body: dict[str, Any]
) -> None:
    ready = asked(fal.backend, model, **with_files(fields, tmp_path))
    files = {place: found.path.name for place, found in ready.assets.items()}
    before = {entry["n"] for entry in fal.server.log("upload")}
    await fal.start(ready)
    assert fal.server.log("submit")[-1]["path"] == f"/{endpoint}"
    uploads = [entry for entry in fal.server.log("upload") if entry["n"] not in before]
    address = {f"{fal.server.url}{entry['path']}": entry["body_sha256"] for entry in uploads}
    names = {found.sha256: files[place] for place, found in ready.assets.items()}
    sent = _replaced(fal.sent(), {url: names[digest] for url, digest in address.items()})
    assert sent == body
    assert all("authorization" not in entry["headers"] for entry in uploads), "a presigned address needs no key"


def _replaced(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize(("model", "number"), boxes("fal"))
async def test_every_promise_of_every_row_reaches_the_wire(
    fal: Subject, tmp_path: Path, model: str, number: int
) -> None:
    fields, wanted = promises(model, number, tmp_path)
    ready = asked(fal.backend, model, **fields)
    await fal.start(ready)  # the fake refuses a field that the endpoint does not have, and a wrong type
    found = flat(fal.sent())
    assert all(value in found for value in wanted.values()), (wanted, fal.sent())
    assert sum(isinstance(value, str) and "/files/" in value for value in found) == len(ready.assets)


async def test_a_row_of_ones_own_reaches_an_endpoint_that_nobody_knew(fal: Subject, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN_ROW)
    fields = {"task": "extend", "source_clip": str(tiny_clip()), "duration_s": 4, "loras": ["acme/ink:0.6"]}
    ready = asked(fal.backend, "fal/dream-extend", (tmp_path,), **fields, provider_options={"strength": 0.5})
    await fal.start(ready)
    body = fal.sent()
    assert body.pop("clip")["url"].startswith(f"{fal.server.url}/files/")
    assert body == {
        "text": "a fox",
        "steps": 12,
        "strength": 0.5,
        "loras": [{"path": "acme/ink", "scale": 0.6}],
    }


OWN_ROW = """
provider = "fal"

[[model]]
id = "fal/dream-extend"
title = "Dream (an endpoint of my own)"

[[model.mode]]
tasks = ["extend"]
durations = [4]
sizes = { "as the clip" = { input = "same" } }
source = { min_s = 1, max_s = 60 }
loras = 2
options = { strength = { type = "number", min = 0, max = 1 } }
price = { unit = "per_clip", rates = [{ usd = 0.25 }], date = 2026-11-23, source = "my contract" }

[model.mode.wire]
endpoint = "acme/dream/extend"
fields = { prompt = "text", source_clip = "clip.url", loras = "loras" }
fixed = { steps = 12 }
"""


async def test_a_row_without_an_endpoint_is_told(fal: Subject, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN_ROW.replace('endpoint = "acme/dream/extend"\n', ""))
    with pytest.raises(VideoError, match=r"fal/dream-extend: its catalogue row has no wire\.endpoint"):
        asked(fal.backend, "fal/dream-extend", (tmp_path,), task="extend", source_clip=str(tiny_clip()))


async def test_keyframes_between_whole_seconds_are_refused_before_the_post(fal: Subject, tmp_path: Path) -> None:
    frames = [{"image": str(still(tmp_path, f"{n}.png")), "at_s": at} for n, at in ((1, 0), (2, 2.5), (3, 5))]
    with pytest.raises(VideoError) as caught:
        asked(fal.backend, "fal/pikaframes", task="interpolate", frames=frames, duration_s=5)
    assert caught.value.charged == "no" and caught.value.kind in ("invalid_request", "unsupported")


async def test_a_life_is_told_step_by_step(fal: Subject) -> None:
    fal.server.set(life={"polls": 3, "queued_polls": 1})
    handle = await fal.start(asked(fal.backend, "fal/pika-v2.2", seed=11))
    first, second, third = [await states(fal, handle) for _ in range(3)]
    assert (first.state, first.raw_state, first.queue_position) == ("queued", "IN_QUEUE", 2)
    assert (second.state, second.progress) == ("running", None)
    assert (third.state, third.seed, third.error) == ("succeeded", 11, None)
    assert (third.files[0].url or "").startswith(f"{fal.server.url}/media/") and third.files[0].authorised
    assert handle.data["status_url"] == f"{fal.server.url}/fal-ai/pika/requests/{handle.remote_id}/status"


async def test_an_unknown_word_goes_on_and_addresses_elsewhere_are_not_asked(fal: Subject) -> None:
    fal.server.set(elsewhere=True)
    handle = await fal.start(asked(fal.backend, "fal/pika-v2.2"))
    assert all(
        fal.backend.channel.own(url)
        for url in (handle.data[key] for key in ("status_url", "response_url", "cancel_url"))
    )
    fal.server.script("status", {"patch": {"status": "DREAMING" * 20}})
    status = await states(fal, handle)
    assert status.state == "unknown" and status.raw_state.startswith("DREAMING") and len(status.raw_state) <= 60


@pytest.mark.parametrize(
    ("code", "kind", "retryable", "charged"),
    [
        ("runner_disconnected", "provider", True, "no"),
        ("request_timeout", "timeout", True, "no"),
        ("content_policy_violation", "moderation_input", False, "unknown"),
        ("something_new", "provider", False, "unknown"),
        ("runner_of_tomorrow", "provider", False, "unknown"),
        ("internal_errors", "provider", False, "unknown"),
        ("422:content_policy_violation", "moderation_input", False, "unknown"),
        ("422:no_media_generated", "moderation_output", False, "unknown"),
        ("422:file_download_error", "asset", False, "unknown"),
        ("422:value_error", "invalid_request", False, "unknown"),
        ("422:internal_server_error", "invalid_request", False, "unknown"),
        ("500:internal_server_error", "provider", True, "no"),
        ("500:downstream_service_error", "provider", True, "unknown"),
    ],
)
async def test_completed_with_an_error_is_a_failure(
    fal: Subject, code: str, kind: str, retryable: bool, charged: str
) -> None:
    error = {"code": code, "message": "it could not be made"}
    fal.server.set(life={"after_s": 0, "outcome": "failed", "error": error})
    handle = await fal.start(asked(fal.backend, "fal/pika-v2.2"))
    status = await states(fal, handle)
    assert status.state == "failed" and status.error is not None
    assert (status.error.kind, status.error.retryable, status.error.charged) == (kind, retryable, charged)
    assert "it could not be made" in status.error.message
    words = {"no": "it is not charged", "unknown": "it may be charged"}
    assert words[charged] in status.error.message, "the sentence and the field say the same"


async def test_a_result_without_a_video_is_a_failure(fal: Subject) -> None:
    fal.server.set(life={"after_s": 0})
    for result, said in (
        ({"video": None}, "gave no video"),
        ({"video": {"url": ""}}, "gave no video"),
        ({"detail": "no"}, "no"),
    ):
        fal.server.set(result=result)
        status = await states(fal, await fal.start(asked(fal.backend, "fal/pika-v2.2")))
        assert status.state == "failed" and status.error is not None and status.error.charged == "unknown"
        assert said in status.error.message


async def test_a_gateways_fault_on_the_way_to_the_result_is_asked_again(fal: Subject) -> None:
    fal.server.set(life={"after_s": 0})
    handle = await fal.start(asked(fal.backend, "fal/pika-v2.2"))
    for route, outcome in (
        ("result", {"status": 502, "body": ""}),
        ("result", {"status": 503, "body": {"detail": "temporary"}}),
        ("result", {"status": 500, "body": {"detail": [{"loc": [], "msg": "oops", "type": "of_no_kind"}]}}),
        ("result", {"status": 504, "body": {"error": "time"}, "headers": {"x-fal-error-type": "runner_of_tomorrow"}}),
        ("result", {"hang": True}),
        ("result", {"reset": "before"}),
        ("status", {"status": 500}),
        ("status", {"status": 429}),
    ):
        fal.script(route, outcome)
        with pytest.raises(VideoError) as caught:
            await states(fal, handle)
        assert caught.value.retryable and caught.value.charged == "unknown", outcome
    assert (await states(fal, handle)).state == "succeeded"


async def test_a_job_that_a_person_has_bound_is_followed(fal: Subject) -> None:
    handle = await fal.start(asked(fal.backend, "fal/pika-v2.2"))
    endpoint = handle.data["endpoint"]
    for bound in (Handle(f"{endpoint}/{handle.remote_id}"), Handle(handle.remote_id, {"endpoint": endpoint})):
        assert (await states(fal, bound)).state in ("running", "succeeded")
    with pytest.raises(VideoError, match="bind ENDPOINT/ID, such as fal-ai/pika") as caught:
        await states(fal, Handle(handle.remote_id))
    assert (caught.value.kind, caught.value.charged) == ("invalid_request", "unknown")


async def test_outputs_of_every_shape() -> None:
    file = {"url": "https://v3.fal.media/a.mp4", "content_type": "video/webm"}
    for shape in ({"video": file}, {"videos": [file]}, {"output": file}, {"outputs": [{"video": file}]}):
        assert outputs(shape) == [("https://v3.fal.media/a.mp4", "video/webm", "clip")]
    assert outputs({"video": "https://x/a.mp4"}) == [("https://x/a.mp4", "video/mp4", "clip")]
    assert [role for *_, role in outputs({"videos": [file, {"url": "https://x/b.mp4"}]})] == ["clip", "extra"]
    assert outputs({"video": 3}) == outputs([]) == outputs({"images": [file]}) == []


async def test_media_on_another_host_are_fetched_without_the_key(fal: Subject) -> None:
    fal.server.set(life={"after_s": 0}, result={"video": {"url": "https://v3.fal.media/files/a.mp4"}})
    status = await states(fal, await fal.start(asked(fal.backend, "fal/pika-v2.2")))
    assert status.files == (RemoteFile(url="https://v3.fal.media/files/a.mp4", authorised=False),)


async def test_cancel_tells_what_it_has_done(fal: Subject) -> None:
    fal.server.set(life={"after_s": 60, "queued_s": 60})
    queued = await fal.start(asked(fal.backend, "fal/pika-v2.2"))
    assert (await fal.backend.cancel(queued)).billed in ("no", "unknown")
    assert (await states(fal, queued)).state == "cancelled"
    fal.server.set(life={"after_s": 60})
    running = await fal.start(asked(fal.backend, "fal/pika-v2.2"))
    outcome = await fal.backend.cancel(running)
    assert (outcome.outcome, outcome.billed) == ("requested", "unknown")
    assert (await states(fal, running)).state == "cancelled"
    fal.server.set(stops=False)
    stubborn = await fal.start(asked(fal.backend, "fal/pika-v2.2"))
    assert (await fal.backend.cancel(stubborn)).outcome == "requested"
    assert (await states(fal, stubborn)).state == "running"
    fal.server.tell(stubborn.remote_id)
    assert (await fal.backend.cancel(stubborn)).outcome == "unsupported"
    assert (await states(fal, stubborn)).state == "succeeded"


async def test_a_cancelled_request_that_fal_forgets_is_cancelled_not_lost(fal: Subject) -> None:
    fal.server.set(life={"after_s": 60, "queued_s": 60}, forgets=True)
    handle = await fal.start(asked(fal.backend, "fal/pika-v2.2"))
    outcome = await fal.backend.cancel(handle)
    assert (outcome.outcome, outcome.billed) == ("stopped", "no")
    status = await states(fal, handle)
    assert (status.state, status.raw_state) == ("cancelled", "NOT_FOUND")


async def test_an_upload_that_fails_is_free_and_may_be_repeated(fal: Subject, tmp_path: Path) -> None:
    frames = [{"image": str(still(tmp_path))}]
    ready = asked(fal.backend, "fal/pika-v2.2", task="image_to_video", frames=frames)
    before = fal.posts()
    for route, outcome in (
        ("initiate", {"status": 500}),
        ("initiate", {"status": 200, "body": {"upload_url": "http://evil.invalid/x", "file_url": "ftp://x"}}),
        ("upload", {"status": 503}),
        ("upload", {"reset": "before"}),
    ):
        fal.script(route, outcome)
        with pytest.raises(VideoError) as caught:
            await fal.backend.upload(ready, ready.assets["frames[0].image"])
        assert (caught.value.retryable, caught.value.charged) == (True, "no")
    ref = await fal.backend.upload(ready, ready.assets["frames[0].image"])
    assert ref.expires_at is not None and 5 * 86_400 < ref.expires_at - time.time() < 7 * 86_400
    assert fal.posts() == before


async def test_fal_offers_no_look_up(fal: Subject) -> None:
    assert fal.backend.submit_dedupe == "none"
    with pytest.raises(VideoError, match="has no list of the jobs"):
        await fal.backend.reconcile(asked(fal.backend, "fal/pika-v2.2"), "job", 0.0)


async def test_every_row_that_is_served_says_so() -> None:
    rows = [row for row in load().rows if row.provider == "fal" and row.state != "retired"]
    assert rows and all(row.tested == "contract-tested 2026-11-23" for row in rows)


def test_a_life_through_the_whole_program_outlives_its_worker(
    server: FakeServer, stand: Callable[..., Station], nursery: Nursery, tmp_path: Path
) -> None:
    station = stand(FAL_KEY=KEY, REELWRIGHT_FAL_BASE_URL=server.url)
    fields = with_files({"task": "interpolate", "frames": ["a.png", "b.png", "c.png"], "duration_s": 6}, tmp_path)
    request = build_request(model="fal/pikaframes", prompt="a fox", max_cost_usd=5, **fields)
    outlives(station, nursery, server, request, *KEY.split(":"))
