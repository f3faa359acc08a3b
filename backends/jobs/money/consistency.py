"""Whether the accounts are consistent: the kept sums against the ledger's lines, and each line against its job.

Nothing is repaired here; what is inconsistent is reported for the user to look at.
"""

from __future__ import annotations

from collections.abc import Iterator

from backends.jobs.money.ledger import to_usd
from backends.jobs.store.database import Row, Store

MOST = 20
"""How many faults of a kind are listed."""

_LINES = """
SELECT day, provider, CASE WHEN state = 'settled' THEN settled ELSE 0 END AS settled,
       CASE WHEN state IN ('reserved', 'unresolved') THEN reserved ELSE 0 END AS held FROM ledger
UNION ALL SELECT day, provider, settled, 0 FROM archived_spent
"""

_SUMS = f"""
SELECT day, provider, sum(settled) AS settled, sum(held) AS held, sum(kept_settled) AS kept_settled,
       sum(kept_held) AS kept_held
FROM (SELECT day, provider, settled, held, 0 AS kept_settled, 0 AS kept_held FROM ({_LINES}) AS lines
      UNION ALL SELECT day, provider, 0, 0, settled, held FROM spent) AS both_sums
GROUP BY day, provider
HAVING sum(settled) <> sum(kept_settled) OR sum(held) <> sum(kept_held) ORDER BY day LIMIT {MOST}
"""

_BY_PRINCIPAL = f"""
SELECT day, sum(settled) AS settled, sum(held) AS held, sum(kept_settled) AS kept_settled, sum(kept_held) AS kept_held
FROM (SELECT day, settled, held, 0 AS kept_settled, 0 AS kept_held FROM spent
      UNION ALL SELECT day, 0, 0, settled, held FROM spent_by) AS both_sums
GROUP BY day
HAVING sum(settled) <> sum(kept_settled) OR sum(held) <> sum(kept_held) ORDER BY day LIMIT {MOST}
"""

_MONEY = {
    "has no line in the ledger": "ledger.job IS NULL",
    "has ended, and its money is still reserved": "jobs.state IN ('succeeded', 'failed', 'cancelled') "
    "AND ledger.state IN ('reserved', 'unresolved')",
    "has not ended, and its money is settled or released": "jobs.state NOT IN ('succeeded', 'failed', 'cancelled') "
    "AND ledger.state IN ('settled', 'released')",
}


def faults(store: Store) -> list[str]:
    """Every inconsistency in a sentence; [] when there is none. Reads every job's state, so call it seldom."""
    return [*map(_words, store.rows(_SUMS)), *map(_words_by, store.rows(_BY_PRINCIPAL)), *_of_jobs(store)]


def _words_by(row: Row) -> str:
    by, in_all = (f"${to_usd(row[f'{kept}settled'] + row[f'{kept}held']):f}" for kept in ("kept_", ""))
    return f"{row['day']}: the sums by principal make {by}, those by provider {in_all}"


def _words(row: Row) -> str:
    kept, lines = (
        f"${to_usd(row[settled]):f} spent and ${to_usd(row[held]):f} reserved"
        for settled, held in (("kept_settled", "kept_held"), ("settled", "held"))
    )
    return f"{row['day']}, {row['provider']}: the kept sum says {kept}, the jobs' lines make {lines}"


def _of_jobs(store: Store) -> Iterator[str]:
    for what, where in _MONEY.items():
        sql = f"SELECT jobs.id AS id FROM jobs LEFT JOIN ledger ON ledger.job = jobs.id WHERE {where} LIMIT {MOST}"
        for row in store.rows(sql):
            yield f"job {row['id']} {what}"
    sql = (
        "SELECT job FROM ledger WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id = "
        f"substr(job, 1, instr(job || '#', '#') - 1)) LIMIT {MOST}"
    )
    for row in store.rows(sql):
        yield f"the ledger has a line of {row['job']}, and there is no such job"
