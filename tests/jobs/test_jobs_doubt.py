"""No decision that cannot be taken back on one reading, and none on a failure of this program."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import anyio
import pytest

from backends.jobs import decisions
from backends.jobs.context import Context
from backends.jobs.lanes import lanes
from backends.jobs.lanes.state import LaneState
from backends.jobs.run.remote import RemoteRun
from backends.studio import Studio
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station, end, text_request, until


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve(mode="none", clips={"": tiny_clip(), "small": tiny_clip(64, 64, 1.0)})


@pytest.fixture
def station(server: FakeServer, stand: Callable[..., Station]) -> Station:
    return stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline", REELWRIGHT_DOUBT_S="0.5")


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


ONCE: list[dict[str, Any]] = [
    {"patch": {"status": "failed", "error": {"code": "internal", "message": "a slip"}, "files": []}},
    {"patch": {"status": "succeeded", "files": []}},
    {"patch": {"status": "cancelled"}},
    {"status": 404},
    {"status": 410},
]


@pytest.mark.parametrize("answer", ONCE, ids=["failed", "no files", "cancelled", "404", "410"])
def test_one_bad_answer_is_looked_at_again(
    answer: dict[str, Any], server: FakeServer, station: Station, studio: Studio
) -> None:
    server.script("status", answer)
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert (job.state, job.cost_usd) == ("succeeded", 0.4) and server.counters()["charges"] == 1
    assert station.row(job.job_id)["doubt_at"] is None and server.left() == {}


def test_an_end_that_follows_another_doubt_is_a_first_reading_too(
    server: FakeServer, stand: Callable[..., Station]
) -> None:
    """Long enough unknown to the service that one FAILED, had it been heard then, would be believed."""
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline", REELWRIGHT_DOUBT_S="0.1")
    server.script("status", *[{"status": 404}] * 4, ONCE[0])
    (job,) = station.settled(station.studio(), [station.studio().submit(text_request("a kite")).job_id])
    assert job.state == "succeeded" and server.counters()["charges"] == 1 and server.left() == {}


def test_a_bad_end_that_stays_is_believed(server: FakeServer, station: Station, studio: Studio) -> None:
    server.script("submit", {"job": {"polls": 1, "outcome": "failed"}})
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert job.state == "failed" and server.counters()["status"] >= 2


def test_what_a_service_does_not_know_for_minutes_is_left_to_the_person_and_can_be_fetched(
    server: FakeServer, stand: Callable[..., Station]
) -> None:
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline", REELWRIGHT_DOUBT_S="0.02")
    studio = station.studio()
    server.always("status", {"status": 404})
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert job.state == "uncertain" and server.counters()["charges"] == 1
    server.clear("status")
    assert "status is checked again" in decisions.fetch(station.store, job.job_id)
    (job,) = station.settled(studio, [job.job_id])
    assert job.state == "succeeded" and server.counters()["submit"] == 1
    assert station.books() == (Decimal("0.4"), 0)


def test_a_failed_job_that_may_be_paid_can_be_fetched_by_the_person(server: FakeServer, station: Station) -> None:
    studio = station.studio(REELWRIGHT_DOUBT_S="0.01")
    lie = {"patch": {"status": "failed", "error": {"code": "internal", "message": "no"}, "files": []}}
    server.always("status", lie)
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert job.state == "failed" and job.error is not None and job.error.charged == "yes"
    server.clear("status")
    decisions.fetch(station.store, job.job_id)
    (job,) = station.settled(studio, [job.job_id])
    assert job.state == "succeeded" and job.error is None and server.counters()["submit"] == 1
    assert station.books() == (Decimal("0.4"), 0)


ODD: list[dict[str, Any]] = [
    {"queue_position": 1e30},
    {"progress": {}},
    {"status": "RUNN\ud800ING"},
    {"progress": "many", "seed": 1e30},
]


@pytest.mark.parametrize("value", ODD, ids=["position", "progress", "surrogate", "words"])
def test_an_odd_value_on_the_way_ends_nothing(
    value: dict[str, Any], server: FakeServer, station: Station, studio: Studio
) -> None:
    server.script("status", {"patch": {"status": "running", "files": [], **value}})
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert (job.state, job.cost_usd) == ("succeeded", 0.4) and server.counters()["charges"] == 1


def test_a_failure_that_no_step_foresaw_is_no_verdict(station: Station) -> None:
    job = station.placed("a kite")
    context = Context.open(station.settings())
    lane = station.row(job)["lane"]
    context.store.write(lambda tx: tx.run("UPDATE jobs SET state = 'running' WHERE id = ?", (job,)))
    lease = lanes.take(context.store, context.locks, lane, version="", detached=False)
    assert lease is not None
    run = RemoteRun(LaneState.open(context, lease, cast(Any, None), cast(Any, None)), job)
    run.wake()
    anyio.run(run._surprised, RecursionError("nobody thought of it"))
    row = station.row(job)
    assert row["state"] == "running" and "RecursionError: nobody thought of it" in row["phase"]
    assert row["phase"].endswith("trying again in 1 s")
    context.close()


def test_an_extra_file_that_cannot_be_had_holds_nothing_back(
    server: FakeServer, station: Station, studio: Studio
) -> None:
    """A second clip that is gone, and one with an address that no service should name."""
    station.settled(studio, [studio.submit(text_request("an earlier one")).job_id])
    clip = f"{server.url}{server.log('media')[0]['path']}"
    files = [{"url": url, "mime": "video/mp4"} for url in (clip, f"{server.url}/media/gone", "file:///etc/passwd")]
    server.script("status", {"patch": {"status": "succeeded", "files": files}})
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id], 40)
    assert job.state == "succeeded" and len(job.files) == 1 and job.cost_usd == 0.4
    assert len([note for note in job.notes if "came with the clip and could not be fetched" in note]) == 2


def test_a_program_that_cannot_read_a_clip_keeps_the_job(
    server: FakeServer, stand: Callable[..., Station], tmp_path: Any
) -> None:
    """A library's call that has changed: the clip is here, the job says why, and the next program finishes it."""
    broken = tmp_path / "broken"
    (broken / "av").mkdir(parents=True)
    (broken / "av" / "__init__.py").write_text("raise TypeError('open() got an unexpected keyword argument')\n")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0.5")
    path = station.environ()["PYTHONPATH"]
    with station.studio(PYTHONPATH=f"{broken}:{path}") as studio:
        job = studio.submit(text_request("a kite")).job_id
        until(lambda: "the clip is here" in station.row(job)["phase"], "it is told", 40)
        told = station.row(job)["phase"]
        assert "could not read" in told and f"reelwright jobs finish {job}" in told
        assert station.row(job)["state"] == "finishing" and station.entry(job)["state"] == "reserved"
        for driver in station.drivers():
            end(driver)
    (done,) = station.settled(station.studio(), [job], 40)
    assert done.state == "succeeded" and server.counters()["charges"] == 1 and server.counters()["media"] == 1
