"""The store is lost: a new one takes up the paid jobs of its journal, and the same calls cost nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from backends.jobs.recovery import unlisted
from backends.jobs.store.journal import IdLog
from tests.fakes import FakeServer
from tests.jobs.station import Station, end, text_request, until


def lose(station: Station) -> None:
    """The advice of the error, followed: every process ended, the damaged files moved away."""
    station.close()
    until(lambda: not (station.home / "reelwright.db").exists() or not station.drivers(), "no worker")
    station.close()
    for path in station.home.glob("reelwright.db*"):
        path.rename(path.with_name(f"lost-{path.name}"))


def test_paid_jobs_come_back_where_they_were(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> None:
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none")
    studio = station.studio()
    done = studio.submit(text_request("done")).job_id
    station.settled(studio, [done])
    server.set(life={"until_told": True})
    running = studio.submit(text_request("running")).job_id
    until(lambda: station.row(running)["state"] == "running", "taken")
    server.script("submit", {"lose": True})
    unclear = studio.submit(text_request("unclear")).job_id
    station.settled(studio, [unclear])
    spent = studio.spend().today_usd
    lose(station)

    again = station.studio()
    for prompt, job in (("done", done), ("running", running), ("unclear", unclear)):
        ticket = again.submit(text_request(prompt))
        assert (ticket.job_id, ticket.replayed) == (job, True), prompt
    assert again.spend().today_usd == spent == 1.2
    assert again.get(done).state == "succeeded" and again.get(done).cost_usd == 0.4
    server.set(life={"polls": 1})
    server.tell()
    jobs = {job.job_id: job for job in station.settled(again, [running, unclear], 30)}
    assert jobs[running].state == "succeeded" and jobs[unclear].state == "uncertain"
    assert any("taken up from the journal" in note for note in jobs[running].notes)
    assert server.counters()["submit"] == 3
    assert station.books() == (Decimal("0.8"), Decimal("0.4"))


def test_a_store_reads_the_journal_once(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> None:
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    station.store.write(lambda tx: tx.run("DELETE FROM jobs"))
    assert station.studio().list().jobs == [], "what a person has removed stays so"


def test_lines_of_an_older_version_are_listed(stand: Callable[..., Station]) -> None:
    station = stand()
    station.home.mkdir(parents=True)
    line = '{"handle": {"data": {}, "est_cost_usd": null, "remote_id": "r1"}, "job": "job_old", "lane": "paid|u|a"}'
    (station.home / "accepted.jsonl").write_text(f"\n{line}\n\n{{cut sho")
    studio = station.studio()
    assert unlisted(studio.context.store, IdLog.of(station.home)) == [("job_old", "paid|u|a", "r1")]
    assert [process for process in station.drivers() if end(process)] == []


def test_the_persons_limits_come_back_too(stand: Callable[..., Station]) -> None:
    station = stand()
    station.home.mkdir(parents=True)
    ids = IdLog.of(station.home)
    for key, value in (("per_day_usd", "50"), ("per_day_usd", "3"), ("per_job_usd", "1"), ("per_job_usd", None)):
        ids.limit(key, value)
    spend = station.studio().spend()
    assert (spend.per_day_wall_usd, spend.per_job_wall_usd) == (3.0, 5.0)
