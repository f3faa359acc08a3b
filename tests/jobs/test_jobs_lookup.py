"""A paid request without a clear answer: what a look-up proves, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backends.jobs.views import Job
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request, until

COMPLETE = """
provider = "paid"
[[model]]
id = "paid/told"
like = "paid/basic"
title = "Paid, whose list is complete"
list = "complete"
list_source = "the operator's own word"
"""


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve(mode="lookup")


@pytest.fixture
def station(server: FakeServer, stand: Callable[..., Station]) -> Station:
    return stand(server, PAID_MODE="lookup", REELWRIGHT_WORKER="inline", REELWRIGHT_SETTLE_S="0.2")


def asked(station: Station, studio: Studio, prompt: str = "a kite", **fields: Any) -> Job:
    (job,) = station.settled(studio, [studio.submit(text_request(prompt, **fields)).job_id])
    return job


@pytest.mark.parametrize(
    "fate",
    [{"lose": True}, {"status": 502, "after_charge": True}, {"reply": {"error": {"message": "no credits left"}}}],
    ids=["cut", "502", "a 200 that holds an error"],
)
def test_an_empty_list_proves_nothing(fate: dict[str, Any], server: FakeServer, station: Station) -> None:
    """A proxy's list that never shows the job: one paid request, whatever happens."""
    server.set(list_lag_s=3600)
    server.script("submit", fate)
    job = asked(station, station.studio())
    assert (job.state, server.counters()["submit"], server.counters()["charges"]) == ("uncertain", 1, 1)
    assert job.error is not None and "3 look-ups in the provider's list did not find the job" in job.error.message
    assert "which proves nothing" in job.error.message and station.entry(job.job_id)["state"] == "unresolved"


def test_the_services_own_words_are_kept_for_the_person(server: FakeServer, station: Station) -> None:
    server.set(list_lag_s=3600)
    server.script("submit", {"status": 500, "body": {"error": {"code": "internal", "message": "ref 4711"}}})
    job = asked(station, station.studio())
    (kept,) = [note for note in job.notes if note.startswith("the paid request got no clear answer: ")]
    assert job.error is not None and kept in job.error.message and "500" in kept


def test_a_list_that_lags_is_waited_for(server: FakeServer, station: Station) -> None:
    server.set(list_lag_s=0.5)  # the first two looks are too early
    server.script("submit", {"status": 502, "after_charge": True})
    job = asked(station, station.studio())
    assert job.state == "succeeded" and server.counters()["submit"] == server.counters()["charges"] == 1


def test_a_newer_job_of_ours_in_the_list_proves_it_and_one_more_request_is_sent(
    server: FakeServer, stand: Callable[..., Station]
) -> None:
    station = stand(server, PAID_MODE="lookup", REELWRIGHT_WORKER="inline", REELWRIGHT_SETTLE_S="2.5")
    studio = station.studio()
    server.script("submit", {"status": 502, "match": "first"})
    first = studio.submit(text_request("the first")).job_id
    until(lambda: station.row(first)["posts"] == 1, "the first request is out")
    until(lambda: "no clear answer" in station.row(first)["phase"], "and unclear")
    newer = _later(studio, station, first)
    done = {job.job_id: job for job in station.settled(studio, [first, newer], 40)}
    assert done[first].state == done[newer].state == "succeeded" and server.counters()["submit"] == 3
    (told,) = [note for note in done[first].notes if "it is sent once more" in note]
    assert f"shows {station.row(newer)['remote_id']}, a newer job of ours, and not this one" in told


def _later(studio: Studio, station: Station, first: str) -> str:
    """Another job, more than two seconds after the first request: clocks of whole seconds tell them apart."""
    until(lambda: __import__("time").time() - station.row(first)["posted_at"] > 2.1, "some seconds have passed")
    return studio.submit(text_request("a newer one")).job_id


def test_a_row_may_declare_its_list_complete_and_still_only_two_are_sent(server: FakeServer, station: Station) -> None:
    (station.home / "catalog").mkdir(parents=True)
    (station.home / "catalog" / "told.toml").write_text(COMPLETE)
    studio = station.studio(REELWRIGHT_CATALOG=str(station.home / "catalog"))
    server.set(list_lag_s=3600)
    server.script("submit", {"status": 502}, {"status": 502})
    job = asked(station, studio, model="paid/told")
    assert (job.state, server.counters()["submit"]) == ("uncertain", 2)
    assert job.error is not None and "none is sent a third time" in job.error.message
    assert any("its list is complete, by the operator's own word" in note for note in job.notes)


def test_a_complete_list_that_shows_nothing_sends_it_once_more(server: FakeServer, station: Station) -> None:
    (station.home / "catalog").mkdir(parents=True)
    (station.home / "catalog" / "told.toml").write_text(COMPLETE)
    studio = station.studio(REELWRIGHT_CATALOG=str(station.home / "catalog"))
    server.script("submit", {"status": 502})
    job = asked(station, studio, model="paid/told")
    assert (job.state, server.counters()["submit"], server.counters()["charges"]) == ("succeeded", 2, 1)
    assert not any("another job just like it" in note for note in job.notes), "its own id is no other job's"


def test_a_first_request_that_turns_up_after_the_second_is_told(server: FakeServer, station: Station) -> None:
    (station.home / "catalog").mkdir(parents=True)
    (station.home / "catalog" / "told.toml").write_text(COMPLETE)
    studio = station.studio(REELWRIGHT_CATALOG=str(station.home / "catalog"))
    server.set(list_lag_s=3600)
    server.script("submit", {"status": 502, "after_charge": True})
    ticket = studio.submit(text_request("a fox", model="paid/told"))
    until(lambda: server.counters().get("submit", 0) == 1, "the first request is out")
    until(lambda: any("it is sent once more" in note for note in studio.get(ticket.job_id).notes), "the second goes")
    server.set(list_lag_s=0)
    (job,) = station.settled(studio, [ticket.job_id])
    assert (job.state, server.counters()["charges"]) == ("succeeded", 2)
    (first,) = {one["id"] for one in server.jobs()} - {station.row(job.job_id)["remote_id"]}
    assert any(f"another job just like it ({first})" in note for note in job.notes), job.notes


def test_the_candidate_nearest_its_own_request_wins(server: FakeServer, stand: Callable[..., Station]) -> None:
    """Two homes on one account, the same words, both answers lost: each finds its own."""
    one, two = (
        stand(server, name=name, PAID_MODE="lookup", REELWRIGHT_WORKER="inline", REELWRIGHT_SETTLE_S=settle)
        for name, settle in (("a", "2"), ("b", "0.2"))
    )
    server.script("submit", {"status": 502, "after_charge": True, "times": 2})
    studios = one.studio(), two.studio()
    first = studios[0].submit(text_request("the same")).job_id
    server.wait("charges", 1)
    until(lambda: __import__("time").time() - one.row(first)["posted_at"] > 1.0, "a second has passed")
    second = studios[1].submit(text_request("the same")).job_id
    (done_two,) = two.settled(studios[1], [second])
    (done_one,) = one.settled(studios[0], [first])
    assert done_one.state == done_two.state == "succeeded" and server.counters()["charges"] == 2
    born = [job["id"] for job in server.jobs()]
    assert [one.row(first)["remote_id"], two.row(second)["remote_id"]] == born


def test_an_id_is_taken_by_one_job_only(server: FakeServer, station: Station) -> None:
    """The service answers a second request with the first one's id: the second is looked up, and found by its words."""
    studio = station.studio()
    first = asked(station, studio, "one")
    taken = station.row(first.job_id)["remote_id"]
    server.script("submit", {"patch": {"id": taken}})
    second = asked(station, studio, "two")
    assert second.state == "succeeded" and station.row(second.job_id)["remote_id"] != taken
    assert any(f"gave it the id {taken}, which is job {first.job_id}'s already" in note for note in second.notes)
    assert server.counters()["charges"] == server.counters()["submit"] == 2
