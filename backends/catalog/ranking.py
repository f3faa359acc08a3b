"""rank(): which models can do exactly this request, and in what order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from backends.catalog.availability import Available, Why
from backends.catalog.loader import Catalog
from backends.catalog.price import Estimate, estimate
from backends.catalog.rules.check import Misfit, find
from backends.catalog.rules.checked import Checked
from backends.catalog.schema.row import Row
from backends.facts import MediaFacts
from backends.request import VideoRequest
from backends.terms import Prefer, Where

NEVER = 1e12


@dataclass(frozen=True)
class Offer:
    """A row that can do exactly the request. why, why_not: the reason when it is not available, and its words.
    unpriced: its price is unknown and nothing may be held for it, so that it cannot be started although available.
    asked_length: whether the request says how long the clip is."""

    row: Row
    checked: Checked
    estimate: Estimate
    available: bool
    why_not: str = ""
    unpriced: bool = False
    asked_length: bool = True
    why: Why | None = None

    @property
    def buyable(self) -> bool:
        """Whether it can be started as things are now."""
        return self.available and not self.unpriced


@dataclass(frozen=True)
class Ranking:
    """fits: those that can be started first, then those that are available, each part in order of preference. misfits:
    how many rows fail, by the argument that stands in the way. nearest: the rows that fail by the least, best first; of
    two that fail alike the one that takes all that was requested, with other values, then the one that can be used now.
    """

    fits: list[Offer]
    misfits: dict[str, int]
    nearest: list[Misfit]


def rank(
    request: VideoRequest,
    catalog: Catalog,
    inputs: Mapping[str, MediaFacts],
    available: Available,
    *,
    prefer: Prefer = "quality",
    where: Where = "any",
    allow_providers: Collection[str] | None = None,
    unknown_price: bool = False,
    today: date | None = None,
) -> Ranking:
    """Every row that holds the request, in order. where and allow_providers are constraints, never rankings.

    unknown_price: whether a model of unknown price may be started (the user allows it, and an amount is held).
    today: rows whose retire_on has passed come last; the machine's date when left out.
    """
    day = today or date.today()
    fits: list[Offer] = []
    misfits: Counter[str] = Counter()
    nearest: list[Misfit] = []
    for row in catalog.rows:
        if row.state == "retired":
            continue
        if (where == "local" and row.where != "local") or barred(row, allow_providers):
            if request.task in row.tasks:
                misfits["allow_providers" if barred(row, allow_providers) else "where"] += 1
            continue
        found = find(request, row, inputs)
        if isinstance(found, Misfit):
            misfits[found.problems[0].field] += 1
            nearest.append(found)
            continue
        reason = available(row)
        cost = estimate(found, row)
        unpriced = cost.basis == "unknown" and not unknown_price
        length = request.duration_s is not None
        fits.append(Offer(row, found, cost, reason is None, str(reason or ""), unpriced, length, reason))
    fits.sort(key=lambda offer: (not offer.buyable, not offer.available, *_order(offer, prefer, day, request)))
    nearest.sort(key=lambda misfit: (*_distance(misfit), available(misfit.row) is not None, misfit.row.tier))
    return Ranking(fits, dict(misfits.most_common()), nearest)


def _distance(misfit: Misfit) -> tuple[bool, int, int]:
    lacking = sum(problem.lacking for problem in misfit.problems)
    return (misfit.problems[0].field == "task", misfit.weight, lacking)


def barred(row: Row, allow_providers: Collection[str] | None) -> bool:
    """Whether the user's list of providers leaves a row out; what runs on this machine needs no leave."""
    return allow_providers is not None and row.where == "cloud" and row.provider not in allow_providers


def _order(offer: Offer, prefer: Prefer, today: date, request: VideoRequest) -> tuple[float | str | bool, ...]:
    row = offer.row
    cost = NEVER if offer.estimate.usd_high is None else float(offer.estimate.usd_high)
    seconds = offer.estimate.typical_s if offer.estimate.typical_s is not None else NEVER
    past = row.retire_on is not None and row.retire_on <= today
    last = (row.engine == "previs", past)
    if prefer == "cheapest":
        return (*last, cost, row.tier, row.id)
    if request.duration_s is None and offer.checked.seconds and cost < NEVER:
        cost /= offer.checked.seconds  # elsewhere it only parts equals, and each model has a length of its own
    if prefer == "fastest":
        return (*last, seconds, row.tier, cost, row.id)
    if prefer in ("consistency", "motion"):
        return (*last, _strength(row, prefer), row.tier, cost, row.id)
    return (*last, cost >= NEVER, row.tier, row.state != "active", cost, row.id)


def _strength(row: Row, name: str) -> int:
    """How early a row's strengths name it (the first is what it is picked for)."""
    return row.strengths.index(name) if name in row.strengths else len(row.strengths) + 10
