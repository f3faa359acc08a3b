"""A cost that a provider reports: whether it is believed, and what it does to the reservation and the account.

A bill is believed from 0 to a multiple of the reservation. Anything else (a negative amount, a changed unit, a damaged
number) is not: the reservation is booked instead, the user is told, and the account buys nothing more until they have
looked. A believed bill above the reservation is booked as reported, and also stops the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from backends.jobs import records
from backends.jobs.lanes.gates import PRICE_STOP_S
from backends.jobs.money import ledger
from backends.jobs.money.ledger import Basis
from backends.jobs.store.database import Row, Transaction
from backends.jobs.store.stored_job import StoredJob

BELIEVED_TIMES = 20
"""The highest believed bill, as a multiple of the reservation. A wrong unit (cents for dollars) would be a hundred
times."""

BELIEVED_ANYHOW = ledger.MICRO
"""Micro-dollars that are believed however small the reservation was."""

BELIEVED_UNKNOWN = 1000 * ledger.MICRO
"""The same where nothing was reserved, because the price was unknown."""


@dataclass(frozen=True)
class Bill:
    """What is booked, in micro-dollars (None: unknown). words: the source of the figure. odd: a reported figure that
    was not believed, in words, "" when there was none."""

    cost: int | None
    basis: Basis
    words: str
    odd: str = ""


def believed(reported: Decimal, reserved: int) -> int | None:
    """The figure in micro-dollars; None when it is not believed. reserved: micro-dollars, 0 = unknown price."""
    most = max(BELIEVED_TIMES * reserved, BELIEVED_ANYHOW) if reserved else BELIEVED_UNKNOWN
    if not reported.is_finite() or not 0 <= reported <= ledger.to_usd(most):
        return None
    return ledger.to_micro(reported)


def amount(reported: Decimal) -> str:
    """A provider's figure in words, of bounded length."""
    return f"${reported:.2f}" if reported.is_finite() and abs(reported) < 10**9 else f"${reported:.3g}"


def judge(reported: Decimal | None, reserved: int) -> Bill | None:
    """The bill that a provider has reported; None when it has reported none."""
    if reported is None:
        return None
    cost = believed(reported, reserved)
    if cost is not None:
        return Bill(cost, "reported", "reported by the provider")
    words = f"the reservation: the provider's figure of {amount(reported)} is implausible"
    return Bill(reserved, "reservation", words, odd=amount(reported))


def settle(tx: Transaction, job: StoredJob, bill: Bill) -> None:
    """Book what a job has cost, and stop its account when the figure is implausible or above the reservation."""
    above = ledger.settle(tx, job.id, bill.cost or 0, bill.basis)
    if bill.odd:
        text = f"{job.provider} says that job {job.id} costs {bill.odd}, which is implausible: its reservation of "
        text += f"${ledger.to_usd(bill.cost or 0):.2f} is booked; look at the account there"
        stop(tx, job, text)
    elif above and job.est_high is not None:
        text = f"job {job.id} cost ${ledger.to_usd(above):.4f} more than was reserved for it: check the price of "
        stop(tx, job, f"{text}{job.model} (reelwright models --check)")


def announced(tx: Transaction, row: Row, estimate: Decimal | None) -> None:
    """The provider's own estimate in its answer to the paid request: the reservation is raised to it at once; an
    estimate above the reservation stops the account before it buys more at a price that nobody has approved."""
    if estimate is None:
        return
    job = StoredJob.of(row)
    held = ledger.reserved(tx, job.id)
    cost = believed(estimate, held)
    if cost is None:
        text = f"{job.provider} expects job {job.id} to cost {amount(estimate)}, which is implausible"
        stop(tx, job, f"{text}: look at the account there")
    elif cost > held:
        ledger.raise_hold(tx, job.id, cost)
        if job.est_high is not None:
            text = f"{job.provider} expects job {job.id} to cost ${ledger.to_usd(cost):.2f}, and "
            text += f"${ledger.to_usd(held):.2f} was reserved for it: check the price of {job.model} "
            stop(tx, job, f"{text}(reelwright models --check)")


def stop(tx: Transaction, job: StoredJob, why: str) -> None:
    """Nothing more is bought on this account until the user resumes it."""
    text = f"{why}, then reelwright jobs resume"
    records.note(tx, job.id, text)
    until = tx.now() + PRICE_STOP_S
    tx.run("UPDATE lanes SET breaker = ?, breaker_until = ? WHERE key = ?", (text[:300], until, job.lane))
