"""The store on a real PostgreSQL server: one writer, honest locks, one paid request whatever is cut off, one sentence
for each way in which it cannot be used. All of this folder's tests run there by `make postgres`."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backends.errors import VideoError
from backends.jobs import clearing, cluster, copying, late_ids, upkeep
from backends.jobs.clearing import Wish
from backends.jobs.context import Context
from backends.jobs.files.artifacts import Artifacts
from backends.jobs.lanes import lanes
from backends.jobs.lanes.locking import open_locks
from backends.jobs.money import consistency, ledger, limits
from backends.jobs.store import opening, schema
from backends.jobs.store.database import Transaction, of_lane
from backends.jobs.store.journal import IdLog
from backends.jobs.store.postgres import dialect, link, making
from backends.jobs.store.postgres.store import PostgresStore
from backends.jobs.store.sqlite import SqliteStore
from backends.provider.protocol import Handle
from backends.settings import load_settings
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.rows import LANE, ended, put_job
from tests.jobs.server import running
from tests.jobs.station import Station, text_request, until


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery") / "log") as opened:
        yield opened


@pytest.fixture
def url(server: str, tmp_path: Path) -> str:
    """Of a store of this test's own, which is there."""
    own = f"{server}?options=-csearch_path%3D{tmp_path.name[:50].lower()}"
    making.init(own)
    return own


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[PostgresStore]:
    opened = PostgresStore(tmp_path / "home", url)
    yield opened
    opened.close()


def why(url: str, home: Path) -> str:
    """In what words a store is refused."""
    with pytest.raises(VideoError) as caught:
        PostgresStore(home, url)
    assert caught.value.kind == "storage" and "secret" not in caught.value.message
    return caught.value.message


def ask(url: str, sql: str) -> Any:
    """As the server's owner, beside the store."""
    with psycopg.connect(url, autocommit=True) as cx:
        cursor = cx.execute(sql.encode())
        return cursor.fetchall() if cursor.description else None


def test_writers_take_turns_and_one_that_fails_is_undone_alone(store: PostgresStore, url: str) -> None:
    """Twelve threads on two sessions ask for $1 each, twice, and the limit is $7."""
    limits.set_limit(store, "per_day_usd", "7", ["paid"])
    with closing(PostgresStore(store.home, url)) as other:
        taken: list[str] = []

        def reserve(number: int) -> None:
            for half in range(2):
                name, used = f"j{number}-{half}", (store, other)[number % 2]
                try:
                    used.write(lambda tx, name=name: ledger.reserve(tx, name, "paid", LANE, "", 1_000_000))
                    taken.append(name)
                except VideoError as error:
                    assert error.kind == "wall"

        threads = [threading.Thread(target=reserve, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        heard = other.version()
        store.write(lambda tx: tx.run("INSERT INTO settings VALUES ('k', 'v', 0)"))
        until(lambda: other.version() != heard, "the other session is woken")
    assert len(taken) == 7 and ledger.totals(store).today == 7_000_000
    assert store.row("SELECT sum(held) AS held FROM spent") == {"held": 7_000_000}


def test_a_commit_whose_answer_was_lost_is_asked_after(store: PostgresStore, url: str) -> None:
    """The session ends before the commit: the write runs again. It ends with the commit: it is done, and once."""
    cut = list[int]()

    def write(tx: Transaction) -> None:
        tx.run("INSERT INTO settings VALUES ('once', 'v', 0)")
        if not cut:
            cut.append(1)
            (row,) = tx.rows("SELECT pg_backend_pid() AS pid")
            ask(url, f"SELECT pg_terminate_backend({row['pid']})")
            tx.rows("SELECT 1")

    store.write(write)
    assert store.rows("SELECT key FROM settings") == [{"key": "once"}]
    row = store.row("SELECT pg_current_xact_id()::text AS number")
    assert row is not None and store._was_committed(str(row["number"])), "a number that the server knows"


def test_what_no_row_can_hold_is_named_and_nothing_of_it_stays(store: PostgresStore) -> None:
    for job, wake in (("\ud83d", 0), ("a\0b", 0), ("j", 2**70)):
        sql = "INSERT INTO events(job, at, kind, wake) VALUES (?, 0, '', ?)"
        with pytest.raises(VideoError) as caught:
            store.write(lambda tx, sql=sql, values=(job, wake): tx.run(sql, values))
        assert caught.value.kind == "invalid_request"
    assert store.rows("SELECT * FROM events") == []


def test_a_lock_is_ours_until_its_session_ends(store: PostgresStore, url: str) -> None:
    store.write(lambda tx: lanes.add_lane(tx, LANE, "paid", "remote"))
    locks = open_locks(store)
    lease = lanes.take(store, locks, LANE, version="1", detached=True, wait_s=0.0)
    assert lease is not None and lease.lock.held() and locks.is_held(LANE)
    assert lanes.take(store, locks, LANE, version="1", detached=True, wait_s=0.0) is None
    with psycopg.connect(url, autocommit=True) as busy:  # a beat does not wait for whoever writes to the whole store
        busy.execute("SELECT pg_advisory_lock(%s)", (store.lock_number(""),))
        lanes.beat(store, lease)
    assert locks.holder(LANE) == "this machine"
    ask(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% lane'")
    until(lambda: not locks.is_held(LANE), "the server has let it go")
    assert not lease.lock.held()
    with pytest.raises(lanes.Fenced):
        lanes.beat(store, lease)
    lease.lock.release()


def test_what_a_driver_that_may_still_live_was_about_to_send_is_never_sent_again(store: PostgresStore) -> None:
    locks = open_locks(store)

    def begin(tx: Transaction) -> None:
        lanes.add_lane(tx, LANE, "paid", "remote")
        put_job(tx, "j", "submitting", posts=1)
        tx.run("UPDATE lanes SET driven = 1, pid = 1, started = 1, boot_id = 'another machine'")

    store.write(begin)
    lease = lanes.take(store, locks, LANE, version="1", detached=True, wait_s=0.0)
    assert lease is not None and store.row("SELECT posts FROM jobs") == {"posts": lanes.NEVER_AGAIN}
    lanes.leave(store, lease, even_if_open=True)
    store.write(lambda tx: tx.run("UPDATE jobs SET posts = 1"))
    again = lanes.take(store, locks, LANE, version="1", detached=True, wait_s=0.0)
    assert again is not None and store.row("SELECT posts FROM jobs") == {"posts": 1}, "it has left by its own word"
    again.lock.release()


def test_an_id_that_comes_late_settles_the_job_that_waited_for_a_person(store: PostgresStore, tmp_path: Path) -> None:
    def begin(tx: Transaction) -> None:
        lanes.add_lane(tx, LANE, "paid", "remote")
        put_job(tx, "j", "uncertain")
        ledger.hold(tx, "j")

    store.write(begin)
    ids = IdLog.of(tmp_path)
    ids.append("j", LANE, Handle("remote-1", {}))
    assert late_ids.replay(store, ids) == 1
    assert store.row("SELECT state FROM jobs") == {"state": "submitting"}
    assert store.row("SELECT state FROM ledger") == {"state": "reserved"}
    found = late_ids.find(store, "j")
    assert found is not None and found.remote_id == "remote-1"
    late_ids.replay(store, ids)
    assert len(store.rows("SELECT * FROM events WHERE kind = 'late_id'")) == 1, "told once"


@pytest.mark.parametrize("mode", ["lookup", "none"])
def test_a_worker_that_is_frozen_and_cut_off_before_its_request_pays_once_at_most(
    mode: str, url: str, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    service = serve(mode=mode)
    station = stand(service, PAID_MODE=mode, REELWRIGHT_STORE=url, REELWRIGHT_SETTLE_S="0.1")
    with closing(Context.open(station.settings())) as context:
        job = station.place(context, text_request("frozen"))

        def state() -> str:
            row = context.store.row("SELECT state FROM jobs WHERE id = ?", (job,))
            return str(row and row["state"])

        first = nursery.worker(station.environ(), "before-post:1:stop")
        until(lambda: _stopped(first.pid), "it stands just before its paid request")
        assert state() == "submitting"
        ask(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% lane'")
        second = nursery.worker(station.environ())
        until(lambda: state() == "uncertain", "the second has looked it up and sends nothing")
        assert service.counters()["charges"] == 0
        os.kill(first.pid, signal.SIGCONT)
        assert nursery.ended(first) == 0 and nursery.ended(second) == 0
        assert service.counters()["charges"] == 0 and state() == "uncertain", "its lock was gone: nothing was sent"
        assert context.store.row("SELECT state, reserved FROM ledger") == {"state": "unresolved", "reserved": 400_000}


def test_an_id_in_the_journal_of_another_folder_of_the_store_is_the_jobs_own(
    url: str, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """A worker has written the id down and dies; one of another data folder of this machine looks the job up."""
    service = serve(mode="lookup")
    env = {"PAID_MODE": "lookup", "REELWRIGHT_STORE": url, "REELWRIGHT_SETTLE_S": "0.1"}
    station = stand(service, **env, REELWRIGHT_WORKER_IDLE_S="0")
    with closing(Context.open(station.settings())) as context:
        job = station.place(context, text_request("written down elsewhere"))
        assert nursery.ended(nursery.worker(station.environ(), "after-id-log:1")) == -9
        other = station.environ(REELWRIGHT_HOME=str(station.root / "other"))
        assert nursery.ended(nursery.worker(other)) == 0
        assert context.store.row("SELECT id, state FROM jobs") == {"id": job, "state": "succeeded"}
    assert service.counters()["charges"] == 1


def _stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_each_way_in_which_it_cannot_be_used_is_one_sentence(server: str, url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(VideoError) as caught:
        opening.check_url("mysql://me:secret@there/x")
    assert "is no URL of a PostgreSQL server" in caught.value.message and "secret" not in caught.value.message
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = why(f"postgresql://me:secret@127.0.0.1:{free.getsockname()[1]}/x", home)
    assert "cannot be reached" in nobody and "that the server runs" in nobody
    assert "reelwright store init creates it" in why(f"{server}?options=-csearch_path%3Dnowhere", home)
    assert "is read-only" in why(f"{url}%20-cdefault_transaction_read_only%3Don", home)
    ask(server, "CREATE ROLE guest LOGIN")
    assert "the role guest may not use the schema of the store" in why(url.replace("owner@", "guest@"), home)
    with pytest.raises(VideoError, match="the role guest may not use the schema of the store"):
        making.migrate(url.replace("owner@", "guest@"))
    ask(server, "CREATE SCHEMA alien; CREATE TABLE alien.meta(a int)")
    assert "is not a store's: name another schema" in why(f"{server}?options=-csearch_path%3Dalien", home)
    ask(url, f"GRANT USAGE ON SCHEMA {tmp_path.name[:50].lower()} TO guest; GRANT SELECT ON meta TO guest")
    assert "the role guest may not read and write the table" in why(url.replace("owner@", "guest@"), home)
    ask(url, "UPDATE meta SET value = '900' WHERE key = 'min_reader'")
    assert "was written by a newer Reelwright" in why(url, home)
    with pytest.raises(VideoError, match="newer Reelwright"):
        making.migrate(url)
    assert making.init(url).endswith(tmp_path.name[:50].lower()), "init leaves what is there"
    ask(url, f"UPDATE meta SET value = '{schema.VERSION}'; DROP TABLE lanes")
    assert "one that has lost a table comes back from a backup" in why(url, home)


def test_an_older_store_is_refused_until_it_is_migrated(url: str, tmp_path: Path) -> None:
    ask(url, "DROP TRIGGER ledger_sums_by ON ledger; DROP FUNCTION ledger_sums_by; DROP TABLE spent_by, audit")
    ask(url, "ALTER TABLE ledger DROP COLUMN principal; DROP TABLE archived, archived_spent")
    ask(url, "UPDATE meta SET value = '3' WHERE key = 'schema_version'")
    assert "reelwright store migrate" in why(url, tmp_path / "home")
    assert making.migrate(url) == (3, schema.VERSION) and making.migrate(url) == (schema.VERSION, schema.VERSION)
    PostgresStore(tmp_path / "home", url).close()


def test_a_pooler_between_is_refused(server: str, url: str, tmp_path: Path) -> None:
    """A pooler makes up the process number that it tells its client: it hands sessions on."""
    upstream = int(server.rpartition(":")[2].partition("/")[0])
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=_pool, args=(door, upstream), daemon=True)
        thread.start()
        pooled = url.replace(f":{upstream}/", f":{door.getsockname()[1]}/")
        assert "a connection pooler answers" in why(pooled, tmp_path / "home")
        thread.join(5)


def _pool(door: socket.socket, upstream: int) -> None:
    """Pass one session on, with another process number in the message that tells it ('K', 12 bytes long)."""
    client, _ = door.accept()
    with client, socket.create_connection(("127.0.0.1", upstream)) as server:

        def back() -> None:
            while data := server.recv(65536):
                at = data.find(b"K\x00\x00\x00\x0c")
                client.sendall(data if at < 0 else data[: at + 5] + b"\x00\x00\x00\x07" + data[at + 9 :])
            client.shutdown(socket.SHUT_WR)

        passing = threading.Thread(target=back, daemon=True)
        passing.start()
        while data := client.recv(65536):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        passing.join(5)


def test_a_files_jobs_move_to_the_server_and_the_file_is_closed(url: str, tmp_path: Path) -> None:
    env = {"REELWRIGHT_HOME": str(tmp_path / "home"), "REELWRIGHT_OUTPUT_DIR": str(tmp_path / "out")}
    file = SqliteStore(tmp_path / "home" / "reelwright.db")

    def begin(tx: Transaction) -> None:
        lanes.add_lane(tx, LANE, "paid", "remote")
        ended(tx, "old")
        put_job(tx, "open", "queued")

    file.write(begin)
    limits.set_limit(file, "per_day_usd", "7.5", ["paid"])
    moving = load_settings({**env, "REELWRIGHT_STORE": url}, cwd=tmp_path)
    with pytest.raises(VideoError, match="has a store of its own"):
        Context.open(moving)
    locks = open_locks(file)
    lease = lanes.take(file, locks, LANE, version="1", detached=True, wait_s=0.0)
    assert lease is not None
    with pytest.raises(VideoError, match="drives paid"):
        copying.copy(moving)
    lanes.leave(file, lease, even_if_open=True)
    assert copying.count(moving) == 2 and copying.copy(moving) == 2
    with pytest.raises(VideoError, match="were moved to postgresql://127"):
        file.write(lambda tx: tx.run("DELETE FROM jobs"))
    file.close()
    with closing(Context.open(moving)) as context:
        assert [row["id"] for row in context.store.rows("SELECT id FROM jobs ORDER BY seq")] == ["old", "open"]
        assert consistency.faults(context.store) == [] and limits.value_of(context.store, "per_day_usd") == "7.5"
        assert ledger.spending_limits(context.store).per_day == Decimal("7.5")
        context.store.write(lambda tx: put_job(tx, "new"))
        (lane,) = cluster.status(context).lanes
        assert (lane.lane, lane.driver, lane.open, lane.uncertain) == (LANE, "", 2, 0)
    with pytest.raises(VideoError, match="holds jobs already"):
        copying.copy(moving)


def test_an_old_clip_that_lies_on_another_machine_is_not_removed_from_here(
    store: PostgresStore, url: str, tmp_path: Path
) -> None:
    """Nothing was shown of it, and nobody looked whether its published copy is still whole."""
    here = Artifacts(store.home / "artifacts", tmp_path / "out")
    there = Artifacts(tmp_path / "other" / "artifacts", tmp_path / "out")
    clips = {"mine": here.job("mine") / "clip.mp4", "theirs": there.job("theirs") / "clip.mp4"}
    for job, clip in clips.items():
        clip.parent.mkdir(parents=True)
        clip.write_bytes(b"a clip")
        result = json.dumps({"file": f"jobs/{job}/clip.mp4", "sha256": "0" * 64})
        store.write(lambda tx, job=job, result=result: ended(tx, job, result=result))
    wish = Wish(0.0, only_copies=True)
    assert clearing.plan(store, here, wish).jobs == {"mine"}
    assert clearing.clear(store, here, wish) == len(b"a clip")
    with closing(PostgresStore(tmp_path / "other", url)) as other:
        assert upkeep.clean(other, there) == 0 and clips["theirs"].exists()


def test_a_server_elsewhere_must_show_its_certificate_and_no_password_is_ever_shown() -> None:
    far = link.address("postgresql://me:secret@db.example.org:6000/clips")
    assert "sslmode=verify-full" in far.conninfo and "tcp_keepalives_idle=5" in far.conninfo
    assert far.where == "postgresql://db.example.org:6000/clips"
    assert "sslmode=disable" in link.address("postgresql://db.example.org/clips?sslmode=disable").conninfo
    assert "verify-full" not in link.address("postgresql://127.0.0.1/clips").conninfo


def test_statements_are_translated() -> None:
    assert dialect.statement("SELECT a FROM j INDEXED BY i WHERE b = :b AND +c LIKE '%d'", True) == (
        b"SELECT a FROM j WHERE b = %(b)s AND c LIKE '%%d'"
    )
    assert dialect.statement("a IN () AND instr(b, ?)", False) == b"a IN (NULL) AND strpos(b, %s)"
    assert of_lane("k") == "lane:k"
