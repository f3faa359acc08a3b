"""A service that contradicts itself: no paid clip is given up, and no book is spoilt, by what it says once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from backends.errors import VideoError
from backends.jobs import decisions
from backends.jobs.money import ledger
from backends.jobs.store.schema import OPEN
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, text_request, until


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve(mode="none")


@pytest.fixture
def station(server: FakeServer, stand: Callable[..., Station]) -> Station:
    return stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline", REELWRIGHT_POLL_EVERY_S="0.1")


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


LIES: list[dict[str, Any]] = [
    {"route": "status", "patch": {"status": "failed", "error": {"code": "internal", "message": "no"}, "files": []}},
    {"route": "status", "patch": {"status": "succeeded", "files": []}},
    {"route": "status", "patch": {"status": "queued", "files": [], "progress": 0, "queue_position": 7}},
    {"route": "status", "patch": {"status": "RUN\nnext: \ud800", "files": []}},
    {"route": "status", "patch": {"files": 7}},
    {"route": "status", "patch": {"progress": [1], "files": [], "status": "running"}},
    {"route": "status", "patch": {"seed": 10**30}},
    {"route": "status", "status": 404, "times": 2},
    {"route": "media", "truncate": 2000, "no_length": True},
    {"route": "media", "status": 404},
    {"route": "media", "status": 503, "headers": {"retry-after": "\u00b2"}},
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: " ".join(f"{name} {value}" for name, value in lie.items())[:60])
def test_one_lie_gives_no_paid_clip_up(
    lie: dict[str, Any], server: FakeServer, station: Station, studio: Studio
) -> None:
    server.script(lie["route"], {name: value for name, value in lie.items() if name != "route"})
    (job,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert server.left() == {}, "the lie was told"
    assert job.state == "succeeded", job.error
    assert server.counters()["charges"] == 1 and station.entry(job.job_id)["settled"] == 400_000


@pytest.mark.parametrize("figure", ["-1000", "1e25", "NaN", "-0.01", "400"])
def test_a_figure_that_cannot_be_meant_is_no_bill(
    figure: str, server: FakeServer, station: Station, studio: Studio
) -> None:
    """The reservation is booked in its place; and where it is a figure at all, the account stops until a person has
    looked."""
    server.script("status", {"patch": {"cost_usd": figure}})
    (job,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert job.state == "succeeded", job.error
    entry = station.entry(job.job_id)
    assert (entry["state"], entry["settled"]) == ("settled", 400_000)
    assert studio.spend().today_usd == 0.4
    stopped = station.rows("SELECT 1 FROM lanes WHERE breaker <> ''")
    told = any("is implausible" in note for note in job.notes)
    assert bool(stopped) == told and (told or figure == "NaN"), job.notes


def test_a_price_announced_above_the_reservation_is_held_and_stops_the_account(
    server: FakeServer, station: Station, studio: Studio
) -> None:
    server.set(life={"until_told": True})
    server.script("submit", {"patch": {"est_cost_usd": "1.20"}})
    job = studio.submit(text_request("dear")).job_id
    until(lambda: station.row(job)["state"] == "running", "it is taken")
    assert station.entry(job)["reserved"] == 1_200_000
    with pytest.raises(VideoError, match=r"expects job .* to cost \$1\.20, and \$0\.40 was reserved"):
        studio.submit(text_request("another"))
    server.tell()
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and server.counters()["charges"] == 1


def test_a_job_waits_for_a_limit_of_the_day_that_came_closer(
    server: FakeServer, station: Station, nursery: Nursery
) -> None:
    job = station.placed("accepted before")
    station.limit(per_day_usd="0.1")
    worker = nursery.worker(station.environ())
    waiting = until(lambda: row if (row := station.row(job))["phase"] else None, "it is looked at")
    assert waiting["state"] == "queued" and waiting["phase"].startswith("waits for the day's limit"), waiting["error"]
    assert station.entry(job)["state"] == "reserved" and server.counters().get("submit", 0) == 0
    assert waiting["not_before"] > time.time() + 20, "it would look again in a minute"
    station.limit(per_day_usd="1")
    until(lambda: server.counters()["charges"] == 1, "there is room now, and it goes at once", 5.0)
    assert nursery.ended(worker) == 0


def test_under_a_limit_that_was_lowered_the_first_jobs_go_and_the_later_wait(
    server: FakeServer, station: Station, nursery: Nursery
) -> None:
    first, second, third, fourth = map(station.placed, ("one", "two", "three", "four"))
    station.limit(per_day_usd="1")
    worker = nursery.worker(station.environ())
    until(lambda: server.counters()["charges"] == 2 and station.row(fourth)["phase"], "two are sent, the last waits")
    states = [station.row(job)["state"] for job in (third, fourth)]
    assert states == ["queued", "queued"] and server.counters()["charges"] == 2
    for job in (third, fourth):
        decisions.write_off(station.store, job)
    assert nursery.ended(worker) == 0
    assert [station.row(job)["state"] for job in (first, second)] == ["succeeded", "succeeded"]


def test_what_is_paid_today_counts_today(server: FakeServer, station: Station, nursery: Nursery) -> None:
    job = station.placed("reserved long ago")
    station.store.write(lambda tx: tx.run("UPDATE ledger SET day = '2001-01-01'"))
    assert nursery.ended(nursery.worker(station.environ())) == 0
    assert station.row(job)["state"] == "succeeded" and server.counters()["charges"] == 1
    assert station.entry(job)["day"] == ledger.utc_day()


STATES = ("waiting", "queued", "submitting", "running", "downloading", "finishing", "uncertain")


def test_a_person_can_end_every_job_with_no_key_at_all(station: Station) -> None:
    jobs = list(map(station.placed, STATES))
    for job, state in zip(jobs, STATES, strict=True):
        station.store.write(
            lambda tx, job=job, state=state: tx.run(
                "UPDATE jobs SET state = ?, posted_at = CASE WHEN ? IN ('waiting', 'queued') THEN NULL ELSE 1 END, "
                "lane = 'paid|http://gone|0123456789ab' WHERE id = ?",
                (state, state, job),
            )
        )
    for job in jobs:
        decisions.write_off(station.store, job)
    ended = {row["id"]: row["state"] for row in station.rows("SELECT id, state FROM jobs")}
    assert [ended[job] for job in jobs] == ["cancelled"] * 2 + ["failed"] * 5
    assert not station.rows(f"SELECT 1 FROM jobs WHERE {OPEN} OR state = 'uncertain'")
    assert {station.entry(job)["state"] for job in jobs[:2]} == {"released"}
    assert {(station.entry(job)["state"], station.entry(job)["settled"]) for job in jobs[2:]} == {("settled", 400_000)}
