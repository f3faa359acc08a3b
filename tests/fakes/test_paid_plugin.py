"""The paid back end turns each fate of a call into the one right VideoError, and any process can find it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from backends.catalog.loader import load
from backends.catalog.price import estimate
from backends.catalog.rules.check import check
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.provider.protocol import Asset, Handle, Prepared, Ref
from backends.request import build_request
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.patience import patient

if TYPE_CHECKING:
    from reelwright_paid import PaidBackend

KEY = "sk-test-alpha"
STILL = MediaFacts("image", "image/png", 1280, 720, 3)
CLIP = MediaFacts("clip", "video/mp4", 320, 180, 9, duration_s=4.0, fps=24.0, frames=96)
DISCOVER = (
    "import json, sys; from backends.provider.registry import broken, registered; r = registered('paid'); "
    "a = r.access({'PAID_API_KEY': 'sk-test-alpha', 'PAID_BASE_URL': 'http://127.0.0.1:9/'}); "
    "print(json.dumps([r.provider, r.kind, a.lane, a.base_url, a.missing, r.access({}).missing, broken, "
    "str(r.catalog), 'httpx' in sys.modules]))"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer("paid", clips={"": tiny_clip()}) as running:
        yield running


@asynccontextmanager
async def opened(url: str, **env: str) -> AsyncIterator[PaidBackend]:
    from reelwright_paid import PaidBackend

    backend = PaidBackend({"PAID_API_KEY": KEY, **env}, url)
    try:
        yield backend
    finally:
        await backend.aclose()


def prepared(backend: PaidBackend, facts: Mapping[str, MediaFacts] = {}, **fields: Any) -> Prepared:
    """What the job engine would hand over for a request: the catalogue's verdict, then the back end's body."""
    row = load(files=[PLUGIN / "reelwright_paid" / "paid.toml"]).get("paid/basic")
    asked = {"task": "text_to_video", "model": row.id, "prompt": "a fox", "resolution": "180p", **fields}
    checked = check(build_request(**asked), row, facts)
    ready = Prepared(checked.request, row.id, checked.width, checked.height, dict(checked.wire))
    parent = Handle("pj_parent") if fields.get("source_clip", "").startswith("video://") else None
    return backend.prepare(ready.request, ready, parent)


async def started(backend: PaidBackend, job_key: str = "k1") -> Handle:
    handle = await backend.start(prepared(backend), {}, job_key)
    assert isinstance(handle, Handle)
    return handle


async def refusal(backend: PaidBackend) -> VideoError:
    with pytest.raises(VideoError) as caught:
        await started(backend)
    return caught.value


def discover(paths: str) -> list[Any]:
    env = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-P", "-c", DISCOVER]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=patient(30))
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_fresh_process_finds_the_back_end_by_its_entry_point() -> None:
    account = hashlib.sha256(KEY.encode()).hexdigest()[:12]
    provider, kind, lane, base_url, missing, all_missing, broken, catalog, httpx_loaded = discover(str(PLUGIN))
    assert (provider, kind, base_url, missing, broken) == ("paid", "remote", "http://127.0.0.1:9", [], {})
    assert lane == f"paid|http://127.0.0.1:9|{account}"
    assert all_missing == ["PAID_API_KEY", "PAID_BASE_URL"]
    assert Path(catalog).is_file()
    assert not httpx_loaded, "registering must stay cheap"


def test_its_rows_are_priced_limited_and_one_price_is_unknown() -> None:
    catalog = load(files=[PLUGIN / "reelwright_paid" / "paid.toml"])
    prices: dict[str, Decimal | None] = {}
    for name in ("paid/basic", "paid/slow", "paid/unknown-price"):
        row = catalog.get(name)
        checked = check(build_request(task="text_to_video", model=name, prompt="a fox", duration_s=6), row, {})
        prices[name] = estimate(checked, row).usd_high
        assert row.limits.concurrency and row.limits.per_minute
        assert set(row.tasks) == {"text_to_video", "image_to_video", "interpolate", "extend"}
        assert checked.wire["model"] == row.name
    assert prices == {"paid/basic": Decimal("0.6"), "paid/slow": Decimal("0.3"), "paid/unknown-price": None}


@pytest.mark.anyio
async def test_a_job_runs_from_the_post_to_its_file(server: FakeServer, tmp_path: Path) -> None:
    async with opened(server.url) as backend:
        handle = await started(backend)
        assert handle.est_cost_usd == Decimal("0.4")
        first, second = await backend.status(handle, tmp_path), await backend.status(handle, tmp_path)
        assert (first.state, first.progress, first.files) == ("running", 0.5, ())
        assert (second.state, second.cost_usd, second.error) == ("succeeded", Decimal("0.4"), None)
        assert (second.files[0].url or "").startswith(server.url) and isinstance(second.seed, int)
        posted = server.log("submit")[0]["json"]
        assert posted == {"model": "basic", "prompt": "a fox", "seconds": 4, "size": "320x180", "job_key": "k1"}
        server.set(media_auth=True)
        assert (await backend.status(handle, tmp_path)).files[0].authorised
        assert backend.media_headers() == {"authorization": f"Bearer {KEY}"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (400, "", "invalid_request", False),
        (401, "", "auth", False),
        (402, "", "balance", False),
        (403, "", "auth", False),
        (404, "model_not_found", "unsupported", False),
        (409, "", "conflict", False),
        (410, "", "model_retired", False),
        (422, "", "invalid_request", False),
        (422, "moderation", "moderation_input", False),
        (422, "asset", "asset", False),
        (429, "", "rate_limited", True),
        (429, "concurrency", "concurrency", True),
        (429, "quota", "quota", False),
    ],
)
async def test_a_documented_refusal_is_uncharged(
    server: FakeServer, status: int, code: str, kind: str, retryable: bool
) -> None:
    server.script("submit", {"status": status, "headers": {"retry-after": "7"}, **({"code": code} if code else {})})
    async with opened(server.url) as backend:
        error = await refusal(backend)
    assert (error.kind, error.retryable, error.charged, error.http_status) == (kind, retryable, "no", status)
    assert error.retry_after_s == 7.0
    assert f"refused ({status} {error.provider_code})" in error.message
    assert server.counters()["charges"] == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    "outcome",
    [
        {"status": 500},
        {"status": 500, "after_charge": True},
        {"status": 503},
        {"status": 408},
        {"status": 302, "headers": {"location": "/jobs"}},
        {"reset": "before"},
        {"reset": "after"},
        {"lose": True},
        {"hang": True, "after_charge": True},
        {"status": 200, "body": "taken"},
        {"status": 200, "body": {"ok": True}},
        {"truncate": 10},
    ],
    ids=str,
)
async def test_no_clear_answer_after_sending_is_unknown_and_never_sent_again(
    server: FakeServer, outcome: dict[str, Any]
) -> None:
    server.script("submit", outcome)
    async with opened(server.url, PAID_TIMEOUT_S="0.3") as backend:
        error = await refusal(backend)
    assert (error.kind, error.retryable, error.charged) == ("submit_unknown", False, "unknown")
    assert "must not be sent again" in error.message
    assert server.counters()["submit"] == 1


@pytest.mark.anyio
async def test_what_was_never_sent_may_be_tried_again(server: FakeServer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for url in (refused, server.url.replace("http:", "https:"), "http://paid.invalid", "paid.invalid"):
            async with opened(url, PAID_CONNECT_TIMEOUT_S="1") as backend:
                error = await refusal(backend)
            assert (error.kind, error.retryable, error.charged) == ("network", True, "no"), url
            assert "nothing was sent" in error.message
    assert "submit" not in server.counters()


@pytest.mark.anyio
async def test_settings_that_cannot_be_read_are_told() -> None:
    for name, value in {"PAID_MODE": "keys", "PAID_TIMEOUT_S": "soon"}.items():
        with pytest.raises(VideoError, match=name):
            async with opened("http://127.0.0.1:9", **{name: value}):
                pass


@pytest.mark.anyio
async def test_retry_after_may_be_a_date(server: FakeServer) -> None:
    server.script("submit", {"status": 429, "headers": {"retry-after": formatdate(time.time() + 60, usegmt=True)}})
    async with opened(server.url) as backend:
        error = await refusal(backend)
    assert error.retry_after_s is not None and 50 < error.retry_after_s <= 60


@pytest.mark.anyio
async def test_an_unclear_submit_is_found_by_its_key(server: FakeServer) -> None:
    server.script("submit", {"status": 500, "after_charge": True}, {"status": 500})
    async with opened(server.url) as backend:
        ready = prepared(backend)
        for job_key, held in (("k1", 1), ("k2", 0)):
            with pytest.raises(VideoError, match="HTTP 500"):
                await started(backend, job_key)
            found = await backend.reconcile(ready, job_key, 0.0)
            assert len(found.matches) == held and bool(found.complete) == (held == 0)
        server.script("by-key", {"status": 404, "body": {"detail": "no route"}})
        with pytest.raises(VideoError) as caught:
            await backend.reconcile(ready, "k2", 0.0)
        assert caught.value.kind == "not_found", "another's 404 says nothing of the job"


@pytest.mark.anyio
async def test_an_unclear_submit_is_found_in_the_list_by_its_body(server: FakeServer, tmp_path: Path) -> None:
    server.set(mode="lookup")
    still = tmp_path / "still.png"
    still.write_bytes(b"png")
    async with opened(server.url, PAID_MODE="lookup") as backend:
        ready = prepared(backend, {"frames[0].image": STILL}, task="image_to_video", frames=[{"image": str(still)}])
        assert ready.uploads == ("frames[0].image",)
        ref = await backend.upload(ready, Asset("frames[0].image", "0" * 64, still, STILL))
        server.script("submit", {"lose": True})
        with pytest.raises(VideoError, match="RemoteProtocolError"):
            await backend.start(ready, {"frames[0].image": ref}, "k1")
        await started(backend, "another prompt's job has no image, and is not taken for it")
        found = await backend.reconcile(ready, "k1", 0.0)
        assert [one.handle.remote_id for one in found.matches] == [server.jobs()[0]["id"]]
        assert [one.handle.remote_id for one in found.shown] == [job["id"] for job in reversed(server.jobs())]
        assert found.complete == "" and abs((found.shown[0].made_at or 0) - time.time()) < 10
        assert (await backend.reconcile(ready, "k1", time.time() + 60)).matches == ()


@pytest.mark.anyio
@pytest.mark.parametrize("outcome", [{"status": 500}, {"reset": "before"}, {"hang": True}], ids=str)
async def test_a_failed_upload_is_free_and_may_be_repeated(
    server: FakeServer, tmp_path: Path, outcome: dict[str, Any]
) -> None:
    still = tmp_path / "still.png"
    still.write_bytes(b"png")
    server.script("upload", outcome)
    async with opened(server.url, PAID_TIMEOUT_S="0.3") as backend:
        with pytest.raises(VideoError) as caught:
            await backend.upload(prepared(backend), Asset("frames[0].image", "0" * 64, still, STILL))
    assert (caught.value.retryable, caught.value.charged) == (True, "no")


@pytest.mark.anyio
async def test_a_service_that_cannot_be_asked_is_not_taken_for_an_empty_one(server: FakeServer) -> None:
    server.set(mode="none")
    async with opened(server.url, PAID_MODE="none") as backend:
        assert backend.submit_dedupe == "none"
        with pytest.raises(VideoError, match="has no list of the jobs"):
            await backend.reconcile(prepared(backend), "k1", 0.0)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("outcome", "kind", "retryable"),
    [
        ({"status": 500}, "provider", True),
        ({"status": 429}, "rate_limited", True),
        ({"status": 401}, "auth", False),
        ({"status": 404}, "not_found", False),
        ({"reset": "before"}, "network", True),
        ({"hang": True}, "timeout", True),
    ],
    ids=str,
)
async def test_a_failed_question_says_nothing_of_the_charge(
    server: FakeServer, tmp_path: Path, outcome: dict[str, Any], kind: str, retryable: bool
) -> None:
    async with opened(server.url, PAID_TIMEOUT_S="0.3") as backend:
        handle = await started(backend)
        server.script("status", outcome)
        with pytest.raises(VideoError) as caught:
            await backend.status(handle, tmp_path)
    error = caught.value
    assert (error.kind, error.retryable, error.charged) == (kind, retryable, "unknown")


@pytest.mark.anyio
async def test_ends_that_are_no_clip_are_failures_with_their_charge(server: FakeServer, tmp_path: Path) -> None:
    bad = {"code": "moderation_output", "message": "seen"}
    server.set(life={"after_s": 0})
    server.script(
        "submit", {"job": {"outcome": "failed", "error": bad}}, {"job": {"outcome": "failed", "refund": True}}
    )
    async with opened(server.url) as backend:
        told = [await backend.status(await started(backend, key), tmp_path) for key in ("k1", "k2")]
        server.script("status", {"patch": {"files": None}}, {"patch": {"status": "dreaming"}})
        told += [await backend.status(await started(backend, key), tmp_path) for key in ("k3", "k4")]
    errors = [(status.error.kind, status.error.charged) if status.error else None for status in told]
    assert errors == [("moderation_output", "yes"), ("provider", "no"), ("provider", "unknown"), None]
    assert [status.state for status in told] == ["failed", "failed", "failed", "unknown"]
    assert told[3].raw_state == "dreaming"


@pytest.mark.anyio
async def test_cancel_tells_what_is_still_billed(server: FakeServer) -> None:
    server.set(life={"after_s": 60})
    server.script("submit", {"job": {"after_s": 60, "queued_s": 60}})
    async with opened(server.url) as backend:
        queued, running = await started(backend, "k1"), await started(backend, "k2")
        assert [(await backend.cancel(job)).billed for job in (queued, running)] == ["no", "yes"]
        again = await backend.cancel(running)
        assert (again.outcome, again.message) == ("unsupported", "the job has cancelled")
        server.set(cancel="requested")
        third = await started(backend, "k3")
        assert (await backend.cancel(third)).outcome == "requested"
        server.set(cancel="unsupported")
        assert (await backend.cancel(third)).outcome == "unsupported"
        server.script("cancel", {"status": 500})
        with pytest.raises(VideoError, match=r"failed to answer \(500\)"):
            await backend.cancel(third)


def test_extend_names_the_services_own_job_or_uploads_the_clip() -> None:
    from reelwright_paid import PaidBackend

    backend = PaidBackend({"PAID_API_KEY": KEY}, "http://127.0.0.1:9")
    facts = {"source_clip": CLIP}
    known = prepared(backend, facts, task="extend", source_clip="video://jobs/job_" + "a" * 26, resolution=None)
    assert (known.body["source_job"], known.uploads) == ("pj_parent", ())
    foreign = prepared(backend, facts, task="extend", source_clip="/clips/a.mp4", resolution=None)
    assert (foreign.body["source"], foreign.uploads) == ({"asset": "source_clip"}, ("source_clip",))


@pytest.mark.anyio
async def test_an_expired_upload_is_an_asset_problem_and_uncharged(server: FakeServer) -> None:
    async with opened(server.url) as backend:
        facts = {"frames[0].image": STILL, "frames[1].image": STILL}
        frames = [{"image": "/a.png", "role": "first"}, {"image": "/b.png", "role": "last"}]
        ready = prepared(backend, facts, task="interpolate", frames=frames)
        assert (ready.body["image"], ready.body["last_image"]) == (
            {"asset": "frames[0].image"},
            {"asset": "frames[1].image"},
        )
        with pytest.raises(VideoError) as caught:
            await backend.start(ready, {place: Ref("up_gone") for place in ready.uploads}, "k1")
    assert (caught.value.kind, caught.value.charged) == ("asset", "no")
