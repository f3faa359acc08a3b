"""Price: what a box's clips cost, as data. The sums are in `price`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Unit = Literal["free", "per_second", "per_clip", "unknown"]


@dataclass(frozen=True)
class Rate:
    """US dollars for one unit, for the requests that it names (an empty filter = all)."""

    low: Decimal
    high: Decimal
    resolutions: frozenset[str] = frozenset()
    audio: bool | None = None
    durations: tuple[float, ...] = ()
    tasks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Surcharge:
    """usd for every image (frames and references) over so many: the only surcharge known in the field."""

    usd: Decimal
    over_images: int


@dataclass(frozen=True)
class Price:
    """What a clip costs. rates: the first that matches holds. minimum_s: seconds billed at least. step_s: seconds are
    rounded up to these. hold_s: seconds that are charged first and partly refunded, so the high figure counts them.
    credit_usd: what one of the provider's credits costs (0 = it bills dollars); amounts are rounded up to whole
    credits then. bills: for extend, whether the added seconds are billed or the whole clip's. bills_references: the
    whole seconds of reference clips are billed too. verified: read at the provider itself, not at a price map or
    reseller."""

    unit: Unit
    rates: tuple[Rate, ...] = ()
    minimum_s: float = 0.0
    step_s: float = 0.0
    hold_s: float = 0.0
    credit_usd: Decimal = Decimal(0)
    surcharges: tuple[Surcharge, ...] = ()
    bills: Literal["added", "total"] = "added"
    bills_references: bool = False
    day: date | None = None
    source: str = ""
    verified: bool = False


UNKNOWN_PRICE = Price("unknown")
