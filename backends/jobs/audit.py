"""The audit log: one line for every start, approval, decision, and change of limits or people. Lines are only ever
added.

Each line is written in the same transaction as the change that it records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from backends.errors import VideoError
from backends.jobs.principals import OWNER
from backends.jobs.store.database import Row, Store, Transaction

What = Literal["start", "approval", "decision", "limit", "people"]
"""A job was started; its price was approved; a user decided about a job; a spending limit was changed; a person's token
was made or removed."""

LONGEST = 300
"""The longest place or detail that is kept, in characters."""


@dataclass(frozen=True)
class Line:
    """at: POSIX seconds. who: a principal. amount: micro-dollars, None where there is none or it is unknown. place:
    where the request came from. detail: further words."""

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
    """Write a line within the transaction of the change that it records."""
    tx.run(
        "INSERT INTO audit(at, who, what, job, amount, place, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (tx.now(), who, what, job, amount, place[:LONGEST], detail[:LONGEST]),
    )


def lines(
    store: Store, *, who: str | None = None, what: str | None = None, job: str | None = None, limit: int = 100
) -> list[Line]:
    """The newest lines, oldest first. who, what, job: filters. VideoError("invalid_request") for an unknown `what`."""
    if what is not None and what not in get_args(What):
        raise VideoError("invalid_request", f"the audit has {', '.join(get_args(What))}, not {what[:40]!r}")
    filters = {name: value for name, value in (("who", who), ("what", what), ("job", job)) if value is not None}
    where = "".join(f" AND {name} = ?" for name in filters)
    sql = f"SELECT * FROM audit WHERE seq > 0{where} ORDER BY seq DESC LIMIT ?"
    return _read(store.rows(sql, (*filters.values(), limit)))


def _read(rows: Sequence[Row]) -> list[Line]:
    names = ("at", "who", "what", "job", "amount", "place", "detail")
    return [Line(**{name: row[name] for name in names}) for row in reversed(rows)]
