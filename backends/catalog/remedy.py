"""Remedies: the changed call that an error offers, and the proof that it works.

A remedy is never asserted. It is decided like any other request, with everything that the asker gave: the row takes it,
it can be used now, its provider is allowed, and its price is known and inside the user's limits. What cannot be
proved so is not offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from backends.catalog.ranking import Offer
from backends.catalog.rules.check import Change, changes_text, joined
from backends.catalog.schema.row import Row
from backends.errors import VideoError, listing
from backends.request import VideoRequest

Decide = Callable[[VideoRequest], str]
"""What a changed request would cost, in words. VideoError when it would be refused, its price left aside."""


def by_model(request: VideoRequest, row_id: str) -> Change:
    """The same request to another model."""
    return Change(request.model_copy(update={"model": row_id}), {"model": row_id}, "", ())


def with_model(change: Change, row_id: str) -> Change:
    """A changed request to another model."""
    changed = change.request.model_copy(update={"model": row_id})
    return replace(change, request=changed, changes={"model": row_id, **change.changes})


def proved(changes: Iterable[Change], decide: Decide) -> Change | None:
    """The first change that gives nothing up and that would be taken, with its price."""
    for change in changes:
        if change.lost:
            continue
        try:
            return replace(change, cost=decide(change.request))
        except VideoError:
            continue
    return None


def offered(error: VideoError, found: Change | None, closest: Change | None = None) -> VideoError:
    """The error with that remedy, or, as no remedy, the closest request that gives something up."""
    aside = error.aside
    if found is not None:
        words = "This would work" if error.lead is None else "Nearest legal request"
        more = f"{words}: {changes_text(found.changes)} ({found.cost})."
    elif closest is not None:
        more = f"Closest: {changes_text(closest.changes)} ({closest.cost}), which gives up {', '.join(closest.lost)}."
        aside = f"{more} {aside}".strip()
    else:
        more = ""
    ends = more if closest is not None and found is None else f"{more} {error.aside}".strip()
    lead = error.message if error.lead is None else error.lead
    text = joined(lead, error.problems, ends) if ends else listing(lead, error.problems)
    return VideoError(
        error.kind,
        text,
        problems=error.problems,
        nearest=found.changes if found else None,
        cost=found.cost if found else "",
        next=error.next,
        lead=lead,
        aside=aside,
    )


def likest(row: Row, offers: Iterable[Offer]) -> Iterator[Offer]:
    """Other models' offers: the same model by another route, then the same provider's, each part as ranked."""
    others = [offer for offer in offers if offer.available and offer.row.engine != "previs" and offer.row.id != row.id]
    yield from sorted(others, key=lambda offer: (offer.row.family != row.family, offer.row.provider != row.provider))
