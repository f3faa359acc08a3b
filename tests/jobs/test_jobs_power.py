"""Whatever money hangs on is on the disk when it is said to be: read back as after a power cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.jobs.context import Context
from backends.jobs.store.database import Row, Transaction
from backends.jobs.store.sqlite import SqliteStore
from tests.fakes import FakeServer
from tests.jobs.power import Power
from tests.jobs.station import Station, text_request, until


@pytest.fixture
def power(tmp_path: Path) -> Iterator[Power]:
    kept = tmp_path / "synced"
    kept.mkdir()
    with Power(kept) as layer:
        yield layer


def found(power: Power, database: Path, table: str) -> list[Row]:
    """What a start after a cut right now finds."""
    store = SqliteStore(power.cut(database))
    try:
        return store.rows(f"SELECT * FROM {table}")
    finally:
        store.close()


def put(key: str) -> Callable[[Transaction], int]:
    return lambda tx: tx.run("INSERT INTO settings VALUES (?, '', 0)", (key,))


def test_a_durable_write_outlives_a_cut_and_another_may_not(power: Power, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "home" / "reelwright.db")
    try:
        store.write(put("first"), durable=True)
        store.write(put("progress"))
        assert [row["key"] for row in found(power, store.path, "settings")] == ["first"]
        store.write(put("money"), durable=True)
        assert len(found(power, store.path, "settings")) == 3, "what came before it is on the disk with it"
    finally:
        store.close()


def test_a_ticket_outlives_a_cut(power: Power, stand: Callable[..., Station]) -> None:
    station = stand()
    station.url = "http://127.0.0.1:9"
    context = Context.open(station.settings())
    try:
        job = station.place(context, text_request("a ticket was given"))
        (row,) = found(power, context.settings.store, "jobs")
        assert (row["id"], row["state"]) == (job, "queued")
        (entry,) = found(power, context.settings.store, "ledger")
        assert (entry["job"], entry["reserved"]) == (job, 400_000)
    finally:
        context.close()


def test_every_step_of_a_paid_job_outlives_a_cut(
    power: Power, serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """The intent while the POST is under way, the id once it has come, the clip and its bill at the end."""
    server = serve(mode="none", life={"until_told": True})
    station = stand(server, PAID_MODE="none", PAID_TIMEOUT_S="20", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    store = studio.context.settings.store
    server.script("submit", {"hang": True}, {})
    lost = studio.submit(text_request("nobody answers")).job_id
    server.wait("hanging")
    (row,) = found(power, store, "jobs")
    assert row["id"] == lost and row["state"] == "submitting" and row["posted_at"]
    job = studio.submit(text_request("an answer comes")).job_id
    until(lambda: station.row(job)["state"] == "running", "it is taken")
    kept = {row["id"]: row for row in found(power, store, "jobs")}
    assert kept[job]["state"] == "running" and kept[job]["remote_id"] == station.row(job)["remote_id"]
    server.tell()
    station.settled(studio, [job])
    kept = {row["id"]: row for row in found(power, store, "jobs")}
    assert kept[job]["state"] == "succeeded" and kept[job]["cost"] == 400_000
    entries = {row["job"]: row for row in found(power, store, "ledger")}
    assert (entries[job]["state"], entries[job]["settled"]) == ("settled", 400_000)
    assert entries[lost]["state"] == "reserved", "and what is not known yet stays held"
    server.release()
