"""choose(): what `auto` takes, and what stands in the way.

`auto` never picks the animatic while a generative model is configured, never swaps a named model, and never picks a
model whose price is unknown. A named one of unknown price needs the user's leave (`allow_unknown_price`) and a
max_cost_usd above 0, which then stands for its price.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from backends.catalog.availability import Available, Why
from backends.catalog.effects import elsewhere
from backends.catalog.family import choose_member, members, of_family
from backends.catalog.loader import Catalog
from backends.catalog.names import gone, guesses, normal, unknown
from backends.catalog.price import Estimate, estimate
from backends.catalog.ranking import Offer, Ranking, barred, rank
from backends.catalog.remedy import by_model, likest, offered, proved, with_model
from backends.catalog.rules.check import Change, Misfit, find, refusal, ways_out
from backends.catalog.rules.checked import Checked
from backends.catalog.schema.row import Row
from backends.catalog.staleness import end_text
from backends.errors import A_PERSON, Next, VideoError, listing
from backends.facts import MediaFacts
from backends.request import VideoRequest
from backends.terms import Prefer, Where

CONSTRAINTS = ("where", "allow_providers")


@dataclass(frozen=True)
class Choice:
    """What will be made. next: what the user may do to get a better one ("" = nothing)."""

    row: Row
    checked: Checked
    estimate: Estimate
    notes: tuple[str, ...] = ()
    next: str = ""


@dataclass(frozen=True)
class _Terms:
    """What a choice depends on besides the request. budget: the asker's limit, per_job: the user's limit for a job;
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

    def decide(self, request: VideoRequest) -> str:
        """What a changed request would cost, in words: with the budget that it names, else with any; the caller sees
        the price. VideoError when it would be refused."""
        again = replace(self, budget=request.max_cost_usd, allow_unknown_price=False)
        cost = _choose(request, again).estimate
        if cost.usd_high is None and (self.budget is not None or self.per_job is not None):
            raise VideoError("needs_budget", f"price unknown ({cost.detail})")
        return cost.text


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
    terms = _Terms(
        catalog, inputs, available, prefer, where, allow_providers, budget, per_job_usd, allow_unknown_price, today
    )
    try:
        return _choose(request, terms)
    except _Refused as refused:
        error, proposed, closest = refused.error, refused.proposed, refused.closest
    plain = request.model_copy(update={"max_cost_usd": None})
    found = proved(proposed(plain), terms.decide)
    if found is not None or closest is None:
        raise offered(error, found)
    ways = {id(one.request): one for one in closest(plain)}
    usable = proved([replace(one, lost=()) for one in ways.values()], terms.decide)
    raise offered(error, None, ways[id(usable.request)] if usable else None)


Proposals = Callable[[VideoRequest], Iterable[Change]]


class _Refused(VideoError):
    """A refusal, and what might help. proposed: the changed requests to be tried, the likest first. closest: those that
    give something up, which are named when no other helps."""

    def __init__(self, error: VideoError, proposed: Proposals, closest: Proposals | None = None) -> None:
        super().__init__(error.kind, error.message)
        self.error = error
        self.proposed = proposed
        self.closest = closest


def _choose(request: VideoRequest, terms: _Terms) -> Choice:
    family = members(terms.catalog, request.model)
    if family is not None:
        return _member(request, family, terms)
    if request.model != "auto":
        return _named(request, terms)
    ranking = terms.ranking(request)
    generative = [offer for offer in ranking.fits if offer.row.engine != "previs"]
    usable = [offer for offer in generative if offer.available]
    if usable:
        return _within(usable, ranking, terms)
    previs = [offer for offer in ranking.fits if offer.row.engine == "previs" and offer.available]
    rows = [row for row in terms.catalog.rows if row.engine == "generative" and row.state != "retired"]
    if any(terms.available(row) is None for row in rows):
        raise _nothing_fits(request, ranking, terms, generative)
    if previs:
        offer = previs[0]
        note = f"nothing generative is configured, so this is a previsualisation by {offer.row.id}"
        return Choice(offer.row, offer.checked, offer.estimate, (*offer.checked.notes, note), _way_out(generative))
    raise _nothing_fits(request, ranking, terms, generative)


def _member(request: VideoRequest, family: Catalog, terms: _Terms) -> Choice:
    """The best member of a family; a refusal names the family."""
    try:
        return choose_member(
            request,
            family,
            replace(terms, catalog=family).ranking(request),
            lambda asked, rows: _choose(asked, replace(terms, catalog=rows)),
        )
    except _Refused as refused:
        told = of_family(refused.error, request.model, family)
        raise _Refused(told, refused.proposed, refused.closest) from None
    except VideoError as error:
        raise of_family(error, request.model, family) from None


def _named(request: VideoRequest, terms: _Terms) -> Choice:
    catalog, inputs = terms.catalog, terms.inputs
    row = catalog.find(request.model)
    if row is None:
        if normal(request.model) in catalog.broken_names:
            catalog.get(request.model)  # tells why it is left out
        raise _unknown(request.model, terms)
    if row.state == "retired":
        raise _gone(row, request.model, terms)
    found = find(request, row, inputs)
    if isinstance(found, Misfit):
        raise _misfit(request, found, terms)
    checked = found
    cost = estimate(checked, row)
    if barred(row, terms.allow_providers):
        allowed = ", ".join(sorted(terms.allow_providers or ())) or "none"
        text = f"provider {row.provider} is not among the allowed ones ({allowed}) of allow_providers: {A_PERSON}"
        raise _Refused(VideoError("wall", text), _routes(row, terms))
    if (why := terms.available(row)) is not None:
        raise _unusable(row, why, terms)
    notes = checked.notes
    unpriced = terms.budget if terms.allow_unknown_price else None
    if cost.basis == "unknown" and unpriced:
        cost = replace(cost, usd_low=None, usd_high=unpriced)
        notes = (*notes, f"the price of {row.id} is unknown: max_cost_usd {_usd(unpriced)} is reserved for it")
    if (error := _over(cost, row, terms)) is not None:
        raise error
    if end := end_text(row, terms.today or date.today()):
        notes = (*notes, f"{row.id} {end}")
    return Choice(row, checked, cost, notes)


def _misfit(request: VideoRequest, misfit: Misfit, terms: _Terms) -> VideoError:
    """What the named model lacks; another value of the same argument helps, else another model that lacks nothing."""

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        yield from ways_out(plain, misfit, terms.inputs)
        ranking = terms.ranking(plain)
        yield from (by_model(plain, offer.row.id) for offer in likest(misfit.row, ranking.fits))

    told = refusal(request, misfit, terms.inputs)
    has_it = elsewhere(request, misfit.row, terms.catalog)
    bare = VideoError(told.kind, told.message, problems=told.problems, lead=told.lead, aside=has_it)
    return _Refused(bare, proposed, lambda plain: ways_out(plain, misfit, terms.inputs))


def _routes(row: Row, terms: _Terms) -> Proposals:
    """The same model by its other routes."""
    return lambda plain: [by_model(plain, other.id) for other in terms.catalog.routes(row) if other.state != "retired"]


def _unusable(row: Row, why: Why, terms: _Terms) -> VideoError:
    routes = [other for other in terms.catalog.routes(row) if other.state != "retired"]
    others = [other.id for other in routes if terms.available(other) is None]
    more = f"; the same model has other routes: {', '.join(others)}" if others else ""
    text = f"{row.id} cannot be used now: {why.text}{more}{'.' if others else ''}"
    return _Refused(VideoError(why.kind, text, next=Next("list_models")), _routes(row, terms))


def _unknown(name: str, terms: _Terms) -> VideoError:
    """A name that leads to no model, and the models that it may mean."""
    if normal(name) == "auto":
        return _Refused(VideoError("not_found", f"model {name!r} is unknown"), lambda plain: [by_model(plain, "auto")])
    rows = guesses(name, terms.catalog)

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        yield from (by_model(plain, row.id) for row in rows)
        for row in rows:
            misfit = find(plain, row, terms.inputs)
            if isinstance(misfit, Misfit):
                yield from (with_model(change, row.id) for change in ways_out(plain, misfit, terms.inputs))

    return _Refused(unknown(name, rows), proposed)


def _gone(row: Row, name: str, terms: _Terms) -> VideoError:
    """A retired name: why, what follows it, and what of that does this very request."""
    catalog = terms.catalog
    told = gone(catalog, row, name)
    successor = catalog.find(row.successor) if row.successor else None
    others = [other for name_ in row.alternatives if (other := catalog.find(name_)) is not None]

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        if successor is not None:
            yield by_model(plain, successor.id)
            misfit = find(plain, successor, terms.inputs)
            if isinstance(misfit, Misfit):
                yield from (with_model(change, successor.id) for change in ways_out(plain, misfit, terms.inputs))
        yield from (by_model(plain, other.id) for other in others)
        yield from (by_model(plain, offer.row.id) for offer in likest(successor or row, terms.ranking(plain).fits))

    return _Refused(told, proposed)


def _over(cost: Estimate, row: Row, terms: _Terms) -> VideoError | None:
    """Why a price may not be spent, None when it may."""
    budget, per_job = terms.budget, terms.per_job
    if cost.basis == "free" or (budget is None and per_job is None):
        return None
    if cost.usd_high is None:
        return _Refused(_unpriced(cost, row), _routes(row, terms))
    if budget is not None and cost.usd_high > budget:
        text = f"{row.id} costs {cost.text} for this, above max_cost_usd {_usd(budget)}."
        return _Refused(VideoError("needs_budget", text), lambda plain: [_with_budget(plain, cost.usd_high)])
    if per_job is not None and cost.usd_high > per_job:
        price = f"may cost {_usd(cost.usd_high)}" if cost.usd_low is None else f"costs {cost.text}"
        text = f"{row.id} {price} for this, above the spending limit per_job_usd {_usd(per_job)}"
        return VideoError("wall", f"{text}: {A_PERSON}")
    return None


def _with_budget(plain: VideoRequest, usd: Decimal | None) -> Change:
    changes: dict[str, object] = {} if usd is None else {"max_cost_usd": _amount(usd)}
    return Change(plain.model_copy(update={"max_cost_usd": usd}), changes, "", ())


def _amount(usd: Decimal) -> float | int:
    """As a JSON number: 3 and 3.2."""
    return int(usd) if usd == usd.to_integral_value() else float(usd)


def _unpriced(cost: Estimate, row: Row) -> VideoError:
    text = (
        f"the price of {row.id} is unknown ({cost.detail}), so no limit can be checked against it: take another model. "
        "Where the setting allow_unknown_price is true, max_cost_usd above 0 starts it and is reserved as its price"
    )
    return VideoError("needs_budget", text)


def _usd(amount: Decimal) -> str:
    return format(amount.normalize(), "f")


def _within(usable: list[Offer], ranking: Ranking, terms: _Terms) -> Choice:
    """The first offer inside the limits, with what one step more would have cost; needs_budget when there is none."""
    budget, per_job, prefer = terms.budget, terms.per_job, terms.prefer
    priced = [offer for offer in usable if offer.estimate.usd_high is not None]
    caps = [cap for cap in (budget, per_job) if cap is not None]
    if not priced:
        raise _Refused(_unpriced(usable[0].estimate, usable[0].row), lambda plain: ())
    inside = [offer for offer in priced if _high(offer) <= min(caps, default=_high(offer))]
    if not inside:
        raise _needs_budget(priced, ranking, budget, per_job)
    chosen = inside[0]
    notes = [f"auto chose {chosen.row.id} for {prefer}: {chosen.estimate.text}, {_why(chosen.row, prefer)}"]
    better = [offer for offer in priced[: priced.index(chosen)] if offer not in inside]
    dearer = [offer for offer in inside[1:] if offer.row.tier < chosen.row.tier]
    for offer in (better or dearer)[:1]:
        notes.append(f"the next more expensive choice: {offer.row.id} at {offer.estimate.text}")
    if end := end_text(chosen.row, terms.today or date.today()):
        notes.append(f"{chosen.row.id} {end}")
    return Choice(chosen.row, chosen.checked, chosen.estimate, (*chosen.checked.notes, *notes))


def _high(offer: Offer) -> Decimal:
    return offer.estimate.usd_high if offer.estimate.usd_high is not None else Decimal("Infinity")


def _why(row: Row, prefer: Prefer) -> str:
    strengths = f", good for {', '.join(row.strengths[:2])}" if row.strengths else ""
    return f"quality tier {row.tier}{strengths}" if prefer != "fastest" else f"about {row.typical_s() or 0:g} s"


def _needs_budget(usable: list[Offer], ranking: Ranking, budget: Decimal | None, per_job: Decimal | None) -> VideoError:
    """Three cheapest exact matches with prices, the arguments to repeat, and the free previsualisation."""
    cheapest = sorted(usable, key=_high)[:3]
    listed = ", ".join(f"{offer.row.id} {offer.estimate.text}" for offer in cheapest)
    own = f"the spending limit per_job_usd {_usd(per_job or Decimal(0))}"
    limit = f"max_cost_usd {_usd(budget)}" if budget is not None else own
    text = f"no model does exactly this within {limit}. The cheapest: {listed}."
    first = cheapest[0].estimate.usd_high
    if per_job is not None and first is not None and first > per_job:
        also = "also " if budget is not None else ""
        text += f" Each is {also}above the spending limit per_job_usd {_usd(per_job)}: {A_PERSON}."
    if previs := _free(ranking):
        text += f" {previs}"

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        for offer in cheapest:
            if offer.estimate.usd_high is not None and budget is not None:
                yield with_model(_with_budget(plain, offer.estimate.usd_high), offer.row.id)

    return _Refused(VideoError("needs_budget", text), proposed)


def _free(ranking: Ranking) -> str:
    """The free previsualisation in words, where it can do the request."""
    for offer in ranking.fits:
        if offer.row.engine == "previs" and offer.available:
            return f'Free previsualisation, with no generative model: model="{offer.row.id}".'
    return ""


def _way_out(generative: list[Offer]) -> str:
    """The cheapest way to a generated clip that the user can open, a missing key before a missing machine."""
    ways = [offer for offer in generative if offer.estimate.usd_high is not None and _openable(offer)]
    if not ways:
        return "for a generated clip: the list of models says what each of them needs"
    offer = min(ways, key=lambda offer: (offer.why is None or offer.why.kind != "auth", _high(offer)))
    return f"for a generated clip: {offer.row.id} at {offer.estimate.text} ({offer.why_not})"


def _openable(offer: Offer) -> bool:
    return offer.why is None or offer.why.installable


def _nothing_fits(request: VideoRequest, ranking: Ranking, terms: _Terms, generative: list[Offer]) -> VideoError:
    """No available model holds the request: which would, or which comes nearest and how."""
    free = _free(ranking)
    left_out = [f"{name} leaves {ranking.misfits[name]} out" for name in CONSTRAINTS if ranking.misfits.get(name)]
    constraints = f" ({', '.join(left_out)})" if left_out else ""
    usable = [misfit for misfit in ranking.nearest if terms.available(misfit.row) is None]

    real = any(misfit.row.engine != "previs" for misfit in usable)

    def proposed(plain: VideoRequest) -> Iterator[Change]:
        for misfit in usable:
            if misfit.row.engine != "previs" or not real:
                yield from (with_model(change, misfit.row.id) for change in ways_out(plain, misfit, terms.inputs))

    if generative:
        ways = "; ".join(f"{offer.row.id} {offer.estimate.text} ({offer.why_not})" for offer in generative[:3])
        text = f"no configured model does exactly this{constraints}. Others could: {ways}. {free}".strip()
        return _Refused(VideoError("unsupported", text, next=Next("list_models")), proposed)
    if not ranking.nearest:
        text = f"no model does {request.task} here{constraints}. {free}".strip()
        return _Refused(VideoError("unsupported", text, next=Next("list_models")), proposed)
    misfit = (usable or ranking.nearest)[0]
    error = refusal(request, misfit, terms.inputs)
    lead = f"no model does exactly this{constraints}. The nearest: {error.lead}"
    told = VideoError(error.kind, listing(lead, error.problems), problems=error.problems, lead=lead, aside=free)
    return _Refused(told, proposed)


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
