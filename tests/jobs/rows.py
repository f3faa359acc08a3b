"""Jobs as rows, made up without a worker: what tests of the store and its books stand on."""

from __future__ import annotations

import json
from typing import Any

from backends.jobs.money import ledger
from backends.jobs.store.database import Store, Transaction

LANE = "paid|http://127.0.0.1:1|me"
OF_OLD = 1_600_000_000.0


def put_job(tx: Transaction, job: str, state: str = "queued", **columns: Any) -> None:
    """A paid job whose money is reserved, ordered and ended (if at all) years ago."""
    row: dict[str, Any] = {"id": job, "principal": "local", "client": "t", "request_key": f"key {job}", "digest": "d"}
    row |= {"task": "text_to_video", "engine": "generative", "model": "paid/quick", "provider": "paid", "lane": LANE}
    row |= {"kind": "remote", "state": state, "request": '{"prompt": "a fox"}', "prepared": "{}", "created_at": OF_OLD}
    ended = state in ("succeeded", "failed", "cancelled")
    row |= {"est_low": 400_000, "est_high": 400_000, "ended_at": OF_OLD if ended else None, **columns}
    tx.run(f"INSERT INTO jobs({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    ledger.enter(tx, job, row["provider"], LANE, row.get("label", ""), 400_000, row["principal"])


def ended(tx: Transaction, job: str, cost: int = 400_000, **columns: Any) -> None:
    """A job that succeeded and was paid for."""
    put_job(tx, job, "succeeded", cost=cost, **columns)
    ledger.settle(tx, job, cost, "computed")


def made_of(*sources: str) -> str:
    """The column `inputs` of a job that was made from the clips of others."""
    return json.dumps({f"references[{number}]": {"from_job": source} for number, source in enumerate(sources)})


def ids(store: Store) -> set[str]:
    return {str(row["id"]) for row in store.rows("SELECT id FROM jobs")}
