"""What a choice of a model depends on, what it is, and a refusal with what might help."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from backends.catalog.availability import Available
from backends.catalog.loader import Catalog
from backends.catalog.price import Estimate
from backends.catalog.ranking import Ranking, rank
from backends.catalog.rules.check import Change
from backends.catalog.rules.checked import Checked
from backends.catalog.schema.row import Row
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.request import VideoRequest
from backends.terms import Prefer, Where


@dataclass(frozen=True)
class Choice:
    """What will be made. next: what the user may do to get a better one ("" = nothing)."""

    row: Row
    checked: Checked
    estimate: Estimate
    notes: tuple[str, ...] = ()
    next: str = ""


@dataclass(frozen=True)
class Situation:
    """What a choice depends on besides the request. budget: the caller's limit, per_job: the user's limit for a job;
    US dollars, None = no limit."""

    catalog: Catalog
    inputs: Mapping[str, MediaFacts]
    available: Available
    prefer: Prefer
    where: Where
    allow_providers: Collection[str] | None
    budget: Decimal | None
    per_job: Decimal | None
    allow_unknown_price: bool
    today: date | None

    def ranking(self, request: VideoRequest) -> Ranking:
        return rank(
            request,
            self.catalog,
            self.inputs,
            self.available,
            prefer=self.prefer,
            where=self.where,
            allow_providers=self.allow_providers,
            unknown_price=self.allow_unknown_price and bool(self.budget),
            today=self.today,
        )


Proposals = Callable[[VideoRequest], Iterable[Change]]


class Refused(VideoError):
    """A refusal, and what might help. proposed: the changed requests to be tried, the likest first. closest: those that
    give something up, which are named when no other helps."""

    def __init__(self, error: VideoError, proposed: Proposals, closest: Proposals | None = None) -> None:
        super().__init__(error.kind, error.message)
        self.error = error
        self.proposed = proposed
        self.closest = closest
