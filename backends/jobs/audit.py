"""The audit: a line for every start, approval, decision and change of limits or people. Lines are only ever added.

Each is written in the transaction of what it tells of, so that neither is there without the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from backends.errors import VideoError
from backends.jobs.principals import OWNER
from backends.jobs.store.database import Row, Store, Transaction

What = Literal["start", "approval", "decision", "limit", "people"]
"""A job was started; its price was approved first; a user decided what becomes of one; a spending limit was changed; a
person got a token or lost it."""

LONGEST = 300
"""Characters of a place or detail that are kept."""


@dataclass(frozen=True)
class Line:
    """at: POSIX seconds. who: a principal. amount: micro-dollars, None where there is none or nobody knows it. place:
    where it came from. detail: the rest, in words."""

    at: float
    who: str
    what: str
    job: str
    amount: int | None
    place: str
    detail: str


def add(
    tx: Transaction, what: What, *, who: str = OWNER, job: str = "", amount: int | None = None, place: str, detail: str
) -> None:
    """Write a line, within the transaction of what it tells of."""
    tx.run(
        "INSERT INTO audit(at, who, what, job, amount, place, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (tx.now(), who, what, job, amount, place[:LONGEST], detail[:LONGEST]),
    )


def lines(
    store: Store, *, who: str | None = None, what: str | None = None, job: str | None = None, limit: int = 100
) -> list[Line]:
    """The newest lines, the oldest of them first. who, what, job: only those. VideoError("invalid_request") for a
    `what` that there is not."""
    if what is not None and what not in get_args(What):
        raise VideoError("invalid_request", f"the audit has {', '.join(get_args(What))}, not {what[:40]!r}")
    asked = {name: value for name, value in (("who", who), ("what", what), ("job", job)) if value is not None}
    where = "".join(f" AND {name} = ?" for name in asked)
    sql = f"SELECT * FROM audit WHERE seq > 0{where} ORDER BY seq DESC LIMIT ?"
    return _read(store.rows(sql, (*asked.values(), limit)))


def _read(rows: Sequence[Row]) -> list[Line]:
    names = ("at", "who", "what", "job", "amount", "place", "detail")
    return [Line(**{name: row[name] for name in names}) for row in reversed(rows)]
