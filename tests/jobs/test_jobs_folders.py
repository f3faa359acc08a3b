"""Other data folders of this person on this machine: which ones buy on the same account, and whose limits add up."""

from __future__ import annotations

from pathlib import Path

from backends.jobs.money.other_folders import others, record, sharing
from backends.jobs.store.journal import IdLog
from backends.provider.protocol import Handle
from tests.jobs.rows import LANE


def test_a_folder_whose_store_is_on_a_server_is_known_by_its_journal(tmp_path: Path) -> None:
    """Its jobs are not this folder's, whatever its store is; limits that are shared don't add up."""
    env = {"REELWRIGHT_STATE": str(tmp_path / "state")}
    one, two, empty = (tmp_path / name for name in ("one", "two", "empty"))
    for home in (one, two, empty):
        home.mkdir()
        record(home, LANE, env, "server a")
    IdLog.of(one).append("job_a", LANE, Handle("r1"))
    assert others(two, env) == [one] and sharing(two, env) == []
    record(two, LANE, env, "server b")
    assert sharing(two, env) == [one], "it has been moved to another store"
    record(two, LANE, env)
    assert sharing(two, env) == [one], "a file has limits of its own"
