"""Rows for tools and tables: small, readable, the same words everywhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from backends.catalog.price import price_text
from backends.catalog.schema.row import Row
from backends.catalog.schema.span import Span, lines_of, number_text
from backends.catalog.schema.tariff import Price, Unit
from backends.catalog.staleness import end_text


def compact(row: Row, why_not: str | None, today: date | None = None) -> dict[str, object]:
    """One row of list_models. why_not: None when the row can be used now, else the reason. today: the machine's date
    when left out; it decides whether the model's end has passed."""
    view: dict[str, object] = {
        "model": row.id,
        "tasks": list(row.tasks),
        "limits": limits_text(row),
        "price": range_text(row),
        "typical_s": row.typical_s(),
        "available": why_not is None,
        "state": row.state,
    }
    if why_not is not None:
        view["why_not"] = why_not
    if end := end_text(row, today or date.today()):
        view["end"] = end
    return view


def price_facts(row: Row) -> dict[str, object]:
    """price_date (the oldest of its prices'), price_source and price_verified of a row with prices; {} for others."""
    priced = [mode.price for mode in row.modes if mode.price.rates]
    if not priced:
        return {}
    return {
        "price_date": min(price.day for price in priced if price.day is not None).isoformat(),
        "price_source": "; ".join(dict.fromkeys(price.source for price in priced)),
        "price_verified": all(price.verified for price in priced),
    }


def limits_text(row: Row) -> str:
    """ "2 to 10 s, 720p, 16:9 9:16 1:1, sound": what the boxes hold together."""
    if not row.modes:
        return ""
    parts = [f"{longest_text(row)}", "/".join(_resolutions(row)), " ".join(_ratios(row))]
    if any(mode.audio in ("always", "switch") for mode in row.modes):
        parts.append("sound")
    return ", ".join(part for part in parts if part)


def longest_text(row: Row) -> str:
    """The lengths that its boxes make: "4-8 s"."""
    spans: list[Span] = [mode.durations for mode in row.modes if mode.durations is not None]
    if not spans:
        return "source length"
    low, high = min(span.smallest for span in spans), max(span.largest for span in spans)
    return f"{number_text(low)} s" if low == high else f"{number_text(low)}-{number_text(high)} s"


def _resolutions(row: Row) -> list[str]:
    names = {name for mode in row.modes for name in mode.resolutions if lines_of(name) is not None}
    return sorted(names, key=lambda name: lines_of(name) or 0)


def _ratios(row: Row) -> list[str]:
    names = dict.fromkeys(ratio for mode in row.modes for ratio in mode.ratios if ratio != "input")
    listed = list(names)
    return listed if len(listed) <= 4 else [*listed[:3], f"+{len(listed) - 3}"]


def range_text(row: Row) -> str:
    """The prices of its boxes in one short text: "$0.05/s", "$0.10-0.60/s", "free", "unknown"."""
    said: list[str] = []
    units: list[Unit] = [mode.price.unit for mode in row.modes]
    for unit in dict.fromkeys(units):
        rates = tuple(rate for mode in row.modes if mode.price.unit == unit for rate in mode.price.rates)
        said.append(price_text(replace(row.modes[0], price=Price(unit, rates))))
    return " | ".join(said) or "unknown"


def money_field(usd: Decimal | None) -> float | None:
    """An amount for JSON; exact sums stay Decimal inside."""
    return None if usd is None else float(usd)
