"""A sweep: one shot by several models and seeds, priced as a whole before the first is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backends.catalog.price import money
from backends.errors import VideoError
from backends.plain import one_line
from backends.request import VideoRequest
from backends.studio import Quote
from backends.terms import MOST_LABEL, Terms
from notebook_ext import kernel
from notebook_ext.job import Job
from notebook_ext.prices import meant

if TYPE_CHECKING:
    from notebook_ext.job import Owner
    from notebook_ext.table import JobTable

MOST = 200


@dataclass
class Sweep:
    """The jobs of a sweep, by model, then by seed, then by take. columns: how many each model has. `await sweep` waits
    for all and raises nothing: a failed job shows its own error. skipped: what was not started, and why."""

    client: Owner
    models: Sequence[str]
    seeds: Sequence[int | None]
    columns: int
    jobs: list[Job]
    cost: str
    skipped: list[str] = field(default_factory=list[str])
    _shown_in: str = "nowhere"
    _still: Callable[[], None] | None = None

    def table(self) -> JobTable:
        """Seconds, cost and facts of each."""
        from notebook_ext.table import JobTable

        return JobTable(self.client, [job.refresh() for job in self.jobs])

    def __await__(self) -> Any:
        return self._waiting().__await__()

    async def _waiting(self) -> Sweep:
        if kernel.draws():
            self._ipython_display_()
        for job in self.jobs:
            await job.ended()
        if self._still is not None:
            self._still()
        return self

    def result(self) -> Sweep:
        """Wait for all; blocks the kernel."""
        for job in self.jobs:
            job.wait()
        if self._still is not None:
            self._still()
        return self

    def _ipython_display_(self) -> None:
        from notebook_ext.views.board import show_sweep

        if self._shown_in != (here := kernel.run_id()) or not here:  # `await sweep` as a cell's last line
            self._shown_in = here
            self._still = show_sweep(self)

    def _display_(self) -> Any:
        """Called by marimo."""
        from notebook_ext.views.board import Board

        return Board(self.client, sweep=self)

    def __repr__(self) -> str:
        lines = [self.cost, *map(repr, self.jobs), *(one_line(f"not started: {why}") for why in self.skipped)]
        return "\n".join(lines)


def sweep(
    client: Owner,
    request: VideoRequest | Mapping[str, Any],
    models: Sequence[str] | None,
    seeds: Sequence[int] | None,
    cap: Decimal,
    label: str,
    takes: int = 1,
) -> Sweep:
    """Price all, keep the sum under the limit, start each under its own price. Nothing is started when any of them
    cannot be made exactly, or when the sum is above the limit: VideoError. A model without seeds gets one take for each
    seed instead, with a note."""
    shot, terms = meant(client, request, {})
    wanted = list(dict.fromkeys(models or [shot.model]))
    grains: list[int | None] = list(dict.fromkeys(seeds)) if seeds is not None else [shot.seed]
    if not wanted or not grains:
        raise VideoError("invalid_request", "a sweep needs a model and a seed: models=[...], seeds=[...]")
    columns = len(grains) * takes
    if takes < 1 or len(wanted) * columns > MOST:
        raise VideoError("invalid_request", f"{len(wanted) * columns} clips: a sweep is 1 to {MOST}")
    unseeded = [model for model in wanted if seeds is not None and not _takes_seeds(client, model)]
    each = _clips(shot, wanted, grains, takes, unseeded)
    terms = Terms(prefer=terms.prefer, where=terms.where, label=label)
    quotes = _quotes(client, each, terms)
    fresh = [_high(quote) for quote in quotes if quote.job is None]
    total = sum(fresh, Decimal(0))
    cost = f"{len(each)} clips: {'free' if total == 0 else f'{money(total)} at most'}"
    if len(fresh) < len(each):
        cost += f" ({len(each) - len(fresh)} exist already)"
    if unseeded:
        cost += f"; {', '.join(unseeded)}: no seeds, {columns} take{'s' if columns > 1 else ''} instead"
    if total > cap:
        text = f"{cost}, above max_cost_usd {money(cap)}: nothing was started; repeat with max_cost_usd={total}"
        raise VideoError("needs_budget", text, nearest={"max_cost_usd": str(total)})
    print(cost)  # noqa: T201  the price comes first
    jobs, skipped = _started(client, each, quotes, terms)
    return Sweep(client, wanted, grains, columns, jobs, cost, skipped)


def _clips(
    shot: VideoRequest, models: Sequence[str], seeds: Sequence[int | None], takes: int, unseeded: Sequence[str]
) -> list[tuple[VideoRequest, int]]:
    """Each clip's request and take, by model, then by seed; a model without seeds gets further takes instead."""
    found: list[tuple[VideoRequest, int]] = []
    for model in models:
        for number, seed in enumerate(seeds):
            seeded = model not in unseeded
            one = shot.model_copy(update={"model": model, "seed": seed if seeded else None, "max_cost_usd": None})
            before = 0 if seeded else number * takes
            found += [(one, before + take) for take in range(1, takes + 1)]
    return found


def _started(
    client: Owner, each: Sequence[tuple[VideoRequest, int]], quotes: Sequence[Quote], terms: Terms
) -> tuple[list[Job], list[str]]:
    """The jobs, each started under its own price, and why any was not."""
    jobs: list[Job] = []
    skipped: list[str] = []
    for (one, take), quote in zip(each, quotes, strict=True):
        limit = quote.estimate.usd_high if quote.estimate else None
        try:
            jobs.append(
                client.make(
                    one.model_copy(update={"max_cost_usd": limit}),
                    terms.model_copy(update={"take": take, "label": label_of(terms.label, one)}),
                )
            )
        except VideoError as error:  # a spending limit was reached meanwhile: started ones go on
            skipped.append(f"{_named(one, take)}: {error.message}")
    return jobs, skipped


def _takes_seeds(client: Owner, model: str) -> bool:
    """Whether any box of a model takes a seed; True for "auto" and for an unknown model, which gets its own error."""
    row = client.inner.context.catalog.find(model)
    return row is None or any(mode.seed for mode in row.modes)


def label_of(label: str, one: VideoRequest) -> str:
    """ "sweep kling-v3 seed 2": cards, titles and files say which clip is which."""
    model = one.model.rpartition("/")[2]
    return " ".join(filter(None, (label, model, "" if one.seed is None else f"seed {one.seed}")))[:MOST_LABEL]


def _named(one: VideoRequest, take: int) -> str:
    """ "kling-v3, seed 2, take 2" """
    seed = "" if one.seed is None else f", seed {one.seed}"
    return f"{one.model}{seed}{f', take {take}' if take > 1 else ''}"


def _quotes(client: Owner, each: Sequence[tuple[VideoRequest, int]], terms: Terms) -> list[Quote]:
    """The price of every clip; all problems at once, equal ones once a model."""
    quotes: list[Quote] = []
    problems: list[str] = []
    for one, take in each:
        try:
            quote = client.inner.quote(one, terms.model_copy(update={"take": take}))
            if quote.job is None and (quote.estimate is None or quote.estimate.usd_high is None):
                raise VideoError("needs_budget", f"the price of {quote.model} is unknown")
            quotes.append(quote)
        except VideoError as error:
            problems.append(f"{one.model}: {error.message}")
    if problems:
        failed = len(problems)
        problems = list(dict.fromkeys(problems))
        text = f"{failed} of {len(each)} clips cannot be made, so nothing was started:\n"
        raise VideoError("invalid_request", text + "\n".join(f"- {one}" for one in problems), problems=problems)
    return quotes


def _high(quote: Quote) -> Decimal:
    return quote.estimate.usd_high if quote.estimate and quote.estimate.usd_high is not None else Decimal(0)
