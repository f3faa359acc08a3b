"""The store as one SQLite file in WAL mode, opened only through apsw, shared by every client and worker.

Why apsw: it brings its own SQLite (>= 3.51.3); older ones can lose committed WAL transactions when several processes
checkpoint at once. Writers queue and are committed together, so many small submits cost one fsync.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import apsw

from backends.errors import OwnFault, VideoError
from backends.jobs.crashpoints import crash_point
from backends.jobs.files.private import private_file, private_home
from backends.jobs.store import schema
from backends.jobs.store.calls import Calls, Write
from backends.jobs.store.database import Params, Row, Transaction

T = TypeVar("T")


class _Cursor(Protocol):
    """The part of apsw's cursor that is used (its own stubs are only partly typed)."""

    @property
    def get(self) -> Any: ...
    def get_description(self) -> tuple[tuple[str, str], ...]: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...
    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...


class _Connection(Protocol):
    """The part of apsw's connection that is used."""

    in_transaction: bool

    def execute(self, statements: str, bindings: Params = ..., /) -> _Cursor: ...
    def changes(self) -> int: ...
    def close(self) -> None: ...


_BUSY_MS = 30_000

ARCHIVE = "archive.db"
"""The name of the archive, a file beside the store's."""


class SqliteTransaction:
    """Statements inside the one open transaction."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        return _rows(self._connection, sql, params)

    def row(self, sql: str, params: Params = ()) -> Row | None:
        found = self.rows(sql, params)
        return found[0] if found else None

    def run(self, sql: str, params: Params = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        _execute(self._connection, sql, params)
        return self._connection.changes()

    def now(self) -> float:
        return time.time()


def _execute(connection: _Connection, sql: str, params: Params) -> _Cursor:
    """VideoError("invalid_request") for a value that no row can hold."""
    try:
        return connection.execute(sql, params)
    except UnicodeEncodeError:
        text = "a text holds half of a character (a lone surrogate, as of an emoji that was cut): write it whole"
        raise VideoError("invalid_request", text) from None
    except OverflowError:
        raise VideoError("invalid_request", "a number is larger than 64 bits can hold: give a smaller one") from None


def _rows(connection: _Connection, sql: str, params: Params) -> list[Row]:
    cursor = _execute(connection, sql, params)
    found: list[Row] = []
    names: list[str] | None = None
    for values in cursor:
        if names is None:
            names = [str(column[0]) for column in cursor.get_description()]
        found.append(dict(zip(names, values, strict=True)))
    return found


class SqliteStore(Calls):
    """Open the store at `path`, creating or upgrading it.

    VideoError("storage") when the folder cannot be written, the file is damaged, or a newer program owns it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._read_lock = threading.Lock()
        self._synchronous = ""
        try:
            private_home(path.parent)
            private_file(path)  # SQLite gives its log and index the same permissions
            self._writer = self._connect()
            try:
                self._migrate()
                self._reader = self._connect()
            except BaseException:
                self._writer.close()
                raise
        except (apsw.Error, OSError) as error:
            raise storage_error(error, path) from None

    @property
    def home(self) -> Path:
        return self.path.parent

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def archive(self) -> Path | None:
        return self.path.with_name(ARCHIVE)

    @property
    def shared(self) -> str:
        return ""

    @property
    def may_drive(self) -> bool:
        return True

    def exists(self) -> bool:
        return self.path.exists()

    def now(self) -> float:
        return time.time()

    def _connect(self) -> _Connection:
        opened = apsw.Connection(str(self.path))
        opened.set_busy_timeout(_BUSY_MS)
        connection = cast(_Connection, opened)
        connection.execute("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY").fetchall()
        return connection

    def _migrate(self) -> None:
        """Make the tables, or upgrade an older store, in one transaction that only one process wins.

        A current store is only read, so that it can be opened while another program holds its write lock.
        """
        cx = self._writer
        if _has_tables(cx) and _check_version(cx) >= schema.VERSION:
            return
        cx.execute("BEGIN IMMEDIATE")
        try:
            if not _has_tables(cx):
                cx.execute(schema.TABLES)
                cx.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(schema.VERSION),))
                cx.execute("INSERT INTO meta VALUES ('min_reader', ?)", (str(schema.MIN_READER),))
            else:
                self._upgrade(cx)
            cx.execute("COMMIT")
        except BaseException:
            if cx.in_transaction:  # a full disk has undone it already
                cx.execute("ROLLBACK")
            raise

    def _upgrade(self, cx: _Connection) -> None:
        version = _check_version(cx)
        for step in range(version, schema.VERSION):
            cx.execute(schema.MIGRATIONS[step])
        if version < schema.VERSION:
            cx.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(schema.VERSION),))
            cx.execute("UPDATE meta SET value = ? WHERE key = 'min_reader'", (str(schema.MIN_READER),))

    def _commit_queue(self, batch: Sequence[Write[Any]]) -> None:
        """In an IMMEDIATE transaction: SQLite has one writer, whatever the scope."""
        cx = self._writer
        try:
            self._set_synchronous("FULL" if any(item.durable for item in batch) else "NORMAL")
            cx.execute("BEGIN IMMEDIATE")
            try:
                _check_version(cx)
                for item in batch:
                    self._run_one(cx, item)
                crash_point("before-commit")
                cx.execute("COMMIT")
                crash_point("after-commit")
            except BaseException:
                if cx.in_transaction:
                    cx.execute("ROLLBACK")
                raise
        except (apsw.Error, OSError, VideoError) as error:
            for item in batch:
                item.error = item.error or storage_error(error, self.path)
        except BaseException as error:  # a Ctrl-C in the thread that commits: no other thread's write may seem done
            for item in batch:
                item.error = item.error or storage_error(Exception(f"interrupted by {type(error).__name__}"), self.path)
            raise
        finally:
            for item in batch:
                item.done = True

    def _run_one(self, cx: _Connection, item: Write[Any]) -> None:
        cx.execute("SAVEPOINT one")
        try:
            item.result = item.work(SqliteTransaction(cx))
        except (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.ReadOnlyError):
            raise
        except Exception as error:  # passed to the caller of this write
            cx.execute("ROLLBACK TO one")
            item.error = storage_error(error, self.path) if isinstance(error, apsw.Error) else error
        cx.execute("RELEASE one")

    def _set_synchronous(self, level: str) -> None:
        if level != self._synchronous:
            self._writer.execute(f"PRAGMA synchronous={level}")
            self._synchronous = level

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Read rows, as dicts."""
        try:
            with self.call(), self._read_lock:
                return _rows(self._reader, sql, params)
        except apsw.Error as error:
            raise storage_error(error, self.path) from None

    def row(self, sql: str, params: Params = ()) -> Row | None:
        found = self.rows(sql, params)
        return found[0] if found else None

    def version(self) -> int:
        """A number that changes with every commit, by any process (this one too). Costs ~10 us."""
        try:
            with self._read_lock:
                return int(self._reader.execute("PRAGMA data_version").get)
        except apsw.Error as error:
            raise storage_error(error, self.path) from None

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()


def _has_tables(cx: _Connection) -> bool:
    return bool(cx.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").get)


def _check_version(cx: _Connection) -> int:
    """The store's version; checked in every write too, since a newer program may have taken the store over."""
    meta = dict(cast("list[tuple[str, str]]", cx.execute("SELECT key, value FROM meta").fetchall()))
    if MOVED in meta:
        text = f"its jobs were moved to {meta[MOVED]}: set REELWRIGHT_STORE to that store and restart this program"
        raise VideoError("storage", text)
    version, min_reader = (_number(meta, name) for name in ("schema_version", "min_reader"))
    if min_reader > schema.VERSION:
        raise VideoError(
            "storage",
            f"the store was written by a newer Reelwright (format {version}, this program knows "
            f"{schema.VERSION}): update this one (pip install -U reelwright) and restart it; nothing was changed",
        )
    return version


def _number(meta: Mapping[str, str], name: str) -> int:
    """A version from the table `meta`, which every store has had from the start."""
    value = meta.get(name, "")
    if not (value.isascii() and value.isdigit()):
        raise apsw.CorruptError(f"its table meta holds no {name}")
    return int(value)


def storage_error(error: Exception, path: Path) -> VideoError:
    """The store's failure in words that say what to do. In none of these cases is anything lost that was committed."""
    folder = path.parent
    if isinstance(error, VideoError):
        return error
    if isinstance(error, apsw.ConstraintError | apsw.MismatchError | apsw.TooBigError):
        return OwnFault(f"the store does not accept a value ({error}): update Reelwright (pip install -U reelwright)")
    if isinstance(error, apsw.FullError):
        text = f"the disk of {folder} is full: free some space and repeat; no accepted job is lost"
    elif isinstance(error, apsw.CorruptError | apsw.NotADBError):
        text = (
            f"{path} is damaged ({error}): stop every Reelwright process, copy the file for safety, then run "
            f"sqlite3 {path.name} .recover, or move it and the files {path.name}-* away: a new store takes over the "
            "paid jobs of this one from accepted.jsonl (leave that file and artifacts/ where they are)"
        )
    elif isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | PermissionError):
        text = f"{folder} cannot be written: make it writable, or set REELWRIGHT_HOME to a folder that is"
    elif isinstance(error, OSError):
        why = error.strerror or type(error).__name__
        text = f"{folder} cannot be used ({why}): set REELWRIGHT_HOME to a folder that can be made and written"
    elif isinstance(error, apsw.BusyError | apsw.LockedError):
        text = (
            f"another program has held the store {path} for {_BUSY_MS / 1000:g} s (a database viewer, a backup?): "
            "close it and repeat; if it lasts, see reelwright doctor"
        )
    elif isinstance(error, apsw.IOError):
        text = f"the disk of {folder} failed or is full ({error}): check its space and health, then repeat"
    else:
        text = f"the store {path} failed ({type(error).__name__}: {error}): see reelwright doctor"
    return VideoError("storage", text, retryable=isinstance(error, apsw.BusyError | apsw.LockedError | apsw.FullError))


# a file whose jobs were moved to a server

MOVED = "moved_to"
"""The key in `meta` that closes a file for good: where its jobs are now."""


def mark_moved(tx: Transaction, where: str) -> None:
    """From here on no program opens or writes the file, older ones included."""
    tx.run("INSERT INTO meta VALUES (?, ?)", (MOVED, where))
    tx.run("UPDATE meta SET value = '1000' WHERE key = 'min_reader'")


def moved_to(path: Path) -> str:
    """Where the jobs of a file are now; "" where they are still in it."""
    try:
        rows = read_closed(path, f"SELECT value FROM meta WHERE key = '{MOVED}'")
    except apsw.Error as error:
        raise storage_error(error, path) from None
    return str(rows[0]["value"]) if rows else ""


def format_of(path: Path) -> int:
    """The current format of a file."""
    rows = read_closed(path, "SELECT value FROM meta WHERE key = 'schema_version'")
    return int(rows[0]["value"]) if rows else schema.VERSION


def read_closed(path: Path, sql: str) -> list[Row]:
    """Rows of a file, also of one that is closed for good."""
    opened = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        opened.set_busy_timeout(_BUSY_MS)
        return _rows(cast(_Connection, opened), sql, ())
    finally:
        opened.close()
