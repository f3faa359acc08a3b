"""The back end for /v1/videos servers against a loopback one in each dialect: one POST, and the right VideoError."""

from __future__ import annotations

import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from backends.catalog.loader import Catalog, load
from backends.cloud.openai.backend import OpenAIBackend
from backends.cloud.openai.wire import Dialect
from backends.errors import VideoError
from backends.jobs.run.download import allowed_hosts
from backends.provider.channel import Timing
from backends.provider.protocol import Handle, Prepared, Status
from backends.provider.registry import registered
from backends.request import build_request
from tests.cloud import openai_rows
from tests.cloud.http_cases import FATES, title
from tests.cloud.orders import clip, every_order, leaves, order, still, with_files
from tests.fakes import FakeServer, tiny_clip

KEY = "sk-videos-alpha-0123456789"
QUICK = Timing(paid_s=0.4, free_s=0.4, read_s=0.3, connect_s=1.0)
VLLM, SGLANG, FAST = "openai/wan2.2-vllm", "openai/wan2.2-sglang", "openai/fastwan-fastvideo"
AZURE, PROXY = "openai/sora-2-pro-azure", "openai/my-proxy-video"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return openai_rows.catalog(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with FakeServer("openai_videos", clips={"": tiny_clip()}) as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> Iterator[FakeServer]:
    """The module's one fake, as new."""
    running.clear()
    running.set(life={"polls": 2}, dialect="openai", keyless=False, query={}, stopping=False, ahead_s=0.0, page=100)
    yield running
    running.release()


@asynccontextmanager
async def opened(url: str, timing: Timing | None = None, key: str = KEY) -> AsyncIterator[OpenAIBackend]:
    backend = OpenAIBackend(key, f"{url}/v1", timing)
    try:
        yield backend
    finally:
        await backend.aclose()


def fox(backend: OpenAIBackend, rows: Catalog, name: str = PROXY, **fields: Any) -> Prepared:
    asked = {"task": "text_to_video", "prompt": "a fox", "duration_s": 4, **fields}
    return order(backend, rows.get(name), {}, **asked)


async def started(backend: OpenAIBackend, rows: Catalog, name: str = PROXY, **fields: Any) -> Handle:
    handle = await backend.start(fox(backend, rows, name, **fields), {}, "job_1")
    assert isinstance(handle, Handle)
    return handle


async def refusal(backend: OpenAIBackend, rows: Catalog) -> VideoError:
    with pytest.raises(VideoError) as caught:
        await started(backend, rows)
    return caught.value


@pytest.mark.anyio
async def test_a_job_runs_from_the_post_to_its_content(server: FakeServer, rows: Catalog, tmp_path: Path) -> None:
    async with opened(server.url) as backend:
        handle = await started(backend, rows)
        first, second = await backend.status(handle, tmp_path), await backend.status(handle, tmp_path)
        assert backend.media_headers() == {"authorization": f"Bearer {KEY}"}
    assert (first.state, first.raw_state, first.progress) == ("running", "in_progress", 0.5)
    (file,) = second.files
    assert second.state == "succeeded" and file.authorised
    assert file.url == f"{server.url}/v1/videos/{handle.remote_id}/content?variant=video"
    assert server.jobs()[-1]["request"] == {
        "endpoint": "videos",
        "multipart": True,
        "body": {"model": "team-video", "prompt": "a fox", "seconds": "4", "size": "1280x720"},
    }


def test_sora_is_refused_by_the_catalogue_before_any_request() -> None:
    for name in ("openai/sora-2", "openai/sora-2-pro", "sora", "Sora 2 Pro"):
        with pytest.raises(VideoError, match="shut down its Videos API") as caught:
            load().get(name)
        assert (caught.value.kind, caught.value.nearest) == ("model_retired", {}), "nothing unproved is offered"


SPENT = "You exceeded your current quota, please check your plan and billing details."


def told(code: str | None, kind: str | None, message: str = "no") -> dict[str, Any]:
    return {"body": {"error": {"code": code, "type": kind, "message": message}}}


REFUSALS: list[tuple[int, dict[str, Any], str, bool]] = [
    (400, {}, "invalid_request", False),
    (400, {"code": "moderation_blocked"}, "moderation_input", False),
    (400, {"body": {"error": {"message": "This model is deprecated and has been shut down"}}}, "model_retired", False),
    (
        404,
        {"body": {"error": {"message": "The model does not exist", "code": "model_not_found"}}},
        "unsupported",
        False,
    ),
    (401, {}, "auth", False),
    (402, {}, "balance", False),
    (403, {}, "auth", False),
    (404, {}, "unsupported", False),
    (409, {}, "conflict", False),
    (422, {"body": {"detail": [{"loc": ["body", "seconds"], "msg": "not a number"}]}}, "invalid_request", False),
    (429, {}, "rate_limited", True),
    (429, {"body": {"error": "Max concurrent requests reached"}}, "concurrency", True),
    (429, {"code": "insufficient_quota"}, "balance", False),
    (429, {"body": {"detail": "Budget has been exceeded"}}, "quota", False),
    (429, {"code": "odd"}, "quota", False),
    # Exact codes before words, and those of money first, at any status.
    (429, told("insufficient_quota", "rate_limit_error", SPENT), "balance", False),
    (429, told(None, "insufficient_quota", "Rate limit reached"), "balance", False),
    (429, told(None, "rate_limit_error", SPENT), "balance", False),
    (429, told("rate_limit_exceeded", "requests", "Rate limit reached; add a credit card"), "rate_limited", True),
    (429, told("rate_limit_exceeded", None, "slow down"), "rate_limited", True),
    (429, told("billing_hard_limit_reached", None), "quota", False),
    (400, told("billing_hard_limit_reached", "invalid_request_error"), "quota", False),
    (403, told("billing_not_active", None), "balance", False),
    (403, told(None, None, "Your account is not active, please check your billing details"), "balance", False),
    (400, told("insufficient_quota", "moderation"), "balance", False),
    (400, told("budget_exceeded", None), "quota", False),
    (400, told(None, "invalid_request_error", "prompt: a credit card in a bank"), "invalid_request", False),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "outcome", "kind", "retryable"), REFUSALS, ids=str)
async def test_a_refusal_is_uncharged_and_one_post(
    server: FakeServer, rows: Catalog, status: int, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    before = server.counters()
    server.script("submit", {"status": status, "headers": {"retry-after": "7"}, **outcome})
    async with opened(server.url) as backend:
        error = await refusal(backend, rows)
    assert (error.kind, error.retryable, error.charged, error.http_status) == (kind, retryable, "no", status)
    assert error.retry_after_s == 7.0
    assert error.message.startswith(f"the /v1/videos server refused ({status}")
    after = server.counters()
    assert (after["submit"] - before.get("submit", 0), after["charges"] - before["charges"]) == (1, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("outcome", FATES, ids=title)
async def test_no_clear_answer_after_sending_is_unknown_and_one_post(
    server: FakeServer, rows: Catalog, outcome: dict[str, Any]
) -> None:
    before = server.counters().get("submit", 0)
    server.script("submit", outcome)
    async with opened(server.url, QUICK) as backend:
        error = await refusal(backend, rows)
    assert (error.kind, error.retryable, error.charged) == ("submit_unknown", False, "unknown")
    assert server.counters()["submit"] - before == 1


async def asked(server: FakeServer, rows: Catalog, spool: Path, *outcomes: dict[str, Any]) -> list[Status]:
    """One job, and what its status is for each outcome."""
    server.set(life={"until_told": True})
    async with opened(server.url) as backend:
        handle = await started(backend, rows)
        server.script("status", *outcomes)
        return [await backend.status(handle, spool) for _ in outcomes]


@pytest.mark.anyio
async def test_states_and_progress_are_read_tolerantly(server: FakeServer, rows: Catalog, tmp_path: Path) -> None:
    words = ["queued", "processing", "Cancelling", "cancelled", "deleted", "dreaming", None]
    states = await asked(server, rows, tmp_path, *({"patch": {"status": word}} for word in words))
    told = ["queued", "running", "running", "cancelled", "cancelled", "unknown", "unknown"]
    assert [status.state for status in states] == told
    figures = [1, 0.4, "45%", "0.5", 250, "soon", None]
    found = await asked(server, rows, tmp_path, *({"patch": {"progress": figure}} for figure in figures))
    assert [status.progress for status in found] == [0.01, 0.4, 0.45, 0.5, 1.0, None, None]


@pytest.mark.anyio
async def test_success_shaped_failures_are_failures(server: FakeServer, rows: Catalog, tmp_path: Path) -> None:
    blocked = {"code": "moderation_blocked", "message": "no\nway"}
    found = await asked(
        server,
        rows,
        tmp_path,
        {"patch": {"status": "completed", "error": blocked}},
        {"patch": {"status": "failed", "error": {"code": "internal", "message": "CUDA out of memory"}}},
        {"patch": {"status": "failed", "error": None}},
        {"patch": {"status": "expired"}},
    )
    errors = [status.error for status in found]
    assert [status.state for status in found] == ["failed"] * 4
    assert [(error.kind, error.retryable, error.charged) for error in errors if error] == [
        ("moderation_output", False, "unknown"),
        *[("provider", True, "unknown")] * 3,
    ]
    assert errors[0] and "reports a failure (moderation_blocked): no way" in errors[0].message


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("outcome", "kind", "retryable"),
    [({"status": 500}, "provider", True), ({"status": 404}, "not_found", False)],
    ids=str,
)
async def test_a_failed_question_is_asked_once_and_says_nothing_of_the_charge(
    server: FakeServer, rows: Catalog, tmp_path: Path, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    async with opened(server.url, QUICK) as backend:
        handle = await started(backend, rows)
        before = server.counters().get("status", 0)
        server.script("status", outcome)
        with pytest.raises(VideoError) as caught:
            await backend.status(handle, tmp_path)
    error = caught.value
    assert (error.kind, error.retryable, error.charged) == (kind, retryable, "unknown")
    assert server.counters()["status"] - before == 1


@pytest.mark.anyio
async def test_an_unclear_submit_is_found_in_the_list_by_all_that_it_shows(server: FakeServer, rows: Catalog) -> None:
    async with opened(server.url, key=f"{KEY}-list") as backend:
        await started(backend, rows, prompt="a wolf")
        await started(backend, rows, duration_s=8)
        await started(backend, rows, aspect_ratio="9:16")
        since = time.time() - 5
        server.script("submit", {"status": 502, "after_charge": True})
        await refusal(backend, rows)
        lost = server.jobs()[-1]["id"]
        server.set(page=2)  # several pages
        found = await backend.reconcile(fox(backend, rows), "job_1", since)
        assert [one.handle.remote_id for one in found.matches] == [lost]
        server.script("submit", {"status": 502})
        with pytest.raises(VideoError, match="must not be sent again"):
            await started(backend, rows, prompt="an owl")
        owl = await backend.reconcile(fox(backend, rows, prompt="an owl"), "job_1", since)
        assert (owl.matches, owl.complete) == ((), "") and lost in [one.handle.remote_id for one in owl.shown]
        assert (await backend.reconcile(fox(backend, rows), "job_1", time.time() + 60)).matches == ()


@pytest.mark.anyio
@pytest.mark.parametrize("ahead_s", [-300.0, 300.0])
async def test_a_look_up_goes_by_the_servers_own_clock(server: FakeServer, rows: Catalog, ahead_s: float) -> None:
    server.set(ahead_s=ahead_s)
    async with opened(server.url) as backend:
        handle = await started(backend, rows, prompt=f"clock {ahead_s}")
        ready = fox(backend, rows, prompt=f"clock {ahead_s}")
        found = await backend.reconcile(ready, "job_1", time.time() - 5)
        assert [one.handle.remote_id for one in found.matches] == [handle.remote_id]
        assert abs((found.matches[0].made_at or 0) - time.time()) < 10, "by this machine's clock"
        assert (await backend.reconcile(ready, "job_1", time.time() + 60)).matches == ()


@pytest.mark.anyio
async def test_a_list_without_prompts_decides_nothing_where_money_is_at_stake(
    server: FakeServer, rows: Catalog
) -> None:
    server.set(dialect="vllm-omni")
    async with opened(server.url) as backend:
        since = time.time() - 1
        server.script("submit", {"lose": True})
        await refusal(backend, rows)
        with pytest.raises(VideoError, match=r"lists \d+ job\(s\) of that time that may be this one") as caught:
            await backend.reconcile(fox(backend, rows), "job_1", since)
        assert (caught.value.kind, caught.value.retryable) == ("unsupported", False), "a person decides"
        free = fox(backend, rows, VLLM)
        told = await backend.reconcile(free, "job_1", since)
        assert (told.matches, told.complete) == ((), "the catalogue's row: a repeat costs nothing there")
        server.script("list", {"status": 404})
        with pytest.raises(VideoError) as caught:
            await backend.reconcile(fox(backend, rows), "job_1", since)
        assert caught.value.kind == "not_found"
        server.script("list", {"status": 404})
        assert (await backend.reconcile(free, "job_1", since)).complete


@pytest.mark.anyio
async def test_a_look_up_leaves_to_a_person_what_a_proxy_may_have_rewritten(server: FakeServer, rows: Catalog) -> None:
    async with opened(server.url, key=f"{KEY}-rewritten") as backend:
        since = time.time() - 1
        server.script("submit", {"lose": True})
        await refusal(backend, rows)
        ready = fox(backend, rows)
        (shown,) = server.jobs()[-1:]
        listed = {"id": shown["id"], "created_at": int(time.time()), "prompt": "a fox ", "size": "1280x720"}
        for change, exact in (
            ({}, True),
            ({"size": ""}, True),
            ({"model": "azure/team-video"}, True),
            ({"model": "azure/sora-2"}, False),
            ({"size": "1920x1080"}, False),
            ({"seconds": "5"}, False),
        ):
            server.script("list", {"reply": {"data": [{**listed, **change}]}})
            if exact:
                assert [one.handle.remote_id for one in (await backend.reconcile(ready, "job_1", since)).matches] == [
                    shown["id"]
                ]
            else:
                with pytest.raises(VideoError, match="may be this one"):
                    await backend.reconcile(ready, "job_1", since)


@pytest.mark.anyio
async def test_a_list_in_any_order_is_read_to_its_end_or_not_believed(server: FakeServer, rows: Catalog) -> None:
    now = int(time.time())
    old = [{"id": f"v{n}", "created_at": now - 9000 + n, "prompt": "a fox"} for n in range(3)]
    fresh = {"id": "mine", "created_at": now, "prompt": "a fox"}
    async with opened(server.url) as backend:
        ready = fox(backend, rows)
        # Oldest first: the first page holds nothing of that time, and more is to come.
        server.script(
            "list", {"reply": {"data": old, "has_more": True}}, {"reply": {"data": [fresh], "has_more": False}}
        )
        assert [one.handle.remote_id for one in (await backend.reconcile(ready, "job_1", now - 5)).matches] == ["mine"]
        # Newest first: what is older than the submit ends the search.
        server.script("list", {"reply": {"data": [fresh, *reversed(old)], "has_more": True}})
        assert [one.handle.remote_id for one in (await backend.reconcile(ready, "job_1", now - 5)).matches] == ["mine"]
        assert server.left() == {}
        # The same page again and again: no end, no verdict.
        server.script("list", {"reply": {"data": old, "has_more": True}, "times": 10})
        with pytest.raises(VideoError, match="too long to go through"):
            await backend.reconcile(ready, "job_1", now - 5)


@pytest.mark.anyio
async def test_a_key_that_a_server_repeats_is_not_told(server: FakeServer, rows: Catalog) -> None:
    server.script("submit", {"status": 401, "body": {"error": {"message": f"Incorrect key: {KEY}", "code": KEY}}})
    async with opened(server.url) as backend:
        error = await refusal(backend, rows)
    assert error.kind == "auth" and KEY not in str(error.to_json()) and "Incorrect key: ***" in error.message


@pytest.mark.anyio
async def test_cancel_stops_only_where_the_server_can(server: FakeServer, rows: Catalog) -> None:
    server.set(life={"after_s": 60}, dialect="vllm-omni")
    async with opened(server.url) as backend:
        first, second = await started(backend, rows, VLLM), await started(backend, rows, VLLM)
        stopped = await backend.cancel(first)
        assert (stopped.outcome, stopped.billed) == ("stopped", "no")
        server.set(stopping=True)
        assert (await backend.cancel(second)).outcome == "requested"
        server.tell(second.remote_id)
        deletes = server.counters()["delete"]
        late = await backend.cancel(second)
        assert (late.outcome, late.message) == ("unsupported", "it has succeeded already; what it made is kept")
        for name, dialect, billed in ((FAST, "fastvideo", "no"), (SGLANG, "sglang", "no"), (PROXY, "openai", "yes")):
            server.set(dialect=dialect)
            told = await backend.cancel(await started(backend, rows, name))
            assert (told.outcome, told.billed) == ("unsupported", billed), name
        assert server.counters()["delete"] == deletes, "a DELETE there would only lose the record"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "dialect"), [(VLLM, "vllm-omni"), (SGLANG, "sglang"), (FAST, "fastvideo"), (AZURE, "openai")]
)
async def test_every_promise_of_a_documented_row_reaches_its_server(
    server: FakeServer, rows: Catalog, tmp_path: Path, name: str, dialect: str
) -> None:
    row = rows.get(name)
    query = {"api-version": "preview"} if name == AZURE else {}
    server.set(dialect=dialect, life={"after_s": 0}, query=query)
    async with opened(server.url) as backend:
        parent = await started(backend, rows, name)
        for facts, fields in every_order(row):
            handle = await backend.start(with_files(order(backend, row, facts, parent, **fields), tmp_path), {}, "job")
            assert isinstance(handle, Handle)
            status = await backend.status(handle, tmp_path)
            assert status.state == "succeeded" and "variant=video" in (status.files[0].url or "")
            assert all(f"{key}={value}" in (status.files[0].url or "") for key, value in query.items())
            request = server.jobs()[-1]["request"]
            sent = [str(leaf) for leaf in leaves(request["body"])]
            promised = [fields.get("seed"), fields.get("negative_prompt"), *fields.get("provider_options", {}).values()]
            missing = [value for value in promised if value is not None and str(value) not in sent]
            assert not missing, (fields, request)
            assert ("model" in request["body"]) == (name != VLLM and request["endpoint"] == "videos")
            form = fields["task"] == "image_to_video" or (name in (VLLM, AZURE) and request["endpoint"] == "videos")
            assert request["multipart"] == form
            if fields["task"] == "image_to_video":
                assert request["body"]["input_reference"]["type"] == "image/png"


@pytest.mark.anyio
async def test_progress_that_means_nothing_is_not_told(server: FakeServer, rows: Catalog, tmp_path: Path) -> None:
    server.set(dialect="fastvideo", life={"after_s": 60})
    async with opened(server.url) as backend:
        status = await backend.status(await started(backend, rows, FAST), tmp_path)
    assert (status.state, status.progress) == ("running", None)


@pytest.mark.anyio
async def test_a_server_without_a_key_is_asked_without_one(server: FakeServer, rows: Catalog, tmp_path: Path) -> None:
    server.set(keyless=True, dialect="vllm-omni")
    async with opened(server.url, key="") as backend:
        handle = await started(backend, rows, VLLM)
        await backend.status(handle, tmp_path)
        assert await backend.account() == {"models": "Wan-AI/Wan2.2-T2V-A14B-Diffusers"}
        assert backend.media_headers() == {}
    asked_of = [entry for entry in server.log() if entry["route"] in ("submit", "status", "models")][-3:]
    assert len(asked_of) == 3 and not any("authorization" in entry["headers"] for entry in asked_of)


def wired(rows: Catalog, **wire: Any) -> Any:
    """The proxy's row with other words on the wire."""
    row = rows.get(PROXY)
    return replace(row, wire={**row.wire, **wire})


@pytest.mark.anyio
async def test_further_keys_of_a_row(server: FakeServer, rows: Catalog, tmp_path: Path) -> None:
    server.set(life={"after_s": 0})
    asked_for = {"task": "image_to_video", "frames": [{"image": "/a.png"}], "prompt": "a fox", "duration_s": 4}
    facts = {"frames[0].image": still()}
    fields = {**dict(rows.get(PROXY).wire["fields"]), "first": "input_reference.image_url"}  # type: ignore[call-overload]
    async with opened(server.url) as backend:
        row = wired(rows, encoding="json", fields=fields, variants=["thumbnail"])
        handle = await backend.start(with_files(order(backend, row, facts, **asked_for), tmp_path), {}, "job")
        assert isinstance(handle, Handle)
        request = server.jobs()[-1]["request"]
        assert not request["multipart"]
        assert request["body"]["input_reference"]["image_url"].startswith("data:image/png;base64,")
        files = (await backend.status(handle, tmp_path)).files
        assert [(file.role, file.url and file.url.rpartition("=")[2]) for file in files] == [
            ("clip", "video"),
            ("extra", "thumbnail"),
        ]
        row = wired(rows, result="output.url")
        handle = await backend.start(order(backend, row, {}, task="text_to_video", prompt="a", duration_s=4), {}, "job")
        assert isinstance(handle, Handle)
        own = f"{server.url}/v1/files/1"
        server.script(
            "status",
            {"patch": {"output": {"url": own}}},
            {"patch": {"output": {"url": "/outputs/1.mp4"}}},
            {"patch": {"output": {"url": "https://cdn.test/a.mp4"}}},
            {"patch": {"output": {}}},
        )
        found = [await backend.status(handle, tmp_path) for _ in range(4)]
    assert [[(file.url, file.authorised) for file in one.files] for one in found] == [
        [(own, True)],
        [(f"{server.url}/outputs/1.mp4", True)],
        [("https://cdn.test/a.mp4", False)],
        [],
    ]
    assert found[3].error is not None and (found[3].state, found[3].error.charged) == ("failed", "yes")


@pytest.mark.parametrize(
    ("wire", "told"),
    [
        ({"encoding": "xml"}, "wire.encoding must be one of multipart, json: fix the row"),
        ({"cancel": "kill"}, "wire.cancel must be one of none, delete: fix the row"),
        ({"progress": "steps"}, "wire.progress must be one of percent, none: fix the row"),
        ({"variants": ["gif"]}, "wire.variants may name thumbnail, spritesheet: fix the row"),
    ],
)
def test_a_row_with_an_unknown_word_is_told(rows: Catalog, wire: dict[str, Any], told: str) -> None:
    backend = OpenAIBackend(KEY, "http://127.0.0.1:9/v1")
    with pytest.raises(VideoError, match=told):
        order(backend, wired(rows, **wire), {}, task="text_to_video", prompt="a")


def test_a_dialect_survives_in_the_jobs_handle(rows: Catalog) -> None:
    for name in (VLLM, FAST, AZURE, PROXY):
        read = Dialect.read(rows.get(name).wire)
        kept = Dialect.read(read.to_json())
        assert replace(kept, encoding=read.encoding) == read


def test_a_remix_takes_only_a_clip_of_that_server(rows: Catalog) -> None:
    backend = OpenAIBackend(KEY, "http://127.0.0.1:9/v1")
    asked_for = {"task": "edit", "source_clip": "/a.mp4", "prompt": "by night"}
    facts = {"source_clip": clip()}
    with pytest.raises(VideoError, match="takes only a clip that this server has made itself: give the id of its job"):
        order(backend, rows.get(AZURE), facts, **asked_for)
    ready = order(backend, rows.get(AZURE), facts, Handle("video_1/x"), **asked_for)
    assert (ready.endpoint, ready.body) == ("videos/video_1%2Fx/remix", {"prompt": "by night"})


@pytest.mark.anyio
async def test_the_vendors_sdk_reads_every_answer_of_the_fake(server: FakeServer) -> None:
    """The fake is judged by the SDK's own (deprecated) methods and types, strictly."""
    server.set(life={"polls": 3, "queued_polls": 1})
    key, url = f"{KEY}-sdk", f"{server.url}/v1"
    sdk = openai.AsyncOpenAI(api_key=key, base_url=url, max_retries=0, _strict_response_validation=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        async with sdk:
            made = await sdk.videos.create(prompt="a fox", seconds="4", size="720x1280", model="sora-2")
            states = [(await sdk.videos.retrieve(made.id)).status for _ in range(3)]
            assert states == ["queued", "in_progress", "completed"]
            content = await sdk.videos.download_content(made.id, variant="video")
            assert len(content.content) > 1000
            remix = await sdk.videos.remix(made.id, prompt="a wolf")
            assert remix.remixed_from_video_id == made.id
            longer = await sdk.videos.extend(prompt="on", seconds="4", video=("a.mp4", b"clip", "video/mp4"))
            edited = await sdk.videos.edit(prompt="on", video=("a.mp4", b"clip", "video/mp4"))
            server.tell(edited.id, "failed", {"code": "moderation_blocked", "message": "no"})
            failed = await sdk.videos.retrieve(edited.id)
            assert failed.status == "failed" and failed.error and failed.error.code == "moderation_blocked"
            names = [video.id async for video in sdk.videos.list(limit=2)]
            assert {made.id, remix.id, longer.id, edited.id} <= set(names)
            assert (await sdk.videos.delete(made.id)).deleted
            with pytest.raises(openai.NotFoundError):
                await sdk.videos.retrieve(made.id)


def test_who_is_asked_is_decided_from_the_environment() -> None:
    access = registered("openai").access
    assert access({}).missing == ("OPENAI_API_KEY",)
    own = {"REELWRIGHT_OPENAI_BASE_URL": "http://gpu-box:8091/v1/"}
    keyless = access(own)
    assert (keyless.missing, keyless.base_url) == ((), "http://gpu-box:8091/v1")
    assert keyless.lane == "openai|http://gpu-box:8091/v1|keyless"
    with_key = access({**own, "OPENAI_API_KEY": KEY})
    assert with_key.lane != keyless.lane and KEY not in with_key.lane
    assert access({"OPENAI_API_KEY": KEY}).base_url == "https://api.openai.com/v1"


def test_clips_of_a_server_on_ones_own_network_may_be_fetched() -> None:
    assert allowed_hosts("http://gpu-box:8091/v1") == {"gpu-box:8091"}
    assert allowed_hosts("http://192.168.1.5/v1") == {"192.168.1.5:80"}
    assert allowed_hosts("https://videos.corp.test/v1") == {"videos.corp.test:443"}
    assert allowed_hosts("") == frozenset()


def test_where_openai_itself_is_asked_its_end_is_told() -> None:
    from backends.provider.channel import Answer

    backend = OpenAIBackend(KEY, "https://api.openai.com/v1")
    error = backend._calls.service.paid_answer(404, backend._calls.reading(Answer(404, {"error": {}}, "", {})))
    assert error.kind == "model_retired"


@pytest.mark.anyio
async def test_an_address_without_its_v1_is_told(server: FakeServer, rows: Catalog) -> None:
    backend = OpenAIBackend(KEY, server.url)
    error = await refusal(backend, rows)
    await backend.aclose()
    assert error.kind == "unsupported" and "REELWRIGHT_OPENAI_BASE_URL should end in /v1" in error.message


def test_the_documented_files_name_every_server() -> None:
    assert list(openai_rows.examples()) == [
        "vLLM-Omni",
        "SGLang-Diffusion",
        "FastVideo",
        "Azure OpenAI",
        "LiteLLM proxy",
    ]
    assert build_request(task="text_to_video", model=VLLM, prompt="a").model == VLLM
