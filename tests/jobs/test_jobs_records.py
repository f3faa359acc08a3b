"""Which state may follow which, and who may say so."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs import records
from backends.jobs.lanes import lanes
from backends.jobs.lanes.lanes import Fenced
from backends.jobs.records import ORDER, Hold
from backends.jobs.store.database import Store, Transaction
from backends.jobs.views import FINAL, State
from tests.jobs.stores import opened

LANE = "paid|x|y"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    made.write(lambda tx: lanes.add_lane(tx, LANE, "paid", "remote"))
    yield made
    made.close()


def put(store: Store, state: str, kind: str = "remote") -> None:
    names = "id, principal, client, request_key, digest, task, engine, model, provider, kind, lane, state, request"
    values = ("j", "p", "c", "k", "d", "t", "generative", "m", "paid", kind, LANE, state, "{}", "{}", 0.0)
    sql = f"INSERT INTO jobs({names}, prepared, created_at) VALUES ({', '.join('?' * 15)})"

    def write(tx: Transaction) -> None:
        tx.run("DELETE FROM jobs WHERE id = 'j'")
        tx.run(sql, values)

    store.write(write)


def move(store: Store, state: State, hold: Hold | None = None) -> str:
    store.write(lambda tx: records.move(tx, hold, "j", state))
    row = store.row("SELECT state FROM jobs WHERE id = 'j'")
    assert row is not None
    return str(row["state"])


@pytest.mark.parametrize(("old", "new"), list(product(sorted(FINAL), [*ORDER, "uncertain", "succeeded", "failed"])))
def test_an_end_is_an_end(old: str, new: State, store: Store) -> None:
    put(store, old)
    with pytest.raises(VideoError, match=f"job j has {old}: nothing can change that"):
        move(store, new)


@pytest.mark.parametrize(("old", "new"), [(a, b) for a, b in product(ORDER, ORDER) if ORDER.index(b) < ORDER.index(a)])
def test_paid_work_goes_back_only_to_the_queue_and_only_before_it_is_taken(old: str, new: State, store: Store) -> None:
    put(store, old)
    if (old, new) == ("submitting", "queued"):
        assert move(store, new) == "queued"
        return
    with pytest.raises(VideoError, match=f"job j cannot go back from {old} to {new}"):
        move(store, new)


@pytest.mark.parametrize("old", ["running", "downloading", "finishing"])
def test_free_work_may_begin_again(old: str, store: Store) -> None:
    put(store, old, "local")
    assert move(store, "queued") == "queued"


@pytest.mark.parametrize("new", ["queued", "running", "failed", "succeeded"])
def test_a_person_may_decide_an_uncertain_job(new: State, store: Store) -> None:
    put(store, "uncertain")
    assert move(store, new) == new


def test_only_the_driver_of_the_jobs_own_lane_writes(store: Store) -> None:
    put(store, "queued")
    assert move(store, "submitting", Hold(LANE, 0)) == "submitting"
    with pytest.raises(Fenced):
        move(store, "running", Hold(LANE, 1))
    store.write(lambda tx: lanes.add_lane(tx, "other", "paid", "remote"))
    with pytest.raises(Fenced):
        move(store, "running", Hold("other", 0))
    with pytest.raises(VideoError, match="there is no job nothing"):
        store.write(lambda tx: records.move(tx, None, "nothing", "failed"))


def test_ends_and_returns_wake_the_driver(store: Store) -> None:
    put(store, "submitting")
    move(store, "queued")
    move(store, "submitting")
    move(store, "failed")
    events = store.rows("SELECT data, wake FROM events ORDER BY seq")
    assert [row["wake"] for row in events] == [1, 0, 1]
    assert events[0]["data"] == '{"from":"submitting","to":"queued"}'


def test_ids_cannot_be_guessed() -> None:
    ids = {records.new_job_id() for _ in range(1000)}
    assert len(ids) == 1000 and all(len(job) == 30 and job.startswith("job_") for job in ids)
