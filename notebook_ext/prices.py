"""The price of a request by every model that can do exactly it, and when a GPU of your own is cheaper."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backends.errors import VideoError
from backends.request import VideoRequest
from backends.terms import DEFAULT_TERMS, Terms
from backends.verbs import task_of
from notebook_ext.calls import asked
from notebook_ext.listing import Drawing, Listing, new_figure

if TYPE_CHECKING:
    from notebook_ext.job import Owner

VERB = "estimate_cost"


class Prices(Listing):
    """The models that can do exactly the request, ranked. rows: model, cost_low_usd, cost_high_usd (None = unknown),
    detail, price_date, typical_s, duration_s, resolution, aspect_ratio, available, why_not. misfits: how many models
    cannot, and `why` by the argument that they refuse."""

    columns: dict[str, str] = {  # noqa: RUF012  never changed
        "model": "model",
        "cost_low_usd": "from",
        "cost_high_usd": "to",
        "detail": "how it is counted",
        "price_date": "price of",
        "typical_s": "usually (s)",
        "duration_s": "clip (s)",
        "resolution": "resolution",
        "available": "available",
        "why_not": "why not",
    }

    def __init__(self, found: Mapping[str, Any], count: int, limit: int) -> None:
        misfits, why = found["misfits"], found["why"]
        listed = ", ".join(f"{name} {number}" for name, number in why.items())
        fits = found["fits"]
        first = "The first " if len(fits) == limit else ""
        ready = sum(bool(row["available"]) for row in fits)
        title = f"{first}{len(fits)} model{'s' * (len(fits) != 1)} that can do exactly this, {ready} available here"
        title += f", {count} clips" if count > 1 else ""
        super().__init__(fits, title + (f"; {misfits} cannot ({listed})" if misfits else ""))
        self.misfits: int = misfits
        self.why: Mapping[str, int] = why
        self.next: str = found["next"]

    def shown(self, key: str, value: Any) -> str:
        if value is None and key == "cost_high_usd":
            return "unknown"
        return super().shown(key, value)

    def plot(self) -> Drawing:
        """One bar per model: from its low to its high price; hatched where it is not available here."""
        priced = [row for row in self.rows if row["cost_high_usd"] is not None][::-1]
        figure = new_figure(7, max(1.5, 0.32 * len(priced) + 0.8))
        axes = figure.subplots()
        for number, row in enumerate(priced):
            low, high = row["cost_low_usd"], row["cost_high_usd"]
            axes.barh(
                number,
                high,
                color="C0" if row["available"] else "none",
                edgecolor="C0",
                hatch=None if row["available"] else "//",
            )
            label = "free" if high == 0 else f"${low:.2f}" if low == high else f"${low:.2f}-{high:.2f}"
            axes.annotate(label, (high, number), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(range(len(priced)), [row["model"] for row in priced], fontsize=8)
        axes.set_xlabel("US dollars a request; hatched: not available here")
        axes.margins(x=0.15)
        return Drawing(figure)


def prices(
    client: Owner,
    what: str | VideoRequest | Mapping[str, Any],
    given: Mapping[str, Any],
    count: int = 1,
    limit: int = 50,
) -> Prices:
    """The price of a request by every model that can do exactly it. what, given: as `estimate` takes them."""
    request, terms = meant(client, what, given)
    found = client.inner.estimate(request, terms, count=count, limit=limit)
    return Prices(found, count, limit)


def meant(
    client: Owner, what: str | VideoRequest | Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[VideoRequest, Terms]:
    """The request and its terms."""
    if isinstance(what, VideoRequest):
        if given:
            raise VideoError("invalid_request", f"a VideoRequest is complete: omit {', '.join(given)}")
        return what, DEFAULT_TERMS
    if isinstance(what, Mapping):
        fields = {**what, **given}
    else:
        fields = {**({"prompt": what} if what else {}), **given}
    return asked(verb_of(fields), fields, client.home.folder, cap=None)


def verb_of(fields: Mapping[str, Any]) -> str:
    """The verb of these arguments, by what the clip is made from."""
    given = {name: value for name, value in fields.items() if value is not None}
    task = task_of(VERB, given)
    return {"image_to_video": task, "interpolate": "interpolate_keyframes", "extend": "extend_clip"}.get(task, VERB)


class BreakEven(Listing):
    """Every priced cloud model against a card for a monthly volume."""

    columns: dict[str, str] = {  # noqa: RUF012  never changed
        "model": "model",
        "api_usd_per_s": "API, $ a second",
        "api_usd_per_month": "API a month",
        "gpu_usd_per_month": "card a month",
        "pays_after_minutes": "pays for itself after (minutes of film)",
        "film_seconds_per_hour_to_win": "seconds of film an hour must give",
        "cheaper": "cheaper",
    }

    def plot(self) -> Drawing:
        """Dollars a month by minutes of film a month: the card, and lines for some models, the most expensive first."""
        figure = new_figure(7, 4)
        axes = figure.subplots()
        some = self.rows[:: max(1, len(self.rows) // 6)]
        middle = some[len(some) // 2]["api_usd_per_s"] * 60
        reach = min(2 * self.minutes, 3 * self._card(1.0) / middle)  # where the lines cross
        minutes = [reach * step / 20 for step in range(21)]
        for row in some:
            axes.plot(minutes, [row["api_usd_per_s"] * 60 * m for m in minutes], label=row["model"], linewidth=1)
        costs = [self._card(m) for m in minutes]
        axes.plot(minutes, costs, "k--", label=self.gpu, linewidth=2)
        axes.set_ylim(0, max(costs) * 3)
        axes.set_xlabel("minutes of film a month")
        axes.set_ylabel("US dollars a month")
        axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
        return Drawing(figure)

    def __init__(self, rows: list[dict[str, Any]], title: str, gpu: str, minutes: float, card: Any) -> None:
        super().__init__(rows, title)
        self.gpu = gpu
        self.minutes = minutes
        self._card = card


def break_even(client: Owner, card: str = "RTX 4090", minutes: float = 100.0) -> BreakEven:
    """When a card is cheaper than the APIs for so many minutes of film a month. card: a name, or a part of one."""
    from backends.costs import ownership

    known = ownership.gpus()
    found = [gpu for name, gpu in known.items() if card.lower() in name.lower()]
    if len(found) != 1:
        raise VideoError("invalid_request", f"no single card is called {card[:40]!r}; there are {', '.join(known)}")
    gpu = found[0]
    lines = ownership.break_even(client.inner.context.catalog, gpu, minutes * 60)
    rows = [line.figures() for line in lines]

    def cost(at_minutes: float) -> float:
        line = ownership.compare(lines[0].row, lines[0].usd_per_s, gpu, Decimal(str(at_minutes * 60)))
        return float(line.gpu_usd)

    title = (
        f"{minutes:g} minutes of film a month on {gpu.name}, {gpu.gpu_s_per_s:g} s of it for a second of film "
        f"({gpu.source}, {gpu.day})"
    )
    return BreakEven(rows, title, gpu.name, minutes, cost)
