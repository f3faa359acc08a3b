"""choose(): what `auto` takes, and what stands in the way.

`auto` never picks the animatic while a generative model is configured, never swaps a named model, and never picks a
model whose price is unknown. A named one of unknown price needs the user's approval (`allow_unknown_price`) and a
max_cost_usd above 0, which then stands for its price.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial

from backends.catalog.availability import Available
from backends.catalog.choice import Choice, Refused, Situation
from backends.catalog.family import choose_member, members, of_family
from backends.catalog.loader import Catalog
from backends.catalog.names import normal
from backends.catalog.price import estimate
from backends.catalog.ranking import Offer, Ranking, barred
from backends.catalog.refusals import (
    highest,
    needs_budget,
    nothing_fits,
    of_misfit,
    other_routes,
    price_unknown,
    retired,
    too_expensive,
    unknown_name,
    unusable,
    usd,
)
from backends.catalog.remedy import offered, proved
from backends.catalog.rules.check import Misfit, find
from backends.catalog.schema.row import Row
from backends.catalog.staleness import end_text
from backends.errors import A_PERSON, VideoError
from backends.facts import MediaFacts
from backends.request import VideoRequest
from backends.terms import Prefer, Where


def choose(
    request: VideoRequest,
    catalog: Catalog,
    inputs: Mapping[str, MediaFacts],
    available: Available,
    *,
    prefer: Prefer = "quality",
    where: Where = "any",
    allow_providers: Collection[str] | None = None,
    max_cost_usd: Decimal | None = None,
    per_job_usd: Decimal | None = None,
    allow_unknown_price: bool = False,
    today: date | None = None,
) -> Choice:
    """The row to use: the named one, or for model "auto" the first of the ranking inside the money allowed.

    max_cost_usd: the caller's limit (the request's own is used too). per_job_usd, allow_unknown_price: the user's
    limits.
    VideoError: not_found, model_retired, invalid_request, unsupported, auth, wall, needs_budget; `nearest` is there
    when the request with those changes would be taken (`remedy`).
    """
    limits = [limit for limit in (max_cost_usd, request.max_cost_usd) if limit is not None]
    budget = min(limits) if limits else None
    situation = Situation(
        catalog, inputs, available, prefer, where, allow_providers, budget, per_job_usd, allow_unknown_price, today
    )
    try:
        return _choose(request, situation)
    except Refused as refused:
        error, proposed, closest = refused.error, refused.proposed, refused.closest
    decide = partial(_decide, situation)
    plain = request.model_copy(update={"max_cost_usd": None})
    found = proved(proposed(plain), decide)
    if found is not None or closest is None:
        raise offered(error, found)
    ways = {id(one.request): one for one in closest(plain)}
    usable = proved([replace(one, lost=()) for one in ways.values()], decide)
    raise offered(error, None, ways[id(usable.request)] if usable else None)


def _decide(situation: Situation, request: VideoRequest) -> str:
    """What a changed request would cost, in words: with the budget that it names, else with any; the caller sees
    the price. VideoError when it would be refused."""
    again = replace(situation, budget=request.max_cost_usd, allow_unknown_price=False)
    cost = _choose(request, again).estimate
    if cost.usd_high is None and (situation.budget is not None or situation.per_job is not None):
        raise VideoError("needs_budget", f"price unknown ({cost.detail})")
    return cost.text


def _choose(request: VideoRequest, situation: Situation) -> Choice:
    family = members(situation.catalog, request.model)
    if family is not None:
        return _member(request, family, situation)
    if request.model != "auto":
        return _named(request, situation)
    ranking = situation.ranking(request)
    generative = [offer for offer in ranking.fits if offer.row.engine != "previs"]
    usable = [offer for offer in generative if offer.available]
    if usable:
        return _within(usable, ranking, situation)
    previs = [offer for offer in ranking.fits if offer.row.engine == "previs" and offer.available]
    rows = [row for row in situation.catalog.rows if row.engine == "generative" and row.state != "retired"]
    if any(situation.available(row) is None for row in rows):
        raise nothing_fits(request, ranking, situation, generative)
    if previs:
        offer = previs[0]
        note = f"nothing generative is configured, so this is a previsualisation by {offer.row.id}"
        return Choice(offer.row, offer.checked, offer.estimate, (*offer.checked.notes, note), _way_out(generative))
    raise nothing_fits(request, ranking, situation, generative)


def _member(request: VideoRequest, family: Catalog, situation: Situation) -> Choice:
    """The best member of a family; a refusal names the family."""
    try:
        return choose_member(
            request,
            family,
            replace(situation, catalog=family).ranking(request),
            lambda asked, rows: _choose(asked, replace(situation, catalog=rows)),
        )
    except Refused as refused:
        told = of_family(refused.error, request.model, family)
        raise Refused(told, refused.proposed, refused.closest) from None
    except VideoError as error:
        raise of_family(error, request.model, family) from None


def _named(request: VideoRequest, situation: Situation) -> Choice:
    catalog, inputs = situation.catalog, situation.inputs
    row = catalog.find(request.model)
    if row is None:
        if normal(request.model) in catalog.broken_names:
            catalog.get(request.model)  # tells why it is left out
        raise unknown_name(request.model, situation)
    if row.state == "retired":
        raise retired(row, request.model, situation)
    found = find(request, row, inputs)
    if isinstance(found, Misfit):
        raise of_misfit(request, found, situation)
    checked = found
    cost = estimate(checked, row)
    if barred(row, situation.allow_providers):
        allowed = ", ".join(sorted(situation.allow_providers or ())) or "none"
        text = f"provider {row.provider} is not among the allowed ones ({allowed}) of allow_providers: {A_PERSON}"
        raise Refused(VideoError("wall", text), other_routes(row, situation))
    if (why := situation.available(row)) is not None:
        raise unusable(row, why, situation)
    notes = checked.notes
    unpriced = situation.budget if situation.allow_unknown_price else None
    if cost.basis == "unknown" and unpriced:
        cost = replace(cost, usd_low=None, usd_high=unpriced)
        notes = (*notes, f"the price of {row.id} is unknown: max_cost_usd {usd(unpriced)} is reserved for it")
    if (error := too_expensive(cost, row, situation)) is not None:
        raise error
    if end := end_text(row, situation.today or date.today()):
        notes = (*notes, f"{row.id} {end}")
    return Choice(row, checked, cost, notes)


def _within(usable: list[Offer], ranking: Ranking, situation: Situation) -> Choice:
    """The first offer inside the limits, with what a step up would have cost; needs_budget when there is none."""
    budget, per_job, prefer = situation.budget, situation.per_job, situation.prefer
    priced = [offer for offer in usable if offer.estimate.usd_high is not None]
    caps = [cap for cap in (budget, per_job) if cap is not None]
    if not priced:
        raise Refused(price_unknown(usable[0].estimate, usable[0].row), lambda plain: ())
    inside = [offer for offer in priced if highest(offer) <= min(caps, default=highest(offer))]
    if not inside:
        raise needs_budget(priced, ranking, budget, per_job)
    chosen = inside[0]
    notes = [f"auto chose {chosen.row.id} for {prefer}: {chosen.estimate.text}, {_why(chosen.row, prefer)}"]
    better = [offer for offer in priced[: priced.index(chosen)] if offer not in inside]
    dearer = [offer for offer in inside[1:] if offer.row.tier < chosen.row.tier]
    for offer in (better or dearer)[:1]:
        notes.append(f"a step up: {offer.row.id} at {offer.estimate.text}")
    if end := end_text(chosen.row, situation.today or date.today()):
        notes.append(f"{chosen.row.id} {end}")
    return Choice(chosen.row, chosen.checked, chosen.estimate, (*chosen.checked.notes, *notes))


def _why(row: Row, prefer: Prefer) -> str:
    strengths = f", good for {', '.join(row.strengths[:2])}" if row.strengths else ""
    return f"quality tier {row.tier}{strengths}" if prefer != "fastest" else f"about {row.typical_s() or 0:g} s"


def _way_out(generative: list[Offer]) -> str:
    """The cheapest way to a generated clip that the user can open, a missing key before a missing machine."""
    ways = [offer for offer in generative if offer.estimate.usd_high is not None and _openable(offer)]
    if not ways:
        return "for a generated clip: the list of models says what each of them needs"
    offer = min(ways, key=lambda offer: (offer.why is None or offer.why.kind != "auth", highest(offer)))
    return f"for a generated clip: {offer.row.id} at {offer.estimate.text} ({offer.why_not})"


def _openable(offer: Offer) -> bool:
    return offer.why is None or offer.why.installable


def next_after(failed: Row, ranking: Ranking, budget: Decimal | None = None) -> tuple[Offer | None, str]:
    """What to offer when a model refused a job and charged nothing: the next available model that isn't the same
    model by another route, inside the budget, and the words that offer it ("" when there is none). Starts nothing."""
    for offer in ranking.fits:
        other = offer.row.family != failed.family and offer.row.id != failed.id and offer.row.engine != "previs"
        if offer.available and other and (budget is None or highest(offer) <= budget):
            high = offer.estimate.usd_high
            cap = f", max_cost_usd={usd(high)}" if high else ""
            text = f'repeat with model="{offer.row.id}"{cap} ({offer.estimate.text}); nothing has been started'
            return offer, text
    return None, ""
