"""How a job ends without a clip: failed or cancelled, its money released, booked as reported, or booked in full."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from backends.errors import Charged, VideoError
from backends.jobs import records
from backends.jobs.money import ledger, reported_cost
from backends.jobs.money.reported_cost import Bill
from backends.jobs.records import Hold
from backends.jobs.store.database import Transaction, to_json


def fail(tx: Transaction, hold: Hold | None, job: str, error: VideoError, cost_usd: Decimal | None = None) -> None:
    """End a job as failed. cost_usd: what the provider says that it costs all the same."""
    columns = _booked(tx, job, error.charged, cost_usd)
    records.move(tx, hold, job, "failed", error=to_json(error.to_json()), doubt_at=None, **columns)


def cancel(tx: Transaction, hold: Hold | None, job: str, charged: Charged, cost_usd: Decimal | None = None) -> None:
    """End a job as cancelled. charged, cost_usd: what the provider says of the bill."""
    records.move(tx, hold, job, "cancelled", doubt_at=None, **_booked(tx, job, charged, cost_usd))


def _booked(tx: Transaction, job: str, charged: Charged, cost_usd: Decimal | None) -> dict[str, Any]:
    """Book the job's money; the columns that tell of it. A figure that the provider gives counts more than its word."""
    row = tx.row("SELECT * FROM jobs WHERE id = ?", (job,))
    if row is None:
        return {}
    said = reported_cost.judge(cost_usd, ledger.reserved(tx, job))
    if charged == "no" and (said is None or said.cost == 0):
        ledger.release(tx, job)
        return {"matchable": 0, "cost": 0, "cost_basis": "not charged"}
    if said is None:
        words = "charged" if charged == "yes" else "may have been charged: the reservation"
        said = Bill(ledger.reserved(tx, job), "reservation", words)
    reported_cost.settle(tx, row, said)
    return {"cost": said.cost, "cost_basis": said.words}
