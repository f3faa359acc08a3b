"""One lane, one driver: the lock is the kernel's, the epoch fences, and leaving cannot race with starting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from backends.jobs.lanes import lanes
from backends.jobs.lanes.lanes import Fenced
from backends.jobs.lanes.locking import open_locks
from backends.jobs.lanes.locks import FileLocks, LaneLocks
from backends.jobs.lanes.process import ProcessId, boot_id, is_alive, start_time, this_process
from backends.jobs.store.database import Row, Store, Transaction
from tests.jobs.station import until
from tests.jobs.stores import opened
from tests.patience import patient

LANE = "paid|http://127.0.0.1:1|abc"
HOLD = """
import sys, time
from pathlib import Path
from backends.jobs.lanes import lanes
from backends.jobs.lanes.locking import open_locks
from tests.jobs.stores import opened
store = opened(Path(sys.argv[1]))
lease = lanes.take(store, open_locks(store), sys.argv[2], version="0", detached=True)
print(lease.epoch, flush=True)
time.sleep(60)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    made.write(lambda tx: lanes.add_lane(tx, LANE, "paid", "remote"))
    yield made
    made.close()


@pytest.fixture
def locks(store: Store) -> LaneLocks:
    return open_locks(store)


def row(store: Store) -> Row:
    found = store.row("SELECT * FROM lanes WHERE key = ?", (LANE,))
    assert found is not None
    return found


def take(store: Store, locks: LaneLocks, wait_s: float = 0.0) -> lanes.Lease | None:
    return lanes.take(store, locks, LANE, version="1.0", detached=True, wait_s=wait_s)


@contextmanager
def held_elsewhere(store: Store, locks: LaneLocks) -> Iterator[subprocess.Popen[str]]:
    """Another process drives the lane."""
    command = [sys.executable, "-c", HOLD, str(store.home), LANE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline().strip() == "1"
            yield process
        finally:
            process.kill()


def test_taking_raises_the_epoch_and_names_the_driver(store: Store, locks: LaneLocks) -> None:
    assert not lanes.is_driven(locks, row(store))
    lease = take(store, locks)
    assert lease is not None and lease.epoch == 1
    now = row(store)
    assert (now["driven"], now["version"], now["detached"]) == (1, "1.0", 1)
    assert lanes.driver_of(now) == this_process() and lanes.is_driven(locks, now)
    assert take(store, locks) is None, "nobody else can"
    assert lanes.leave(store, lease)
    assert not lanes.is_driven(locks, row(store)) and lanes.driver_of(row(store)) is None
    again = take(store, locks)
    assert again is not None and again.epoch == 2
    lanes.leave(store, again)


def test_trouble_is_over_with_the_first_beat_not_with_the_lock(store: Store, locks: LaneLocks) -> None:
    """A lane that is taken is not yet driven: why the last try failed stays readable until one has worked."""
    rewrite(store, trouble="no certificates")
    lease = take(store, locks)
    assert lease is not None and row(store)["trouble"] == "no certificates"
    lanes.beat(store, lease)
    assert row(store)["trouble"] == ""
    lanes.leave(store, lease)


def test_a_waiting_taker_gets_it_when_it_comes_free(store: Store, locks: LaneLocks) -> None:
    lease = take(store, locks)
    assert lease is not None
    got: list[lanes.Lease | None] = []
    waiter = threading.Thread(target=lambda: got.append(take(store, locks, 10.0)))
    waiter.start()
    lanes.leave(store, lease)
    waiter.join(patient(10))
    assert got[0] is not None and got[0].epoch == 2
    lanes.leave(store, got[0])


def test_kill_9_frees_the_lane_at_once(store: Store, locks: LaneLocks) -> None:
    with held_elsewhere(store, locks) as process:
        assert lanes.is_driven(locks, row(store)) and take(store, locks) is None
        process.send_signal(signal.SIGSTOP)
        assert lanes.is_driven(locks, row(store)), "a stopped process keeps it: no lease runs out"
        process.kill()
        process.wait(patient(10))
        assert row(store)["driven"] == 1 and not lanes.is_driven(locks, row(store))
        lease = take(store, locks)
        assert lease is not None and lease.epoch == 2
        lanes.leave(store, lease)


def test_writes_of_an_earlier_driver_are_fenced(store: Store, locks: LaneLocks) -> None:
    old = take(store, locks)
    assert old is not None
    old.lock.release()
    new = take(store, locks)
    assert new is not None

    def write(tx: Transaction) -> None:
        tx.run("UPDATE lanes SET trouble = 'written by the old one'")
        lanes.fence(tx, LANE, old.epoch)

    with pytest.raises(Fenced):
        store.write(write)
    assert row(store)["trouble"] == "", "it is undone"
    with pytest.raises(Fenced):
        lanes.beat(store, old)
    lanes.beat(store, new)
    assert row(store)["beats"] == 1 and row(store)["trouble"] == ""
    assert lanes.leave(store, old, even_if_open=True)
    assert row(store)["driven"] == 1, "an old driver's leaving does not touch the new one's row"
    lanes.leave(store, new)


def add_job(store: Store, job: str, state: str = "queued") -> bool:
    """Insert a bare job; whether the lane was driven at that moment."""

    def write(tx: Transaction) -> bool:
        driven = lanes.add_lane(tx, LANE, "paid", "remote")
        names = (
            "id, principal, client, request_key, digest, task, engine, model, provider, kind, lane, state, request, "
        )
        values = (job, "p", "c", job, "d", "t", "generative", "m", "paid", "remote", LANE, state, "{}", "{}", 0.0)
        tx.run(f"INSERT INTO jobs({names}prepared, created_at) VALUES ({', '.join('?' * 15)})", values)
        return driven

    return store.write(write)


@pytest.mark.parametrize("state", ["waiting", "queued", "submitting", "running", "downloading", "finishing"])
def test_nobody_leaves_an_open_job(state: str, store: Store, locks: LaneLocks) -> None:
    lease = take(store, locks)
    assert lease is not None
    assert add_job(store, "j", state)
    assert not lanes.leave(store, lease) and lanes.is_driven(locks, row(store))
    assert lanes.leave(store, lease, even_if_open=True)


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "uncertain"])
def test_settled_jobs_keep_nobody(state: str, store: Store, locks: LaneLocks) -> None:
    lease = take(store, locks)
    assert lease is not None
    add_job(store, "j", state)
    assert lanes.leave(store, lease)


def test_leaving_and_inserting_cannot_miss_each_other(store: Store, locks: LaneLocks) -> None:
    """Whatever the interleaving: either the insert sees that nobody drives, or the driver sees the job and stays."""
    for number in range(60):
        lease = take(store, locks, 5.0)
        assert lease is not None
        driven: list[bool] = []
        other = opened(store.home)
        inserter = threading.Thread(target=lambda other=other, n=number, to=driven: to.append(add_job(other, f"j{n}")))
        inserter.start()
        left = lanes.leave(store, lease)
        inserter.join(patient(10))
        other.close()
        assert left != driven[0], "left while an insert counted on it, or stayed for nothing"
        if not left:
            lanes.leave(store, lease, even_if_open=True)
        store.write(lambda tx: tx.run("UPDATE jobs SET state = 'succeeded'"))


ELSEWHERE = {"pid": 2**22 + 1, "started": 1.0, "pid_ns": "pid:[1]"}
"""A process of another container: its pid is nobody's here."""


def rewrite(store: Store, **columns: object) -> None:
    names = ", ".join(f"{name} = ?" for name in columns)
    store.write(lambda tx: tx.run(f"UPDATE lanes SET {names}", tuple(columns.values())))


@pytest.mark.parametrize("columns", [ELSEWHERE, ELSEWHERE | {"boot_id": "another kernel"}, ELSEWHERE | {"pid_ns": ""}])
def test_the_lock_alone_says_that_a_lane_is_driven(columns: dict[str, object], store: Store, locks: LaneLocks) -> None:
    """What can be seen of the driver's pid from here proves nothing: it may count in another container."""
    with held_elsewhere(store, locks) as process:
        rewrite(store, **columns)
        driver = lanes.driver_of(row(store))
        assert driver is not None and not is_alive(driver) and lanes.is_driven(locks, row(store))
        process.kill()
        process.wait(patient(10))
        assert not lanes.is_driven(locks, row(store))


def container() -> list[str]:
    """How to run a command in a PID namespace of its own; without the right to do so, just the command."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    with suppress(OSError):
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    return []


SEES = """
import sys
from pathlib import Path
from backends.jobs.lanes import lanes
from backends.jobs.lanes.process import is_alive
from backends.jobs.lanes.locking import open_locks
from tests.jobs.stores import opened
store = opened(Path(sys.argv[1]))
row = store.row("SELECT * FROM lanes")
print(lanes.is_driven(open_locks(store), row), is_alive(lanes.driver_of(row)))
"""


def test_two_containers_on_one_home_see_each_others_drivers(store: Store, locks: LaneLocks) -> None:
    inside = container()
    arguments = [str(store.home), LANE]
    command = [*inside, sys.executable, "-c", HOLD, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline().strip() == "1"
            driver = lanes.driver_of(row(store))
            assert driver is not None and lanes.is_driven(locks, row(store))
            assert is_alive(driver) == driver.is_near == (not inside)
            looked = [*container(), sys.executable, "-c", SEES, *arguments]
            seen = subprocess.run(looked, capture_output=True, text=True, timeout=patient(30))
            assert seen.stdout.split() == ["True", str(not inside)], seen.stderr
        finally:
            process.kill()
    until(lambda: not lanes.is_driven(locks, row(store)), "the kernel has freed the lock of the ended container")


def test_another_homes_driver_of_the_same_device_is_not_ours(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device's lock is one for all homes: held, it says nothing of a driver of this home that is gone."""
    locks = FileLocks(tmp_path / "locks")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    store.write(lambda tx: tx.run("UPDATE lanes SET key = 'gpu:1'"))
    lease = lanes.take(store, locks, "gpu:1", version="1.0", detached=True, wait_s=0.0)
    assert lease is not None

    def driven() -> bool:
        (lane,) = store.rows("SELECT * FROM lanes")
        return lanes.is_driven(locks, lane)

    assert driven()
    rewrite(store, started=1.0)
    assert not driven(), "this pid, but not this process"
    rewrite(store, **ELSEWHERE)
    assert driven(), "another container that shares the folder"
    lanes.leave(store, lease)


def test_a_reused_pid_is_not_alive() -> None:
    me = this_process()
    assert is_alive(me) and not is_alive(replace(me, started=me.started - 1)), "this pid, but not this process"
    assert not is_alive(replace(me, boot_id="another boot")), "before the machine was started anew"
    assert not is_alive(replace(me, pid_ns="pid:[1]")), "this pid, but in another container"


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    until(lambda: start_time(process.pid) is None, "the ended, unreaped process counts as gone")
    assert not is_alive(ProcessId(process.pid, 1.0, boot_id()))
    process.wait(patient(10))
    assert is_alive(this_process()) and this_process().pid == os.getpid()


def test_server_of_a_lane() -> None:
    assert lanes.server_of("paid|http://127.0.0.1:1|abc") == "paid|http://127.0.0.1:1"
