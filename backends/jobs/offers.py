"""Offers as a caller sees them: what a model would make of the request, for how much, and the call that starts it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from backends.catalog.availability import availability
from backends.catalog.choose import Offer, Prefer, choose, rank
from backends.catalog.loader import Catalog
from backends.catalog.price import estimate
from backends.catalog.rules import check
from backends.catalog.views import money_field
from backends.errors import VideoError
from backends.request import MediaFacts, VideoRequest

REMEMBERED = 64
"""Answers that are kept: an agent asks for the price of the same clip several times."""


@dataclass(frozen=True)
class Market:
    """What an estimate depends on besides the request: the rows, the credentials, the providers the person allows."""

    catalog: Catalog
    env: Mapping[str, str]
    allow_providers: frozenset[str] | None

    def key(self) -> tuple[object, ...]:
        return (self.catalog, frozenset(self.env.items()), self.allow_providers)


class Estimator:
    """Ranks the models for a request and puts their prices into words. Pure; the last answers are remembered."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], dict[str, Any]] = OrderedDict()

    def estimate(
        self,
        request: VideoRequest,
        facts: Mapping[str, MediaFacts],
        market: Market,
        count: int,
        limit: int,
        prefer: Prefer,
        where: Literal["any", "local"],
    ) -> dict[str, Any]:
        """The models that can do exactly this, in order, with the price of `count` clips each.

        A named model that cannot is a VideoError with the nearest legal request.
        """
        key = (request.model_dump_json(), tuple(facts.items()), *market.key(), count, limit, prefer, where)
        found = self._known.get(key)
        if found is None:
            ask = _one if request.model != "auto" else _ranked
            found = self._known[key] = ask(request, facts, market, count, limit, prefer, where)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return deepcopy(found)


def _one(
    request: VideoRequest, facts: Mapping[str, MediaFacts], market: Market, count: int, *_: object
) -> dict[str, Any]:
    """The named model."""
    try:
        row = market.catalog.get(request.model)
        checked = check(request, row, facts)
    except VideoError:  # told as the starting tools tell it, with what works; a price may be asked without a key
        choose(request, market.catalog, facts, lambda _: None, allow_providers=market.allow_providers)
        raise
    reason = availability(market.env)(row)
    offer = Offer(row, checked, estimate(checked, row, count), reason is None, str(reason or ""), why=reason)
    return {"fits": [offer_view(offer)], "misfits": 0, "why": {}, "next": start_call(request, offer)}


def _ranked(
    request: VideoRequest,
    facts: Mapping[str, MediaFacts],
    market: Market,
    count: int,
    limit: int,
    prefer: Prefer,
    where: Literal["any", "local"],
) -> dict[str, Any]:
    """Every model that holds the request."""
    ranking = rank(
        request,
        market.catalog,
        facts,
        availability(market.env),
        prefer=prefer,
        where=where,
        allow_providers=market.allow_providers,
    )
    offers = [replace(offer, estimate=estimate(offer.checked, offer.row, count)) for offer in ranking.fits[:limit]]
    usable = next((offer for offer in offers if offer.available), None)
    return {
        "fits": [offer_view(offer) for offer in offers],
        "misfits": sum(ranking.misfits.values()),
        "why": ranking.misfits,
        "next": start_call(request, usable) if usable else "list_models shows what each model needs",
    }


def offer_view(offer: Offer) -> dict[str, Any]:
    """One row of estimate_cost."""
    cost = offer.estimate
    asked = offer.checked.request
    view: dict[str, Any] = {
        "model": offer.row.id,
        "cost_low_usd": money_field(cost.usd_low),
        "cost_high_usd": money_field(cost.usd_high),
        "basis": cost.basis,
        "detail": cost.detail,
        "price_date": cost.price_date.isoformat() if cost.price_date else None,
        "typical_s": cost.typical_s,
        "duration_s": asked.duration_s,
        "resolution": asked.resolution,
        "aspect_ratio": asked.aspect_ratio,
        "available": offer.available,
    }
    if offer.why_not:
        view["why_not"] = offer.why_not
    if offer.checked.notes:
        view["notes"] = list(offer.checked.notes)
    return view


def start_call(request: VideoRequest, offer: Offer) -> str:
    """The tool call that would make it, with the budget it needs."""
    tool = {
        "text_to_video": "generate_video",
        "reference_to_video": "generate_video",
        "edit": "generate_video",
        "interpolate": "interpolate_keyframes",
        "extend": "extend_clip",
        "upscale": "finish_clip",
    }.get(request.task, request.task)
    high = offer.estimate.usd_high
    cap = f", max_cost_usd={format(high.normalize(), 'f')}" if high is not None and high > Decimal(0) else ""
    return f'{tool}(..., model="{offer.row.id}"{cap})'
