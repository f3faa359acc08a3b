"""Moving rows of one table between stores, whatever its columns."""

from __future__ import annotations

from collections.abc import Sequence

from backends.jobs.store.database import Row, Transaction


def put(tx: Transaction, table: str, rows: Sequence[Row]) -> None:
    """Write the rows unchanged; an existing row with the same key is replaced."""
    for row in rows:
        marks = ", ".join("?" * len(row))
        tx.run(f"INSERT OR REPLACE INTO {table}({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
