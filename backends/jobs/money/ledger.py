"""Money that is reserved, spent and allowed. Amounts are whole micro-dollars; days are UTC days.

The high estimate is reserved in the transaction that inserts the job, and refused there when it would pass a limit: so
no interleaving of clients can pass a limit. An entry belongs to the day of its reservation until the paid request is
sent, and to the day of the request from then on: a limit is about what is paid on a day.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from backends.errors import A_PERSON, VideoError
from backends.jobs.principals import EVERYBODY, OWNER
from backends.jobs.store.database import Row, Store, Transaction
from backends.jobs.store.schema import OPEN

MICRO = 1_000_000

DEFAULT_LIMITS: Mapping[str, Decimal] = {"per_job_usd": Decimal(5), "per_day_usd": Decimal(20)}
"""Defaults on a new installation, US dollars."""

PERSON_LIMIT = "per_day_usd@"
"""The first part of the name of a person's limit; the person's name follows."""

Basis = Literal["free", "reported", "computed", "reservation", "written_off", "refused", "unknown", ""]


def to_micro(usd: Decimal) -> int:
    """Whole micro-dollars, rounded up: a reservation is never below the estimate."""
    return int((usd * MICRO).to_integral_value(rounding=ROUND_CEILING))


def to_usd(micro: int) -> Decimal:
    return Decimal(micro) / MICRO


def to_float(micro: int | None) -> float | None:
    return None if micro is None else micro / MICRO


def utc_day(at: float | None = None) -> str:
    return datetime.fromtimestamp(time.time() if at is None else at, UTC).date().isoformat()


def _until_tomorrow_s(now: float) -> float:
    """Seconds until the next UTC day begins."""
    return 86400.0 - now % 86400.0


@dataclass(frozen=True)
class SpendingLimits:
    """The user's limits, in US dollars; None = no such limit.

    per_job, per_day: for everything together. per_provider_day: by provider. per_person_day: by principal; EVERYBODY
    stands for each who has none of their own. allow_providers: None = all. confirm_above: ask the user for approval
    from this high estimate on. allow_unknown_price: allow jobs without a known price.
    """

    per_job: Decimal | None
    per_day: Decimal | None
    per_provider_day: Mapping[str, Decimal]
    allow_providers: frozenset[str] | None
    confirm_above: Decimal | None
    allow_unknown_price: bool
    per_person_day: Mapping[str, Decimal | None] = field(default_factory=dict[str, Decimal | None])

    def of_person(self, principal: str) -> Decimal | None:
        """The most that a principal may spend a day; None = only the limits for all apply."""
        if principal in (OWNER, EVERYBODY):
            return None
        return self.per_person_day.get(principal, self.per_person_day.get(EVERYBODY))


def _amount(text: str | None, default: Decimal | None) -> Decimal | None:
    if text is None:
        return default
    return None if text in ("", "none") else Decimal(text)


def limits_from(rows: list[Row]) -> SpendingLimits:
    """The limits from the rows of the settings table."""
    known = {str(row["key"]): str(row["value"]) for row in rows}
    allowed = known.get("allow_providers")
    return SpendingLimits(
        per_job=_amount(known.get("per_job_usd"), DEFAULT_LIMITS["per_job_usd"]),
        per_day=_amount(known.get("per_day_usd"), DEFAULT_LIMITS["per_day_usd"]),
        per_provider_day={
            key.removeprefix("per_day_usd."): Decimal(text)
            for key, text in known.items()
            if key.startswith("per_day_usd.") and text not in ("", "none")
        },
        allow_providers=None if not allowed or allowed == "all" else frozenset(allowed.replace(",", " ").split()),
        confirm_above=_amount(known.get("confirm_above_usd"), None),
        allow_unknown_price=known.get("allow_unknown_price") == "true",
        per_person_day={
            key.removeprefix(PERSON_LIMIT): _amount(text, None)
            for key, text in known.items()
            if key.startswith(PERSON_LIMIT)
        },
    )


def spending_limits(source: Store | Transaction) -> SpendingLimits:
    return limits_from(source.rows("SELECT key, value FROM settings"))


_HELD = "state IN ('reserved', 'unresolved')"


@dataclass(frozen=True)
class _DayLimit:
    """A limit of a day. where: which lines of the ledger (`booked`) count. table: the kept sums of those lines. words:
    what it limits. name: the setting."""

    limit: Decimal
    table: Literal["spent", "spent_by"]
    where: str
    params: tuple[str, ...]
    words: str
    name: str

    def spent(self, tx: Store | Transaction) -> int:
        """Micro-dollars spent or held, from the kept sums."""
        sql = f"SELECT coalesce(sum(settled + held), 0) AS spent FROM {self.table} AS booked WHERE {self.where}"
        row = tx.row(sql, self.params)
        return int(row["spent"]) if row else 0


def _day_limits(limits: SpendingLimits, today: str, provider: str, principal: str) -> Iterator[_DayLimit]:
    if limits.per_day is not None:
        yield _DayLimit(limits.per_day, "spent", "booked.day = ?", (today,), "a day", "per_day_usd")
    if provider in limits.per_provider_day:
        where, name = "booked.day = ? AND booked.provider = ?", f"per_day_usd.{provider}"
        limit = limits.per_provider_day[provider]
        yield _DayLimit(limit, "spent", where, (today, provider), f"a day at {provider}", name)
    if (own := limits.of_person(principal)) is not None:
        where, name = "booked.day = ? AND booked.principal = ?", f"{PERSON_LIMIT}{principal}"
        yield _DayLimit(own, "spent_by", where, (today, principal), f"a day for {principal}", name)


def check_limits(
    tx: Store | Transaction, provider: str, high: int | None, *, job: str = "", principal: str = OWNER
) -> None:
    """Refuse an amount of `high` micro-dollars that passes a limit; VideoError("wall") says which limit and who may
    change it. Retryable where the next day has room again.

    job: one that is about to be sent: what it already holds does not count against it, and its principal is the one who
    spends. principal: who spends, where there is no job yet.
    """
    limits = spending_limits(tx)
    if limits.allow_providers is not None and provider not in limits.allow_providers:
        raise VideoError(
            "wall",
            f"provider {provider!r} is not among the allowed ones ({', '.join(sorted(limits.allow_providers))}) "
            "of allow_providers: " + A_PERSON,
        )
    if high == 0:
        return
    if high is None:
        if limits.allow_unknown_price:
            return
        raise VideoError(
            "wall",
            "the price of this request is unknown, and allow_unknown_price is false: choose a model with a known "
            f"price; {A_PERSON}",
        )
    if limits.per_job is not None and high > to_micro(limits.per_job):
        raise VideoError(
            "wall",
            f"this may cost ${to_usd(high):.2f}, and the spending limit per_job_usd is ${limits.per_job:.2f}: ask for "
            f"less (shorter, smaller, a cheaper model); {A_PERSON}",
        )
    now = tx.now()
    if job and limits.per_person_day:
        principal = _principal_of(tx, job)
    for one in _day_limits(limits, utc_day(now), provider, principal):
        spent = one.spent(tx) - (_own(tx, job) if job else 0)
        if job and spent + high > to_micro(one.limit):  # only now, because it looks at every queued job
            spent -= _gives_way(tx, job, one.where, one.params)
        if spent + high > to_micro(one.limit):
            raise VideoError(
                "wall",
                f"this may cost ${to_usd(high):.2f}; ${to_usd(spent):.2f} of the ${one.limit:.2f} {one.words} (UTC) "
                f"that the spending limit {one.name} allows is spent or reserved: wait, or ask for less; {A_PERSON}",
                retryable=True,
                retry_after_s=_until_tomorrow_s(now),
            )


def enter(
    tx: Transaction, job: str, provider: str, lane: str, label: str, high: int | None, principal: str = OWNER
) -> None:
    """Add the job's line to the ledger, with its high estimate held. An unknown price holds 0 and is settled as
    reported. principal: who pays."""
    tx.run(
        "INSERT INTO ledger(job, provider, lane, label, day, state, reserved, at, principal) "
        "VALUES (?, ?, ?, ?, ?, 'reserved', ?, ?, ?)",
        (job, provider, lane, label, utc_day(tx.now()), high or 0, tx.now(), principal),
    )


def reserve(
    tx: Transaction, job: str, provider: str, lane: str, label: str, high: int | None, principal: str = OWNER
) -> None:
    """`enter`, after `check_limits`: for every job that a service runs."""
    check_limits(tx, provider, high, principal=principal)
    enter(tx, job, provider, lane, label, high, principal)


def recheck(source: Store | Transaction, job: str, provider: str, high: int | None) -> None:
    """Just before the money is spent: since the insert, less may be left of a limit, or a new day may have begun."""
    check_limits(source, provider, high, job=job)


def _principal_of(source: Store | Transaction, job: str) -> str:
    row = source.row("SELECT principal FROM ledger WHERE job = ?", (job,))
    return str(row["principal"]) if row else OWNER


def _own(source: Store | Transaction, job: str) -> int:
    """Micro-dollars that a job itself holds today."""
    own = source.row("SELECT reserved FROM ledger WHERE job = ? AND day = ?", (job, utc_day(source.now())))
    return int(own["reserved"]) if own else 0


def _gives_way(source: Store | Transaction, job: str, where: str, params: tuple[object, ...]) -> int:
    """Micro-dollars held today by jobs that were ordered later and not sent yet: they do not count against an earlier
    job of today. Otherwise, after a limit was lowered, all jobs would wait for each other."""
    if source.row("SELECT 1 FROM ledger WHERE job = ? AND day = ?", (job, utc_day(source.now()))) is None:
        return 0
    later = source.row(
        "SELECT coalesce(sum(booked.reserved), 0) AS held FROM jobs JOIN ledger AS booked ON booked.job = jobs.id "
        f"WHERE jobs.{OPEN} AND jobs.state IN ('waiting', 'queued') "
        f"AND jobs.seq > (SELECT seq FROM jobs WHERE id = ?) AND booked.state = 'reserved' AND {where}",
        (job, *params),
    )
    return int(later["held"]) if later else 0


def pay_today(tx: Transaction, job: str) -> None:
    """The paid request is about to be sent: it counts on this day, whenever the money was reserved."""
    tx.run("UPDATE ledger SET day = ? WHERE job = ?", (utc_day(tx.now()), job))


def check_held(tx: Transaction, job: str, high: int | None) -> None:
    """VideoError("wall") for a job for which the ledger holds nothing or too little: it was written into the store by
    hand, past the limits."""
    row = tx.row("SELECT reserved FROM ledger WHERE job = ? AND state = 'reserved'", (job,))
    if row is None or int(row["reserved"]) < (high or 0):
        raise VideoError("wall", "no money is reserved for this job: it was not ordered through Reelwright")


def raise_hold(tx: Transaction, job: str, amount: int) -> None:
    """Hold more (micro-dollars) for a job that turns out to cost more."""
    tx.run("UPDATE ledger SET reserved = ?, at = ? WHERE job = ? AND reserved < ?", (amount, tx.now(), job, amount))


def settle(tx: Transaction, job: str, cost: int, basis: Basis) -> int:
    """Book what the job cost; returns how much of it is above the reservation (0 when none)."""
    row = tx.row("SELECT reserved FROM ledger WHERE job = ?", (job,))
    tx.run(
        "UPDATE ledger SET state = 'settled', settled = ?, basis = ?, at = ? WHERE job = ?",
        (cost, basis, tx.now(), job),
    )
    return max(0, cost - int(row["reserved"])) if row else 0


def reserved(tx: Transaction, job: str) -> int:
    """The micro-dollars held for a job."""
    row = tx.row("SELECT reserved FROM ledger WHERE job = ?", (job,))
    return int(row["reserved"]) if row else 0


def release(tx: Transaction, job: str, basis: Basis = "refused") -> None:
    """Nothing was charged: release the money."""
    tx.run("UPDATE ledger SET state = 'released', settled = 0, basis = ?, at = ? WHERE job = ?", (basis, tx.now(), job))


def hold(tx: Transaction, job: str) -> None:
    """Whether it was charged is not known: the money stays reserved until the user decides."""
    tx.run("UPDATE ledger SET state = 'unresolved', at = ? WHERE job = ?", (tx.now(), job))


@dataclass(frozen=True)
class Totals:
    """Micro-dollars: spent in all, spent or held today, held in all, and held today."""

    settled: int
    today: int
    held: int
    held_today: int


def totals(store: Store, principal: str = EVERYBODY) -> Totals:
    """For everybody, or for one principal."""
    table, whose, params = ("spent", "", ()) if principal == EVERYBODY else ("spent_by", "principal = ?", (principal,))
    sql = f"SELECT coalesce(sum(settled), 0) AS settled, coalesce(sum(held), 0) AS held FROM {table} WHERE "
    nothing = {"settled": 0, "held": 0}
    ever = store.row(f"{sql}{whose or '1 = 1'}", params) or nothing
    today = store.row(f"{sql}{f'{whose} AND ' if whose else ''}day = ?", (*params, utc_day(store.now()))) or nothing
    settled, held, held_today = int(ever["settled"]), int(ever["held"]), int(today["held"])
    return Totals(settled, int(today["settled"]) + held_today, held, held_today)


def bill(store: Store, by: Literal["label", "day"]) -> list[Row]:
    """Rows of the spending report: label or day, number of jobs, settled and held micro-dollars, by name; archived jobs
    count too."""
    return store.rows(
        f"SELECT name, sum(jobs) AS jobs, sum(settled) AS settled, sum(held) AS held FROM (SELECT {by} AS name, "
        "count(*) AS jobs, sum(CASE WHEN state = 'settled' THEN settled ELSE 0 END) AS settled, "
        f"sum(CASE WHEN {_HELD} THEN reserved ELSE 0 END) AS held FROM ledger GROUP BY {by} UNION ALL "
        f"SELECT {by}, lines, settled, 0 FROM archived_spent) AS billed GROUP BY name ORDER BY name"
    )


def differing(store: Store) -> list[Row]:
    """Paid jobs whose clip differs from the request: id, label, and cost_basis, which says how."""
    return store.rows(
        "SELECT id, label, cost_basis FROM jobs WHERE kind = 'remote' AND cost_basis LIKE '%; asked %' ORDER BY seq"
    )
