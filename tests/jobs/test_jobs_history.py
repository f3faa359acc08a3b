"""The past: paged through from the newest back, and its events folded away once they are old."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs import shown
from backends.jobs.store.database import Store
from backends.jobs.store.pruning import BATCH, KEEP_DAYS, Pruner
from backends.jobs.views import FINAL, STATES
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.history import multiply
from tests.jobs.station import Station, text_request, tiny_request, until
from tests.jobs.stores import opened

OLD = KEEP_DAYS + 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    yield made
    made.close()


def page(store: Store, **asked: str) -> object:
    given: dict[str, str | None] = {"state": None, "label": None, "cursor": None, **asked}
    return shown.page(store, "local", state=given["state"], label=given["label"], limit=2, cursor=given["cursor"])


CURSOR = "cursor comes from an earlier list_jobs; omit it to start with the newest"
HALF = "a text holds half of a character (a lone surrogate, as of an emoji that was cut): write it whole"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"cursor": "²"}, CURSOR),
        ({"cursor": "9" * 30}, CURSOR),
        ({"cursor": "-1"}, CURSOR),
        ({"cursor": ""}, CURSOR),
        ({"cursor": "\ud800"}, CURSOR),
        ({"label": "shot \ud83d"}, HALF),
        ({"state": "done"}, f"state is open, or one of {', '.join(STATES)}, not 'done'"),
        ({"state": "\ud800"}, f"state is open, or one of {', '.join(STATES)}, not '\\ud800'"),
    ],
)
def test_a_page_that_there_cannot_be_is_told(store: Store, asked: dict[str, str], words: str) -> None:
    with pytest.raises(VideoError) as caught:
        page(store, **asked)
    assert (caught.value.kind, caught.value.message) == ("invalid_request", words)


def test_an_id_with_half_a_character_is_told(stand: Callable[..., Station]) -> None:
    with pytest.raises(VideoError) as caught:
        stand().studio().get("job_\ud800")
    assert (caught.value.kind, caught.value.message) == ("invalid_request", HALF)


def finished(station: Station, studio: Studio, label: str) -> str:
    job = studio.submit(tiny_request(label), label=label).job_id
    station.settled(studio, [job])
    return job


def test_pages_by_state_and_label_are_the_same_rows(stand: Callable[..., Station]) -> None:
    """Whichever index answers: each page is what a filter of all rows would give."""
    station = stand(REELWRIGHT_WORKER="inline")
    studio = station.studio()
    for label in ("a", "b"):
        multiply(station.store, finished(station, studio, label), 8)
    studio.close()
    until(lambda: not station.rows("SELECT 1 FROM lanes WHERE driven = 1"), "nobody drives what is made up now")
    with_states = list(enumerate(STATES))
    for number, state in with_states:
        station.store.write(
            lambda tx, n=number, s=state: tx.run("UPDATE jobs SET state = ? WHERE seq % 10 = ?", (s, n))
        )
    rows = station.rows("SELECT id, state, label FROM jobs ORDER BY seq DESC")
    for state in (None, "open", *STATES):
        for label in (None, "a", "b", "c"):
            wanted = [
                row["id"]
                for row in rows
                if (state in (None, row["state"]) or (state == "open" and row["state"] not in FINAL))
                and label in (None, row["label"])
            ]
            seen: list[str] = []
            cursor: str | None = None
            while True:
                found = shown.page(station.store, "local", state=state, label=label, limit=3, cursor=cursor)
                seen += [job.job_id for job in found.jobs]
                if (cursor := found.cursor) is None:
                    break
            assert seen == wanted, (state, label)
    station.store.write(lambda tx: tx.run("UPDATE jobs SET state = 'failed'"))


def age(store: Store, days: float) -> None:
    """Let all that is there have happened so many days earlier."""
    ago = days * 86400
    store.write(lambda tx: tx.run("UPDATE events SET at = at - ?", (ago,)))
    store.write(lambda tx: tx.run("UPDATE jobs SET created_at = created_at - ?, ended_at = ended_at - ?", (ago, ago)))


def test_old_events_go_and_nothing_that_anybody_reads(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    station = stand(serve(), REELWRIGHT_WORKER="inline")
    studio = station.studio()
    job = studio.submit(text_request("of old")).job_id
    station.settled(studio, [job])
    studio.close()
    studio, store = station.studio(), station.store
    multiply(store, job, 300)
    age(store, OLD)
    store.write(lambda tx: tx.run("UPDATE jobs SET state = 'uncertain' WHERE id = ?", (f"{job}-1",)))
    store.write(lambda tx: tx.run("UPDATE events SET kind = 'resolve' WHERE job = ?", (f"{job}-2",)))
    store.write(lambda tx: tx.run("UPDATE jobs SET ended_at = ? WHERE id = ?", (time.time(), f"{job}-4")))
    kept = [f"{job}-{number}" for number in (1, 2, 4)]
    before = {name: store.rows("SELECT seq, kind FROM events WHERE job = ?", (name,)) for name in kept}
    told = [studio.list(limit=500), studio.get(f"{job}-3"), studio.spend()]
    bill = store.rows("SELECT * FROM ledger")
    every = store.rows("SELECT count(*) AS n FROM events")[0]["n"]
    assert every > 2 * BATCH
    pruner, removed = Pruner(store), 0
    for _ in range(every // BATCH + 1):
        removed += pruner.step()
    left = store.rows("SELECT job, kind FROM events")
    assert len(left) == every - removed
    assert {row["kind"] for row in left if row["job"] == f"{job}-3"} == {"submitted"}
    for name, events in before.items():
        assert store.rows("SELECT seq, kind FROM events WHERE job = ?", (name,)) == events, (
            "undecided, decided by a person, or ended of late"
        )
    assert [studio.list(limit=500), studio.get(f"{job}-3"), studio.spend()] == told
    assert store.rows("SELECT * FROM ledger") == bill
    assert studio.submit(text_request("of old")).replayed
    version = store.version()
    assert Pruner(store).step() == 0 and store.version() == version, "what was looked at once is not looked at again"


def test_a_worker_at_rest_prunes(stand: Callable[..., Station]) -> None:
    station = stand(REELWRIGHT_WORKER="inline", REELWRIGHT_WORKER_IDLE_S="5")
    studio = station.studio()
    job = finished(station, studio, "a")
    studio.close()
    age(station.store, OLD)
    sql = "SELECT kind FROM events WHERE job = ?"
    assert {row["kind"] for row in station.rows(sql, (job,))} == {"submitted", "state"}
    finished(station, station.studio(), "b")
    until(lambda: station.rows(sql, (job,)) == [{"kind": "submitted"}], "pruned")
