"""Veo's back end against a loopback Vertex AI with its own token service and Cloud Storage: one POST, one meaning."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.catalog.loader import load
from backends.cloud.google.vertex import VertexBackend
from backends.errors import VideoError
from backends.provider.protocol import Handle, Prepared
from tests.cloud.google_accounts import QUICK, TOKEN, as_new, vertex, vertex_env
from tests.cloud.http_cases import UNCLEAR, title, unclear, unreachable
from tests.cloud.orders import clip, every_order, leaves, order, still, with_files
from tests.fakes import FakeServer, tiny_clip

pytestmark = pytest.mark.anyio
ROW, LITE = "vertex/veo-3.1-generate-001", "vertex/veo-3.1-lite-generate-001"
NAME = "projects/studio/locations/us-central1/publishers/google/models/veo-3.1-generate-001/operations/"
FIRST, LAST, SOURCE, REF = "frames[0].image", "frames[1].image", "source_clip", "references[{}].media".format


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with FakeServer("google_vertex", clips={"": tiny_clip()}) as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> Iterator[FakeServer]:
    with as_new(running, life={"polls": 2}, filtered=0, reasons=[], token_error="") as server:
        yield server


@pytest.fixture
def env(server: FakeServer, tmp_path: Path) -> dict[str, str]:
    return vertex_env(tmp_path, server.url)


def fox(backend: VertexBackend, **fields: Any) -> Prepared:
    asked = {"task": "text_to_video", "prompt": "a fox", "duration_s": 4, "audio": False, **fields}
    return order(backend, load().get(ROW), {}, **asked)


async def started(backend: VertexBackend, **fields: Any) -> Handle:
    handle = await backend.start(fox(backend, **fields), {}, "job_1")
    assert isinstance(handle, Handle)
    return handle


async def refused(server: FakeServer, env: dict[str, str], outcome: dict[str, Any]) -> VideoError:
    """What one start ends in; it must be exactly one POST, whatever time there is for another."""
    server.script("submit", outcome)
    before = server.counters().get("submit", 0)
    async with vertex(env, QUICK if "hang" in outcome else None) as backend:
        with pytest.raises(VideoError) as caught:
            await started(backend)
    assert server.counters()["submit"] == before + 1
    message = caught.value.message
    assert len(message) < 600 and "\n" not in message and TOKEN not in message
    return caught.value


async def test_a_prediction_runs_from_the_post_to_its_file(
    server: FakeServer, env: dict[str, str], tmp_path: Path
) -> None:
    async with vertex(env) as backend:
        handle = await started(backend, seed=7, negative_prompt="blur")
        first, second = await backend.status(handle, tmp_path), await backend.status(handle, tmp_path)
        assert backend.media_headers() == {"authorization": f"Bearer {TOKEN}"}
        account = await backend.account()
    assert account == {"project": "studio", "location": "us-central1", "credentials": "accepted"}
    assert handle.remote_id.startswith(NAME)
    assert (first.state, first.files, first.error) == ("running", (), None)
    (file,) = second.files
    assert second.state == "succeeded" and file.path is not None and file.path.parent == tmp_path
    assert file.path.read_bytes() == tiny_clip().read_bytes()
    assert server.log("submit")[-1]["json"] == {
        "instances": [{"prompt": "a fox"}],
        "parameters": {
            "sampleCount": 1,
            "durationSeconds": 4,
            "aspectRatio": "16:9",
            "resolution": "720p",
            "generateAudio": False,
            "seed": 7,
            "negativePrompt": "blur",
        },
    }
    assert server.counters()["token"] >= 1, "the token came from the service that the credentials name"


async def test_a_clip_in_a_bucket_is_fetched_with_the_credentials(
    server: FakeServer, env: dict[str, str], tmp_path: Path
) -> None:
    server.set(life={"polls": 1})
    async with vertex(env) as backend:
        handle = await started(backend, provider_options={"parameters.storageUri": "gs://reels/day 1"})
        (file,) = (await backend.status(handle, tmp_path)).files
    path = f"day%201%2F{handle.remote_id.rpartition('/')[2]}%2Fsample%200.mp4"
    assert (file.url, file.authorised) == (f"{server.url}/storage/v1/b/reels/o/{path}?alt=media", True)


@pytest.mark.parametrize("outcome", UNCLEAR, ids=title)
async def test_a_post_without_a_clear_answer_is_unknown_and_never_repeated(
    server: FakeServer, env: dict[str, str], outcome: dict[str, Any]
) -> None:
    unclear(await refused(server, env, outcome))


async def test_what_was_never_sent_may_be_tried_again(env: dict[str, str]) -> None:
    with unreachable() as addresses:
        for url in addresses:
            async with vertex({**env, "REELWRIGHT_VERTEX_BASE_URL": url}) as backend:
                with pytest.raises(VideoError) as caught:
                    await started(backend)
            assert (caught.value.kind, caught.value.retryable, caught.value.charged) == ("network", True, "no"), url


RPM = "Quota exceeded for aiplatform.googleapis.com/long_running_online_prediction_requests_per_base_model"
REFUSALS: list[tuple[int, dict[str, Any], str]] = [
    (400, {}, "invalid_request"),
    (400, {"message": "The prompt contains sensitive words that violate Google's Responsible AI practices"},
     "moderation_input"),
    (400, {"message": "Could not generate videos: the input image violates Vertex AI's usage guidelines"},
     "moderation_input"),
    (401, {}, "auth"),
    (402, {}, "balance"),
    (403, {}, "auth"),
    (403, {"message": "This API method requires billing to be enabled"}, "balance"),
    (404, {}, "unsupported"),
    (404, {"message": "Publisher Model veo-3.1-generate-001 is no longer available"}, "model_retired"),
    (409, {}, "conflict"),
    (422, {}, "invalid_request"),
    (429, {"message": RPM}, "rate_limited"),
    (429, {"message": "Resource exhausted. Please try again later."}, "rate_limited"),
    (429, {"message": "Quota exceeded: generations per day"}, "quota"),
    (429, {}, "quota"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "outcome", "kind"), REFUSALS, ids=str)
async def test_a_refusal_is_uncharged(
    server: FakeServer, env: dict[str, str], status: int, outcome: dict[str, Any], kind: str
) -> None:
    error = await refused(server, env, {"status": status, "headers": {"retry-after": "9"}, **outcome})
    again = kind == "rate_limited"
    assert (error.kind, error.retryable, error.charged, error.http_status) == (kind, again, "no", status)
    assert error.retry_after_s == 9.0 and error.message.startswith(f"Vertex AI refused ({status} ")


RAI = "We encountered an issue with the audio for your prompt and could not create your video."
RESPONSE = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
ENDS: list[tuple[str, dict[str, Any], tuple[str, bool, str]]] = [
    ("fails", {"error": {"code": 13, "message": "Internal error"}}, ("provider", True, "unknown")),
    ("is out of time", {"error": {"code": 4, "message": "Deadline exceeded"}}, ("provider", True, "unknown")),
    ("is refused late", {"error": {"code": 3, "message": "Unsupported output"}}, ("provider", False, "unknown")),
    ("is blocked late", {"error": {"code": 3, "message": "violates Vertex AI's usage guidelines"}},
     ("moderation_output", False, "unknown")),
    ("is filtered", {"response": {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [RAI]}},
     ("moderation_output", False, "unknown")),
    ("is filtered without a reason", {"response": {"raiMediaFilteredCount": 1}},
     ("moderation_output", False, "unknown")),
    ("is empty", {"response": {"@type": RESPONSE}}, ("provider", False, "unknown")),
    ("has no response", {}, ("provider", False, "unknown")),
    ("gives no address", {"response": {"videos": [{"gcsUri": "gs://bucket", "mimeType": "video/mp4"}]}},
     ("provider", False, "unknown")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "answer", "expected"), ENDS, ids=[end[0] for end in ENDS])
async def test_a_finished_operation_that(
    server: FakeServer,
    env: dict[str, str],
    tmp_path: Path,
    what: str,
    answer: dict[str, Any],
    expected: tuple[str, bool, str],
) -> None:
    async with vertex(env) as backend:
        handle = await started(backend)
        server.script("status", {"reply": {"name": handle.remote_id, "done": True, **answer}})
        status = await backend.status(handle, tmp_path)
    assert status.error is not None and (status.state, status.files) == ("failed", ()), what
    assert (status.error.kind, status.error.retryable, status.error.charged) == expected
    if "reason" not in what and "filtered" in what:
        assert "issue with the audio" in status.error.message


async def test_what_the_filters_left_over_is_kept(server: FakeServer, env: dict[str, str], tmp_path: Path) -> None:
    data = base64.b64encode(tiny_clip().read_bytes()).decode()
    videos = [{"bytesBase64Encoded": data, "mimeType": "video/mp4"}] * 2
    async with vertex(env) as backend:
        handle = await started(backend)
        reply = {"name": handle.remote_id, "done": True, "response": {"raiMediaFilteredCount": 2, "videos": videos}}
        server.script("status", {"reply": reply})
        status = await backend.status(handle, tmp_path)
    assert status.state == "succeeded" and [file.role for file in status.files] == ["clip", "extra"]
    assert status.notes == ("2 more were made and held back by Google's filters",)


@pytest.mark.parametrize(
    ("outcome", "kind", "retryable"),
    [
        ({"status": 500}, "provider", True),
        ({"status": 503}, "provider", True),
        ({"status": 429}, "rate_limited", True),
        ({"status": 401}, "auth", False),
        ({"status": 404}, "not_found", False),
        ({"reset": "before"}, "network", True),
        ({"hang": True}, "timeout", True),
        ({"truncate": 5}, "network", True),
    ],
    ids=str,
)
async def test_a_question_that_fails(
    server: FakeServer, env: dict[str, str], tmp_path: Path, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    async with vertex(env, QUICK) as backend:
        handle = await started(backend)
        server.script("status", outcome)
        before = server.counters().get("status", 0)
        with pytest.raises(VideoError) as caught:
            await backend.status(handle, tmp_path)
        assert server.counters()["status"] == before + 1, "the SDK has asked again by itself"
    assert (caught.value.kind, caught.value.retryable, caught.value.charged) == (kind, retryable, "unknown")


async def test_odd_answers_end_nothing(server: FakeServer, env: dict[str, str], tmp_path: Path) -> None:
    async with vertex(env) as backend:
        handle = await started(backend)
        for reply in ([1], "soon", {}, {"done": False}):
            server.script("status", {"reply": reply})
            status = await backend.status(handle, tmp_path)
            assert (status.state, status.files, status.error) == ("unknown", (), None), reply


async def test_a_prediction_cannot_be_stopped_or_looked_up(server: FakeServer, env: dict[str, str]) -> None:
    async with vertex(env) as backend:
        handle = await started(backend)
        cancelled = await backend.cancel(handle)
        assert (cancelled.outcome, cancelled.billed) == ("unsupported", "yes")
        with pytest.raises(VideoError, match="has no list of the predictions"):
            await backend.reconcile(fox(backend), "job_1", 0.0)


@pytest.mark.parametrize("model", [ROW, LITE])
async def test_every_promise_of_the_row_reaches_the_wire(
    server: FakeServer, env: dict[str, str], tmp_path: Path, model: str
) -> None:
    count = 0
    async with vertex(env) as backend:
        for facts, fields in every_order(load().get(model)):
            if fields["task"] == "extend" and fields.get("aspect_ratio") == "9:16":
                facts[SOURCE] = replace(facts[SOURCE], width=720, height=1280)
            prepared = with_files(order(backend, load().get(model), facts, **fields), tmp_path)
            assert prepared.uploads == ()
            await backend.start(prepared, {}, "job_1")
            posted = server.log("submit")[-1]
            assert posted["path"].endswith(f"/publishers/google/models/{model.rpartition('/')[2]}:predictLongRunning")
            count += 1
            body = prepared.body
            instance, parameters = body["instances"][0], body["parameters"]
            for name in ("resolution", "aspect_ratio", "negative_prompt", "seed", "duration_s"):
                wanted = fields.get(name)
                assert wanted is None or wanted == "as the clip" or wanted in leaves(parameters), (name, parameters)
            if "audio" in fields:
                assert parameters["generateAudio"] is fields["audio"]
            for path, value in fields.get("provider_options", {}).items():
                assert parameters[path.partition(".")[2]] == value
            media = {key for key in instance if key != "prompt"}
            roles = {"image_to_video": {"image"}, "interpolate": {"image", "lastFrame"}, "extend": {"video"}}
            wanted_media = roles.get(fields["task"], set[str]()) | ({"lastFrame"} if fields.get("loop") else set[str]())
            assert media == ({"referenceImages"} if fields["task"] == "reference_to_video" else wanted_media), fields
    assert count >= 20


async def test_references_are_assets_and_their_tags_words(server: FakeServer, env: dict[str, str]) -> None:
    facts = {REF(0): still(512, 512), REF(1): still(512, 512)}
    fields = {"task": "reference_to_video", "prompt": "@cat meets @cats", "references": ["cat=a", "cats=b"]}
    async with vertex(env) as backend:
        prepared = order(backend, load().get(ROW), facts, **fields)
    (instance,) = prepared.body["instances"]
    assert instance == {
        "prompt": "the subject of reference image 1 meets the subject of reference image 2",
        "referenceImages": [
            {"image": {"asset": REF(0)}, "referenceType": "asset"},
            {"image": {"asset": REF(1)}, "referenceType": "asset"},
        ],
    }
    assert '@cat goes into the prompt as "the subject of reference image 1"' in prepared.notes


async def test_a_clip_to_extend_goes_inside_the_request(
    server: FakeServer, env: dict[str, str], tmp_path: Path
) -> None:
    fields = {"task": "extend", "prompt": "go on", "source_clip": "s"}
    async with vertex(env) as backend:
        prepared = with_files(order(backend, load().get(ROW), {SOURCE: clip(8)}, **fields), tmp_path)
        assert prepared.body["instances"] == [{"prompt": "go on", "video": {"asset": SOURCE}}]
        before = server.counters()["charges"]
        await backend.start(prepared, {}, "job_1")
        assert server.counters()["charges"] == before + 1
        with pytest.raises(VideoError, match="nothing is uploaded before"):
            await backend.upload(prepared, prepared.assets[SOURCE])
