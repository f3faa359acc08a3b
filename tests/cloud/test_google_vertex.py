"""Vertex AI around Veo: credentials, who is asked, rows of one's own, and the fake as Google's own SDK reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from backends.catalog.loader import load
from backends.cloud.google.vertex import VertexBackend
from backends.errors import VideoError
from backends.provider.protocol import Handle, Prepared
from backends.provider.registry import registered
from tests.cloud.google_accounts import TOKEN, as_new, private_key, vertex, vertex_env
from tests.cloud.http_cases import unreachable
from tests.cloud.orders import clip, order, with_files
from tests.fakes import FakeServer, tiny_clip

pytestmark = pytest.mark.anyio
ROW, SOURCE = "vertex/veo-3.1-generate-001", "source_clip"


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


async def test_the_sdk_reads_the_fake_s_answers(server: FakeServer, tmp_path: Path) -> None:
    """The fake against the vendor's own client, with its own idea of a body."""
    server.set(life={"polls": 1})
    client = genai.Client(
        vertexai=True, project="studio", location="us-central1", credentials=Credentials(TOKEN),
        http_options=types.HttpOptions(base_url=server.url),
    )  # fmt: skip
    image = types.Image(image_bytes=b"\x89PNG0000", mime_type="image/png")
    config = types.GenerateVideosConfig(
        number_of_videos=1, duration_seconds=8, aspect_ratio="16:9", resolution="1080p", generate_audio=True, seed=1,
        negative_prompt="blur", person_generation="allow_adult", enhance_prompt=True, last_frame=image,
    )  # fmt: skip
    source = types.GenerateVideosSource(prompt="a fox", image=image)
    model = "veo-3.1-generate-001"
    operation = await client.aio.models.generate_videos(model=model, source=source, config=config)
    operation = await client.aio.operations.get(operation)
    assert operation.done and operation.response is not None and operation.response.generated_videos
    video = operation.response.generated_videos[0].video
    assert video is not None and video.video_bytes == tiny_clip().read_bytes()
    reference = types.VideoGenerationReferenceImage(
        image=image, reference_type=types.VideoGenerationReferenceType.ASSET
    )
    config = types.GenerateVideosConfig(reference_images=[reference], output_gcs_uri="gs://reels/x")
    source = types.GenerateVideosSource(prompt="a fox")
    operation = await client.aio.models.generate_videos(model=model, source=source, config=config)
    operation = await client.aio.operations.get(operation)
    assert operation.response is not None and operation.response.generated_videos
    video = operation.response.generated_videos[0].video
    assert video is not None and (video.uri or "").startswith("gs://reels/x/")
    server.set(filtered=1, reasons=["held back"])
    operation = await client.aio.operations.get(operation)
    assert operation.response is not None and operation.response.rai_media_filtered_reasons == ["held back"]
    await client.aio.aclose()
    client.close()


async def test_credentials_that_fail_charge_nothing(server: FakeServer, env: dict[str, str], tmp_path: Path) -> None:
    path = Path(env["GOOGLE_APPLICATION_CREDENTIALS"])
    told = json.loads(path.read_text())
    remedy = "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a credentials file"
    before = server.counters().get("submit", 0)

    async def failing() -> VideoError:
        async with vertex(env) as backend:
            with pytest.raises(VideoError) as caught:
                await started(backend)
        return caught.value

    server.set(token_error="invalid_grant")
    error = await failing()
    assert (error.kind, error.retryable, error.charged) == ("auth", False, "no")
    assert error.message == f"Google Cloud refuses the credentials: {remedy}"
    with unreachable() as addresses:
        path.write_text(json.dumps({**told, "token_uri": addresses[0]}))
        error = await failing()
    assert (error.kind, error.retryable, error.charged) == ("network", True, "no")
    for broken in ("{", json.dumps({"type": "service_account"}), json.dumps({**told, "private_key": "none"})):
        path.write_text(broken)
        error = await failing()
        assert (error.kind, error.retryable) == ("auth", False), broken
    path.unlink()
    error = await failing()
    assert error.kind == "auth" and error.message.endswith(remedy) and private_key() not in error.message
    assert server.counters().get("submit", 0) == before, "nothing was sent"


def test_who_is_asked_comes_from_the_environment_alone() -> None:
    of = registered("vertex").access
    whole = {"GOOGLE_CLOUD_PROJECT": "studio", "GOOGLE_CLOUD_LOCATION": "us-central1"}
    assert of(whole).lane == "vertex|https://us-central1-aiplatform.googleapis.com|studio/us-central1"
    assert of(whole | {"GOOGLE_CLOUD_LOCATION": "global"}).base_url == "https://aiplatform.googleapis.com"
    assert of(whole | {"GOOGLE_CLOUD_LOCATION": "eu"}).base_url == "https://aiplatform.eu.rep.googleapis.com"
    assert of({}).missing == ("GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION",)
    assert of({}).trouble == "set GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION"
    assert of({"GOOGLE_CLOUD_PROJECT": "studio"}).missing == ("GOOGLE_CLOUD_LOCATION",)
    assert of(whole | {"REELWRIGHT_VERTEX_BASE_URL": "http://127.0.0.1:1/"}).base_url == "http://127.0.0.1:1"


OWN_ROW = """
provider = "vertex"
[sizes.omni]
"720p" = { "16:9" = "1280x720" }
[[model]]
id = "vertex/own-omni"
title = "Gemini Omni in a bucket of one's own"
[model.box]
durations = { min = 3, max = 10, step = 1, default = 8 }
sizes = "omni"
[model.box.options]
"response_format.gcs_uri" = { type = "text" }
"response_format.delivery" = { type = "text", values = ["inline", "uri"] }
[model.price]
unit = "per_second"
rates = [{ usd = 0.10 }]
date = 2026-11-23
source = "this test"
[model.wire]
endpoint = "interactions"
model = "gemini-omni-1.1-flash"
fields = { duration_s = "response_format.duration", images = "input", source_clip = "input" }
forms = { duration_s = "text_s" }
fixed = { "response_format.type" = "video" }
[[model.mode]]
tasks = ["text_to_video"]
[[model.mode]]
tasks = ["image_to_video"]
frames = { min = 1, max = 1 }
[[model.mode]]
tasks = ["edit"]
durations = "source"
source = { max_s = 10 }
wire = { task = "edit", fields = { duration_s = "" } }
"""


async def test_a_row_of_one_s_own_brings_omni_to_vertex(
    server: FakeServer, env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(OWN_ROW)
    server.set(life={"polls": 1})
    row = load((tmp_path,)).get("vertex/own-omni")
    bucket = {"response_format.gcs_uri": "gs://reels/day", "response_format.delivery": "uri"}
    async with vertex(env) as backend:
        plain = order(backend, row, {}, task="text_to_video", prompt="a fox", duration_s=5)
        handle = await backend.start(plain, {}, "job_1")
        assert isinstance(handle, Handle)
        (inline,) = (await backend.status(handle, tmp_path)).files
        assert inline.path is not None and inline.path.read_bytes() == tiny_clip().read_bytes()
        stored = order(backend, row, {}, task="text_to_video", prompt="a fox", provider_options=bucket)
        handle = await backend.start(stored, {}, "job_2")
        assert isinstance(handle, Handle)
        (kept,) = (await backend.status(handle, tmp_path)).files
        assert (kept.url or "").startswith(f"{server.url}/storage/v1/b/reels/o/day%2F") and kept.authorised
        fields = {"task": "edit", "prompt": "by night", "source_clip": "s"}
        edit = with_files(order(backend, row, {SOURCE: clip(4)}, **fields), tmp_path)
        assert edit.uploads == (), "Vertex AI has no Files API: the clip goes inside"
        server.set(life={"until_told": True})
        handle = await backend.start(edit, {}, "job_3")
        assert isinstance(handle, Handle)
        assert (await backend.cancel(handle)).outcome == "stopped"
        assert (await backend.status(Handle(handle.remote_id), tmp_path)).state == "cancelled", "bound by its id alone"


async def test_a_row_on_the_wrong_way_is_told_which_ways_there_are(env: dict[str, str]) -> None:
    async with vertex(env) as backend:
        prepared = Prepared(fox(backend).request, "vertex/own", wire={"endpoint": "predict"})
        with pytest.raises(
            VideoError, match=r"wire\.endpoint is none of predictLongRunning, interactions: fix the row"
        ):
            backend.prepare(prepared.request, prepared, None)
