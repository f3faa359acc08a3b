"""What a clip costs on one's own or a rented GPU, and from which volume on that beats an API.

The sums are plain: a bought card costs its price once and electricity for every second that it runs; a rented one
costs by the hour; an API by the second of film. All figures can be the user's own.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from backends.catalog.loader import Catalog
from backends.catalog.price import estimate, money
from backends.catalog.rules.check import find
from backends.catalog.rules.checked import Checked
from backends.catalog.schema.row import Row
from backends.catalog.schema.table import Table
from backends.errors import VideoError
from backends.request import VideoRequest

GPU_FILE = Path(__file__).with_name("gpus.toml")
HOURS_A_MONTH = 730
CENT = Decimal("0.01")
TENTH_CENT = Decimal("0.0001")

Way = Literal["api", "buy", "rent"]


@dataclass(frozen=True)
class Gpu:
    """A card. buy_usd or rent_usd_per_hour (0 = not that way). gpu_s_per_s: its seconds for one second of film.
    months: how long a bought one is to serve. usd_per_kwh: electricity (0.15 is a middling household price)."""

    name: str
    buy_usd: Decimal = Decimal(0)
    rent_usd_per_hour: Decimal = Decimal(0)
    watts: int = 0
    gpu_s_per_s: float = 18.0
    months: int = 24
    usd_per_kwh: Decimal = Decimal("0.15")
    day: date | None = None
    source: str = ""

    def with_figures(
        self,
        *,
        buy_usd: Decimal | None = None,
        rent_usd_per_hour: Decimal | None = None,
        gpu_s_per_s: float | None = None,
        months: int | None = None,
        usd_per_kwh: Decimal | None = None,
    ) -> Gpu:
        """The same card with the user's own figures. VideoError("invalid_request") for one that makes no sense."""
        given = {
            "buy_usd": buy_usd,
            "rent_usd_per_hour": rent_usd_per_hour,
            "gpu_s_per_s": gpu_s_per_s,
            "months": months,
            "usd_per_kwh": usd_per_kwh,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        for name, value in changes.items():
            if value < 0 or (value == 0 and name in ("gpu_s_per_s", "months")):
                raise VideoError("invalid_request", f"{name} {value}: give a number above 0")
        return replace(self, **changes)  # pyright: ignore[reportArgumentType]

    @property
    def usd_per_s(self) -> Decimal:
        """Running cost of one second of film: electricity for a bought card, rent for a rented one."""
        gpu_s = Decimal(str(self.gpu_s_per_s))
        if self.rent_usd_per_hour:
            return self.rent_usd_per_hour * gpu_s / 3600
        return self.usd_per_kwh * self.watts * gpu_s / 3_600_000


@dataclass(frozen=True)
class OwnCost:
    """One clip on one's own GPU: seconds of the card, electricity or rent, and its share of the card's price."""

    gpu_s: float
    energy_usd: Decimal
    amortised_usd: Decimal

    @property
    def total_usd(self) -> Decimal:
        return self.energy_usd + self.amortised_usd


@dataclass(frozen=True)
class BreakEven:
    """An API model against a GPU for a monthly volume. Dollars a month; None where there is no such figure.

    minutes: minutes of film after which a bought card has paid for itself (None: never). seconds_an_hour: seconds of
    film that an hour of the rented card must give to beat the API. cards: how many the volume needs. best: the
    cheaper way.
    """

    row: Row
    usd_per_s: Decimal
    api_usd: Decimal
    gpu_usd: Decimal
    minutes: Decimal | None
    seconds_an_hour: Decimal | None
    cards: int
    best: Way

    def figures(self) -> dict[str, str | int | float | None]:
        """As plain numbers, for a table."""
        return {
            "model": self.row.id,
            "api_usd_per_s": float(self.usd_per_s),
            "api_usd_per_month": float(self.api_usd),
            "gpu_usd_per_month": float(self.gpu_usd),
            "pays_after_minutes": None if self.minutes is None else float(self.minutes),
            "film_seconds_per_hour_to_win": None if self.seconds_an_hour is None else float(self.seconds_an_hour),
            "cards": self.cards,
            "cheaper": self.best,
        }


@cache
def gpus() -> dict[str, Gpu]:
    """The known cards by name. The user's own figures go in by `with_figures`."""
    data = tomllib.loads(GPU_FILE.read_text("utf-8"), parse_float=Decimal)
    head = Table(data, GPU_FILE.name).table("source")
    found: dict[str, Gpu] = {}
    for table in Table(data, GPU_FILE.name).tables("gpu"):
        gpu = Gpu(
            name=table.text("name"),
            buy_usd=table.money("buy_usd")[1] if "buy_usd" in table else Decimal(0),
            rent_usd_per_hour=table.money("rent_usd_per_hour")[1] if "rent_usd_per_hour" in table else Decimal(0),
            watts=table.whole("watts", 0),
            gpu_s_per_s=table.number("gpu_s_per_s"),
            day=head.day("date"),
            source=head.text("text"),
        )
        found[gpu.name] = gpu
    return found


def own_cost(duration_s: float, gpu: Gpu, hours_a_month: float = 100.0) -> OwnCost:
    """A clip of that length on a card that runs so many hours a month over its `months`."""
    gpu_s = duration_s * gpu.gpu_s_per_s
    energy = gpu.usd_per_s * Decimal(str(duration_s))
    life_s = Decimal(str(hours_a_month)) * gpu.months * 3600
    return OwnCost(gpu_s, energy, gpu.buy_usd * Decimal(str(gpu_s)) / life_s if life_s else Decimal(0))


def break_even(catalog: Catalog, gpu: Gpu, monthly_s: float) -> list[BreakEven]:
    """Every priced cloud model against the card, the most expensive first, for so many seconds of film a month."""
    volume = Decimal(str(monthly_s))
    lines = [
        compare(row, price, gpu, volume)
        for row in catalog.rows
        if row.where == "cloud" and row.state != "retired" and (price := usd_per_s(row)) is not None
    ]
    return sorted(lines, key=lambda line: (-line.usd_per_s, line.row.id))


def compare(row: Row, price: Decimal, gpu: Gpu, volume: Decimal) -> BreakEven:
    """One model at `price` dollars a second against the card for `volume` seconds of film a month."""
    cards = max(1, -(-int(volume * Decimal(str(gpu.gpu_s_per_s))) // (HOURS_A_MONTH * 3600)))
    api = price * volume
    saved = price - gpu.usd_per_s
    if gpu.rent_usd_per_hour:
        running = gpu.usd_per_s * volume
        need = gpu.rent_usd_per_hour / price if price else None
        return BreakEven(row, price, api, running, None, need, cards, "rent" if running < api else "api")
    own = gpu.buy_usd * cards / gpu.months + gpu.usd_per_s * volume
    minutes = gpu.buy_usd / saved / 60 if saved > 0 else None
    return BreakEven(row, price, api, own, minutes, None, cards, "buy" if own < api else "api")


def usd_per_s(row: Row) -> Decimal | None:
    """Dollars for a second of film as the model makes it by default; None when unknown."""
    for request in (
        VideoRequest(task="text_to_video", prompt="x"),
        VideoRequest.model_validate({"task": "image_to_video", "prompt": "x", "frames": [{"image": "x"}]}),
    ):
        found = find(request, row, {})
        if isinstance(found, Checked) and found.seconds:
            cost = estimate(found, row).usd_high
            return None if cost is None else cost / Decimal(str(found.seconds))
    return None


def break_even_table(lines: list[BreakEven], gpu: Gpu, monthly_s: float) -> str:
    """The lines as Markdown."""
    rented = bool(gpu.rent_usd_per_hour)
    paid = "film needed an hour" if rented else "pays for itself after"
    rows = [
        f"{monthly_s / 60:g} minutes of film a month on {gpu.name}, {gpu.gpu_s_per_s:g} s of it for a second of film:",
        "",
        f"| model | API $/s | API $/month | GPU $/month | {paid} | cheaper |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        if rented:
            when = f"{line.seconds_an_hour:.0f} s" if line.seconds_an_hour else ""
        else:
            when = f"{line.minutes:.0f} minutes" if line.minutes is not None else "never"
        rows.append(
            f"| {line.row.id} | {money(line.usd_per_s.quantize(TENTH_CENT))} | {money(line.api_usd.quantize(CENT))} "
            f"| {money(line.gpu_usd.quantize(CENT))} | {when} | {line.best} |"
        )
    return "\n".join(rows)
