"""Clocks that lie and machines that sleep: rows with times of another hour, and what a new worker makes of them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from backends.jobs.context import Context
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, text_request, until
from tests.patience import patient

HOUR = 3600.0


def shift(station: Station, job: str, seconds: float) -> None:
    """The row as it would be had the clock been so much further on when it was written."""
    names = ("created_at", "started_at", "posted_at", "accepted_at", "remote_done_at", "not_before")
    sets = ", ".join(f"{name} = {name} + :by" for name in names)
    station.store.write(lambda tx: tx.run(f"UPDATE jobs SET {sets} WHERE id = :job", {"by": seconds, "job": job}))


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("mode", ["key", "lookup"])
def test_an_unclear_request_is_found_whatever_the_clock_said(
    mode: str, hours: int, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """Our clock was an hour off when the intent was written: the look-up must still find what was charged."""
    server = serve(mode=mode)
    station = stand(server, PAID_MODE=mode, REELWRIGHT_SETTLE_S="0.3", REELWRIGHT_WORKER_IDLE_S="0")
    job = station.placed("an unclear request")
    assert nursery.ended(nursery.worker(station.environ(), "after-post:1")) == -9
    shift(station, job, hours * HOUR)
    begun = time.monotonic()
    assert nursery.ended(nursery.worker(station.environ())) == 0
    assert time.monotonic() - begun < patient(5), "no waiting for the clock to come round"
    assert station.row(job)["state"] == "succeeded"
    assert server.counters()["charges"] == 1 and server.counters()["submit"] == 1


def test_an_identical_clip_of_today_is_not_taken_for_ours(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """The wider look back finds an earlier take, which is bound to its own job already. That the list shows no other is
    no proof that the second request was not taken: the person decides."""
    server = serve(mode="lookup")
    station = stand(server, PAID_MODE="lookup", REELWRIGHT_SETTLE_S="0.1", REELWRIGHT_WORKER_IDLE_S="0")
    first = station.placed("the same words")
    assert nursery.ended(nursery.worker(station.environ())) == 0
    context = Context.open(station.settings())
    second = station.place(context, text_request("the same words"), take=2)
    context.close()
    assert nursery.ended(nursery.worker(station.environ(), "before-post:1")) == -9
    assert nursery.ended(nursery.worker(station.environ())) == 0
    rows = [station.row(job) for job in (first, second)]
    assert [row["state"] for row in rows] == ["succeeded", "uncertain"]
    assert rows[1]["remote_id"] is None and server.counters()["charges"] == 1


@pytest.mark.parametrize("hours", [-10, -1, 1])
def test_a_running_job_ends_whatever_the_clock_said(
    hours: int, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """-1, -10: the machine slept, or the clock was put forward; 1: it was set back. The provider is asked at once."""
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0")
    job = station.placed("the clock moves")
    assert nursery.ended(nursery.worker(station.environ(), "after-id:1")) == -9
    shift(station, job, hours * HOUR)
    begun = time.monotonic()
    assert nursery.ended(nursery.worker(station.environ())) == 0
    assert time.monotonic() - begun < patient(10)
    assert station.row(job)["state"] == "succeeded" and server.counters()["charges"] == 1


def test_a_queued_job_does_not_wait_for_a_clock_that_was_set_back(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """Told to come back in a second, and then the clock goes back while it waits: it is still a second."""
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    server.script("submit", {"status": 429, "headers": {"retry-after": "1"}})
    studio = station.studio()
    job = studio.submit(text_request("come back later")).job_id
    waiting = until(lambda: row if (row := station.row(job))["attempts"] == 1 else None, "it waits")
    assert 0 < waiting["not_before"] - time.time() <= 1.3
    (done,) = station.settled(studio, [job], 10)
    assert done.state == "succeeded"
