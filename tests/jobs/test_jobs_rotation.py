"""When keys change, and what only the person decides: adopting, rebinding, resolving."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from backends.errors import VideoError
from backends.jobs import admin, decisions
from backends.jobs.store.journal import IdLog
from backends.provider.protocol import Handle
from tests.fakes import FakeServer
from tests.fakes.service import fingerprint
from tests.jobs.nursery import Nursery
from tests.jobs.station import KEY, Station, text_request, until

NEW_KEY = "sk-station-beta-9876543210"


def test_a_running_job_is_adopted_by_another_key_of_its_account(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    server = serve(mode="none", accounts={fingerprint(KEY): "one", fingerprint(NEW_KEY): "one"})
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0")
    job = station.placed("begun with the old key")
    assert nursery.ended(nursery.worker(station.environ(), "after-id:1")) == -9
    studio = station.studio(PAID_API_KEY=NEW_KEY, REELWRIGHT_WORKER="inline")
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and server.counters()["charges"] == 1
    assert station.row(job)["lane"] == station.entry(job)["lane"] == studio.context.access("paid").lane


def test_a_running_job_of_another_account_is_left_alone(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0")
    job = station.placed("of the old account")
    assert nursery.ended(nursery.worker(station.environ(), "after-id:1")) == -9
    studio = station.studio(PAID_API_KEY=NEW_KEY, REELWRIGHT_WORKER="inline")
    words = "belongs to another account or server of paid: set PAID_API_KEY"
    told = until(lambda: phase if words in (phase := studio.get(job).phase) else "", "it is told", 10.0)
    assert told.startswith("no_credentials")
    assert station.row(job)["state"] == "running"
    assert nursery.ended(nursery.worker(station.environ())) == 0, "with the old key it goes on"
    assert station.row(job)["state"] == "succeeded" and server.counters()["charges"] == 1


def test_a_queued_job_moves_only_by_the_persons_word(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    job = station.placed("queued with the old key")
    studio = station.studio(PAID_API_KEY=NEW_KEY)
    assert studio.get(job).phase.startswith("no_credentials") and studio.get(job).state == "queued"
    admin.rebind(station.store, job, studio.context.access("paid"))
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and "moved by the user to the account that is set now" in done.notes
    (paid,) = server.jobs()
    assert paid["account"] == fingerprint(NEW_KEY)


def uncertain(station: Station, server: FakeServer) -> str:
    """A job whose reply was lost, though it was charged."""
    server.script("submit", {"lose": True})
    studio = station.studio()
    (job,) = station.settled(studio, [studio.submit(text_request("lost")).job_id])
    assert job.state == "uncertain" and server.counters()["charges"] == 1
    return job.job_id


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve(mode="none")


@pytest.fixture
def station(server: FakeServer, stand: Callable[..., Station]) -> Station:
    return stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")


def test_bound_by_the_person(server: FakeServer, station: Station) -> None:
    job = uncertain(station, server)
    (there,) = server.jobs()
    decisions.bind(station.store, job, there["id"])
    (done,) = station.settled(station.studio(), [job])
    assert done.state == "succeeded" and server.counters()["submit"] == 1
    assert station.books() == (Decimal("0.4"), 0)
    with pytest.raises(VideoError, match="is succeeded: there is nothing to decide"):
        decisions.bind(station.store, job, there["id"])


def test_asked_for_again_by_the_person(server: FakeServer, station: Station) -> None:
    """Both charges are in the books, and the second request is bound to its own id."""
    job, ids = uncertain(station, server), IdLog(station.home / "accepted.jsonl")
    ids.append(job, station.row(job)["lane"], Handle("job_of_the_first"))
    decisions.retry(station.store, ids, job)
    assert ids.find(job) is None, "an unclear answer to the second is not taken for the first one's"
    (done,) = station.settled(station.studio(), [job])
    assert done.state == "succeeded" and server.counters()["charges"] == 2
    assert station.books() == (Decimal("0.8"), 0)


def test_written_off_by_the_person(server: FakeServer, station: Station) -> None:
    job = uncertain(station, server)
    decisions.write_off(station.store, job)
    ended = station.studio().get(job)
    assert ended.state == "failed" and ended.error is not None and ended.error.charged == "unknown"
    assert station.books() == (Decimal("0.4"), 0) and server.counters()["submit"] == 1
