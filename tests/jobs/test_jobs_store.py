"""The store: commits shared by threads, versions, and every way in which a disk can refuse."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from backends.errors import OwnFault, VideoError
from backends.jobs.store import schema
from backends.jobs.store.database import Store, Transaction, add_event
from backends.jobs.store.sqlite import SqliteStore
from tests.jobs.station import until
from tests.patience import patient


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "reelwright.db"


def put(key: str, value: str = "x") -> Callable[[Transaction], int]:
    return lambda tx: tx.run("INSERT INTO settings VALUES (?, ?, 0)", (key, value))


def count(store: Store) -> int:
    row = store.row("SELECT count(*) AS n FROM settings")
    assert row is not None
    return int(row["n"])


def test_threads_share_commits_and_each_is_undone_alone(path: Path) -> None:
    store = SqliteStore(path)
    held, release = threading.Event(), threading.Event()
    errors: list[str] = []

    def first(tx: Transaction) -> None:
        held.set()
        release.wait(patient(10))

    def write(number: int) -> None:
        def work(tx: Transaction) -> None:
            put(f"k{number}")(tx)
            if number % 10 == 7:
                raise VideoError("conflict", f"number {number}")

        try:
            store.write(work, durable=True)
        except VideoError as error:
            errors.append(error.message)

    threads = [threading.Thread(target=store.write, args=(first,))]
    threads += [threading.Thread(target=write, args=(number,)) for number in range(40)]
    threads[0].start()
    assert held.wait(patient(5))
    for thread in threads[1:]:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(patient(10))
    assert count(store) == 36
    assert sorted(errors) == ["number 17", "number 27", "number 37", "number 7"]
    store.close()


def test_forty_writers_in_few_commits(path: Path) -> None:
    """Group commit: those that queue behind one commit are written by the next."""
    store = SqliteStore(path)
    barrier = threading.Barrier(40)
    commits: list[int] = []

    def write(number: int) -> None:
        barrier.wait(patient(10))
        store.write(put(f"k{number}"), durable=True)
        commits.append(store.version())

    threads = [threading.Thread(target=write, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patient(10))
    assert count(store) == 40
    assert len(set(commits)) < 40, "each had a commit of its own"
    store.close()


def test_an_interrupted_commit_fails_every_write_in_it(path: Path) -> None:
    """A Ctrl-C in the thread that commits must not let another thread's write seem to be done."""
    store = SqliteStore(path)
    inside, go_on = threading.Event(), threading.Event()
    told: list[BaseException] = []

    def hold(tx: Transaction) -> None:
        inside.set()
        go_on.wait(patient(10))

    def interrupted(tx: Transaction) -> None:
        put("mine")(tx)
        raise KeyboardInterrupt

    def write(work: Callable[[Transaction], Any]) -> None:
        try:
            store.write(work)
        except (VideoError, KeyboardInterrupt) as error:
            told.append(error)

    threads = [threading.Thread(target=write, args=(work,)) for work in (hold, put("other"), interrupted)]
    threads[0].start()
    assert inside.wait(patient(5))
    for thread in threads[1:]:
        thread.start()
    until(lambda: len(store._queue) == 2, "both wait behind the first")
    go_on.set()
    for thread in threads:
        thread.join(patient(10))
    assert sorted(type(error).__name__ for error in told) == ["KeyboardInterrupt", "VideoError"]
    assert count(store) == 0
    store.close()


def test_a_failed_statement_is_no_library_exception(path: Path) -> None:
    store = SqliteStore(path)
    store.write(put("a"))
    with pytest.raises(VideoError) as caught:
        store.write(put("a"))
    assert isinstance(caught.value, OwnFault) and "does not accept a value (UNIQUE constraint" in caught.value.message
    with pytest.raises(VideoError, match="no such table"):
        store.rows("SELECT * FROM nowhere")
    store.close()


def test_what_another_process_commits_is_seen(path: Path) -> None:
    one, other = SqliteStore(path), SqliteStore(path)
    before = one.version()
    other.write(put("k"))
    assert one.version() != before and count(one) == 1
    one.close()
    other.close()


def test_eight_processes_open_a_fresh_store_at_once(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from backends.jobs.store.sqlite import SqliteStore; "
        "sys.stdin.readline(); "
        "s = SqliteStore(Path(sys.argv[1])); s.write(lambda tx: tx.run('INSERT INTO settings VALUES (?, 1, 0)', "
        "(sys.argv[2],))); s.close()"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(n)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for n in range(8)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    told = [process.communicate(timeout=patient(30))[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 8, told
    store = SqliteStore(path)
    assert count(store) == 8
    store.close()


# versions


def newer(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE meta SET value = '9' WHERE key IN ('schema_version', 'min_reader')")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


NEWER = (
    f"the store was written by a newer Reelwright (format 9, this program knows {schema.VERSION}): update this one "
    "(pip install -U reelwright) and restart it; nothing was changed"
)


def test_a_newer_store_is_refused_and_nothing_is_written(path: Path) -> None:
    SqliteStore(path).close()
    newer(path)
    before = path.read_bytes()
    with pytest.raises(VideoError) as caught:
        SqliteStore(path)
    assert (caught.value.kind, caught.value.message) == ("storage", NEWER)
    assert path.read_bytes() == before


def test_a_program_that_runs_while_the_store_gets_newer_stops_writing(path: Path) -> None:
    store = SqliteStore(path)
    store.write(put("before"))
    newer(path)
    with pytest.raises(VideoError) as caught:
        store.write(put("after"))
    assert caught.value.message == NEWER
    assert count(store) == 1
    store.close()


# what is not a store of ours, or no longer


@pytest.mark.parametrize(
    ("spoil", "missing"),
    [
        ("DELETE FROM meta", "schema_version"),
        ("DELETE FROM meta WHERE key = 'min_reader'", "min_reader"),
        ("UPDATE meta SET value = 'two' WHERE key = 'schema_version'", "schema_version"),
        ("UPDATE meta SET value = '²' WHERE key = 'min_reader'", "min_reader"),
    ],
)
def test_a_store_without_its_version_is_told(path: Path, spoil: str, missing: str) -> None:
    opened = SqliteStore(path)
    opened.write(put("before"))
    other = apsw.Connection(str(path))
    other.execute(spoil)
    other.close()
    words = f"{path} is damaged (its table meta holds no {missing}): "
    for attempt in (lambda: SqliteStore(path), lambda: opened.write(put("after"))):
        with pytest.raises(VideoError) as caught:
            attempt()
        assert caught.value.kind == "storage" and caught.value.message.startswith(words)
    assert count(opened) == 1
    opened.close()


LOCKED = """
import sys
import apsw
connection = apsw.Connection(sys.argv[1])
list(connection.execute(sys.argv[2]))
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held_by_another(path: Path, how: str) -> Iterator[None]:
    """Another program holds the store's lock."""
    command = [sys.executable, "-c", LOCKED, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.communicate("\n", timeout=patient(10))


def test_a_store_whose_write_lock_is_held_opens_and_reads(path: Path) -> None:
    store = SqliteStore(path)
    store.write(put("k"))
    store.close()
    begun = time.monotonic()
    with held_by_another(path, "BEGIN IMMEDIATE"):
        again = SqliteStore(path)
        assert count(again) == 1
        again.close()
    assert time.monotonic() - begun < 20, "it did not wait for the lock"


def test_a_store_that_another_program_keeps_for_itself_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore(path).close()
    monkeypatch.setattr("backends.jobs.store.sqlite._BUSY_MS", 200)
    keep = "PRAGMA locking_mode=EXCLUSIVE; INSERT INTO settings VALUES ('k', 'v', 0)"
    with held_by_another(path, keep), pytest.raises(VideoError) as caught:
        SqliteStore(path)
    assert (caught.value.kind, caught.value.retryable) == ("storage", True)
    assert caught.value.message == (
        f"another program has held the store {path} for 0.2 s (a database viewer, a backup?): close it and repeat; "
        "if it lasts, see reelwright doctor"
    )


HALF = "a text holds half of a character (a lone surrogate, as of an emoji that was cut): write it whole"
LARGE = "a number is larger than 64 bits can hold: give a smaller one"


@pytest.mark.parametrize(("value", "words"), [("a\ud83d", HALF), (10**30, LARGE)])
def test_a_value_that_no_row_can_hold_is_told(path: Path, value: object, words: str) -> None:
    store = SqliteStore(path)
    sql = "SELECT * FROM settings WHERE key = ?"
    changing = "UPDATE settings SET value = ? WHERE key = 'k'"
    attempts: list[Callable[[], object]] = [
        lambda: store.rows(sql, (value,)),
        lambda: store.write(lambda tx: tx.rows(sql, (value,))),
        lambda: store.write(lambda tx: tx.run(changing, (value,))),
    ]
    for attempt in attempts:
        with pytest.raises(VideoError) as caught:
            attempt()
        assert (caught.value.kind, caught.value.message) == ("invalid_request", words)
    store.close()


# disks


def test_a_damaged_file_is_named_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, and it never was one" * 100)
    with pytest.raises(VideoError) as caught:
        SqliteStore(path)
    assert caught.value.kind == "storage" and f"{path} is damaged" in caught.value.message
    assert (
        "copy the file for safety" in caught.value.message
        and "a new store takes over the paid jobs" in caught.value.message
    )
    assert path.read_bytes().startswith(b"this is no database")


def test_a_page_that_went_bad_is_told(path: Path) -> None:
    store = SqliteStore(path)
    for number in range(200):
        store.write(put(f"k{number}", "y" * 500))
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\x99" * (len(data) - 4096)
    path.write_bytes(bytes(data))
    with pytest.raises(VideoError) as caught:
        broken = SqliteStore(path)
        try:
            broken.rows("SELECT * FROM settings")
        finally:
            broken.close()
    assert "is damaged" in caught.value.message


OPEN = """
import os, sys
from pathlib import Path
from backends.errors import OwnFault, VideoError
from backends.jobs.store.sqlite import SqliteStore
if os.geteuid() == 0:  # to whom every folder can be written
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    SqliteStore(Path(sys.argv[1])).write(lambda tx: tx.run("INSERT INTO settings VALUES ('k', 'v', 0)"))
except VideoError as error:
    print(error.kind, "|", error.message)
"""


def as_nobody(path: str) -> str:
    """What an unprivileged process says that opens the store and writes into it."""
    done = subprocess.run([sys.executable, "-c", OPEN, path], capture_output=True, text=True, timeout=patient(30))
    return done.stdout + done.stderr


def test_a_read_only_home_is_told(path: Path) -> None:
    SqliteStore(path).close()
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        for parent in (path.parents[1], *list(path.parents)[2:-2]):
            if os.geteuid() == 0:
                parent.chmod(parent.stat().st_mode | 0o755)
        told = as_nobody(str(path))
    finally:
        path.parent.chmod(0o755)
    assert told.strip() == (
        f"storage | {path.parent} cannot be written: make it writable, or set REELWRIGHT_HOME to a folder that is"
    )


def test_a_home_that_cannot_be_made_is_told() -> None:
    told = as_nobody("/proc/nowhere/reelwright.db")
    assert told.startswith("storage | ") and "REELWRIGHT_HOME" in told, told


def test_a_full_disk_is_told_and_loses_nothing(path: Path) -> None:
    """A limit on the size of files stands for the full disk: the write that meets it fails, the others are there."""
    code = (
        "import resource, sys; from pathlib import Path; from backends.errors import OwnFault, VideoError\n"
        "from backends.jobs.store.sqlite import SqliteStore\n"
        "s = SqliteStore(Path(sys.argv[1])); done = 0\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try:\n"
        " for n in range(400):\n"
        "  s.write(lambda tx: tx.run('INSERT INTO settings VALUES (?, ?, 0)', (str(n), 'z' * 9000)), durable=True)\n"
        "  done += 1\n"
        "except VideoError as e: print(done, e.kind, '|', e.message)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=patient(60))
    written, _, told = done.stdout.partition(" ")
    assert told.startswith("storage | ") and "full" in told and str(path.parent) in told, done
    store = SqliteStore(path)
    assert count(store) == int(written) > 0
    store.close()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_events_wake_only_when_asked(path: Path) -> None:
    store = SqliteStore(path)
    store.write(lambda tx: add_event(tx, "j", "note", {"a": 1}))
    store.write(lambda tx: add_event(tx, "j", "cancel", wake=True))
    assert [row["wake"] for row in store.rows("SELECT wake FROM events ORDER BY seq")] == [0, 1]
    store.close()
