"""Gemini Omni's back end against a loopback Interactions API: one POST whatever happens, and the one right meaning."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import interactions, types

from backends.backend import Handle, Prepared, registered
from backends.catalog.loader import load
from backends.cloud.google_omni import OmniBackend
from backends.cloud.google_omni_wire import LOOP
from backends.errors import VideoError
from tests.cloud.google_accounts import KEY, QUICK, gemini
from tests.cloud.http_cases import UNCLEAR, title, unclear, unreachable
from tests.cloud.orders import clip, every_order, leaves, order, still, with_files
from tests.fakes import FakeServer, tiny_clip

pytestmark = pytest.mark.anyio
ROW = "gemini/gemini-omni-1.1-flash"
NEW = "gemini/gemini-omni-1.2-flash"


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with FakeServer("google_omni", clips={"": tiny_clip()}) as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> Iterator[FakeServer]:
    """The module's one fake, as new."""
    running.clear()
    running.set(life={"polls": 2}, inline=False, file_polls=0, file_fails=False, elsewhere="")
    yield running
    assert running.left() == {}, "an outcome that no request has used"
    running.release()


def fox(backend: OmniBackend) -> Prepared:
    return order(backend, load().get(ROW), {}, task="text_to_video", prompt="a fox", duration_s=5)


async def started(backend: OmniBackend) -> Handle:
    handle = await backend.start(fox(backend), {}, "job_1")
    assert isinstance(handle, Handle)
    return handle


async def refused(server: FakeServer, outcome: dict[str, Any]) -> VideoError:
    """What one start ends in; it must be exactly one POST."""
    server.script("submit", outcome)
    before = server.counters().get("submit", 0)
    async with gemini(server.url, QUICK) as backend:
        with pytest.raises(VideoError) as caught:
            await started(backend)
    assert server.counters()["submit"] == before + 1
    assert len(caught.value.message) < 600 and "\n" not in caught.value.message and KEY not in caught.value.message
    return caught.value


async def test_an_interaction_runs_from_the_post_to_its_file(server: FakeServer, tmp_path: Path) -> None:
    async with gemini(server.url) as backend:
        handle = await started(backend)
        first, second = await backend.status(handle, tmp_path), await backend.status(handle, tmp_path)
        assert backend.media_headers() == {"x-goog-api-key": KEY}
        assert (await backend.account())["video models"] == "gemini-omni-1.1-flash, gemini-omni-1.2-flash"
    assert (first.state, first.raw_state, first.files) == ("running", "in_progress", ())
    assert (second.state, second.raw_state, second.error) == ("succeeded", "completed", None)
    (file,) = second.files
    assert (file.url or "").startswith(f"{server.url}/v1beta/files/") and file.authorised
    posted = server.log("submit")[-1]
    assert posted["json"] == {
        "model": "gemini-omni-1.1-flash",
        "background": True,
        "store": True,
        "input": [{"type": "user_input", "content": [{"type": "text", "text": "a fox"}]}],
        "response_format": {
            "type": "video",
            "delivery": "uri",
            "duration": "5s",
            "aspect_ratio": "16:9",
            "resolution": "720p",
        },
        "generation_config": {"video_config": {"task": "text_to_video"}},
    }


@pytest.mark.parametrize("outcome", UNCLEAR, ids=title)
async def test_a_post_without_a_clear_answer_is_unknown_and_never_repeated(
    server: FakeServer, outcome: dict[str, Any]
) -> None:
    unclear(await refused(server, outcome))


async def test_what_was_never_sent_may_be_tried_again() -> None:
    with unreachable() as addresses:
        for url in addresses:
            async with gemini(url) as backend:
                with pytest.raises(VideoError) as caught:
                    await started(backend)
            assert (caught.value.kind, caught.value.retryable, caught.value.charged) == ("network", True, "no"), url


def quota(name: str, delay: str = "") -> list[dict[str, Any]]:
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]}
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    return [failure, *([retry] if delay else [])]


REASON = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
REFUSALS: list[tuple[int, dict[str, Any], str, float | None]] = [
    (400, {}, "invalid_request", None),
    (400, {"message": "API key not valid. Please pass a valid API key.", "details": [REASON]}, "auth", None),
    (400, {"message": "The prompt was blocked by our safety filters"}, "moderation_input", None),
    (400, {"message": "Unable to process input image"}, "asset", None),
    (401, {}, "auth", None),
    (402, {}, "balance", None),
    (403, {}, "auth", None),
    (403, {"message": "This project has no billing account"}, "balance", None),
    (404, {}, "unsupported", None),
    (404, {"message": "models/gemini-omni-1.1-flash is no longer available"}, "model_retired", None),
    (409, {}, "conflict", None),
    (422, {}, "invalid_request", None),
    (429, {"details": quota("GenerateRequestsPerMinutePerProjectPerModel", "34.5s")}, "rate_limited", 34.5),
    (429, {"details": quota("GenerateRequestsPerDayPerProjectPerModel", "34s")}, "quota", 34.0),
    (429, {"message": "Too many concurrent generations"}, "concurrency", None),
    (429, {"message": "Your prepayment credits are depleted"}, "balance", None),
    (429, {"message": "Resource has been exhausted (e.g. check quota)."}, "quota", None),
]


@pytest.mark.parametrize(("status", "outcome", "kind", "wait"), REFUSALS, ids=str)
async def test_a_refusal_is_uncharged(
    server: FakeServer, status: int, outcome: dict[str, Any], kind: str, wait: float | None
) -> None:
    error = await refused(server, {"status": status, **outcome})
    again = kind in ("rate_limited", "concurrency")
    assert (error.kind, error.retryable, error.charged, error.http_status) == (kind, again, "no", status)
    assert error.retry_after_s == wait
    assert error.message.startswith(f"Google's Gemini API refused ({status} ")


VIDEO = {"type": "video", "mime_type": "video/mp4"}
MADE = {"output_tokens_by_modality": [{"modality": "video", "tokens": 57920}]}
WROTE = {"output_tokens_by_modality": [{"modality": "text", "tokens": 40}]}


def output(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "thought", "signature": "eA=="}, {"type": "model_output", "content": list(blocks)}]


ENDS: list[tuple[str, dict[str, Any], tuple[str, str, bool, str]]] = [
    ("fails", {"status": "failed", "errors": [{"code": "internal", "message": "Internal error"}]},
     ("failed", "provider", True, "no")),
    ("is filtered", {"status": "failed", "errors": [{"code": "x", "message": "Blocked for safety reasons"}]},
     ("failed", "moderation_output", False, "no")),
    ("fails in a step", {"status": "failed", "steps": [{"type": "model_output", "error": {"code": 3}}]},
     ("failed", "provider", False, "no")),
    ("stops half-way", {"status": "incomplete"}, ("failed", "provider", False, "unknown")),
    ("stops half-way, billed", {"status": "incomplete", "usage": MADE}, ("failed", "provider", False, "yes")),
    ("has no budget", {"status": "budget_exceeded"}, ("failed", "provider", False, "unknown")),
    ("wants an action", {"status": "requires_action"}, ("failed", "provider", False, "unknown")),
    ("wants to go on", {"status": "requires_continuation"}, ("failed", "provider", False, "unknown")),
    ("is cancelled", {"status": "cancelled"}, ("cancelled", "cancelled", False, "unknown")),
    ("is done without a video", {"status": "completed", "steps": []}, ("failed", "provider", False, "unknown")),
    ("writes why not", {"status": "completed", "usage": WROTE, "steps": output({"type": "text", "text": "I can't."})},
     ("failed", "moderation_output", False, "no")),
    ("gives half a file", {"status": "completed", "usage": MADE, "steps": output({**VIDEO, "data": "AAA"})},
     ("failed", "provider", False, "yes")),
    ("gives no address", {"status": "completed", "steps": output({**VIDEO, "uri": "files/x"})},
     ("failed", "provider", False, "unknown")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "answer", "expected"), ENDS, ids=[end[0] for end in ENDS])
async def test_an_interaction_that(
    server: FakeServer, tmp_path: Path, what: str, answer: dict[str, Any], expected: tuple[str, str, bool, str]
) -> None:
    async with gemini(server.url) as backend:
        handle = await started(backend)
        server.script("status", {"reply": {"id": handle.remote_id, "object": "interaction", **answer}})
        status = await backend.status(handle, tmp_path)
    assert status.error is not None, what
    error = status.error
    assert (status.state, error.kind, error.retryable, error.charged) == expected
    assert status.raw_state == answer["status"] and not status.files


async def test_unknown_words_and_odd_answers_end_nothing(server: FakeServer, tmp_path: Path) -> None:
    odd: list[Any] = [{"status": "pondering"}, {"status": None}, {"status": 7}, [1], {"steps": "none"}]
    async with gemini(server.url) as backend:
        handle = await started(backend)
        for reply in odd:
            server.script("status", {"reply": reply})
            status = await backend.status(handle, tmp_path)
            assert (status.state, status.files, status.error) == ("unknown", (), None), reply
        server.script("status", {"reply": {"status": "queued"}})
        assert (await backend.status(handle, tmp_path)).state == "queued"


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
        ({"status": 200, "body": "soon", "content_type": "text/html"}, "", True),
    ],
    ids=str,
)
async def test_a_question_that_fails(
    server: FakeServer, tmp_path: Path, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    async with gemini(server.url, QUICK) as backend:
        handle = await started(backend)
        server.script("status", outcome)
        before = server.counters().get("status", 0)
        if not kind:
            assert (await backend.status(handle, tmp_path)).state == "unknown"
        else:
            with pytest.raises(VideoError) as caught:
                await backend.status(handle, tmp_path)
            assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
            assert caught.value.charged == "unknown"
        assert server.counters()["status"] == before + 1, "the SDK has asked again by itself"


async def test_a_clip_inside_the_answer_goes_to_disk(server: FakeServer, tmp_path: Path) -> None:
    server.set(inline=True, life={"polls": 1})
    async with gemini(server.url) as backend:
        handle = await started(backend)
        status = await backend.status(handle, tmp_path)
        again = await backend.status(handle, tmp_path)
    (file,) = status.files
    assert file.url is None and file.path is not None and file.path.parent == tmp_path and again.files == status.files
    assert file.path.read_bytes() == tiny_clip().read_bytes()


async def test_a_stored_clip_is_waited_for_and_may_fail(server: FakeServer, tmp_path: Path) -> None:
    server.set(file_polls=1, life={"polls": 1})
    steps = output({**VIDEO, "uri": f"{server.url}/v1beta/files/abc:download?alt=media"})
    async with gemini(server.url) as backend:
        handle = await started(backend)
        server.always("status", {"patch": {"steps": steps}})
        first, second = await backend.status(handle, tmp_path), await backend.status(handle, tmp_path)
        server.set(file_fails=True)
        third = await backend.status(handle, tmp_path)
        server.script("file", {"status": 403})
        fourth = await backend.status(handle, tmp_path)
    assert (first.state, first.raw_state, first.files) == ("running", "PROCESSING", ())
    assert (second.state, len(second.files)) == ("succeeded", 1)
    assert third.state == "failed" and third.error is not None and third.error.charged == "yes"
    assert fourth.state == "succeeded", "a file that cannot be looked at is fetched all the same"


async def test_a_clip_on_another_host_is_fetched_without_the_key(server: FakeServer, tmp_path: Path) -> None:
    server.set(elsewhere="https://media.example", life={"polls": 1})
    async with gemini(server.url) as backend:
        status = await backend.status(await started(backend), tmp_path)
    assert [file.authorised for file in status.files] == [False]
    assert "file" not in server.counters() or not server.log("file")[-1]["path"].endswith("example")


async def test_a_cancel_stops_what_runs_and_leaves_what_has_ended(server: FakeServer, tmp_path: Path) -> None:
    server.set(life={"until_told": True})
    async with gemini(server.url) as backend:
        handle = await started(backend)
        stopped = await backend.cancel(handle)
        assert (stopped.outcome, stopped.billed) == ("stopped", "unknown")
        assert (await backend.status(handle, tmp_path)).state == "cancelled"
        assert (await backend.cancel(handle)).outcome == "stopped", "cancelling twice is no error"
        other = await started(backend)
        server.tell(other.remote_id)
        late = await backend.cancel(other)
        assert (late.outcome, late.message) == ("unsupported", "it has completed already; what it made is kept")
        third = await started(backend)
        server.script("cancel", {"reply": {"id": third.remote_id, "status": "in_progress"}})
        assert (await backend.cancel(third)).outcome == "requested"
        with pytest.raises(VideoError, match="cannot be asked which interactions"):
            await backend.reconcile(fox(backend), "job_1", time.time())


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
        parent = await started(backend)
        prepared = body_of(backend, facts, parent, **fields)
        assert prepared.body["previous_interaction_id"] == parent.remote_id and prepared.uploads == ()
        assert said(prepared) == ([], "go on") and any("not sent again" in note for note in prepared.notes)
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


def test_who_is_asked_comes_from_the_environment_alone() -> None:
    gemini_of = registered("gemini").access
    plain = gemini_of({"GEMINI_API_KEY": KEY})
    assert plain.lane == "gemini|https://generativelanguage.googleapis.com|" + plain.lane[-12:] and plain.available
    assert KEY not in plain.lane
    assert gemini_of({"GOOGLE_API_KEY": KEY}) == plain
    assert gemini_of({"GOOGLE_API_KEY": "other", "GEMINI_API_KEY": KEY}) == plain, "GEMINI_API_KEY goes first"
    assert gemini_of({}).missing == ("GEMINI_API_KEY",)
    own = gemini_of({"GEMINI_API_KEY": KEY, "REELWRIGHT_GOOGLE_BASE_URL": "http://127.0.0.1:1/"})
    assert own.base_url == "http://127.0.0.1:1"
