"""Offers as a caller sees them: what a model would make of the request, for how much, and the call that starts it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from backends.catalog.choose import Offer
from backends.catalog.views import money_field
from backends.request import VideoRequest


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
