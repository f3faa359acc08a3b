"""A paid request that got no clear answer: what a look-up shows is believed as far as it is evidence, not further."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable

from backends.jobs.context import Context
from backends.jobs.money import limits
from backends.jobs.store.database import Row
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import KEY, Station, text_request

TAKEN_UNTOLD = {"status": 500, "after_charge": True}


def inline(stand: Callable[..., Station], server: FakeServer, mode: str, **env: str) -> Station:
    return stand(server, PAID_MODE=mode, REELWRIGHT_WORKER="inline", REELWRIGHT_SETTLE_S="0.4", **env)


def owner(server: FakeServer, row: Row) -> str:
    """Whose job the service has charged under the id that a row is bound to."""
    return {job["id"]: job["job_key"] for job in server.jobs()}[row["remote_id"]]


def test_a_list_that_lags_is_waited_for(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> None:
    """The first look comes before the list shows the job: an empty list sends nothing again."""
    server = serve(mode="lookup", list_lag_s=0.6)
    station = inline(stand, server, "lookup")
    server.script("submit", TAKEN_UNTOLD)
    studio = station.studio()
    (job,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert job.state == "succeeded", job.error
    assert server.counters()["submit"] == server.counters()["charges"] == 1
    assert server.counters()["list"] >= 2


def test_a_request_is_sent_twice_at_most_and_the_person_is_told(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve(mode="key")
    station = inline(stand, server, "key")
    server.script("submit", {"status": 500, "times": 2})
    studio = station.studio()
    (job,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert job.state != "succeeded" and server.counters()["submit"] == 2 and server.counters().get("charges", 0) == 0
    assert any("was not taken" in note and "it is sent once more" in note for note in job.notes), job.notes


def test_of_two_equal_jobs_the_one_nearest_to_the_request_is_taken(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """Somebody else on the account has asked for the same words a job earlier."""
    server = serve(mode="lookup")
    station = inline(stand, server, "lookup")
    studio = station.studio()
    station.settled(studio, [studio.submit(text_request("a bird")).job_id])
    (asked,) = server.log("submit")
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    body = json.dumps({**asked["json"], "prompt": "a fox", "job_key": "another program's"})
    connection.request("POST", "/jobs", body, {"authorization": f"Bearer {KEY}"})
    assert connection.getresponse().status == 201
    connection.close()
    station.settled(studio, [studio.submit(text_request("a cat")).job_id])
    server.script("submit", TAKEN_UNTOLD)
    (job,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert job.state == "succeeded" and owner(server, station.row(job.job_id)) == job.job_id


def test_an_id_that_repeats_is_nobodys_word(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> None:
    server = serve(mode="none")
    station = inline(stand, server, "none")
    studio = station.studio()
    (first,) = station.settled(studio, [studio.submit(text_request("one")).job_id])
    server.set(hostile={"seed": 1, "one_in": 1, "tricks": ["id again"]})
    (second,) = station.settled(studio, [studio.submit(text_request("two")).job_id])
    assert (first.state, second.state) == ("succeeded", "uncertain")
    assert station.row(second.job_id)["remote_id"] is None, "it is not bound to the first one's clip"
    assert station.entry(second.job_id)["state"] == "unresolved" and server.counters()["charges"] == 2


def test_a_closed_provider_gets_no_input(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """The person has closed it while the job waited: its picture does not leave this machine."""
    from PIL import Image

    server = serve()
    station = stand(server, REELWRIGHT_WORKER_IDLE_S="0")
    still = station.root / "still.png"
    Image.new("RGB", (320, 180), "teal").save(still)
    context = Context.open(station.settings())
    try:
        asked = text_request("x", task="image_to_video", frames=[{"image": str(still)}])
        job = station.place(context, asked)
        limits.set_limit(context.store, "allow_providers", "animatic", ["paid", "animatic"])
    finally:
        context.close()
    assert nursery.ended(nursery.worker(station.environ())) == 0
    assert station.row(job)["state"] == "failed" and station.entry(job)["state"] == "released"
    assert server.counters().get("upload", 0) == 0 and server.counters().get("submit", 0) == 0
