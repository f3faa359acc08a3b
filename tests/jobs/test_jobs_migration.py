"""Stores of an older version: brought up to date once, whole or not at all, with nothing lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw
import pytest

from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.money import consistency, ledger
from backends.jobs.store import schema
from backends.jobs.store.database import Row, Transaction
from backends.jobs.store.sqlite import SqliteStore
from backends.jobs.views import STATES
from tests.fakes import FakeServer
from tests.jobs.rows import put_job
from tests.jobs.station import Station, text_request
from tests.patience import patient

OLD_STORES = Path(__file__).parent / "old_stores"
VERSION_1, VERSION_3 = ((OLD_STORES / f"version_{number}.sql").read_text("utf-8") for number in (1, 3))
TABLES = ("jobs", "events", "lanes", "ledger", "settings", "blobs")

MONEY = {  # state of a job: state, reserved, settled of its ledger entry, micro-dollars
    "succeeded": ("settled", 400_000, 390_000),
    "failed": ("settled", 400_000, -1_000_000_000),  # what an earlier version booked when a service said so
    "cancelled": ("released", 400_000, 0),
    "uncertain": ("unresolved", 400_000, 0),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "reelwright.db"


def older(path: Path, rows: Mapping[str, list[Row]]) -> None:
    """Write a store of version 1 with these rows; what that version had no column for is left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(VERSION_1)
    for table, found in rows.items():
        known = [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]
        for row in found:
            values = {name: value for name, value in row.items() if name in known}
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table}({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
    connection.close()


def every_state() -> dict[str, list[Row]]:
    """A job in each state there is, with its event and its ledger entry."""
    job = {"principal": "local", "client": "c", "digest": "d", "task": "text_to_video", "engine": "generative"}
    job |= {"model": "m", "provider": "paid", "kind": "remote", "lane": "L", "request": "{}", "prepared": "{}"}
    rows: dict[str, list[Row]] = {table: [] for table in TABLES}
    rows["lanes"].append({"key": "L", "provider": "paid", "kind": "remote", "epoch": 7})
    for number, state in enumerate(STATES):
        rows["jobs"].append({**job, "id": state, "request_key": state, "state": state, "created_at": float(number)})
        rows["events"].append({"job": state, "at": float(number), "kind": "submitted", "wake": 1})
        money, reserved, settled = MONEY.get(state, ("reserved", 400_000, 0))
        entry: Row = {"job": state, "provider": "paid", "lane": "L", "day": "2026-11-01", "state": money, "at": 1.0}
        rows["ledger"].append({**entry, "reserved": reserved, "settled": settled})
    return rows


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is in the file, its tables and indexes included."""
    connection = apsw.Connection(str(path))
    tables = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = {name: list(connection.execute(f"SELECT * FROM {name}")) for name in tables}
    found["sqlite_schema"] = list(connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name"))
    connection.close()
    return found


def test_jobs_of_every_state_and_their_money_come_along(path: Path) -> None:
    rows = every_state()
    older(path, rows)
    store = SqliteStore(path)
    for table in ("jobs", "events", "lanes"):
        now = store.rows(f"SELECT * FROM {table}")
        assert len(now) == len(rows[table])
        for old, new in zip(rows[table], now, strict=True):
            assert {name: new[name] for name in old} == old
    assert {(row["posts"], row["doubt_at"]) for row in store.rows("SELECT * FROM jobs")} == {(0, None)}
    entries = {
        row["job"]: (row["state"], row["reserved"], row["settled"]) for row in store.rows("SELECT * FROM ledger")
    }
    expected = {state: MONEY.get(state, ("reserved", 400_000, 0)) for state in STATES}
    assert entries == expected | {"failed": ("settled", 400_000, 0)}, "no money comes from a negative cost"
    assert ledger.totals(store) == ledger.Totals(390_000, today=0, held=7 * 400_000, held_today=0)
    store.close()


def test_an_older_store_becomes_what_a_new_one_is(path: Path, tmp_path: Path) -> None:
    older(path, every_state())
    SqliteStore(path).close()
    SqliteStore(tmp_path / "new.db").close()

    def shape(file: Path) -> tuple[object, object]:
        connection = apsw.Connection(str(file))
        made = {(row[1], row[2]) for row in contents(file)["sqlite_schema"] if row[0] in ("index", "trigger")}
        tables = [name for name in contents(file) if not name.startswith("sqlite_")]
        columns = {name: sorted(row[1:] for row in connection.execute(f"PRAGMA table_info({name})")) for name in tables}
        connection.close()
        return made, {name: [column[:4] for column in found] for name, found in columns.items()}

    assert shape(path) == shape(tmp_path / "new.db")


def test_an_older_store_with_open_jobs_is_migrated_and_finished(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve()
    station = stand(server, REELWRIGHT_WORKER="inline")
    context = Context.open(station.settings())
    job = station.place(context, text_request("from an older version"))
    rows = {table: context.store.rows(f"SELECT * FROM {table}") for table in TABLES}
    context.close()
    older(station.home / "reelwright.db", rows)
    (done,) = station.settled(station.studio(), [job])
    assert done.state == "succeeded" and server.counters()["charges"] == 1
    meta = {row["key"]: row["value"] for row in station.rows("SELECT * FROM meta")}
    assert meta == {
        "schema_version": str(schema.VERSION),
        "min_reader": str(schema.MIN_READER),
        "journal": "read",
    }


@pytest.fixture
def broken_step() -> Iterator[None]:
    """The step from version 1, which then meets an error at its very end."""
    whole = schema.MIGRATIONS[1]
    schema.MIGRATIONS[1] = f"{whole}; ALTER TABLE nowhere ADD y"
    yield
    schema.MIGRATIONS[1] = whole


def test_a_failed_migration_changes_nothing(path: Path, broken_step: None) -> None:
    older(path, every_state())
    before = contents(path)
    with pytest.raises(VideoError, match="no such table"):
        SqliteStore(path)
    assert contents(path) == before


def test_processes_that_open_an_older_store_at_once_migrate_it_once(path: Path) -> None:
    older(path, every_state())
    code = (
        "import sys; from pathlib import Path; from backends.jobs.store.sqlite import SqliteStore; "
        "sys.stdin.readline(); "
        "SqliteStore(Path(sys.argv[1])).close()"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    told = [process.communicate(timeout=patient(30))[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 4, told
    store = SqliteStore(path)
    assert store.rows("SELECT count(*) AS n FROM ledger") == [{"n": len(STATES)}]
    assert ledger.totals(store).held == 7 * 400_000, "the sums were made once"
    store.close()


def test_a_store_of_version_3_is_read_with_the_paths_in_it(stand: Callable[..., Station]) -> None:
    """A file as that program left it: a clip, and the one that was made from its last frame."""
    station = stand(REELWRIGHT_WORKER="inline")
    station.home.mkdir()
    connection = apsw.Connection(str(station.home / "reelwright.db"))
    connection.execute(VERSION_3.replace("/ROOT", str(station.root)))
    before = connection.execute("SELECT inputs, result FROM jobs ORDER BY seq").fetchall()
    connection.close()
    studio = station.studio()
    second, first = studio.recent()
    assert (first.state, second.state, second.parents) == ("succeeded", "succeeded", [first.job_id])
    assert first.file == str(station.output / "fox_take01.mp4"), "where it was published"
    assert second.poster == str(station.home / "artifacts" / "jobs" / second.job_id / "poster.jpg")
    (taken,) = studio.detail(second.job_id).inputs.values()
    assert taken.parent.parent == station.home / "artifacts" / "blobs"
    assert consistency.faults(station.store) == [] and studio.spend().total_usd == 0.8
    meta = {row["key"]: row["value"] for row in station.rows("SELECT * FROM meta")}
    assert (meta["schema_version"], meta["min_reader"]) == (str(schema.VERSION), str(schema.MIN_READER))
    assert [tuple(row.values()) for row in station.rows("SELECT inputs, result FROM jobs ORDER BY seq")] == before


def test_a_store_of_version_4_learns_whose_money_it_holds(path: Path) -> None:
    store = SqliteStore(path)

    def before(tx: Transaction) -> None:
        for job, who in (("a", "alice"), ("b", "local"), ("c", "alice")):
            put_job(tx, job, principal=who)
        ledger.settle(tx, "c", 390_000, "reported")
        for trigger in ("in", "out", "change"):
            tx.run(f"DROP TRIGGER ledger_by_{trigger}")
        for table in ("spent_by", "audit"):
            tx.run(f"DROP TABLE {table}")
        tx.run("ALTER TABLE ledger DROP COLUMN principal")
        tx.run("UPDATE meta SET value = '4' WHERE key IN ('schema_version', 'min_reader')")

    store.write(before)
    store.close()
    store = SqliteStore(path)
    assert [row["principal"] for row in store.rows("SELECT principal FROM ledger ORDER BY job")] == [
        "alice",
        "local",
        "alice",
    ]
    of_alice = ledger.totals(store, "alice")
    assert (of_alice.settled, of_alice.held, of_alice.today) == (390_000, 400_000, 790_000)
    assert [fault for fault in consistency.faults(store) if "sum" in fault] == []
    store.close()
