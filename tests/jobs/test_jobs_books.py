"""The kept sums are the sums of the lines, after whatever has happened; where they are not, that is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import backends.jobs
from backends.jobs import archive
from backends.jobs.context import Context
from backends.jobs.money import consistency, ledger
from backends.jobs.store.database import Store, Transaction
from mcp_server.cli.doctor import _store
from tests.cli.shell import Shell
from tests.jobs.rows import ended, put_job
from tests.jobs.station import Station
from tests.jobs.stores import opened

NAMES = ("a", "b", "c")
Step = tuple[str, str, int, bool]


class Stumble(Exception):
    """The writing function is ended after its work."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = opened(tmp_path_factory.mktemp("books"))
    yield made
    made.close()


def end(tx: Transaction, job: str, state: str) -> None:
    tx.run("UPDATE jobs SET state = ?, ended_at = 1, matchable = 0 WHERE id = ?", (state, job))


def settle(tx: Transaction, job: str, amount: int) -> None:
    ledger.settle(tx, job, amount, "reported")
    end(tx, job, "succeeded")


def release(tx: Transaction, job: str, amount: int) -> None:
    ledger.release(tx, job)
    end(tx, job, "cancelled")


def hold(tx: Transaction, job: str, amount: int) -> None:
    ledger.hold(tx, job)
    tx.run("UPDATE jobs SET state = 'uncertain' WHERE id = ?", (job,))


def raised(tx: Transaction, job: str, amount: int) -> None:
    ledger.raise_hold(tx, job, amount)


def dated(tx: Transaction, job: str, amount: int) -> None:
    tx.run("UPDATE ledger SET day = ? WHERE job = ?", (f"2026-01-{amount % 28 + 1:02d}", job))


def again(tx: Transaction, job: str, amount: int) -> None:
    """As a person who accepts a second charge."""
    number = tx.rows("SELECT count(*) AS n FROM ledger WHERE job LIKE ?", (f"{job}#%",))[0]["n"] + 1
    tx.run("UPDATE ledger SET job = ? WHERE job = ?", (f"{job}#{number}", job))
    ledger.settle(tx, f"{job}#{number}", amount, "reservation")
    ledger.enter(tx, job, "other", "L", "", amount)
    tx.run("UPDATE jobs SET state = 'queued' WHERE id = ?", (job,))


DONE: dict[str, Callable[[Transaction, str, int], None]] = {
    one.__name__: one for one in (settle, release, hold, raised, dated, again)
}
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*DONE, "archive", "bring back"]), st.sampled_from(NAMES), st.integers(0, 9), st.booleans()
    ),
    max_size=14,
)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_the_sums_are_the_sums_after_any_steps(store: Store, steps: list[Step]) -> None:
    def begin(tx: Transaction) -> None:
        for table in ("jobs", "ledger", "archived", "archived_spent", "events", "spent", "spent_by"):
            tx.run(f"DELETE FROM {table}")
        for name in NAMES:
            put_job(tx, name)

    store.write(begin)
    for what, job, amount, stumbles in steps:
        if what == "archive":
            if store.archive is not None:
                archive.archive(store, 8 * 86400.0)
        elif what == "bring back":
            archive.stored_job(store, job, "local")
        elif archive.stored_job(store, job, "local") is not None:
            _write(store, what, job, amount * 100_000, stumbles=stumbles)
        lines = store.rows("SELECT state, reserved, settled FROM ledger")
        spent = sum(row["settled"] for row in lines if row["state"] == "settled")
        kept = store.rows("SELECT coalesce(sum(settled), 0) AS settled FROM archived_spent")[0]["settled"]
        held = sum(row["reserved"] for row in lines if row["state"] in ("reserved", "unresolved"))
        totals = ledger.totals(store)
        assert (totals.settled, totals.held) == (spent + kept, held)
        assert consistency.faults(store) == []


def _write(store: Store, what: str, job: str, amount: int, *, stumbles: bool) -> None:
    def write(tx: Transaction) -> None:
        DONE[what](tx, job, amount)
        if stumbles:
            raise Stumble

    if not stumbles:
        store.write(write)
        return
    with pytest.raises(Stumble):
        store.write(write)


def test_what_does_not_agree_is_told_and_left(stand: Callable[..., Station], monkeypatch: pytest.MonkeyPatch) -> None:
    station = stand()
    shell = Shell(station, monkeypatch)
    assert shell.done("jobs", "verify").lines == ["0 files are unchanged (0.0 MiB)"]

    def spoil(tx: Transaction) -> None:
        for job in ("sum", "lost", "held", "early", "gone"):
            ended(tx, job)
        tx.run("UPDATE ledger SET day = '2026-01-02'")
        tx.run("UPDATE ledger SET state = 'reserved' WHERE job = 'held'")
        tx.run("UPDATE jobs SET state = 'running' WHERE id = 'early'")
        tx.run("DELETE FROM ledger WHERE job = 'lost'")
        tx.run("DELETE FROM jobs WHERE id = 'gone'")
        tx.run("UPDATE spent SET settled = settled - 100000 WHERE day = '2026-01-02'")

    station.store.write(spoil)
    told = [
        "2026-01-02, paid: the kept sum says $1.1 spent and $0.4 reserved, the jobs' lines make $1.2 spent and $0.4 "
        "reserved",
        "2026-01-02: the sums by principal make $1.6, those by provider $1.5",
        "job lost has no line in the ledger",
        "job held has ended, and its money is still reserved",
        "job early has not ended, and its money is settled or released",
        "the ledger has a line of gone, and there is no such job",
    ]
    before = station.rows("SELECT * FROM spent")
    assert consistency.faults(station.store) == told
    verified = shell.run("jobs", "verify")
    assert verified.code == 1 and [line for line in verified.lines if line.startswith("books")] == [
        f"books\t{fault}" for fault in told
    ]
    assert shell.run("jobs", "verify", "--json").json["books"] == told
    context = Context.open(station.settings())
    found = [finding.text for finding in _store(context) if finding.verdict == "FAIL"]
    context.close()
    assert found == [f"{fault}; nothing was changed" for fault in told]
    assert station.rows("SELECT * FROM spent") == before


def test_a_jobs_money_ends_in_one_place() -> None:
    """Who books a line of the ledger knows all the ways in which a job can end."""
    folder = Path(backends.jobs.__file__).parent
    booking = re.compile(r"\bledger\.(settle|release|hold)\(")
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py") if booking.search(path.read_text())}
    assert found == {"money/settle.py", "money/reported_cost.py"}
