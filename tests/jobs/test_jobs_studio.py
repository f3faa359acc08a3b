"""What a client may rely on: the same request is the same job; jobs as inputs; cancelling, waiting, many clients."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal

import anyio
import pytest

from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.money import settle
from backends.jobs.views import Job
from backends.provider.timing import PAID_AT_ONCE
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, text_request, tiny_request, until
from tests.patience import patient

INLINE = {"REELWRIGHT_WORKER": "inline"}


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve(mode="none")


@pytest.fixture
def station(server: FakeServer, stand: Callable[..., Station]) -> Station:
    return stand(server, PAID_MODE="none", **INLINE)


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


def until_state(studio: Studio, job: str, state: str) -> Job:
    return until(lambda: found if (found := studio.get(job)).state == state else None, f"{job} is {state}")


def test_the_same_request_is_the_same_job(server: FakeServer, station: Station, studio: Studio) -> None:
    first = studio.submit(text_request("a fox"))
    again = studio.submit(text_request("a fox"))
    second = studio.submit(text_request("a fox"), take=2)
    second_again = studio.submit(text_request("a fox"), take=2)
    assert (first.replayed, again.replayed, second.replayed, second_again.replayed) == (False, True, False, True)
    assert first.job_id == again.job_id != second.job_id == second_again.job_id
    station.settled(studio, [first.job_id, second.job_id])
    late = studio.submit(text_request("a fox"))
    assert (late.replayed, late.job_id, late.state) == (True, first.job_id, "succeeded")
    assert server.counters()["charges"] == 2 and station.books() == (Decimal("0.8"), 0)


def test_a_given_key_names_one_request(studio: Studio) -> None:
    first = studio.submit(text_request("a fox"), request_key="mine")
    assert studio.submit(text_request("a fox"), request_key="mine").job_id == first.job_id
    assert studio.submit(text_request("a fox"), request_key="mine", take=2).job_id != first.job_id
    with pytest.raises(VideoError) as caught:
        studio.submit(text_request("a wolf"), request_key="mine")
    assert caught.value.kind == "conflict" and caught.value.nearest == {"job_id": first.job_id}
    assert caught.value.message.endswith("which is another request: use another request_key")


def test_an_unpaid_failure_may_be_asked_for_again(server: FakeServer, station: Station, studio: Studio) -> None:
    server.script("submit", {"status": 422}, {"job": {"polls": 1, "outcome": "failed"}})
    (refused,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert refused.state == "failed" and refused.error is not None and refused.error.charged == "no"
    (paid,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert paid.job_id != refused.job_id and paid.error is not None and paid.error.charged == "yes"
    assert paid.cost_usd == 0.4
    replay = studio.submit(text_request("a fox"))
    assert (replay.job_id, replay.replayed) == (paid.job_id, True), "a failure that was paid is not paid again"
    assert server.counters()["charges"] == 1 and station.books() == (Decimal("0.4"), 0)


def test_a_refunded_failure_is_booked_as_nothing(server: FakeServer, station: Station, studio: Studio) -> None:
    server.script("submit", {"job": {"polls": 1, "outcome": "failed", "refund": True}})
    (failed,) = station.settled(studio, [studio.submit(text_request("a fox")).job_id])
    assert failed.state == "failed" and failed.cost_usd == 0.0
    assert station.books() == (0, 0) and server.counters()["charged_usd"] == "0.000"


def test_a_bill_above_the_estimate_is_booked_told_and_stops_the_lane(
    server: FakeServer, station: Station, studio: Studio
) -> None:
    server.set(cost_factor="1.5")
    (job,) = station.settled(studio, [studio.submit(text_request("dearer")).job_id])
    assert job.state == "succeeded" and job.cost_usd == pytest.approx(0.6)
    assert any("to cost $0.60, and $0.40 was reserved for it" in note for note in job.notes)
    with pytest.raises(VideoError, match=r"paid is paused for .* \$0.40 was reserved for it") as caught:
        studio.submit(text_request("another"))
    assert caught.value.retryable and caught.value.charged == "no"


def test_an_unknown_price_is_booked_as_reported_and_stops_nothing(
    server: FakeServer, station: Station, studio: Studio
) -> None:
    station.limit(allow_unknown_price="true", per_job_usd="none", per_day_usd="none")
    request = text_request("no price", model="paid/unknown-price", max_cost_usd=None)
    server.set(report_cost=True)
    (job,) = station.settled(studio, [studio.submit(request).job_id])
    assert (job.state, job.cost_usd, job.est_cost_usd) == ("succeeded", 0.8, None)
    server.set(report_cost=False)
    (silent,) = station.settled(studio, [studio.submit(request, take=2).job_id])
    assert silent.state == "succeeded" and silent.cost_usd is None, "unknown is not 0"
    assert silent.cost_basis == "unknown: the provider reports no cost and has no listed price"


def test_a_computed_cost(server: FakeServer, station: Station, studio: Studio) -> None:
    server.set(report_cost=False)
    (job,) = station.settled(studio, [studio.submit(text_request("no report")).job_id])
    assert (job.cost_usd, job.cost_basis) == (0.4, "computed from the list price")
    assert station.entry(job.job_id)["basis"] == "computed"


def test_a_failure_that_may_be_billed_books_the_reservation(station: Station) -> None:
    job = station.placed("nobody says what it cost")
    error = VideoError("provider", "it broke", charged="unknown")
    station.store.write(lambda tx: settle.fail(tx, None, job, error))
    assert station.books() == (Decimal("0.4"), 0)


# jobs as input


def still_of(job: str, prompt: str) -> object:
    return text_request(prompt, task="image_to_video", frames=[{"image": f"video://jobs/{job}/last_frame"}])


def test_a_job_that_its_input_makes_more_expensive_is_not_sent(
    server: FakeServer, station: Station, studio: Studio
) -> None:
    """What was reserved for it is put below its price while its input is still made."""
    server.set(life={"until_told": True})
    first = studio.submit(text_request("the first")).job_id
    second = studio.submit(still_of(first, "the second")).job_id
    station.store.write(lambda tx: tx.run("UPDATE jobs SET est_high = 100000 WHERE id = ?", (second,)))
    until_state(studio, first, "running")
    server.tell()
    (job,) = station.settled(studio, [second])
    assert job.error is not None and (job.error.kind, job.error.charged) == ("needs_budget", "no")
    assert server.counters()["charges"] == 1


def test_a_job_waits_for_its_input(server: FakeServer, station: Station, studio: Studio) -> None:
    server.set(life={"until_told": True})
    first = studio.submit(text_request("first")).job_id
    second = studio.submit(still_of(first, "second")).job_id  # type: ignore[arg-type]
    assert studio.get(second).state == "waiting" and studio.get(second).parents == [first]
    assert station.entry(second)["state"] == "reserved", "its money is reserved"
    server.wait("charges", 1)
    server.tell()
    until_state(studio, first, "succeeded")
    server.wait("charges", 2)
    server.tell()
    done = station.settled(studio, [first, second])
    assert [job.state for job in done] == ["succeeded", "succeeded"]
    (upload,) = server.log("upload")
    assert upload["body_bytes"] > 100


def test_a_job_fails_unpaid_with_its_input(server: FakeServer, station: Station, studio: Studio) -> None:
    server.set(life={"until_told": True})
    first = studio.submit(text_request("first")).job_id
    second = studio.submit(still_of(first, "second")).job_id  # type: ignore[arg-type]
    third = studio.submit(still_of(second, "third")).job_id  # type: ignore[arg-type]
    server.wait("charges", 1)
    server.tell(outcome="failed")
    done = station.settled(studio, [second, third])
    assert [job.state for job in done] == ["failed", "failed"]
    assert done[0].error is not None
    assert done[0].error.message == f"its input, job {first}, failed: nothing was made or charged"
    assert done[1].error is not None and f"job {second}, failed" in done[1].error.message
    assert server.counters()["charges"] == 1 and station.entry(second)["state"] == "released"


# cancelling


def test_cancel_before_it_is_sent(station: Station, server: FakeServer) -> None:
    """Waiting and queued jobs end at once and unpaid, whether or not anybody drives their lane."""
    context = Context.open(station.settings())
    queued = station.place(context, text_request("queued"))
    waiting = station.place(context, still_of(queued, "waiting"))  # type: ignore[arg-type]
    context.close()
    keyless = station.studio(PAID_API_KEY="")
    for job in (waiting, queued):
        assert (ended := keyless.cancel(job)).state == "cancelled" and ended.cost_usd == 0.0
        assert keyless.cancel(job).state == "cancelled", "again is no error"
        assert station.entry(job)["state"] == "released"
    assert server.counters()["charges"] == 0


def test_cancel_while_it_waits_for_the_requests_of_others(server: FakeServer, station: Station, studio: Studio) -> None:
    """Its turn to be claimed comes after it was cancelled."""
    for _ in range(PAID_AT_ONCE):
        server.script("submit", {"hang": True})
    before = [studio.submit(text_request(f"sent {number}")).job_id for number in range(PAID_AT_ONCE)]
    server.wait("submit", PAID_AT_ONCE, 5.0)
    job = studio.submit(text_request("cancelled before its turn")).job_id
    until(lambda: json.loads(station.row(job)["prepared"])["body"], "it is ready to be sent")
    assert studio.cancel(job).state == "cancelled"
    server.release()
    station.settled(studio, before)
    assert studio.get(job).state == "cancelled" and server.counters()["submit"] == PAID_AT_ONCE


def test_cancel_while_it_is_being_sent(server: FakeServer, station: Station, studio: Studio) -> None:
    """The id is waited for, and then the provider is told: at once, not at the next question."""
    server.set(life={"until_told": True, "queued_s": 60})
    server.script("submit", {"delay_after_s": 0.5})
    job = studio.submit(text_request("cancelled in the request")).job_id
    server.wait("charges", 1)
    assert studio.cancel(job).state == "submitting"
    begun = time.monotonic()
    done = until_state(studio, job, "cancelled")
    assert time.monotonic() - begun < patient(3)
    assert "stopped at the provider; it is not billed" in done.notes
    assert server.counters()["charges"] == 1 and station.books() == (0, 0)


@pytest.mark.parametrize(
    ("how", "queued_s", "state", "words", "settled"),
    [
        ("stops", 0, "cancelled", "stopped at the provider; it is still billed", "0.4"),
        ("stops", 60, "cancelled", "stopped at the provider; it is not billed", "0"),
        ("requested", 0, "succeeded", "cancelling was requested; it may still finish", "0.4"),
        ("unsupported", 0, "succeeded", "jobs cannot be cancelled; it is still billed", "0.4"),
    ],
)
def test_cancel_while_it_runs(
    how: str,
    queued_s: float,
    state: str,
    words: str,
    settled: str,
    server: FakeServer,
    station: Station,
    studio: Studio,
) -> None:
    server.set(cancel=how, life={"until_told": True, "queued_s": queued_s})
    job = studio.submit(text_request("cancelled while it runs")).job_id
    until_state(studio, job, "running")
    begun = time.monotonic()
    studio.cancel(job)
    server.wait("cancel", 1, 2.0)
    assert time.monotonic() - begun < patient(1), "seen at once"
    server.tell()
    (done,) = station.settled(studio, [job])
    assert done.state == state and any(note.startswith(words) for note in done.notes), done.notes
    assert station.books() == (Decimal(settled), 0) and server.counters()["cancel"] == 1


def test_a_cancel_that_is_not_answered_is_repeated_slowly(server: FakeServer, station: Station, studio: Studio) -> None:
    server.set(life={"until_told": True})
    server.script("cancel", {"status": 503})
    job = studio.submit(text_request("cancelled")).job_id
    until_state(studio, job, "running")
    studio.cancel(job)
    until_state(studio, job, "cancelled")
    assert server.counters()["cancel"] == 2 and server.counters()["status"] < 60


def test_cancel_while_it_is_fetched_keeps_the_clip(server: FakeServer, station: Station, studio: Studio) -> None:
    server.script("media", {"delay_s": 0.6})
    job = studio.submit(text_request("here already")).job_id
    until_state(studio, job, "downloading")
    studio.cancel(job)
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and done.file and server.counters().get("cancel", 0) == 0


def test_cancel_local_work(station: Station, studio: Studio) -> None:
    job = studio.submit(tiny_request("wait for ever")).job_id
    until_state(studio, job, "running")
    studio.cancel(job)
    assert until_state(studio, job, "cancelled").cost_usd == 0.0


def test_an_uncertain_job_is_the_persons(server: FakeServer, station: Station, studio: Studio) -> None:
    server.script("submit", {"lose": True})
    (job,) = station.settled(studio, [studio.submit(text_request("lost")).job_id])
    assert job.state == "uncertain"
    with pytest.raises(VideoError, match="it cannot be cancelled; the user decides at a terminal") as caught:
        studio.cancel(job.job_id)
    assert caught.value.kind == "conflict"
    assert studio.submit(text_request("lost")).job_id == job.job_id, "asking again never sends it again"


# waiting


def test_waiting(server: FakeServer, station: Station, studio: Studio) -> None:
    server.set(life={"until_told": True})
    jobs = [studio.submit(text_request(f"shot {number}")).job_id for number in range(2)]
    server.wait("charges", 2)
    (one, two) = anyio.run(lambda: studio.wait(jobs, timeout_s=0.1))
    assert one.timed_out and two.timed_out and one.next == f'wait_for_job(job_ids=["{jobs[0]}"])'
    by_key = {told["job_key"]: told["id"] for told in server.jobs()}
    server.tell(by_key[jobs[1]])
    told: list[tuple[str, str]] = []

    async def note(job: Job) -> None:
        told.append((job.job_id, job.state))

    first, second = anyio.run(lambda: studio.wait(jobs, until="any", timeout_s=10, on_change=note))
    assert (first.state, second.state) == ("running", "succeeded") and not second.timed_out
    assert told[-1] == (jobs[1], "succeeded")

    async def give_up() -> bool:
        with anyio.move_on_after(0.2) as scope:
            await studio.wait([jobs[0]], timeout_s=30)
        return scope.cancelled_caught

    assert anyio.run(give_up), "cancelling a wait ..."
    assert studio.get(jobs[0]).state == "running", "... cancels no job"
    server.tell()
    assert [job.state for job in station.settled(studio, jobs)] == ["succeeded", "succeeded"]
    with pytest.raises(VideoError, match="job_ids is empty"):
        anyio.run(lambda: studio.wait([]))
    with pytest.raises(VideoError, match="there is no job"):
        anyio.run(lambda: studio.wait(["job_nothing"]))


# several clients


def test_two_clients_on_one_store_one_driver(
    server: FakeServer, stand: Callable[..., Station], nursery: Nursery
) -> None:
    station = stand(server, PAID_MODE="none", **INLINE)
    one, two = station.studio(), station.studio()
    ids = [studio.submit(text_request(f"shot {n}")).job_id for n in range(6) for studio in (one, two)]
    assert len(set(ids)) == 6, "the same six shots, asked for by both"
    for studio in (one, two):
        assert {job.state for job in station.settled(studio, ids)} == {"succeeded"}
    assert server.counters()["charges"] == 6


def test_each_account_and_server_gets_its_own_jobs(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    here, there = serve(), serve()
    station = stand(here, **INLINE)
    clients = [
        station.studio(PAID_API_KEY="sk-one"),
        station.studio(PAID_API_KEY="sk-two"),
        station.studio(PAID_API_KEY="sk-one", PAID_BASE_URL=there.url),
    ]
    jobs = [studio.submit(text_request(f"of client {number}")).job_id for number, studio in enumerate(clients)]
    for studio, job in zip(clients, jobs, strict=True):
        (done,) = station.settled(studio, [job])
        assert done.state == "succeeded"
    own = [{job["job_key"]: job["account"] for job in server.jobs()} for server in (here, there)]
    assert own[0].keys() == {jobs[0], jobs[1]} and own[1].keys() == {jobs[2]}
    assert own[0][jobs[0]] != own[0][jobs[1]] and own[1][jobs[2]] == own[0][jobs[0]]
    assert len(station.rows("SELECT key FROM lanes WHERE provider = 'paid'")) == 3


def test_another_principal_sees_nothing(station: Station, studio: Studio) -> None:
    job = studio.submit(tiny_request("mine")).job_id
    with Studio.open(station.settings(), principal="somebody else") as other:
        for call in (other.get, other.cancel):
            with pytest.raises(VideoError, match="there is no job") as caught:
                call(job)
            assert caught.value.kind == "not_found"
        assert other.list().jobs == []
