"""The id log: on disk before the row, and readable after any accident."""

from __future__ import annotations

import stat
import tracemalloc
from pathlib import Path

from backends.jobs.store.journal import IdLog
from backends.provider.protocol import Handle


def test_the_last_handle_of_a_job(tmp_path: Path) -> None:
    log = IdLog(tmp_path / "accepted.jsonl")
    assert log.find("job_a") is None
    log.append("job_a", "lane", Handle("r1", {"url": "x"}))
    log.append("job_b", "lane", Handle("r2"))
    assert log.find("job_a") == Handle("r1", {"url": "x"})
    log.append("job_a", "lane", Handle("r3"))
    assert log.find("job_a") == Handle("r3") and log.find("job_b") == Handle("r2")
    log.disown("job_a", "lane")
    assert log.find("job_a") is None and log.find("job_b") == Handle("r2")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_the_ids_that_a_folder_holds_are_found_in_one_reading(tmp_path: Path) -> None:
    log = IdLog(tmp_path / "accepted.jsonl")
    assert log.holding({"r1"}) == set() and log.holding(()) == set()
    log.append("job_a", "lane", Handle("r1"))
    log.append("job_b", "lane", Handle("rü/2"))
    assert log.holding(["r1", "rü/2", "r", "lane"]) == {"r1", "rü/2"}
    assert log.holding(["r1", "rü/2"], but="job_a") == {"rü/2"} and log.holding(["r1"], but="job_c") == {"r1"}


def test_an_entry_that_was_cut_short_hides_no_other(tmp_path: Path) -> None:
    log = IdLog(tmp_path / "accepted.jsonl")
    log.append("job_a", "lane", Handle("r1"))
    with log.path.open("ab") as file:
        file.write(b'\n{"job": "job_b", "lane": "lane", "han')
    log.append("job_c", "lane", Handle("r3"))
    assert [log.find(job) for job in ("job_a", "job_b", "job_c")] == [Handle("r1"), None, Handle("r3")]


def test_a_job_named_in_another_entry_is_not_it(tmp_path: Path) -> None:
    log = IdLog(tmp_path / "accepted.jsonl")
    log.append("job_a", "lane", Handle("r1", {"of": "job_b"}))
    assert log.find("job_b") is None


def test_a_journal_of_any_length_takes_no_memory_to_look_through(tmp_path: Path) -> None:
    ids = IdLog(tmp_path / "log")
    assert ids.find("job_a") is None and ids.holding(["r1"]) == set()
    ids.path.touch()
    assert ids.find("job_a") is None and ids.holding(["r1"]) == set()
    ids.append("job_a", "lane", Handle("r1"))
    with ids.path.open("ab") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        found = ids.find("job_a")
        assert (found and found.remote_id, ids.find("job_b"), ids.holding(["r1", "r2"])) == ("r1", None, {"r1"})
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
