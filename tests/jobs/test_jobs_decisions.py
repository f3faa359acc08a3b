"""A way out of every state that is not an end: with the job's own key, another account's, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs import decisions, records
from backends.jobs.context import Context
from backends.jobs.money import ledger
from backends.jobs.store.database import Transaction, to_json
from backends.jobs.store.journal import IdLog
from backends.provider.protocol import Access, Handle
from tests.fakes import FakeServer
from tests.fakes.service import fingerprint
from tests.jobs.nursery import Nursery
from tests.jobs.station import KEY, Station, text_request

NEW_KEY = "sk-station-beta-9876543210"
PAID_STATES = ("submitting", "running", "downloading", "finishing", "uncertain")
STATES = ("waiting", "queued", *PAID_STATES)
KEYS = {"the same": {}, "another": {"PAID_API_KEY": NEW_KEY}, "none": {"PAID_API_KEY": ""}}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Station]:
    station = Station(tmp_path, "http://127.0.0.1:9")
    yield station
    station.close()


@pytest.fixture
def context(desk: Station) -> Iterator[Context]:
    opened = Context.open(desk.settings())
    yield opened
    opened.close()


def at(desk: Station, context: Context, state: records.State, take: int = 1) -> str:
    """A job of $0.40 in that state, as its driver would have left it."""
    job = desk.place(context, text_request("a boat"), take=take)

    def write(tx: Transaction) -> None:
        if state == "waiting":
            tx.run("UPDATE jobs SET state = 'waiting' WHERE id = ?", (job,))
        elif state != "queued":
            records.move(tx, None, job, "submitting", posted_at=1.0, posts=1)
        if state in ("running", "downloading", "finishing"):
            handle = to_json({"remote_id": f"pj_{take}", "data": {}, "est_cost_usd": None})
            records.move(tx, None, job, state, handle=handle, remote_id=f"pj_{take}", accepted_at=2.0)
        if state in ("downloading", "finishing"):
            tx.run("UPDATE jobs SET result = '{\"files\":[]}', remote_done_at = 3.0 WHERE id = ?", (job,))
        if state == "uncertain":
            ledger.hold(tx, job)
            error = VideoError("submit_unknown", "no answer", charged="unknown")
            records.move(tx, None, job, "uncertain", error=to_json(error.to_json()))

    context.store.write(write)
    return job


def access(desk: Station, key: str) -> Access:
    other = Context.open(desk.settings(**KEYS[key]))
    try:
        return other.access("paid")
    finally:
        other.close()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("state", STATES)
def test_one_write_off_ends_a_job_in_any_state(state: records.State, key: str, desk: Station, context: Context) -> None:
    job = at(desk, context, state)
    decisions.write_off(context.store, job)
    row, entry = desk.row(job), desk.entry(job)
    if state in PAID_STATES:
        assert (row["state"], row["cost"], entry["basis"]) == ("failed", 400_000, "written_off")
        assert desk.books() == (Decimal("0.4"), 0)
    else:
        assert (row["state"], row["cost"], entry["state"]) == ("cancelled", 0, "released")
        assert desk.books() == (0, 0)
    with pytest.raises(VideoError, match="there is nothing to decide"):
        decisions.write_off(context.store, job)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("state", PAID_STATES)
def test_a_job_is_bound_from_any_state_to_the_credentials_that_are_set(
    state: records.State, key: str, desk: Station, context: Context
) -> None:
    job, ours = at(desk, context, state), access(desk, key)
    decisions.bind(context.store, job, "pj_found", ours)
    row = desk.row(job)
    assert (row["state"], row["remote_id"], row["error"], row["result"]) == ("running", "pj_found", None, None)
    assert row["lane"] == desk.entry(job)["lane"] == (ours.lane if ours.available else context.access("paid").lane)
    assert desk.entry(job)["state"] == "reserved"


@pytest.mark.parametrize("state", PAID_STATES)
def test_a_job_is_asked_for_again_from_any_state(state: records.State, desk: Station, context: Context) -> None:
    job, ids = at(desk, context, state), IdLog.of(desk.home)
    decisions.retry(context.store, ids, job, access(desk, "another"))
    row = desk.row(job)
    assert (row["state"], row["handle"], row["posts"], row["lane"]) == ("queued", None, 0, access(desk, "another").lane)
    assert desk.books() == (Decimal("0.4"), Decimal("0.4"))


@pytest.mark.parametrize("state", ["waiting", "queued"])
def test_what_was_never_sent_is_neither_bound_nor_asked_for_again(
    state: records.State, desk: Station, context: Context
) -> None:
    job = at(desk, context, state)
    words = f"nothing was sent for it: reelwright jobs cancel {job} ends it"
    with pytest.raises(VideoError, match=words):
        decisions.bind(context.store, job, "x")
    with pytest.raises(VideoError, match=words):
        decisions.retry(context.store, IdLog.of(desk.home), job)


def test_only_what_may_be_paid_is_fetched_again(desk: Station, context: Context) -> None:
    running = at(desk, context, "running")
    with pytest.raises(VideoError, match="is running: there is nothing to fetch"):
        decisions.fetch(context.store, running)
    unsent = at(desk, context, "queued", take=2)
    decisions.write_off(context.store, unsent)
    with pytest.raises(VideoError, match="there is nothing to fetch"):
        decisions.fetch(context.store, unsent)
    unknown = at(desk, context, "uncertain", take=3)
    assert "looked up at the provider again" in decisions.fetch(context.store, unknown)
    assert desk.row(unknown)["state"] == "submitting"


def test_the_journals_id_is_followed_by_another_key_of_the_account(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """Killed between the answer and the row, then the leaked key was replaced: the id is in the journal."""
    server = serve(mode="none", accounts={fingerprint(KEY): "one", fingerprint(NEW_KEY): "one"})
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0")
    context = Context.open(station.settings())
    job = station.place(context, text_request("begun with the old key"))
    context.close()
    assert nursery.ended(nursery.worker(station.environ(), "after-id-log:1")) == -9
    studio = station.studio(PAID_API_KEY=NEW_KEY, REELWRIGHT_WORKER="inline")
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and server.counters()["charges"] == 1


def test_a_running_job_follows_its_account_to_another_address(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """The base URL was a proxy that is gone: the same key at the service's own address goes on with the job."""
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0")
    context = Context.open(station.settings())
    job = station.place(context, text_request("by another way"))
    context.close()
    assert nursery.ended(nursery.worker(station.environ(), "after-id:1")) == -9
    route = server.url.replace("127.0.0.1", "localhost")
    studio = station.studio(PAID_BASE_URL=route, REELWRIGHT_WORKER="inline")
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and server.counters()["charges"] == 1
    assert station.row(job)["base_url"] == route


def test_handles_that_are_kept_hold_their_addresses(desk: Station, context: Context) -> None:
    job = at(desk, context, "running")
    handle = Handle("pj_1", {"status_url": "https://example.org/1"})
    from backends.jobs.store import codec

    context.store.write(
        lambda tx: tx.run("UPDATE jobs SET handle = ? WHERE id = ?", (to_json(codec.handle_to_json(handle)), job))
    )
    decisions.bind(context.store, job, "pj_1")
    assert "example.org" in desk.row(job)["handle"]
