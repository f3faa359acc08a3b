"""choose(): what `auto` takes, and what stands in the way.

`auto` never picks the animatic while a generative model is configured, never swaps a named model, and never picks a
model whose price is unknown. A named one of unknown price needs the person's leave (`allow_unknown_price`) and a
max_cost_usd above 0, which then stands for its price.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from backends.catalog.checked import Checked
from backends.catalog.effects import check_effect_too
from backends.catalog.family import choose_member, members
from backends.catalog.loader import Catalog
from backends.catalog.price import Estimate, estimate
from backends.catalog.ranking import Anywhere, Available, Offer, Prefer, Ranking, barred, rank
from backends.catalog.row import Row
from backends.catalog.rules import find, refusal
from backends.catalog.staleness import end_text
from backends.errors import A_PERSON, VideoError
from backends.request import MediaFacts, VideoRequest

CONSTRAINTS = ("where", "allow_providers")


@dataclass(frozen=True)
class Choice:
    """What will be made. next: what a person may do to get a better one ("" = nothing)."""

    row: Row
    checked: Checked
    estimate: Estimate
    notes: tuple[str, ...] = ()
    next: str = ""


def choose(
    request: VideoRequest,
    catalog: Catalog,
    inputs: Mapping[str, MediaFacts],
    available: Available,
    *,
    prefer: Prefer = "quality",
    where: Anywhere = "any",
    allow_providers: Collection[str] | None = None,
    max_cost_usd: Decimal | None = None,
    per_job_usd: Decimal | None = None,
    allow_unknown_price: bool = False,
    today: date | None = None,
) -> Choice:
    """The row to use: the named one, or for model "auto" the first of the ranking inside the money allowed.

    max_cost_usd: the asker's limit (the request's own is used too). per_job_usd, allow_unknown_price: the person's
    limits.
    VideoError: not_found, model_retired, invalid_request, unsupported, auth, wall, needs_budget.
    """
    limits = [limit for limit in (max_cost_usd, request.max_cost_usd) if limit is not None]
    budget = min(limits) if limits else None
    family = members(catalog, request.model)
    if family is None and request.model != "auto":
        unpriced = budget if allow_unknown_price else None
        return _named(request, catalog, inputs, available, allow_providers, budget, per_job_usd, unpriced, today)
    ranking = rank(
        request,
        family or catalog,
        inputs,
        available,
        prefer=prefer,
        where=where,
        allow_providers=allow_providers,
        unknown_price=allow_unknown_price and bool(budget),
        today=today,
    )
    if family is not None:

        def pick(asked: VideoRequest, rows: Catalog) -> Choice:
            return choose(
                asked,
                rows,
                inputs,
                available,
                prefer=prefer,
                where=where,
                allow_providers=allow_providers,
                max_cost_usd=budget,
                per_job_usd=per_job_usd,
                allow_unknown_price=allow_unknown_price,
                today=today,
            )

        return choose_member(request, family, ranking, pick)
    generative = [offer for offer in ranking.fits if offer.row.engine != "previs"]
    usable = [offer for offer in generative if offer.available]
    if usable:
        return _within(usable, ranking, prefer, budget, per_job_usd, today)
    previs = [offer for offer in ranking.fits if offer.row.engine == "previs" and offer.available]
    if any(available(row) is None for row in catalog.rows if row.engine == "generative" and row.state != "retired"):
        raise _nothing_fits(request, ranking, inputs, generative)
    if previs:
        offer = previs[0]
        note = f"nothing generative is configured, so this is a previsualisation by {offer.row.id}"
        return Choice(offer.row, offer.checked, offer.estimate, (*offer.checked.notes, note), _way_out(generative))
    raise _nothing_fits(request, ranking, inputs, generative)


def _named(
    request: VideoRequest,
    catalog: Catalog,
    inputs: Mapping[str, MediaFacts],
    available: Available,
    allow_providers: Collection[str] | None,
    budget: Decimal | None,
    wall: Decimal | None,
    unpriced: Decimal | None,
    today: date | None,
) -> Choice:
    """unpriced: what a model of unknown price may be started for, US dollars; None = it may not."""
    try:
        row = catalog.get(request.model)
    except VideoError as error:
        raise _with_exact_price(error, request, catalog, inputs) from None
    checked = check_effect_too(request, row, inputs, catalog)
    cost = estimate(checked, row)
    if barred(row, allow_providers):
        allowed = ", ".join(sorted(allow_providers or ())) or "none"
        text = f"provider {row.provider} is not among the allowed ones ({allowed}) of allow_providers: {A_PERSON}"
        raise VideoError("wall", text)
    if (reason := available(row)) is not None:
        others = [other.id for other in catalog.routes(row) if other.state != "retired" and available(other) is None]
        more = f". The same model by another route: {', '.join(others)}" if others else ""
        kind = "unsupported" if reason.startswith("no back end") else "auth"
        raise VideoError(kind, f"{row.id} cannot be used now: {reason}{more}")
    notes = checked.notes
    if cost.basis == "unknown" and unpriced:
        cost = replace(cost, usd_low=None, usd_high=unpriced)
        notes = (*notes, f"the price of {row.id} is unknown: max_cost_usd {_usd(unpriced)} is held for it")
    if (error := _over(cost, row, budget, wall)) is not None:
        raise error
    if end := end_text(row, today or date.today()):
        notes = (*notes, f"{row.id} {end}")
    return Choice(row, checked, cost, notes)


def _with_exact_price(
    error: VideoError, request: VideoRequest, catalog: Catalog, inputs: Mapping[str, MediaFacts]
) -> VideoError:
    """For a retired name: what this very request costs with the successor, or what must change there."""
    successor = catalog.find(str(error.nearest.get("model", ""))) if error.kind == "model_retired" else None
    if successor is None:
        return error
    found = find(request, successor, inputs)
    if isinstance(found, Checked):
        text = f"{error.message} For this request it costs {estimate(found, successor).text}."
        return VideoError(error.kind, text, nearest=error.nearest)
    told = refusal(request, found, inputs)
    return VideoError(error.kind, f"{error.message} But {told.message}", nearest={**told.nearest, **error.nearest})


def _over(cost: Estimate, row: Row, budget: Decimal | None, wall: Decimal | None) -> VideoError | None:
    """Why a price may not be spent, None when it may."""
    if cost.basis == "free" or (budget is None and wall is None):
        return None
    if cost.usd_high is None:
        return _unpriced(cost, row)
    if budget is not None and cost.usd_high > budget:
        text = f"{row.id} costs {cost.text} for this, above max_cost_usd {_usd(budget)}: repeat with max_cost_usd="
        return VideoError("needs_budget", text + _usd(cost.usd_high), nearest={"max_cost_usd": _usd(cost.usd_high)})
    if wall is not None and cost.usd_high > wall:
        price = f"may cost {_usd(cost.usd_high)}" if cost.usd_low is None else f"costs {cost.text}"
        text = f"{row.id} {price} for this, above the spending limit per_job_usd {_usd(wall)}"
        return VideoError("wall", f"{text}: {A_PERSON}")
    return None


def _unpriced(cost: Estimate, row: Row) -> VideoError:
    text = (
        f"the price of {row.id} is unknown ({cost.detail}), so it cannot be held to a limit: take another model. Where "
        "the person's setting allow_unknown_price is true, max_cost_usd above 0 starts it and is held as its price"
    )
    return VideoError("needs_budget", text)


def _usd(amount: Decimal) -> str:
    return format(amount.normalize(), "f")


def _within(
    usable: list[Offer],
    ranking: Ranking,
    prefer: Prefer,
    budget: Decimal | None,
    wall: Decimal | None,
    today: date | None,
) -> Choice:
    """The first offer inside the limits, with what one step more would have cost; needs_budget when there is none."""
    priced = [offer for offer in usable if offer.estimate.usd_high is not None]
    caps = [cap for cap in (budget, wall) if cap is not None]
    if not priced:
        raise _unpriced(usable[0].estimate, usable[0].row)
    inside = [offer for offer in priced if _high(offer) <= min(caps, default=_high(offer))]
    if not inside:
        raise _needs_budget(priced, ranking, budget, wall)
    chosen = inside[0]
    notes = [f"auto chose {chosen.row.id} for {prefer}: {chosen.estimate.text}, {_why(chosen.row, prefer)}"]
    better = [offer for offer in priced[: priced.index(chosen)] if offer not in inside]
    dearer = [offer for offer in inside[1:] if offer.row.tier < chosen.row.tier]
    for offer in (better or dearer)[:1]:
        notes.append(f"one step more: {offer.row.id} at {offer.estimate.text}")
    if end := end_text(chosen.row, today or date.today()):
        notes.append(f"{chosen.row.id} {end}")
    return Choice(chosen.row, chosen.checked, chosen.estimate, (*chosen.checked.notes, *notes))


def _high(offer: Offer) -> Decimal:
    return offer.estimate.usd_high if offer.estimate.usd_high is not None else Decimal("Infinity")


def _why(row: Row, prefer: Prefer) -> str:
    strengths = f", good for {', '.join(row.strengths[:2])}" if row.strengths else ""
    return f"quality tier {row.tier}{strengths}" if prefer != "fastest" else f"about {row.typical_s() or 0:g} s"


def _needs_budget(usable: list[Offer], ranking: Ranking, budget: Decimal | None, wall: Decimal | None) -> VideoError:
    """Three cheapest exact matches with prices, the arguments to repeat, and the free previsualisation."""
    cheapest = sorted(usable, key=_high)[:3]
    listed = ", ".join(f"{offer.row.id} {offer.estimate.text}" for offer in cheapest)
    first = cheapest[0]
    own = f"the spending limit per_job_usd {_usd(wall or Decimal(0))}"
    limit = f"max_cost_usd {_usd(budget)}" if budget is not None else own
    text = f"no model does exactly this within {limit}. The cheapest: {listed}."
    nearest: dict[str, object] = {"model": first.row.id}
    if first.estimate.usd_high is not None:
        nearest["max_cost_usd"] = _usd(first.estimate.usd_high)
        text += f' Repeat with model="{first.row.id}", max_cost_usd={nearest["max_cost_usd"]}'
        if wall is not None and first.estimate.usd_high > wall:
            text += f" (and it is above the spending limit per_job_usd {_usd(wall)}: {A_PERSON})"
        text += "."
    if any(offer.row.engine == "previs" and offer.available for offer in ranking.fits):
        text += ' Free previsualisation, with no generative model: model="animatic".'
    return VideoError("needs_budget", text, nearest=nearest)


def _way_out(generative: list[Offer]) -> str:
    """The cheapest real way and the variable to set."""
    priced = sorted((offer for offer in generative if offer.estimate.usd_high is not None), key=_high)
    paid = [offer for offer in priced if not offer.why_not.startswith("no back end")] or priced
    if not paid:
        return "list_models shows the generative models and what each needs"
    offer = paid[0]
    return f"for a generated clip: {offer.row.id} at {offer.estimate.text} ({offer.why_not})"


def _nothing_fits(
    request: VideoRequest, ranking: Ranking, inputs: Mapping[str, MediaFacts], generative: list[Offer]
) -> VideoError:
    """No available model holds the request: which would, or which comes nearest and how."""
    previs = next((offer for offer in ranking.fits if offer.row.engine == "previs" and offer.available), None)
    free = f' Free previsualisation, with no generative model: model="{previs.row.id}".' if previs else ""
    left_out = [f"{name} leaves {ranking.misfits[name]} out" for name in CONSTRAINTS if ranking.misfits.get(name)]
    constraints = f" ({', '.join(left_out)})" if left_out else ""
    if generative:
        ways = "; ".join(f"{offer.row.id} {offer.estimate.text} ({offer.why_not})" for offer in generative[:3])
        text = f"no configured model does exactly this{constraints}. Others could: {ways}.{free}"
        return VideoError("unsupported", text, nearest={"model": generative[0].row.id})
    if not ranking.nearest:
        text = f"no model does {request.task} here{constraints}: list_models shows what there is.{free}"
        return VideoError("unsupported", text, nearest={"model": previs.row.id} if previs else {})
    misfit = ranking.nearest[0]
    error = refusal(request, misfit, inputs)
    text = f"no model does exactly this{constraints}. The nearest: {error.message}{free}"
    return VideoError(error.kind, text, problems=error.problems, nearest={"model": misfit.row.id, **error.nearest})


def next_after(failed: Row, ranking: Ranking, budget: Decimal | None = None) -> tuple[Offer | None, str]:
    """What to offer when a model refused a job and charged nothing: the next available model that isn't the same
    model by another route, inside the budget, and the words that offer it ("" when there is none). Starts nothing."""
    for offer in ranking.fits:
        other = offer.row.family != failed.family and offer.row.id != failed.id and offer.row.engine != "previs"
        if offer.available and other and (budget is None or _high(offer) <= budget):
            high = offer.estimate.usd_high
            cap = f", max_cost_usd={_usd(high)}" if high else ""
            text = f'repeat with model="{offer.row.id}"{cap} ({offer.estimate.text}); nothing has been started'
            return offer, text
    return None, ""
