"""What a request costs, exactly as the provider bills it. Money is Decimal; an unknown price is unknown, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from backends.catalog.rules.checked import Checked
from backends.catalog.schema.row import Mode, Row
from backends.catalog.schema.span import number_text
from backends.catalog.schema.tariff import Price, Rate

Basis = Literal["free", "list", "range", "unknown"]


@dataclass(frozen=True)
class Estimate:
    """US dollars before the job is made. basis "free": nothing is billed; "list": one list price; "range": between
    low and high; "unknown": low is None, and high too unless it is what the asker holds for it. price_date, source,
    verified: of the price row. detail: the sum in words.
    """

    usd_low: Decimal | None
    usd_high: Decimal | None
    basis: Basis
    price_date: date | None
    source: str
    verified: bool
    typical_s: float | None
    detail: str

    @classmethod
    def free(cls, typical_s: float | None) -> Estimate:
        """Of work that no catalogue row prices: it is done on this machine."""
        return cls(Decimal(0), Decimal(0), "free", None, "", True, typical_s, "nothing is billed")

    @property
    def text(self) -> str:
        """ "$0.25", "$0.21-0.23", "free", "price unknown" or "price unknown, up to $2 reserved"."""
        if self.usd_low is None or self.usd_high is None:
            return "price unknown" if self.usd_high is None else f"price unknown, up to {money(self.usd_high)} reserved"
        if self.basis == "free":
            return "free"
        low = money(self.usd_low)
        return low if self.usd_low == self.usd_high else f"{low}-{money(self.usd_high)[1:]}"


def money(usd: Decimal) -> str:
    """$0.25, $3, $0.0125: at least cents unless whole, never rounded."""
    plain = format(usd.normalize(), "f")
    whole, _, cents = plain.partition(".")
    return f"${whole}" if not cents else f"${whole}.{cents:0<2}"


def estimate(checked: Checked, row: Row, count: int = 1) -> Estimate:
    """The price of `count` such clips. Never raises: what isn't known is basis "unknown"."""
    price = checked.mode.price
    seconds = checked.seconds
    typical = row.typical_s(seconds)
    facts = (price.day, price.source, price.verified, typical)
    if price.unit == "free":
        return Estimate(Decimal(0), Decimal(0), "free", *facts, "nothing is billed")
    rate = matching_rate(price, checked)
    if rate is None or (price.unit == "per_second" and seconds is None):
        why = "the price is not known" if rate is None else "the length of the clip is not known yet"
        return Estimate(None, None, "unknown", *facts, why)
    extra, extra_said = _surcharges(price, checked)
    billed, said = _seconds(price, checked)
    held = max(billed, Decimal(str(price.hold_s)))
    low = _whole_credits(rate.low * billed + extra, price) * count
    high = _whole_credits(rate.high * held + extra, price) * count
    if held > billed:
        said += f", up to {number_text(float(held))} s are charged first and the rest is refunded"
    detail = f"{_rate_text(price, rate)}{said}{extra_said}" + (f", {count} clips" if count != 1 else "")
    return Estimate(low, high, "list" if low == high else "range", *facts, detail)


def matching_rate(price: Price, checked: Checked) -> Rate | None:
    """The first rate whose every filter holds."""
    request = checked.request
    for rate in price.rates:
        if rate.tasks and request.task not in rate.tasks:
            continue
        if rate.resolutions and request.resolution not in rate.resolutions:
            continue
        if rate.audio is not None and request.audio is not rate.audio:
            continue
        if rate.durations and not any(abs(value - (checked.seconds or -1)) < 1e-6 for value in rate.durations):
            continue
        return rate
    return None


def _seconds(price: Price, checked: Checked) -> tuple[Decimal, str]:
    """How many seconds (or clips) are billed, and that in words."""
    if price.unit == "per_clip" or checked.seconds is None:
        return Decimal(1), ""
    billed = Decimal(str(round(checked.seconds, 6)))
    if price.step_s:
        step = Decimal(str(price.step_s))
        billed = (billed / step).to_integral_value(ROUND_CEILING) * step
    billed = max(billed, Decimal(str(price.minimum_s)))
    said = f" x {number_text(float(billed))} s"
    if price.bills_references and checked.references_s:
        billed += Decimal(str(checked.references_s))
        said += f" (with {number_text(checked.references_s)} s of reference clips: {number_text(float(billed))} s)"
    return billed, said


def _surcharges(price: Price, checked: Checked) -> tuple[Decimal, str]:
    total, said = Decimal(0), ""
    for surcharge in price.surcharges:
        over = checked.images - surcharge.over_images
        if over > 0:
            total += surcharge.usd * over
            said += f" + {over} images x {money(surcharge.usd)}"
    return total, said


def _whole_credits(usd: Decimal, price: Price) -> Decimal:
    """Providers with credits bill whole ones."""
    if not price.credit_usd:
        return usd
    return (usd / price.credit_usd).to_integral_value(ROUND_CEILING) * price.credit_usd


def _rate_text(price: Price, rate: Rate) -> str:
    amount = money(rate.low) if rate.low == rate.high else f"{money(rate.low)}-{money(rate.high)[1:]}"
    return amount + ("/s" if price.unit == "per_second" else " a clip")


def price_text(mode: Mode) -> str:
    """A box's price in a few characters: "$0.05/s", "$0.05-0.08/s", "$0.35-0.70 a clip", "free", "unknown"."""
    price = mode.price
    if price.unit == "free":
        return "free"
    if price.unit == "unknown" or not price.rates:
        return "unknown"
    low, high = min(rate.low for rate in price.rates), max(rate.high for rate in price.rates)
    return _rate_text(price, Rate(low, high))


def usual_price(row: Row) -> str:
    """The price of a row's first box in words, for texts that name a model."""
    if not row.modes:
        return "price unknown"
    text = price_text(row.modes[0])
    return "price unknown" if text == "unknown" else text
