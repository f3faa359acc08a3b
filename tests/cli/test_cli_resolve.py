"""An uncertain job: decided by a person at a terminal who types its last characters, and by nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs import admin, decisions, records
from backends.jobs.context import Context
from backends.jobs.lanes.lanes import Fenced
from backends.jobs.money import ledger
from backends.jobs.records import Hold
from backends.jobs.store.database import Transaction
from backends.jobs.store.journal import IdLog
from backends.provider.protocol import Handle
from tests.cli.shell import Shell
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request

Make = Callable[..., Shell]
Serve = Callable[..., FakeServer]

PAID = ("make", "a boat", "--model", "paid/quick", "--duration", "4", "--resolution", "180p", "--yes", "--json")


def uncertain(shell: Make, serve: Serve) -> tuple[Shell, FakeServer, str]:
    """A job that the service has charged, with no answer and no way to look it up."""
    server = serve(mode="none")
    server.script("submit", {"lose": True})
    used = shell(server, PAID_MODE="none")
    ended = used.run(*PAID)
    assert (ended.code, ended.json["state"]) == (1, "uncertain")
    return used, server, ended.json["job_id"]


def test_a_pipe_decides_nothing(shell: Make, serve: Serve) -> None:
    used, _, job = uncertain(shell, serve)
    told = used.refused("jobs", "resolve", job, "--write-off", typed=f"{job[-6:]}\n")
    assert told == ("reelwright: consent: only the user can confirm this, at a terminal. Nothing was changed\n")
    assert used.station.row(job)["state"] == "uncertain"
    assert f"job\t{job} waits for your decision" in used.run("doctor", "--quick").out
    assert "reelwright jobs resolve" in used.refused("jobs", "cancel", job)


def test_bind_follows_the_job_that_the_person_found(shell: Make, serve: Serve) -> None:
    used, server, job = uncertain(shell, serve)
    (there,) = server.jobs()
    with used.terminal("jobs", "resolve", job, "--bind", there["id"]) as terminal:
        terminal.expect("Type the last 6 characters of the job's id to do this: ")
        terminal.send("wrong!\n")
        assert terminal.end() == 1
        assert "that is not the phrase: nothing was changed" in terminal.shown
    assert used.station.row(job)["state"] == "uncertain"
    with used.terminal("jobs", "resolve", job, "--bind", there["id"]) as terminal:
        terminal.expect(f"It will be followed at the provider as {there['id']}; up to $0.40 stay reserved for it.")
        terminal.expect("to do this: ")
        terminal.send(job[-6:] + "\n")
        assert terminal.end() == 0
    assert used.done("jobs", "watch", job, "--json").json[0]["state"] == "succeeded"
    assert used.station.books() == (Decimal("0.4"), Decimal(0))
    assert server.counters()["charges"] == 1


def test_retry_pays_again_and_books_both(shell: Make, serve: Serve) -> None:
    used, server, job = uncertain(shell, serve)
    with used.terminal("jobs", "resolve", job, "--retry-and-accept-second-charge") as terminal:
        terminal.expect("The first submit is booked as charged ($0.40); it is submitted again for up to $0.40 more.")
        terminal.expect("to do this: ")
        terminal.send(job[-6:] + "\n")
        assert terminal.end() == 0
    assert used.done("jobs", "watch", job, "--json").json[0]["state"] == "succeeded"
    assert server.counters()["charges"] == 2
    assert used.station.books() == (Decimal("0.8"), Decimal(0))
    assert "an earlier submit is booked at $0.40" in used.done("jobs", "show", job).out


def test_the_id_that_only_the_log_has_is_shown(shell: Make, serve: Serve) -> None:
    used, _, job = uncertain(shell, serve)
    assert "remote_id" not in used.done("jobs", "show", job).out
    IdLog(used.station.home / "accepted.jsonl").append(job, used.station.row(job)["lane"], Handle("pj_77"))
    assert used.done("jobs", "show", job).lines[-1] == "remote_id: pj_77"
    assert used.done("jobs", "show", job, "--json").json["remote_id"] == "pj_77"


def test_a_decision_names_exactly_one_way(shell: Make) -> None:
    used, job = shell(), "job_" + "a" * 26
    ways = "--bind REMOTE_ID | --retry-and-accept-second-charge | --write-off"
    assert f"reelwright jobs resolve {job} {ways}" in used.refused("jobs", "resolve", job)
    assert ways in used.refused("jobs", "resolve", job, "--write-off", "--bind", "x")


# the store's side, without a service


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


def held(desk: Station, context: Context, take: int = 1) -> str:
    """A job of $0.40 that has been made uncertain, as its driver would."""
    job = desk.place(context, text_request("a boat"), take=take)

    def write(tx: Transaction) -> None:
        records.move(tx, None, job, "submitting", posted_at=1.0)
        ledger.hold(tx, job)
        error = VideoError("submit_unknown", "no answer", charged="unknown")
        records.move(tx, None, job, "uncertain", error=records.to_json(error.to_json()))

    context.store.write(write)
    return job


def test_bind_takes_an_id_once(desk: Station, context: Context) -> None:
    one, two = held(desk, context), held(desk, context, take=2)
    decisions.bind(context.store, one, "pj_1")
    row = desk.row(one)
    assert (row["state"], row["remote_id"], row["error"]) == ("running", "pj_1", None)
    assert desk.entry(one)["state"] == "reserved"
    with pytest.raises(VideoError, match=f"pj_1 is job {one} already"):
        decisions.bind(context.store, two, "pj_1")
    decisions.bind(context.store, one, "pj_2")
    assert desk.row(one)["remote_id"] == "pj_2", "a person who has taken the wrong one may take another"
    with pytest.raises(VideoError, match="1 to 500 printable characters without spaces"):
        decisions.bind(context.store, two, "pj 2")
    wake = desk.rows("SELECT job FROM events WHERE wake = 1 AND kind = 'resolve'")
    assert [event["job"] for event in wake] == [one, one]


def test_retry_stops_at_a_wall_and_forgets_the_old_id(desk: Station, context: Context) -> None:
    job, ids = held(desk, context), IdLog(desk.home / "accepted.jsonl")
    ids.append(job, desk.row(job)["lane"], Handle("pj_1"))
    desk.limit(per_day_usd="0.79")
    with pytest.raises(VideoError, match=r"\$0.40 of the \$0.79 a day"):
        decisions.retry(context.store, ids, job)
    assert desk.row(job)["state"] == "uncertain" and desk.entry(job)["state"] == "unresolved"
    desk.limit(per_day_usd="0.80")
    decisions.retry(context.store, ids, job)
    assert ids.find(job) is None
    row = desk.row(job)
    assert (row["state"], row["handle"], row["remote_id"], row["posted_at"]) == ("queued", None, None, None)
    assert desk.books() == (Decimal("0.4"), Decimal("0.4"))
    assert desk.entry(f"{job}#1")["basis"] == "reservation"


def test_write_off_books_the_reservation(desk: Station, context: Context) -> None:
    job = held(desk, context)
    decisions.write_off(context.store, job)
    row = desk.row(job)
    assert (row["state"], row["cost"], row["cost_basis"]) == ("failed", 400_000, "written off: the reservation")
    assert (desk.entry(job)["basis"], desk.books()) == ("written_off", (Decimal("0.4"), Decimal(0)))
    with pytest.raises(VideoError, match=f"job {job} is failed: there is nothing to decide"):
        decisions.retry(context.store, IdLog(desk.home / "accepted.jsonl"), job)
    assert not (desk.home / "accepted.jsonl").exists()


def test_the_driver_that_had_a_moved_job_writes_nothing_more(desk: Station, context: Context) -> None:
    job = desk.place(context, text_request("a boat"))
    lane, epoch = desk.row(job)["lane"], desk.rows("SELECT epoch FROM lanes")[0]["epoch"]
    other = desk.settings(PAID_API_KEY="sk-another")
    access = Context.open(other)
    admin.rebind(context.store, job, access.access("paid"))
    access.close()
    with pytest.raises(Fenced):
        context.store.write(lambda tx: records.move(tx, Hold(lane, epoch), job, "submitting"))
    assert desk.row(job)["state"] == "queued" and desk.row(job)["refs"] == "{}"
