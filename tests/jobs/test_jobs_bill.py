"""Money that a provider speaks of: what is believed, what it holds, and when the account stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from backends.errors import VideoError
from backends.jobs import admin
from backends.jobs.context import Context
from backends.jobs.money import reported_cost
from backends.jobs.money.ledger import utc_day
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request, until


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve(mode="none")


@pytest.fixture
def station(server: FakeServer, stand: Callable[..., Station]) -> Station:
    return stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


@pytest.mark.parametrize(
    "figure", ["0", "0.4", "8", "-0.01", "-1000", "8.01", "1e25", "1e999999", "-1e999999", "NaN", "Infinity"]
)
def test_a_bill_is_believed_up_to_twenty_times_the_reservation(figure: str) -> None:
    known = reported_cost.believed(Decimal(figure), 400_000)
    assert known == {"0": 0, "0.4": 400_000, "8": 8_000_000}.get(figure)
    said = reported_cost.judge(Decimal(figure), 400_000)
    assert said is not None and said.cost == (400_000 if known is None else known)
    assert (said.odd != "") == (known is None) and len(said.words) < 100


@pytest.mark.parametrize("cost", ["-1000", "1e25", "100"])
def test_a_figure_that_cannot_be_meant_is_not_booked_and_stops_the_account(
    cost: str, server: FakeServer, station: Station, studio: Studio
) -> None:
    server.script("status", {"patch": {"cost_usd": cost}})
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert (job.state, job.cost_usd) == ("succeeded", 0.4)
    assert station.books() == (Decimal("0.4"), 0) and studio.spend().today_usd == 0.4
    assert "is implausible" in job.cost_basis and any("its reservation of $0.40 is booked" in one for one in job.notes)
    with pytest.raises(VideoError, match=r"paid is paused for .* is implausible"):
        studio.submit(text_request("another"))
    assert admin.resume(station.store)


def test_a_failed_job_with_a_figure_that_cannot_be_meant(server: FakeServer, station: Station, studio: Studio) -> None:
    server.script("submit", {"job": {"polls": 1, "outcome": "failed"}})
    server.always("status", {"patch": {"cost_usd": "-7"}})
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert (job.state, job.cost_usd) == ("failed", 0.4) and station.books() == (Decimal("0.4"), 0)


def test_the_providers_own_estimate_raises_the_hold_at_once_and_stops_the_account(
    server: FakeServer, station: Station, studio: Studio
) -> None:
    """Limits of $1 a job and $4 a day; the service says $5 in its answer to the first request: no second is sent."""
    station.limit(per_job_usd="1", per_day_usd="4")
    server.set(life={"until_told": True})
    server.always("submit", {"patch": {"est_cost_usd": "5"}})
    first = studio.submit(text_request("kite 1")).job_id
    until(lambda: station.row(first)["state"] == "running", "taken")
    assert station.entry(first)["reserved"] == 5_000_000 and studio.spend().today_usd == 5.0
    (told,) = [note for note in studio.get(first).notes if "expects job" in note]
    assert "to cost $5.00, and $0.40 was reserved for it" in told
    for number in range(2, 6):
        with pytest.raises(VideoError, match="is paused for"):
            studio.submit(text_request(f"kite {number}"))
    assert server.counters()["submit"] == 1


def test_an_estimate_that_cannot_be_meant_holds_nothing_more(
    server: FakeServer, station: Station, studio: Studio
) -> None:
    server.script("submit", {"patch": {"est_cost_usd": "-3"}})
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert job.state == "succeeded" and station.books() == (Decimal("0.4"), 0)
    assert any("expects job" in note and "is implausible" in note for note in job.notes)


def test_the_ledger_takes_no_negative_figure(station: Station, studio: Studio) -> None:
    def write(tx: Any) -> None:
        tx.run("UPDATE ledger SET settled = -1")

    studio.submit(text_request("a kite"))
    with pytest.raises(VideoError, match=r"CHECK constraint failed|violates check constraint"):
        station.store.write(write)


# the day of the payment


def yesterday(station: Station) -> None:
    day = utc_day(time.time() - 86400)
    station.store.write(lambda tx: tx.run("UPDATE ledger SET day = ?", (day,)))


def queued(station: Station, count: int, words: str = "kite") -> list[str]:
    """Jobs in the store that nobody drives yet."""
    context = Context.open(station.settings())
    try:
        return [station.place(context, text_request(f"{words} {number}")) for number in range(count)]
    finally:
        context.close()


def test_what_was_reserved_before_midnight_counts_on_the_day_that_it_is_paid(
    server: FakeServer, station: Station
) -> None:
    station.limit(per_day_usd="2")
    jobs = queued(station, 5)
    yesterday(station)
    studio = station.studio()
    station.settled(studio, jobs)
    assert studio.spend().today_usd == 2.0
    with pytest.raises(VideoError, match=r"\$2.00 of the \$2.00 a day"):
        studio.submit(text_request("one more"))


def test_what_does_not_fit_today_any_more_waits_instead_of_failing(server: FakeServer, station: Station) -> None:
    station.limit(per_day_usd="2")
    old = queued(station, 5)
    yesterday(station)
    new = queued(station, 5, "new")
    studio = station.studio()
    station.settled(studio, new, 40)
    assert server.counters()["charges"] == 5 and {station.row(job)["state"] for job in old} == {"queued"}
    assert "waits for the day's limit: this may cost $0.40; $2.00 of the $2.00 a day" in studio.get(old[0]).phase
    assert studio.spend().today_usd == 2.0


def test_the_limits_are_looked_at_before_the_first_byte_of_an_input_leaves(
    server: FakeServer, station: Station
) -> None:
    Image.new("RGB", (320, 180), "teal").save(station.root / "still.png")
    context = Context.open(station.settings())
    request = text_request("on", task="image_to_video", frames=[{"image": str(station.root / "still.png")}])
    job = station.place(context, request)
    context.close()
    station.store.write(lambda tx: tx.run("INSERT INTO settings VALUES ('allow_providers', 'animatic', 0)"))
    (ended,) = station.settled(station.studio(), [job])
    assert ended.state == "failed" and ended.error is not None and ended.error.kind == "wall"
    assert server.counters().get("upload", 0) == 0 == server.counters().get("submit", 0)
