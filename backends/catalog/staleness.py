"""What needs attention in the catalogue: prices that have grown old, ends that have passed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from backends.catalog.loader import Catalog
from backends.catalog.schema.row import Row

PRICE_DAYS = 90
"""A price older than this is reported: three Google video models came and went within five months of 2026."""


@dataclass(frozen=True)
class Stale:
    """One thing to look at. what: "price" or "retire_on"; day: its date."""

    model: str
    what: str
    day: date
    text: str


def end_text(row: Row, today: date) -> str:
    """ "is to be shut down on 2026-11-17" or "was shut down on ...", with "(not confirmed by the provider)" where that
    is so; "" for a row without an end."""
    if row.retire_on is None or row.state == "retired":
        return ""
    sure = "" if row.retire_checked else " (not confirmed by the provider)"
    return f"{'was' if row.retire_on <= today else 'is to be'} shut down on {row.retire_on.isoformat()}{sure}"


def check_staleness(catalog: Catalog, today: date) -> list[Stale]:
    """Rows whose price is older than 90 days, or whose end has passed while they still count as usable."""
    limit = today - timedelta(days=PRICE_DAYS)
    found: list[Stale] = []
    for row in catalog.rows:
        if row.state == "retired":
            continue
        dates = {mode.price.day for mode in row.modes if mode.price.day is not None and mode.price.rates}
        old = sorted(day for day in dates if day < limit)
        if old:
            age = (today - old[0]).days
            text = f"{row.id}: its price was read on {old[0].isoformat()}, {age} days ago: look again"
            found.append(Stale(row.id, "price", old[0], text))
        if row.retire_on is not None and row.retire_on <= today:
            sure = "" if row.retire_checked else " (the date is not confirmed)"
            ended = f"{row.id}: its end, {row.retire_on.isoformat()}, has passed{sure}"
            text = f"{ended}: mark it retired, or fix the date"
            found.append(Stale(row.id, "retire_on", row.retire_on, text))
    return found
