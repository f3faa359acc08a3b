"""Rows of one table moved from one store to another, whatever columns there are."""

from __future__ import annotations

from collections.abc import Sequence

from backends.jobs.store.database import Row, Transaction


def put(tx: Transaction, table: str, rows: Sequence[Row]) -> None:
    """Write the rows as they are; one that is there already, by its key, is replaced."""
    for row in rows:
        marks = ", ".join("?" * len(row))
        tx.run(f"INSERT OR REPLACE INTO {table}({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
