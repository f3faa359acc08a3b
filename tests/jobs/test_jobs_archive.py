"""`jobs archive`: old rows move out of the store; no money, no key and no job is lost, wherever it is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs import archive, shown, upkeep
from backends.jobs.money import consistency, ledger
from backends.jobs.store import archive_file
from backends.jobs.store.database import Store, Transaction, add_event
from backends.jobs.store.sqlite import SqliteStore
from tests.cli.shell import Shell
from tests.fakes import FakeServer
from tests.jobs.rows import ended, ids, made_of, put_job
from tests.jobs.station import Station, text_request

DAY = 86400.0
OLD = 90 * DAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = SqliteStore(tmp_path / "reelwright.db")
    yield opened
    opened.close()


def everything(store: Store) -> list[object]:
    """The money as every view of it tells."""
    totals = ledger.totals(store)
    return [totals, *(sorted(tuple(row.values()) for row in ledger.bill(store, by)) for by in ("label", "day"))]


def test_only_what_is_over_moves(store: Store) -> None:
    charged = json.dumps({"kind": "provider", "message": "lost", "charged": "unknown"})

    def write(tx: Transaction) -> None:
        for state in ("waiting", "queued", "submitting", "running", "downloading", "finishing", "uncertain"):
            put_job(tx, state, state, needs='["needed"]')
        ended(tx, "needed")
        ended(tx, "grandparent")
        ended(tx, "parent", inputs=made_of("grandparent"))
        put_job(tx, "child", "running", inputs=made_of("parent"))
        ended(tx, "whole", needs='["part"]')
        ended(tx, "part", parent="whole", step=1)
        ended(tx, "kept whole", needs='["kept part"]', ended_at=None)
        ended(tx, "kept part", parent="kept whole", step=1)
        put_job(tx, "maybe charged", "failed", error=charged)
        ledger.settle(tx, "maybe charged", 400_000, "reservation")
        put_job(tx, "books disagree", "succeeded")
        ended(tx, "young", ended_at=None)
        ended(tx, "alone")
        put_job(tx, "refused", "cancelled", matchable=0)
        ledger.release(tx, "refused")

    store.write(write)
    gone = {"whole", "part", "alone", "refused"}
    before, every = everything(store), ids(store)
    assert archive.plan(store, OLD) == gone and ids(store) == every, "a plan moves nothing"
    assert archive.archive(store, OLD).jobs == len(gone)
    assert ids(store) == every - gone and everything(store) == before
    assert archive.archive(store, OLD).jobs == 0
    listed = archive.page(store, "local", state=None, label=None, limit=20, cursor=None)
    assert {row.job_id for row in listed.jobs} == {"whole", "alone", "refused"}, "steps are listed with nothing"
    assert listed.spend == shown.spend(store)
    with pytest.raises(VideoError, match="within the last 7 days stay"):
        archive.plan(store, 6 * DAY)


def test_an_archived_job_comes_back_as_it_was(store: Store) -> None:
    def write(tx: Transaction) -> None:
        ended(tx, "a", label="fox", request_key="same")
        add_event(tx, "a", "resolve", {"how": "retry"})
        put_job(tx, "a-2", "succeeded", label="fox", cost=400_000)
        tx.run("UPDATE ledger SET job = 'a#1', state = 'settled', settled = 100000 WHERE job = 'a-2'")
        tx.run("DELETE FROM jobs WHERE id = 'a-2'")

    store.write(write)
    tables = {name: store.rows(f"SELECT * FROM {name}") for name in ("jobs", "events", "ledger", "spent")}
    before = everything(store)
    for _ in range(2):  # as often as one likes
        archive.archive(store, OLD)
        assert ids(store) == set() and store.rows("SELECT * FROM ledger") == [] and everything(store) == before
        assert archive.stored_job(store, "a", "somebody else") is None and ids(store) == set()
        back = archive.stored_job(store, "a", "local")
        assert back is not None and back.label == "fox"
        assert {name: store.rows(f"SELECT * FROM {name}") for name in tables} == tables
        assert everything(store) == before and consistency.faults(store) == []
        assert archive.page(store, "local", state=None, label=None, limit=9, cursor=None).jobs == []
    archive.archive(store, OLD)
    assert archive.bring_back_same(store, "local", "same") and ids(store) == {"a"}
    archive.archive(store, OLD)
    archive_file.path_of(store).unlink()
    with pytest.raises(VideoError, match=r"job a was archived, and .*archive\.db is gone: put that file back"):
        archive.stored_job(store, "a", "local")


def test_what_changed_since_the_look_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(lambda tx: [ended(tx, job) for job in ("named", "reopened", "goes")])
    planned = archive._plan(store, OLD)

    def meanwhile(tx: Transaction) -> None:
        put_job(tx, "new", inputs=made_of("named"))
        tx.run("UPDATE jobs SET state = 'running' WHERE id = 'reopened'")

    store.write(meanwhile)
    monkeypatch.setattr(archive, "_plan", lambda *_: planned)
    assert archive.archive(store, OLD).jobs == 1
    assert ids(store) == {"named", "reopened", "new"} and consistency.faults(store)[0].startswith("job reopened")


def test_jobs_that_come_while_it_works_are_read_once(store: Store) -> None:
    """It may take an hour, in which thousands come, and looks at them before each few hundred that it moves."""
    newer = archive.Newer(0)
    store.write(lambda tx: ended(tx, "first", inputs=made_of("a")))
    assert store.write(newer.sources) == {"a"}
    store.write(lambda tx: ended(tx, "second", inputs=made_of("b")))
    store.write(lambda tx: tx.run("UPDATE jobs SET inputs = ? WHERE id = 'first'", (made_of("never read"),)))
    assert store.write(newer.sources) == {"a", "b"}


@pytest.mark.parametrize("crash", ["archive-copied:1", "before-commit:2", "after-commit:2"])
def test_nothing_is_lost_or_counted_twice_wherever_it_is_ended(crash: str, store: Store) -> None:
    store.write(lambda tx: [ended(tx, f"j{number}") for number in range(3)])
    before = everything(store)
    code = (
        "import sys; from pathlib import Path; from backends.jobs import archive; "
        "from backends.jobs.store.sqlite import SqliteStore; archive.archive(SqliteStore(Path(sys.argv[1])), 9e6)"
    )
    env = {**os.environ, "REELWRIGHT_CRASH": crash}
    killed = subprocess.run([sys.executable, "-c", code, str(store.path)], env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert everything(store) == before and consistency.faults(store) == []
    kept = {row["id"] for row in store.rows("SELECT id FROM archived")}
    assert ids(store) | kept == {"j0", "j1", "j2"} and not ids(store) & kept
    archive.archive(store, OLD)
    assert everything(store) == before and ids(store) == set()
    archive.bring_back(store, ["j0", "j1", "j2"])
    assert everything(store) == before and ids(store) == {"j0", "j1", "j2"}


def test_whoever_names_an_archived_job_is_answered_by_it(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    shell, studio = Shell(station, monkeypatch), station.studio()
    station.settled(studio, [job := studio.submit(text_request("a fox"), label="fox").job_id])
    before = studio.get(job)
    studio.context.store.write(lambda tx: tx.run("UPDATE jobs SET ended_at = ended_at - ?", (100 * DAY,)))
    command = ("jobs", "archive", "--older-than", "90d")
    path = station.home / "archive.db"
    would = f"1 job would move to {path}; nothing was moved: reelwright jobs archive --older-than 90d --yes"
    moved = f"1 job moved to {path}: reelwright jobs list --archived shows them"
    assert shell.done(*command).lines == [would]
    assert shell.done(*command, "--yes").lines == [moved]
    assert shell.done(*command, "--json").json == {"moved": False, "jobs": 0, "archive": str(path)}
    assert shell.done("jobs", "list").lines[0] == "no jobs"
    listed = shell.done("jobs", "list", "--archived")
    assert listed.lines[1].split("\t")[:4] == [job, "succeeded", "paid/quick", "fox"]
    assert "$0.40 spent" in listed.out and "$0.40 spent" in shell.done("jobs", "list").out
    assert shell.done("jobs", "--by", "label", "--json").json["rows"][0]["settled_usd"] == 0.4
    assert upkeep.leftovers(studio.context.store, studio.context.artifacts) == ()
    again = studio.submit(text_request("a fox"))
    assert (again.job_id, again.replayed) == (job, True) and server.counters()["charges"] == 1
    assert studio.get(job) == before and studio.provenance(job).is_whole
    shell.done(*command, "--yes")
    fields = {"task": "image_to_video", "frames": [{"image": f"video://jobs/{job}/last_frame"}]}
    (second,) = station.settled(studio, [studio.submit(text_request("on", **fields)).job_id])
    assert second.state == "succeeded" and second.parents == [job]
    assert shell.done("jobs", "show", job, "--json").json["label"] == "fox"
    assert "--older-than takes a number of" in shell.refused("jobs", "archive", "--older-than", "long")
