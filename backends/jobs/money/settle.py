"""How a job's money ends. Every end of a job, and only this file, books its line of the ledger:

    succeed            the clip is here: the bill is booked as reported, computed from the list price, or as reserved
    fail, cancel       no clip: released where nothing was charged, else booked as reported or in full
    end_unsent         nothing was ever sent: released
    leave_to_user      the outcome is not known: held, until the user decides (`write_off`, `charge_again`, `reopen`)

Each moves the job and books its money in the transaction that it is given.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from backends.errors import Charged, VideoError
from backends.jobs import records
from backends.jobs.money import ledger, reported_cost
from backends.jobs.money.reported_cost import Bill, judge
from backends.jobs.records import Hold
from backends.jobs.store.database import Row, Transaction, to_json
from backends.jobs.store.stored_job import StoredJob


def succeed(
    tx: Transaction, hold: Hold, row: Row, reported: Decimal | None, *, differs: str = "", **columns: Any
) -> None:
    """End a job whose clip is kept. reported: the cost that the provider reports. differs: how the clip differs from
    the request, in words. columns: further columns of its row."""
    job = StoredJob.of(row)
    bill = _bill(tx, job, reported)
    if job.kind == "local":  # the costs of its steps are in their own lines
        ledger.settle(tx, job.id, 0, bill.basis)
    else:
        reported_cost.settle(tx, job, bill)
    words = f"{bill.words}; {differs}" if differs else bill.words
    columns |= {"progress": 1.0, "cost": bill.cost, "cost_basis": words, "error": None, "doubt_at": None}
    records.move(tx, hold, job.id, "succeeded", **columns)


def _bill(tx: Transaction, job: StoredJob, reported: Decimal | None) -> Bill:
    """What a finished job cost, and where the figure comes from."""
    if job.kind == "local":
        steps = records.cost_of_steps(tx, job.id)
        return Bill(steps, "free", "the sum of its steps") if steps else Bill(0, "free", "free")
    if (bill := judge(reported, ledger.reserved(tx, job.id))) is not None:
        return bill
    if job.est_high is None:
        return Bill(None, "unknown", "unknown: the provider reports no cost and has no listed price")
    if job.est_low is None:  # there is no price, and the most that the caller would pay was held
        return Bill(job.est_high, "reservation", "the most that was allowed: the provider reports no cost")
    return Bill(job.est_high, "computed", "computed from the list price")


def fail(tx: Transaction, hold: Hold | None, job: str, error: VideoError, cost_usd: Decimal | None = None) -> None:
    """End a job as failed. cost_usd: the cost that the provider reports all the same."""
    columns = _booked(tx, job, error.charged, cost_usd)
    records.move(tx, hold, job, "failed", error=to_json(error.to_json()), doubt_at=None, **columns)


def cancel(tx: Transaction, hold: Hold | None, job: str, charged: Charged, cost_usd: Decimal | None = None) -> None:
    """End a job as cancelled. charged, cost_usd: what the provider says about the bill."""
    records.move(tx, hold, job, "cancelled", doubt_at=None, **_booked(tx, job, charged, cost_usd))


def _booked(tx: Transaction, job: str, charged: Charged, cost_usd: Decimal | None) -> dict[str, Any]:
    """Book the job's money; returns the columns for its row. A reported figure counts more than the provider's
    "charged"."""
    row = tx.row("SELECT * FROM jobs WHERE id = ?", (job,))
    if row is None:
        return {}
    bill = judge(cost_usd, ledger.reserved(tx, job))
    if charged == "no" and (bill is None or bill.cost == 0):
        ledger.release(tx, job)
        return {"matchable": 0, "cost": 0, "cost_basis": "not charged"}
    if bill is None:
        words = "charged" if charged == "yes" else "may have been charged: the reservation"
        bill = Bill(ledger.reserved(tx, job), "reservation", words)
    reported_cost.settle(tx, StoredJob.of(row), bill)
    return {"cost": bill.cost, "cost_basis": bill.words}


def end_unsent(tx: Transaction, job: str) -> None:
    """End a job that waits or is queued; the cost of its finished steps stays shown. In this order, because an agent's
    role may release only the money of a cancelled job."""
    cost = records.cost_of_steps(tx, job)
    basis = "the sum of its steps" if cost else "not charged"
    records.move(tx, None, job, "cancelled", matchable=0, cost=cost, cost_basis=basis)
    ledger.release(tx, job)


def leave_to_user(tx: Transaction, hold: Hold, job: str, why: str) -> None:
    """Whether the job is paid is not known: its money stays held, and the user decides at a terminal."""
    ledger.hold(tx, job)
    records.note(tx, job, why)
    error = VideoError("submit_unknown", why, charged="unknown")
    records.move(tx, hold, job, "uncertain", phase="needs your decision", error=to_json(error.to_json()))


# decisions of the user


def write_off(tx: Transaction, job: str) -> None:
    """Give up a job whose request may have been sent: it ends as failed, its reservation booked as spent."""
    booked = ledger.reserved(tx, job)
    ledger.settle(tx, job, booked, "written_off")
    error = VideoError(
        "submit_unknown",
        f"written off by the user: it may have been charged, ${ledger.to_usd(booked):.2f} is booked. "
        "take=2 makes another one",
        charged="unknown",
    )
    columns = {"error": to_json(error.to_json()), "cost": booked}
    records.decide(tx, job, "failed", cost_basis="written off: the reservation", **columns)


def charge_again(tx: Transaction, stored: StoredJob) -> int:
    """Book a first request as charged at its reservation, under JOB#N, and reserve a second one; returns the
    micro-dollars that were booked. VideoError("wall") when the second passes a limit."""
    job = stored.id
    charges = tx.row("SELECT count(*) AS n FROM ledger WHERE job > ? || '#' AND job < ? || '$'", (job, job))
    first = f"{job}#{int(charges['n']) + 1 if charges else 1}"
    booked = ledger.reserved(tx, job)
    tx.run("UPDATE ledger SET job = ? WHERE job = ?", (first, job))
    ledger.settle(tx, first, booked, "reservation")
    ledger.reserve(tx, job, stored.provider, stored.lane, stored.label, stored.est_high, stored.principal)
    return booked


def reopen(tx: Transaction, job: str) -> None:
    """The job continues: what was booked for it becomes reserved again."""
    tx.run("UPDATE ledger SET state = 'reserved', settled = 0, basis = '', at = ? WHERE job = ?", (tx.now(), job))
