"""Why a request gets no model: of the named one, of its price, or of all of them. Each says what might help."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from backends.catalog.availability import Why
from backends.catalog.choice import Proposals, Refused, Situation
from backends.catalog.effects import elsewhere
from backends.catalog.names import gone, guesses, normal, unknown
from backends.catalog.price import Estimate
from backends.catalog.ranking import Offer, Ranking
from backends.catalog.remedy import by_model, likest, with_model
from backends.catalog.rules.check import Change, Misfit, find, refusal, ways_out
from backends.catalog.schema.row import Row
from backends.errors import A_PERSON, Next, VideoError, listing
from backends.request import VideoRequest

CONSTRAINTS = ("where", "allow_providers")


def of_misfit(request: VideoRequest, misfit: Misfit, situation: Situation) -> VideoError:
    """What the named model lacks; another value of the same argument helps, else another model that lacks nothing."""

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        yield from ways_out(plain, misfit, situation.inputs)
        ranking = situation.ranking(plain)
        yield from (by_model(plain, offer.row.id) for offer in likest(misfit.row, ranking.fits))

    told = refusal(request, misfit, situation.inputs)
    has_it = elsewhere(request, misfit.row, situation.catalog)
    bare = VideoError(told.kind, told.message, problems=told.problems, lead=told.lead, aside=has_it)
    return Refused(bare, proposed, lambda plain: ways_out(plain, misfit, situation.inputs))


def other_routes(row: Row, situation: Situation) -> Proposals:
    """The same model by its other routes."""
    return lambda plain: [
        by_model(plain, other.id) for other in situation.catalog.routes(row) if other.state != "retired"
    ]


def unusable(row: Row, why: Why, situation: Situation) -> VideoError:
    """A model that cannot be used here now: why, and the same model's routes that can."""
    routes = [other for other in situation.catalog.routes(row) if other.state != "retired"]
    others = [other.id for other in routes if situation.available(other) is None]
    more = f"; the same model has other routes: {', '.join(others)}" if others else ""
    text = f"{row.id} cannot be used now: {why.text}{more}{'.' if others else ''}"
    return Refused(VideoError(why.kind, text, next=Next("list_models")), other_routes(row, situation))


def unknown_name(name: str, situation: Situation) -> VideoError:
    """A name that leads to no model, and the models that it may mean."""
    if normal(name) == "auto":
        return Refused(VideoError("not_found", f"model {name!r} is unknown"), lambda plain: [by_model(plain, "auto")])
    rows = guesses(name, situation.catalog)

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        yield from (by_model(plain, row.id) for row in rows)
        for row in rows:
            misfit = find(plain, row, situation.inputs)
            if isinstance(misfit, Misfit):
                yield from (with_model(change, row.id) for change in ways_out(plain, misfit, situation.inputs))

    return Refused(unknown(name, rows), proposed)


def retired(row: Row, name: str, situation: Situation) -> VideoError:
    """A retired name: why, what follows it, and what of that does this very request."""
    catalog = situation.catalog
    told = gone(catalog, row, name)
    successor = catalog.find(row.successor) if row.successor else None
    others = [other for name_ in row.alternatives if (other := catalog.find(name_)) is not None]

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        if successor is not None:
            yield by_model(plain, successor.id)
            misfit = find(plain, successor, situation.inputs)
            if isinstance(misfit, Misfit):
                yield from (with_model(change, successor.id) for change in ways_out(plain, misfit, situation.inputs))
        yield from (by_model(plain, other.id) for other in others)
        yield from (by_model(plain, offer.row.id) for offer in likest(successor or row, situation.ranking(plain).fits))

    return Refused(told, proposed)


def too_expensive(cost: Estimate, row: Row, situation: Situation) -> VideoError | None:
    """Why a price may not be spent, None when it may."""
    budget, per_job = situation.budget, situation.per_job
    if cost.basis == "free" or (budget is None and per_job is None):
        return None
    if cost.usd_high is None:
        return Refused(price_unknown(cost, row), other_routes(row, situation))
    if budget is not None and cost.usd_high > budget:
        text = f"{row.id} costs {cost.text} for this, above max_cost_usd {usd(budget)}."
        return Refused(VideoError("needs_budget", text), lambda plain: [_with_budget(plain, cost.usd_high)])
    if per_job is not None and cost.usd_high > per_job:
        price = f"may cost {usd(cost.usd_high)}" if cost.usd_low is None else f"costs {cost.text}"
        text = f"{row.id} {price} for this, above the spending limit per_job_usd {usd(per_job)}"
        return VideoError("wall", f"{text}: {A_PERSON}")
    return None


def _with_budget(plain: VideoRequest, budget: Decimal | None) -> Change:
    changes: dict[str, object] = {} if budget is None else {"max_cost_usd": _amount(budget)}
    return Change(plain.model_copy(update={"max_cost_usd": budget}), changes, "", ())


def _amount(dollars: Decimal) -> float | int:
    """As a JSON number: 3 and 3.2."""
    return int(dollars) if dollars == dollars.to_integral_value() else float(dollars)


def price_unknown(cost: Estimate, row: Row) -> VideoError:
    """Why a model without a known price is not started."""
    text = (
        f"the price of {row.id} is unknown ({cost.detail}), so no limit can be checked against it: take another model. "
        "Where the setting allow_unknown_price is true, max_cost_usd above 0 starts it and is reserved as its price"
    )
    return VideoError("needs_budget", text)


def usd(amount: Decimal) -> str:
    """Dollars as an argument is written: 2.5, without a sign."""
    return format(amount.normalize(), "f")


def needs_budget(usable: list[Offer], ranking: Ranking, budget: Decimal | None, per_job: Decimal | None) -> VideoError:
    """Three cheapest exact matches with prices, the arguments to repeat, and the free previsualisation."""
    cheapest = sorted(usable, key=highest)[:3]
    listed = ", ".join(f"{offer.row.id} {offer.estimate.text}" for offer in cheapest)
    own = f"the spending limit per_job_usd {usd(per_job or Decimal(0))}"
    limit = f"max_cost_usd {usd(budget)}" if budget is not None else own
    text = f"no model does exactly this within {limit}. The cheapest: {listed}."
    first = cheapest[0].estimate.usd_high
    if per_job is not None and first is not None and first > per_job:
        also = "also " if budget is not None else ""
        text += f" Each is {also}above the spending limit per_job_usd {usd(per_job)}: {A_PERSON}."
    if previs := previs_words(ranking):
        text += f" {previs}"

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        for offer in cheapest:
            if offer.estimate.usd_high is not None and budget is not None:
                yield with_model(_with_budget(plain, offer.estimate.usd_high), offer.row.id)

    return Refused(VideoError("needs_budget", text), proposed)


def previs_words(ranking: Ranking) -> str:
    """The free previsualisation in words, where it can do the request."""
    for offer in ranking.fits:
        if offer.row.engine == "previs" and offer.available:
            return f'Free previsualisation, with no generative model: model="{offer.row.id}".'
    return ""


def nothing_fits(request: VideoRequest, ranking: Ranking, situation: Situation, generative: list[Offer]) -> VideoError:
    """No available model holds the request: which would, or which comes nearest and how."""
    free = previs_words(ranking)
    left_out = [f"{name} leaves {ranking.misfits[name]} out" for name in CONSTRAINTS if ranking.misfits.get(name)]
    constraints = f" ({', '.join(left_out)})" if left_out else ""
    usable = [misfit for misfit in ranking.nearest if situation.available(misfit.row) is None]

    real = any(misfit.row.engine != "previs" for misfit in usable)

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        for misfit in usable:
            if misfit.row.engine != "previs" or not real:
                yield from (with_model(change, misfit.row.id) for change in ways_out(plain, misfit, situation.inputs))

    if generative:
        ways = "; ".join(f"{offer.row.id} {offer.estimate.text} ({offer.why_not})" for offer in generative[:3])
        text = f"no configured model does exactly this{constraints}. Others could: {ways}. {free}".strip()
        return Refused(VideoError("unsupported", text, next=Next("list_models")), proposed)
    if not ranking.nearest:
        text = f"no model does {request.task} here{constraints}. {free}".strip()
        return Refused(VideoError("unsupported", text, next=Next("list_models")), proposed)
    misfit = (usable or ranking.nearest)[0]
    error = refusal(request, misfit, situation.inputs)
    lead = f"no model does exactly this{constraints}. The nearest: {error.lead}"
    told = VideoError(error.kind, listing(lead, error.problems), problems=error.problems, lead=lead, aside=free)
    return Refused(told, proposed)


def highest(offer: Offer) -> Decimal:
    """The most that an offer may cost, US dollars; infinite where that is not known."""
    return offer.estimate.usd_high if offer.estimate.usd_high is not None else Decimal("Infinity")
