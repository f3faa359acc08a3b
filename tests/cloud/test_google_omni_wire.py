"""What goes to Gemini Omni: every promise of its rows, tags that say what an input is for, uploads; read by the SDK."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import interactions, types

from backends.catalog.loader import load
from backends.cloud.google.omni import OmniBackend
from backends.cloud.google.omni_wire import EXTENDED, LOOP
from backends.errors import VideoError
from backends.provider.protocol import Handle, Prepared
from tests.cloud.google_accounts import KEY, as_new, gemini
from tests.cloud.orders import clip, every_order, leaves, order, still, with_files
from tests.fakes import FakeServer, tiny_clip

pytestmark = pytest.mark.anyio
ROW, NEW = "gemini/gemini-omni-1.1-flash", "gemini/gemini-omni-1.2-flash"


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with FakeServer("google_omni", clips={"": tiny_clip()}) as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> Iterator[FakeServer]:
    with as_new(running, life={"polls": 2}, inline=False, file_polls=0, file_fails=False, elsewhere="") as server:
        yield server


@pytest.mark.parametrize("model", [ROW, NEW])
async def test_every_promise_of_the_row_reaches_the_wire(server: FakeServer, tmp_path: Path, model: str) -> None:
    """Each box at its edges: the fake takes the body, the SDK's own type reads it, and what was asked is in it."""
    count = 0
    async with gemini(server.url) as backend:
        for facts, fields in every_order(load().get(model)):
            prepared = with_files(order(backend, load().get(model), facts, **fields), tmp_path)
            refs = {place: await backend.upload(prepared, prepared.assets[place]) for place in prepared.uploads}
            await backend.start(prepared, refs, "job_1")
            body = server.log("submit")[-1]["json"]
            interactions.CreateModelInteraction.model_validate(body)
            text = body["input"][0]["content"][-1].get("text", "")
            values = leaves(body["response_format"])
            for name, wanted in (("resolution", fields.get("resolution")), ("ratio", fields.get("aspect_ratio"))):
                assert wanted is None or wanted == "as the clip" or wanted in values, (name, fields, body)
            if seconds := fields.get("duration_s"):
                assert f"{seconds:g}s" in values or fields["task"] == "edit", (fields, body)
            blocks = [block["type"] for block in body["input"][0]["content"] if block["type"] != "text"]
            assert len(blocks) == len(prepared.request.media()), fields
            assert "@tag" not in text and ("camera" not in fields or "push" in text.lower() or "dolly" in text.lower())
            count += 1
    assert count > 30


async def test_the_sdk_reads_the_fake_s_answers(server: FakeServer) -> None:
    """The fake against the vendor's own client, with its default parsing."""
    server.set(life={"polls": 1}, inline=True)
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=server.url, api_version="v1"))
    made = await client.aio.interactions.create(
        model="gemini-omni-1.1-flash", input=[{"type": "text", "text": "a fox"}], background=True,
        response_format={"type": "video"},
    )  # fmt: skip
    assert made.status == "in_progress" and made.id
    done = await client.aio.interactions.get(id=made.id)
    assert done.status == "completed" and done.output_video is not None and done.output_video.data
    server.set(inline=False, life={"until_told": True})
    other = await client.aio.interactions.create(
        model="gemini-omni-1.1-flash", input="a fox", background=True, response_format={"type": "video"}
    )
    assert (await client.aio.interactions.cancel(id=other.id)).status == "cancelled"
    with pytest.raises(Exception, match="Interaction not found") as caught:
        await client.aio.interactions.get(id="v1_none")
    assert getattr(caught.value, "status_code", None) == 404
    await client.aio.aclose()
    client.close()


IMAGE, LAST, SOURCE = "frames[0].image", "frames[1].image", "source_clip"


def body_of(backend: OmniBackend, facts: Any, parent: Handle | None = None, **fields: Any) -> Prepared:
    return order(backend, load().get(ROW), facts, parent, **fields)


def said(prepared: Prepared) -> tuple[list[str], str]:
    *media, text = prepared.body["input"][0]["content"]
    return [block["asset"] for block in media], text["text"]


REF = "references[{}].media".format
TAGGED: list[tuple[str, dict[str, Any], dict[str, Any], list[str], str]] = [
    ("first frame", {IMAGE: still()}, {"task": "image_to_video", "prompt": "she turns"}, [IMAGE],
     "<FIRST_FRAME> she turns"),
    ("first frame alone", {IMAGE: still()}, {"task": "image_to_video"}, [IMAGE], "<FIRST_FRAME>"),
    ("its own tag", {IMAGE: still()}, {"task": "image_to_video", "prompt": "from <FIRST_FRAME> on"}, [IMAGE],
     "from <FIRST_FRAME> on"),
    ("loop", {IMAGE: still()}, {"task": "image_to_video", "prompt": "waves", "loop": True}, [IMAGE],
     f"[# Sources <FIRST_FRAME>@Image1 <LAST_FRAME>@Image1] waves {LOOP}"),
    ("first and last", {IMAGE: still(), LAST: still()}, {"task": "interpolate", "prompt": "dawn"}, [IMAGE, LAST],
     "<FIRST_FRAME> <LAST_FRAME> dawn"),
    ("references", {REF(0): still(), REF(1): clip(2), REF(2): still()},
     {"task": "reference_to_video", "prompt": "@cat meets @dog by @cats", "references": ["cat=a", "dog=b", "cats=c"]},
     [REF(1), REF(0), REF(2)], "<IMAGE_REF_0> meets <VIDEO_REF_0> by <IMAGE_REF_1>"),
    ("unnamed references", {REF(0): still()},
     {"task": "reference_to_video", "prompt": "a cat", "references": ["cat=a"]},
     [REF(0)], "[# References <IMAGE_REF_0>@Image1] a cat"),
    ("edit with a reference", {SOURCE: clip(4), REF(0): still()},
     {"task": "edit", "prompt": "add @cat", "references": ["cat=a"], "source_clip": "s"},
     [SOURCE, REF(0)], "[# Sources <VIDEO_0>@Video1] [# References <IMAGE_REF_0>@Image1] add <IMAGE_REF_0>"),
    ("extension", {SOURCE: clip(4)}, {"task": "extend", "prompt": "go on", "source_clip": "s"}, [SOURCE], "go on"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "facts", "fields", "media", "text"), TAGGED, ids=[one[0] for one in TAGGED])
async def test_the_prompt_says_what_each_input_is_for(
    server: FakeServer, what: str, facts: Any, fields: dict[str, Any], media: list[str], text: str
) -> None:
    fields = {**fields}
    if frames := [place for place in facts if place.startswith("frames")]:
        fields["frames"] = [{"image": place} for place in frames]
    async with gemini(server.url) as backend:
        prepared = body_of(backend, facts, **fields)
    assert said(prepared) == (media, text), what
    assert prepared.uploads == tuple(place for place in media if facts[place].kind == "clip"), "clips are uploaded"


async def test_a_clip_of_this_account_is_named_by_its_interaction(server: FakeServer) -> None:
    facts, fields = {SOURCE: clip(20)}, {"task": "extend", "prompt": "go on", "source_clip": "s", "duration_s": 10}
    async with gemini(server.url) as backend:
        parent = await backend.start(body_of(backend, {}, task="text_to_video", prompt="a fox"), {}, "job_1")
        assert isinstance(parent, Handle)
        prepared = body_of(backend, facts, parent, **fields)
        assert prepared.body["previous_interaction_id"] == parent.remote_id and prepared.uploads == ()
        assert said(prepared) == ([], "go on") and EXTENDED in prepared.notes
        assert any("not sent again" in note for note in prepared.notes)
        handle = await backend.start(prepared, {}, "job_2")
        assert isinstance(handle, Handle) and server.log("submit")[-1]["sent"] == 200
        old = Handle(parent.remote_id, {**parent.data, "born": time.time() - 60 * 86400})
        for other in (None, old, Handle("x", {"api": "else"})):
            with pytest.raises(VideoError, match=r"extends clips of at most 10 s .* this one has 20\.0 s") as caught:
                body_of(backend, facts, other, **fields)
            assert caught.value.charged == "no"


async def test_an_uploaded_clip_is_waited_for_and_sent_by_its_address(server: FakeServer, tmp_path: Path) -> None:
    server.set(file_polls=1)
    async with gemini(server.url) as backend:
        fields = {"task": "edit", "prompt": "make it snow", "source_clip": "s"}
        prepared = with_files(body_of(backend, {SOURCE: clip(4)}, **fields), tmp_path)
        ref = await backend.upload(prepared, prepared.assets[SOURCE])
        assert ref.expires_at is not None and ref.expires_at > time.time() + 40 * 3600
        await backend.start(prepared, {SOURCE: ref}, "job_1")
        block = server.log("submit")[-1]["json"]["input"][0]["content"][0]
        assert block == {"type": "video", "uri": ref.value.partition(" ")[2], "mime_type": "video/mp4"}
        assert tiny_clip().stat().st_size in server.counters()["uploaded"].values()
        server.set(file_polls=0, file_fails=True)
        with pytest.raises(VideoError, match="Google cannot read source_clip: give another file") as caught:
            await backend.upload(prepared, prepared.assets[SOURCE])
        assert (caught.value.kind, caught.value.charged) == ("asset", "no")
        server.script("upload", {"status": 503})
        with pytest.raises(VideoError) as caught:
            await backend.upload(prepared, prepared.assets[SOURCE])
        assert (caught.value.kind, caught.value.retryable, caught.value.charged) == ("provider", True, "no")


async def test_large_stills_are_uploaded_once_the_request_is_full(server: FakeServer) -> None:
    facts = {REF(number): still(512, 512, 6 << 20) for number in range(3)}
    tags = [f"t{number}=x" for number in range(3)]
    async with gemini(server.url) as backend:
        prepared = body_of(backend, facts, task="reference_to_video", prompt="@t0 @t1 @t2", references=tags)
    assert prepared.uploads == (REF(2),)
