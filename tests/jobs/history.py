"""A long past in a moment: a finished job's rows, written so many times more under other ids."""

from __future__ import annotations

from datetime import date, timedelta

from backends.jobs.store.database import Store, Transaction

NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :times)"


def multiply(store: Store, job: str, times: int, *, days_ago: float = 0.0) -> None:
    """Copy the job's row, its events and its ledger entry. days_ago: how much earlier all of it was."""
    ago = days_ago * 86400

    def write(tx: Transaction) -> None:
        (line,) = tx.rows("SELECT day FROM ledger WHERE job = ?", (job,))
        day = date.fromisoformat(line["day"]) - timedelta(round(days_ago))
        given = {"job": job, "times": times, "ago": ago, "day": day.isoformat()}
        changed = {
            "id": "id || '-' || n",
            "request_key": "request_key || '-' || n",
            "remote_id": "remote_id || '-' || n",
            **{at: f"{at} - :ago" for at in ("created_at", "started_at", "accepted_at", "remote_done_at", "ended_at")},
        }
        _copy(tx, "jobs", "id", given, changed)
        _copy(tx, "events", "job", given, {"job": "job || '-' || n", "at": "at - :ago"})
        _copy(tx, "ledger", "job", given, {"job": "job || '-' || n", "day": ":day", "at": "at - :ago"})

    store.write(write)


def _copy(tx: Transaction, table: str, key: str, given: dict[str, object], changed: dict[str, str]) -> None:
    names = [name for name in tx.rows(f"SELECT * FROM {table} LIMIT 1")[0] if name != "seq"]
    values = ", ".join(changed.get(name, name) for name in names)
    used = {name: value for name, value in given.items() if f":{name}" in values or name in ("job", "times")}
    tx.run(
        f"INSERT INTO {table}({', '.join(names)}) {NUMBERS} SELECT {values} FROM {table}, numbers WHERE {key} = :job",
        used,
    )
