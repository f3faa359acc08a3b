"""The store as a schema of a PostgreSQL server, shared by every machine that names it.

Writes to the whole store take one lock of the server, one after the other, as with SQLite's single writer: every read,
decision and write in them is as serial as in a file, and events are numbered in the order of their commits. Writes to
one lane's row (beats) do not take it. Each commit notifies every client once.

A commit whose answer was lost is looked up by its number, never guessed.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from backends.errors import VideoError
from backends.jobs.crashpoints import crash_point
from backends.jobs.files.private import private_home
from backends.jobs.store import schema
from backends.jobs.store.calls import Calls, Write
from backends.jobs.store.database import WHOLE, Params, Row
from backends.jobs.store.postgres import dialect, link
from backends.jobs.store.postgres.link import Address, Connection
from backends.jobs.store.postgres.listening import Listener

T = TypeVar("T")

TRIES = 6
"""How often a commit is tried that conflicted with another one, or whose connection was lost before it."""

AGAIN_S = 0.5
"""Seconds between two tries to reach a server that has just gone."""

_FACTS = """
SELECT extract(epoch FROM clock_timestamp())::float8, current_setting('synchronous_commit'),
  CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END
"""
"""The server's time, whether commits wait for the disk, and its timeline: a different one once a standby took over."""

_BEGIN = (
    "SELECT {lock}, pg_current_xact_id()::text, extract(epoch FROM clock_timestamp())::float8, "
    "(SELECT value FROM meta WHERE key = 'min_reader')"
)
_WHOLE = _BEGIN.format(lock="pg_advisory_xact_lock(%s), pg_notify(%s, '')").encode()
_BESIDE = _BEGIN.format(lock="NULL, NULL").encode()


class PostgresTransaction:
    """Statements inside the one open transaction. at: the server's time at its begin."""

    def __init__(self, cx: Connection, at: float, place: Address) -> None:
        self._cx = cx
        self._at = at - time.monotonic()
        self._place = place

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        return fetch(self._cx, sql, params)

    def row(self, sql: str, params: Params = ()) -> Row | None:
        found = self.rows(sql, params)
        return found[0] if found else None

    def run(self, sql: str, params: Params = ()) -> int:
        return max(0, _execute(self._cx, sql, params).rowcount)

    def now(self) -> float:
        return self._at + time.monotonic()


def _execute(cx: Connection, sql: str, params: Params) -> psycopg.Cursor[tuple[Any, ...]]:
    try:
        return cx.execute(dialect.statement(sql, not isinstance(params, Sequence)), dialect.bindings(params))
    except UnicodeEncodeError:
        raise VideoError("invalid_request", link.HALF) from None


def fetch(cx: Connection, sql: str, params: Params) -> list[Row]:
    cursor = _execute(cx, sql, params)
    if cursor.description is None:
        return []
    names = [column.name for column in cursor.description]
    return [dict(zip(names, map(dialect.read, values), strict=True)) for values in cursor.fetchall()]


class _Unclear(Exception):
    """The connection was lost while a commit was under way."""


class PostgresStore(Calls):
    """Open the store that a URL names. home: this machine's data folder, for files and logs.

    VideoError("storage") in one sentence where it cannot be used: see `link`.
    """

    def __init__(self, home: Path, url: str) -> None:
        super().__init__()
        self._home = home
        self.place = link.address(url)
        self._read_lock = threading.Lock()
        self._offset = 0.0
        self._timeline = ""
        try:
            private_home(home)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise VideoError("storage", f"{home} cannot be used ({why}): set REELWRIGHT_HOME to another") from None
        self._writer = self._open("writer")
        try:
            self._may_drive = link.check(self._writer, self.place)
            row = self._writer.execute("SELECT current_database() || ' ' || current_schema()").fetchone()
            self._name = str(row[0]) if row else ""
            self._reader = self._open("reader")
            try:
                self._listener = Listener(self.place, self.channel)
            except BaseException:
                self._reader.close()
                raise
        except psycopg.Error as error:
            self._writer.close()
            raise link.storage_error(error, self.place) from None
        except BaseException:
            self._writer.close()
            raise

    def _open(self, what: str) -> Connection:
        cx = link.connect(self.place, what)
        try:
            row = cx.execute(_FACTS).fetchone()
        except BaseException:
            cx.close()
            raise
        if row is not None:
            self._offset = float(row[0]) - time.time()
            if what == "writer":
                self._timeline = str(row[2])
            if row[1] == "off":
                cx.execute("SET synchronous_commit = on")
        return cx

    @property
    def home(self) -> Path:
        return self._home

    @property
    def where(self) -> str:
        return self.place.where

    @property
    def archive(self) -> None:
        return None

    @property
    def shared(self) -> str:
        return f"{self.where} {self._name}"

    @property
    def may_drive(self) -> bool:
        return self._may_drive

    @property
    def clock_off_s(self) -> float:
        """How far this machine's clock is behind the server's, seconds."""
        return self._offset

    def exists(self) -> bool:
        """The server's rows stay; but without its data folder a worker has no journal of what it pays for."""
        return self._home.exists()

    def now(self) -> float:
        return time.time() + self._offset

    def lock_number(self, key: str) -> int:
        """The number of a lock of this store on the server; "" is the lock of its writes."""
        digest = hashlib.sha256(f"{self._name} {key}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    @property
    def channel(self) -> str:
        return f"reelwright_{hashlib.sha256(self._name.encode()).hexdigest()[:24]}"

    # writing

    def _commit_queue(self, batch: Sequence[Write[Any]]) -> None:
        """Every commit is durable here: the server goes on when a client is told that its write was committed."""
        try:
            self._commit(batch)
        except (psycopg.Error, VideoError) as error:
            for item in batch:
                item.error = item.error or self._in_words(error)
        except BaseException as error:  # a Ctrl-C in the thread that commits: no other thread's write may seem done
            for item in batch:
                text = f"the store at {self.where} was interrupted by {type(error).__name__}: repeat"
                item.error = item.error or VideoError("storage", text, retryable=True)
            raise
        finally:
            for item in batch:
                item.done = True

    def _in_words(self, error: Exception) -> Exception:
        return link.storage_error(error, self.place) if isinstance(error, psycopg.Error) else error

    def _commit(self, batch: Sequence[Write[Any]]) -> None:
        for left in range(TRIES - 1, -1, -1):
            number: list[str] = []
            try:
                return self._try(batch, number)
            except _Unclear:
                if self._was_committed(number[0]):
                    return None
            except (errors.SerializationFailure, errors.DeadlockDetected):
                if not left:
                    raise
            except psycopg.OperationalError:
                if not left or not self._writer.closed:
                    raise
                self._reopen_writer()
        raise VideoError("storage", f"the store at {self.where} keeps disconnecting: repeat", retryable=True)

    def _try(self, batch: Sequence[Write[Any]], number: list[str]) -> None:
        """One transaction. number: receives its number, by which the server later knows its outcome."""
        cx = self._writer
        for item in batch:
            item.error = item.result = None
        if cx.closed:
            self._reopen_writer()
            cx = self._writer
        cx.execute("BEGIN")
        try:
            at = self._begin(cx, any(item.scope == WHOLE for item in batch), number)
            for item in batch:
                self._run_one(cx, item, at)
            crash_point("before-commit")
        except BaseException:
            if not cx.closed:
                cx.execute("ROLLBACK")
            raise
        try:
            cx.execute("COMMIT")
        except psycopg.OperationalError as error:
            raise (_Unclear if cx.closed else error) from None
        crash_point("after-commit")

    def _begin(self, cx: Connection, whole: bool, number: list[str]) -> float:
        if whole:
            row = cx.execute(_WHOLE, (self.lock_number(""), self.channel)).fetchone()
        else:
            row = cx.execute(_BESIDE).fetchone()
        assert row is not None
        number[:] = [str(row[2])]
        if not str(row[4]).isdigit() or int(row[4]) > schema.VERSION:
            raise link.newer(self.place, int(row[4] or 0))
        self._offset = float(row[3]) - time.time()
        return float(row[3])

    def _run_one(self, cx: Connection, item: Write[Any], at: float) -> None:
        cx.execute("SAVEPOINT one")
        try:
            item.result = item.work(PostgresTransaction(cx, at, self.place))
        except (errors.SerializationFailure, errors.DeadlockDetected):
            raise
        except Exception as error:  # passed to the caller of this write
            if cx.closed:
                raise
            cx.execute("ROLLBACK TO one")
            item.error = self._in_words(error)
        cx.execute("RELEASE one")

    def _reopen_writer(self) -> None:
        self._writer.close()
        self._writer = self._again("writer")

    def _again(self, what: str) -> Connection:
        """A new session after one was lost; waits a little for a server that restarts."""
        for left in range(TRIES, -1, -1):
            try:
                cx = self._open(what)
                try:
                    link.check(cx, self.place)
                except BaseException:
                    cx.close()
                    raise
                return cx
            except VideoError:
                if not left:
                    raise
            except psycopg.Error as error:
                if not left:
                    raise link.unreachable(error, self.place) from None
            time.sleep(AGAIN_S)
        raise AssertionError("unreachable")

    def _was_committed(self, number: str) -> bool:
        """The outcome of a transaction whose answer was lost."""
        timeline = self._timeline
        self._reopen_writer()
        if timeline != self._timeline:  # a standby has taken over, and may use that number for another transaction
            text = f"another server answers at {self.where} now, and may lack the last write: check and repeat"
            raise VideoError("storage", text, retryable=True)
        deadline = time.monotonic() + link.WAIT_MS / 1000
        while time.monotonic() < deadline:
            row = self._writer.execute("SELECT pg_xact_status(%s::xid8)", (number,)).fetchone()
            if row is not None and row[0] in ("committed", "aborted"):
                return row[0] == "committed"
            time.sleep(0.05)
        text = (
            f"the connection to {self.where} was lost, and whether the last write was kept is unknown: check and repeat"
        )
        raise VideoError("storage", text, retryable=True)

    # reading

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        with self.call(), self._read_lock:
            try:
                return fetch(self._reader, sql, params)
            except psycopg.OperationalError as error:
                if not self._reader.closed:
                    raise link.storage_error(error, self.place) from None
                self._reader.close()
                self._reader = self._again("reader")
            except psycopg.Error as error:
                raise link.storage_error(error, self.place) from None
            try:
                return fetch(self._reader, sql, params)
            except psycopg.Error as error:
                raise link.storage_error(error, self.place) from None

    def row(self, sql: str, params: Params = ()) -> Row | None:
        found = self.rows(sql, params)
        return found[0] if found else None

    def version(self) -> int:
        return self._listener.heard

    def close(self) -> None:
        self._listener.close()
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()
