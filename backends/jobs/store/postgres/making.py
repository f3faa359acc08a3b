"""Creating a store on a server, and upgrading an older one."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from backends.errors import VideoError
from backends.jobs.recovery import DONE
from backends.jobs.store import schema
from backends.jobs.store.database import Row
from backends.jobs.store.postgres import dialect, link
from backends.jobs.store.postgres.link import Address, Connection


@contextmanager
def _opened(url: str) -> Generator[tuple[Connection, Address]]:
    place = link.address(url)
    with link.connect(place, "store") as cx:
        link.check_server(cx, place)
        try:
            yield cx, place
        except psycopg.Error as error:
            raise link.storage_error(error, place) from None


def init(url: str) -> str:
    """Create the schema and tables where there are none; returns the store's description. An existing store is left as
    it is.

    VideoError("storage") where it cannot be created, or the schema holds something else.
    """
    with _opened(url) as (cx, place), cx.transaction():
        cx.execute("SELECT pg_advisory_xact_lock(hashtext('reelwright store'))")
        row = cx.execute("SELECT current_setting('search_path')").fetchone()
        name = str(row[0]).split(",")[0].strip().strip('"') if row else link.SCHEMA
        cx.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(name)))
        known = cx.execute("SELECT to_regclass('meta') IS NOT NULL, to_regclass('jobs') IS NOT NULL").fetchone()
        if known == (True, True):
            link.versions(cx, place)
        elif known == (False, False):
            cx.execute(dialect.tables().encode())
            meta = {"schema_version": str(schema.VERSION), "min_reader": str(schema.MIN_READER)}
            # The journal of a data folder belongs to the file that was there, not to this store.
            for key, value in (meta | {DONE: "none"}).items():
                cx.execute("INSERT INTO meta(key, value) VALUES (%s, %s)", (key, value))
        else:
            text = f"the schema {name} at {place.where} holds other tables: name another one in the URL"
            raise VideoError("storage", f"{text} (?options=-csearch_path%3DNAME)")
        return f"{place.where}, schema {name}"


def migrate(url: str) -> tuple[int, int]:
    """Upgrade an older store in one transaction; (format before, format now)."""
    with _opened(url) as (cx, place), cx.transaction():
        link.check_there(cx, place)
        # In this order: a writer holds `meta` while it waits for its turn.
        cx.execute("LOCK TABLE meta IN ACCESS EXCLUSIVE MODE")
        version, min_reader = link.versions(cx, place)
        if min_reader > schema.VERSION:
            raise link.newer(place, version)
        for step in range(version, schema.VERSION):
            cx.execute(dialect.tables(schema.MIGRATIONS[step]).encode())
        if version < schema.VERSION:
            for key, value in (("schema_version", schema.VERSION), ("min_reader", schema.MIN_READER)):
                cx.execute("UPDATE meta SET value = %s WHERE key = %s", (str(value), key))
        return version, max(version, schema.VERSION)


SUMS_THAT_COUNT = "WHERE settled <> 0 OR held <> 0 ORDER BY day, provider"
"""A file keeps a sum of zero where a reservation has moved to the day of its payment."""


def check_empty(url: str) -> str:
    """The description of an existing, empty store. VideoError("conflict") where it holds jobs."""
    with _opened(url) as (cx, place):
        link.check(cx, place)
        if cx.execute("SELECT 1 FROM jobs LIMIT 1").fetchone() is not None:
            raise VideoError("conflict", f"the store at {place.where} holds jobs already: copy into an empty one")
        return place.where


def fill(url: str, rows: Mapping[str, Sequence[Row]], sums: Sequence[Row]) -> None:
    """Copy the rows of a file into an empty store, in one transaction. sums: the ledger's sums as the file kept them.

    VideoError("storage") when the new sums differ: then nothing is kept.
    """
    with _opened(url) as (cx, place), cx.transaction():
        cx.execute("DELETE FROM settings")  # the user's are those of the file
        for table, found in rows.items():
            for row in found:
                names = SQL(", ").join(map(Identifier, row))
                marks = SQL(", ").join([SQL("%s")] * len(row))
                cx.execute(
                    SQL("INSERT INTO {} ({}) VALUES ({})").format(Identifier(table), names, marks), tuple(row.values())
                )
        cx.execute("UPDATE lanes SET driven = 0, handover = 0")
        for table in ("jobs", "events", "audit"):
            cx.execute(
                SQL(
                    "SELECT setval(pg_get_serial_sequence({}, 'seq'), coalesce(max(seq), 0) + 1, false) FROM {}"
                ).format(Literal(table), Identifier(table))
            )
        made = cx.execute(f"SELECT day, provider, settled, held FROM spent {SUMS_THAT_COUNT}").fetchall()
        if [tuple(map(_plain, line)) for line in made] != [tuple(map(_plain, line.values())) for line in sums]:
            text = f"the sums of money at {place.where} would differ from those of the file"
            raise VideoError("storage", f"{text}: see reelwright doctor; nothing was copied")


def _plain(value: object) -> str:
    return str(value)
