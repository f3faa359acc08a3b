"""Gemini Omni's back end against a loopback Interactions API: one POST whatever happens, and the one right meaning."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.catalog.loader import load
from backends.cloud.google.omni import OmniBackend
from backends.errors import VideoError
from backends.provider.protocol import Handle, Prepared
from backends.provider.registry import registered
from tests.cloud.google_accounts import KEY, QUICK, as_new, gemini
from tests.cloud.http_cases import UNCLEAR, title, unclear, unreachable
from tests.cloud.orders import order
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
    with as_new(running, life={"polls": 2}, inline=False, file_polls=0, file_fails=False, elsewhere="") as server:
        yield server


def fox(backend: OmniBackend) -> Prepared:
    return order(backend, load().get(ROW), {}, task="text_to_video", prompt="a fox", duration_s=5)


async def started(backend: OmniBackend) -> Handle:
    handle = await backend.start(fox(backend), {}, "job_1")
    assert isinstance(handle, Handle)
    return handle


async def refused(server: FakeServer, outcome: dict[str, Any]) -> VideoError:
    """What one start ends in; it must be exactly one POST, whatever time there is for another."""
    server.script("submit", outcome)
    before = server.counters().get("submit", 0)
    async with gemini(server.url, QUICK if "hang" in outcome else None) as backend:
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
ODD = {"output_tokens_by_modality": [{"modality": "video", "tokens": "many"}]}
WROTE = {"output_tokens_by_modality": [{"modality": "text", "tokens": 40}]}


def output(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "thought", "signature": "eA=="}, {"type": "model_output", "content": list(blocks)}]


ENDS: list[tuple[str, dict[str, Any], tuple[str, str, bool, str]]] = [
    ("fails", {"status": "failed", "errors": [{"code": "internal", "message": "Internal error"}]},
     ("failed", "provider", True, "unknown")),
    ("is filtered", {"status": "failed", "errors": [{"code": "x", "message": "Blocked for safety reasons"}]},
     ("failed", "moderation_output", False, "unknown")),
    ("fails, and what it has made is told", {"status": "failed", "usage": MADE}, ("failed", "provider", True, "yes")),
    ("fails, with no video made", {"status": "failed", "usage": WROTE}, ("failed", "provider", True, "no")),
    ("fails in a step", {"status": "failed", "steps": [{"type": "model_output", "error": {"code": 3}}]},
     ("failed", "provider", False, "unknown")),
    ("stops half-way", {"status": "incomplete"}, ("failed", "provider", False, "unknown")),
    ("stops half-way, billed", {"status": "incomplete", "usage": MADE}, ("failed", "provider", False, "yes")),
    ("has no budget", {"status": "budget_exceeded"}, ("failed", "provider", False, "unknown")),
    ("wants an action", {"status": "requires_action"}, ("failed", "provider", False, "unknown")),
    ("wants to go on", {"status": "requires_continuation"}, ("failed", "provider", False, "unknown")),
    ("is cancelled", {"status": "cancelled"}, ("cancelled", "cancelled", False, "unknown")),
    ("is done without a video", {"status": "completed", "steps": []}, ("failed", "provider", False, "unknown")),
    ("tells no kinds of tokens", {"status": "completed", "usage": {"total_tokens": 10}, "steps": []},
     ("failed", "provider", False, "unknown")),
    ("tells an empty split", {"status": "completed", "usage": {"output_tokens_by_modality": []}, "steps": []},
     ("failed", "provider", False, "unknown")),
    ("tells odd tokens", {"status": "completed", "usage": ODD, "steps": []}, ("failed", "provider", False, "unknown")),
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
        with pytest.raises(VideoError, match="has no list of the interactions"):
            await backend.reconcile(fox(backend), "job_1", time.time())


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
