"""Connections to the store's server: how they are opened, what is refused, and failures in words.

A lane's lock and the notifications depend on a session of the server, so no pooler may be in between: one that gives a
session to many clients would let two workers hold the same lock.
"""

from __future__ import annotations

import ipaddress
import os
import platform
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from backends.errors import OwnFault, VideoError
from backends.jobs.store import schema

Connection = psycopg.Connection[tuple[Any, ...]]

SCHEMA = "reelwright"
"""The schema of the store where the URL names no other (?options=-csearch_path%3DNAME)."""

OLDEST = 140000
"""PostgreSQL 14: the oldest version with the settings that are used."""

IDLE_S, INTERVAL_S, COUNT = 5, 2, 3
"""Keepalives of both ends: a machine that is gone is noticed after about 11 s. A server's default is two hours."""

WAIT_MS = 30_000
"""The longest wait for another client's write, milliseconds."""

_SESSION = {
    "tcp_keepalives_idle": IDLE_S,
    "tcp_keepalives_interval": INTERVAL_S,
    "tcp_keepalives_count": COUNT,
    "tcp_user_timeout": 11_000,
    "lock_timeout": WAIT_MS,
    "idle_in_transaction_session_timeout": 60_000,
    "idle_session_timeout": 0,
    "search_path": SCHEMA,
}


@dataclass(frozen=True)
class Address:
    """Where a store is: for connecting, and as a description without its password."""

    conninfo: str
    where: str


def address(url: str) -> Address:
    """Read a URL. VideoError("storage") for one that libpq cannot read.

    A server on another machine must show a certificate of its name, unless the URL says otherwise (sslmode).
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise VideoError(
            "storage", "REELWRIGHT_STORE cannot be read: write postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full"
        ) from None
    own = str(given.get("options") or "")
    session = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    host = str(given.get("host") or os.environ.get("PGHOST", ""))
    if not _is_here(host) and "sslmode" not in given:
        given |= {"sslmode": "verify-full", "sslrootcert": given.get("sslrootcert") or "system"}
    keepalives = {"keepalives": 1, "keepalives_idle": IDLE_S, "keepalives_interval": INTERVAL_S}
    fixed: dict[str, Any] = {**keepalives, "keepalives_count": COUNT, "tcp_user_timeout": 11_000}
    conninfo = make_conninfo("", **{"connect_timeout": 10, **given, **fixed, "options": f"{session} {own}".strip()})
    port = f":{given['port']}" if given.get("port") else ""
    return Address(conninfo, f"postgresql://{host or 'localhost'}{port}/{given.get('dbname') or ''}")


def _is_here(host: str) -> bool:
    """Whether a host (or each of several) is this machine: a loopback address or a folder of sockets."""
    try:
        return all(
            one in ("", "localhost") or one.startswith(("/", "@")) or ipaddress.ip_address(one).is_loopback
            for one in host.split(",")
        )
    except ValueError:
        return False


def connect(place: Address, what: str) -> Connection:
    """One session. what: its purpose, shown in the server's list of sessions."""
    name = f"reelwright {platform.node()[:30]} {os.getpid()} {what}"[:63]
    try:
        return psycopg.connect(place.conninfo, autocommit=True, application_name=name)
    except psycopg.Error as error:
        raise unreachable(error, place) from None


_THERE = """
SELECT to_regclass('meta') IS NOT NULL,
EXISTS (SELECT 1 FROM pg_namespace WHERE NOT has_schema_privilege(oid, 'USAGE')
  AND nspname = trim(BOTH '"' FROM split_part(current_setting('search_path'), ',', 1))),
CASE WHEN to_regclass('meta') IS NOT NULL THEN NOT has_table_privilege('meta', 'SELECT') END
"""


def check(cx: Connection, place: Address) -> bool:
    """Whether jobs may be driven through this connection, or only ordered. VideoError("storage") in one sentence where
    the store cannot be trusted or used through it."""
    check_server(cx, place)
    check_there(cx, place)
    version, min_reader = versions(cx, place)
    if min_reader > schema.VERSION:
        raise newer(place, version)
    if version < schema.VERSION:
        text = f"the store at {place.where} is of an older format ({version}, this program writes {schema.VERSION})"
        raise VideoError("storage", f"{text}: stop every older Reelwright, then run reelwright store migrate")
    return _check_rights(cx, place)


def check_there(cx: Connection, place: Address) -> None:
    """Check that there is a store, and that this role may read it."""
    row = cx.execute(_THERE).fetchone()
    if row is None or row[1]:
        raise _kept_out(cx, place, "use the schema of the store")
    if not row[0]:
        raise VideoError("storage", f"there is no store at {place.where} yet: reelwright store init creates it")
    if row[2]:
        raise _kept_out(cx, place, "read and write the table meta")


def check_server(cx: Connection, place: Address) -> None:
    """Check only the server: no pooler in between, not read-only, commits are durable."""
    row = cx.execute(
        "SELECT pg_backend_pid(), pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean, "
        "current_setting('fsync')::boolean, current_setting('server_version_num')::int"
    ).fetchone()
    assert row is not None
    pid, read_only, fsync, version = row
    if pid != cx.info.backend_pid:
        raise VideoError(
            "storage",
            f"a connection pooler answers at {place.where}: the store needs sessions of its own, so name the database "
            "server itself in REELWRIGHT_STORE",
        )
    if version < OLDEST:
        raise VideoError(
            "storage", f"the server at {place.where} is older than PostgreSQL {OLDEST // 10000}: update it"
        )
    if read_only:
        raise VideoError(
            "storage", f"the database at {place.where} is read-only (a standby?): name the one to write to"
        )
    if not fsync:
        raise VideoError(
            "storage", f"the server at {place.where} runs with fsync off and may lose records of paid jobs: turn it on"
        )


def versions(cx: Connection, place: Address) -> tuple[int, int]:
    """(format, the oldest that may use it)."""
    try:
        meta = {str(key): str(value) for key, value in cx.execute("SELECT key, value FROM meta").fetchall()}
    except errors.UndefinedColumn:
        meta = {}
    except psycopg.Error as error:
        raise storage_error(error, place) from None
    if not all(meta.get(name, "").isdigit() for name in ("schema_version", "min_reader")):
        raise VideoError("storage", f"the table meta at {place.where} is not a store's: name another schema in the URL")
    return int(meta["schema_version"]), int(meta["min_reader"])


def newer(place: Address, version: int) -> VideoError:
    return VideoError(
        "storage",
        f"the store at {place.where} was written by a newer Reelwright (format {version}, this program knows "
        f"{schema.VERSION}): update this one (pip install -U reelwright) and restart it; nothing was changed",
    )


_RIGHTS = """
SELECT (SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
  AND (NOT has_table_privilege(oid, 'SELECT')
  OR relname IN ('jobs', 'events', 'ledger', 'lanes', 'blobs') AND NOT has_any_column_privilege(oid, 'INSERT')
  OR relname IN ('jobs', 'ledger', 'blobs') AND NOT has_any_column_privilege(oid, 'UPDATE'))
  ORDER BY relname LIMIT 1),
has_table_privilege('jobs', 'UPDATE') AND has_table_privilege('ledger', 'UPDATE')
  AND has_table_privilege('lanes', 'UPDATE')
"""


def _check_rights(cx: Connection, place: Address) -> bool:
    """Whether the role may drive jobs; it must at least be allowed to order them."""
    row = cx.execute(_RIGHTS).fetchone()
    assert row is not None
    if row[0] is not None:
        raise _kept_out(cx, place, f"read and write the table {row[0]}")
    return bool(row[1])


def _kept_out(cx: Connection, place: Address, what: str) -> VideoError:
    user = cx.info.user
    lets = f"reelwright store init --agent {user} (or --worker {user})"
    return VideoError("storage", f"the role {user} may not {what} at {place.where}: its owner can allow that: {lets}")


# failures in words

HALF = "a text holds half of a character (a lone surrogate, as of an emoji that was cut): write it whole"
LARGE = "a number is larger than 64 bits can hold: give a smaller one"


def unreachable(error: psycopg.Error, place: Address) -> VideoError:
    """Why no session was opened."""
    message = _first_line(error)
    if "unsupported startup parameter" in message:
        message = f"a connection pooler answers there ({message}): name the database server itself"
    elif "password" in message or "authentication" in message or "pg_hba" in message:
        message = f"{message}: check the role, and its password in ~/.pgpass or PGPASSFILE"
    elif "certificate" in message or "SSL" in message or "sslrootcert" in message:
        message = f"{message}: set sslrootcert to the authority's file, or sslmode in the URL to what the server offers"
    else:
        message = f"{message}: check REELWRIGHT_STORE, and that the server runs"
    return VideoError("storage", f"the store at {place.where} cannot be reached: {message}", retryable=True)


def storage_error(error: psycopg.Error, place: Address) -> VideoError:
    """A failed statement in words. In none of these cases is anything lost that was committed."""
    message = _first_line(error)
    if isinstance(error, errors.NumericValueOutOfRange):
        return VideoError("invalid_request", LARGE)
    if isinstance(error, psycopg.DataError) and "NUL" in message:
        return VideoError("invalid_request", "a text holds a zero byte: leave it out")
    if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
        return OwnFault(f"the store does not accept a value ({message}): update Reelwright (pip install -U reelwright)")
    if isinstance(error, errors.InsufficientPrivilege):
        text = f"the role of this store's URL may not do that at {place.where} ({message}): its owner may"
        return VideoError("storage", text)
    if isinstance(error, errors.ReadOnlySqlTransaction):
        text = f"the database at {place.where} is read-only now: name the one that can be written to"
    elif isinstance(error, errors.UndefinedTable | errors.UndefinedColumn):
        text = (
            f"the store at {place.where} is not of this program's format ({message}): reelwright store migrate brings "
        )
        text += "an older one up to date; one that has lost a table comes back from a backup"
    elif isinstance(error, errors.LockNotAvailable | errors.QueryCanceled):
        text = f"another client has held the store at {place.where} for {WAIT_MS // 1000} s: repeat"
    elif isinstance(error, errors.DiskFull | errors.InsufficientResources):
        text = f"the server at {place.where} is out of disk space ({message}): free some and repeat; no job is lost"
    else:
        text = f"the store at {place.where} failed ({message}): check the server and repeat"
    return VideoError("storage", text, retryable=True)


def _first_line(error: psycopg.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
