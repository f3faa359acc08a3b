"""Offers as a caller sees them: what each model would make of the request, its price, and the call that starts it."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from backends.catalog.availability import availability
from backends.catalog.choose import choose
from backends.catalog.family import members
from backends.catalog.loader import Catalog
from backends.catalog.price import Estimate, estimate, money
from backends.catalog.ranking import Available, Offer, rank
from backends.catalog.rules.check import check
from backends.catalog.rules.tags import check_tags
from backends.catalog.staleness import end_text
from backends.catalog.views import money_field
from backends.errors import A_PERSON, VideoError
from backends.facts import MediaFacts
from backends.provider.protocol import Prepared
from backends.provider.registry import registry
from backends.request import VideoRequest
from backends.terms import DEFAULT_TERMS, Terms

UNPRICED = (
    "its price is unknown: it starts only where the setting allow_unknown_price is true, with max_cost_usd "
    "above 0, which is reserved as its price"
)

REMEMBERED = 64
"""How many answers are kept: an agent often asks for the price of the same clip several times."""


@dataclass(frozen=True)
class Market:
    """What an estimate depends on besides the request: the catalogue, the credentials, what the user allows (providers,
    US dollars a job, models of unknown price), and the day ("was shut down" depends on it)."""

    catalog: Catalog
    env: Mapping[str, str]
    allow_providers: frozenset[str] | None
    per_job_usd: Decimal | None = None
    allow_unknown_price: bool = False
    today: date = field(default_factory=date.today)

    def key(self) -> tuple[object, ...]:
        limits = (self.allow_providers, self.per_job_usd, self.allow_unknown_price, self.today)
        return (self.catalog, frozenset(self.env.items()), *limits)


class Estimator:
    """Ranks the models for a request and words their prices. Pure; the last answers are remembered."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], str] = OrderedDict()

    def estimate(
        self,
        request: VideoRequest,
        facts: Mapping[str, MediaFacts],
        market: Market,
        count: int,
        limit: int,
        terms: Terms,
    ) -> dict[str, Any]:
        """The models that can do exactly this for at most the request's max_cost_usd, ranked, with the price of `count`
        clips each. A family name lists its members.

        VideoError when none is left, or for a named model that cannot do it, with what the starting tool would say.
        """
        key = (request.model_dump_json(), tuple(facts.items()), *market.key(), count, limit, terms.prefer, terms.where)
        found = self._known.get(key)
        if found is None:
            check_tags(request)
            ranked = request.model == "auto" or members(market.catalog, request.model) is not None
            ask = _ranked if ranked else _one
            found = self._known[key] = json.dumps(ask(request, facts, market, count, limit, terms))
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return json.loads(found)  # each caller's own


def _one(
    request: VideoRequest, facts: Mapping[str, MediaFacts], market: Market, count: int, *_: object
) -> dict[str, Any]:
    """The named model."""
    try:
        row = market.catalog.get(request.model)
        checked = check(request, row, facts)
    except VideoError:  # with the error of the starting tools, and what works; a price may be requested without a key
        choose(request, market.catalog, facts, lambda _: None, allow_providers=market.allow_providers)
        raise
    reason = availability(market.env)(row)
    cost = estimate(checked, row)
    unpriced = cost.basis == "unknown" and not _held(request, market)
    one = Offer(row, checked, cost, reason is None, str(reason or ""), unpriced, why=reason)
    offer = replace(one, estimate=estimate(checked, row, count))
    if _above(request, cost.usd_high):
        refused = _refusal(request, facts, market, lambda _: None)  # also without a key
        if refused is not None:
            raise refused
    refusal = partial(_refusal, request, facts, market, availability(market.env))
    return {"fits": [offer_view(offer, market, count)], "misfits": 0, "why": {}, "next": _next(request, [one], refusal)}


def _ranked(
    request: VideoRequest,
    facts: Mapping[str, MediaFacts],
    market: Market,
    count: int,
    limit: int,
    terms: Terms,
) -> dict[str, Any]:
    """Every model, or every member of the named family, that can do the request."""
    available = availability(market.env)
    ranking = rank(
        request,
        members(market.catalog, request.model) or market.catalog,
        facts,
        available,
        prefer=terms.prefer,
        where=terms.where,
        allow_providers=market.allow_providers,
        unknown_price=_held(request, market),
        today=market.today,
    )
    inside = [offer for offer in ranking.fits if not _above(request, offer.estimate.usd_high)]
    refusal = partial(_refusal, request, facts, market, available, terms)
    if not inside:
        raise refusal() or VideoError("unsupported", "no model can do this request: list_models shows what there is")
    dear = len(ranking.fits) - len(inside)
    misfits = {**ranking.misfits, **({"max_cost_usd": dear} if dear else {})}
    offers = [replace(offer, estimate=estimate(offer.checked, offer.row, count)) for offer in inside[:limit]]
    return {
        "fits": [offer_view(offer, market, count) for offer in offers],
        "misfits": sum(misfits.values()),
        "why": misfits,
        "next": _next(request, inside, refusal),
    }


def _held(request: VideoRequest, market: Market) -> bool:
    """Whether a model of unknown price could be started: the user allows it, and an amount to reserve is given."""
    return market.allow_unknown_price and bool(request.max_cost_usd)


def _above(request: VideoRequest, usd: Decimal | None) -> bool:
    return request.max_cost_usd is not None and usd is not None and usd > request.max_cost_usd


def _refusal(
    request: VideoRequest,
    facts: Mapping[str, MediaFacts],
    market: Market,
    available: Available,
    terms: Terms = DEFAULT_TERMS,
) -> VideoError | None:
    """Why the starting tool would not start it; None when it would."""
    try:
        choose(
            request,
            market.catalog,
            facts,
            available,
            prefer=terms.prefer,
            where=terms.where,
            allow_providers=market.allow_providers,
            per_job_usd=market.per_job_usd,
            allow_unknown_price=market.allow_unknown_price,
            today=market.today,
        )
    except VideoError as error:
        return error
    return None


def offer_view(offer: Offer, market: Market, count: int = 1) -> dict[str, Any]:
    """One row of estimate_cost, for so many clips."""
    cost, seconds = offer.estimate, offer.checked.seconds
    request = offer.checked.request
    view: dict[str, Any] = {
        "model": offer.row.id,
        "cost_low_usd": money_field(cost.usd_low),
        "cost_high_usd": money_field(cost.usd_high),
        "basis": cost.basis,
        "detail": cost.detail,
        "price_date": cost.price_date.isoformat() if cost.price_date else None,
        "typical_s": cost.typical_s,
        "duration_s": request.duration_s,
        "resolution": request.resolution,
        "aspect_ratio": request.aspect_ratio,
        "available": offer.available,
    }
    if cost.usd_high and seconds:
        view["usd_per_s"] = round(float(cost.usd_high) / (seconds * count), 4)
    if offer.why_not:
        view["why_not"] = offer.why_not
    notes = [*_warnings(offer, market, count), *offer.checked.notes, *_forecast(offer, market)]
    if notes:
        view["notes"] = notes
    return view


def _forecast(offer: Offer, market: Market) -> list[str]:
    """How it would run on this machine, where its engine can say."""
    registration = registry().get(offer.row.provider)
    if registration is None or registration.forecast is None or not offer.available:
        return []
    one = offer.checked
    prepared = Prepared(one.request, offer.row.id, one.width, one.height, wire=dict(one.wire))
    try:
        text = registration.forecast(prepared, market.env)
    except VideoError as error:
        text = error.message
    except Exception:  # a plug-in may raise anything; the other models must stay usable
        text = ""
    return [text] if text else []


def _warnings(offer: Offer, market: Market, count: int) -> list[str]:
    """Why starting it may be refused although it is available."""
    row, high = offer.row, offer.estimate.usd_high
    end = end_text(row, market.today)
    limit = market.per_job_usd
    above = high is not None and limit is not None and high / count > limit
    return [
        *([f"{row.id} {end}"] if end else []),
        *([UNPRICED] if offer.unpriced else []),
        *([f"above the spending limit per_job_usd {money(limit)}: {A_PERSON}"] if above and limit is not None else []),
    ]


def _next(request: VideoRequest, offers: Sequence[Offer], refusal: Callable[[], VideoError | None]) -> str:
    """The call that makes the first offer that can be started, else what the starting tool says about the request.

    refusal: that. A previsualisation alone is no answer while a generative model is configured, except for an
    extension, which may be made in steps.
    """
    usable = next((offer for offer in offers if offer.buyable), None)
    if usable is not None and (usable.row.engine != "previs" or request.task == "extend"):
        return start_call(request, usable)
    if (error := refusal()) is not None:
        return error.message
    first = usable or offers[0]
    return start_call(request, first)


def in_steps(request: VideoRequest, model: str, cost: Estimate, notes: Sequence[str], count: int) -> dict[str, Any]:
    """The result of `Estimator.estimate` for an extension that no model makes itself: by this model, in steps."""
    low, high = (None if usd is None else usd * count for usd in (cost.usd_low, cost.usd_high))
    view: dict[str, Any] = {
        "model": model,
        "cost_low_usd": money_field(low),
        "cost_high_usd": money_field(high),
        "basis": cost.basis,
        "detail": cost.detail,
        "price_date": cost.price_date.isoformat() if cost.price_date else None,
        "typical_s": cost.typical_s,
        "duration_s": request.duration_s,
        "resolution": request.resolution,
        "aspect_ratio": request.aspect_ratio,
        "available": True,
        "notes": list(notes),
    }
    return {"fits": [view], "misfits": 0, "why": {}, "next": _call(request, model, cost.usd_high)}


def start_call(request: VideoRequest, offer: Offer) -> str:
    """The tool call that would make it, with the budget it needs."""
    return _call(request, offer.row.id, offer.estimate.usd_high)


def _call(request: VideoRequest, model: str, high: Decimal | None) -> str:
    tool = {
        "text_to_video": "generate_video",
        "reference_to_video": "generate_video",
        "edit": "generate_video",
        "interpolate": "interpolate_keyframes",
        "extend": "extend_clip",
        "upscale": "finish_clip",
    }.get(request.task, request.task)
    cap = f", max_cost_usd={format(high.normalize(), 'f')}" if high is not None and high > Decimal(0) else ""
    named = "upscaler" if tool == "finish_clip" else "model"
    return f'{tool}(..., {named}="{model}"{cap})'
