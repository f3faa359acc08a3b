"""`models` and `estimate`: the available models, and what a request would cost. Free, and starts nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from backends.request import Task
from mcp_server.cli import break_even, opening, show
from mcp_server.cli.request_options import Given, takes_request

if TYPE_CHECKING:
    from backends.studio import Studio

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


def models(
    context: typer.Context,
    task: Annotated[Task | None, typer.Option(help="Only models that do this.")] = None,
    query: Annotated[str | None, typer.Option(help="Words in names, strengths, licences, notes.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Retired models too, without a limit.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Check the catalogue: prices, dates, files.")] = False,
    as_json: Json = False,
) -> None:
    """List the models: tasks, limits, price, and whether each can be used here, or why not."""
    if context.invoked_subcommand is not None:
        return
    with opening.studio(as_json) as studio:
        if check:
            _check(studio, as_json)
            return
        found = studio.models(task, query, everything, 10_000 if everything else 50)
        catalog = studio.context.catalog
    if as_json:
        from backends.catalog.views import price_facts

        rows = [{**row, **price_facts(catalog.get(row["model"], include_retired=True))} for row in found["models"]]
        show.as_json({**found, "models": rows})
        return
    rows: list[Mapping[str, Any]] = found["models"]
    if not rows:
        show.line("no model matches: omit --query or --task, or give --all")
        return
    if show.is_terminal():
        _draw(rows)
    else:
        show.table(("model", "tasks", "limits", "price", "seconds", "available"), [_model_cells(row) for row in rows])
    if found["more"]:
        show.line(f"{found['more']} more: reelwright models --all")
    for why in found.get("left_out", []):
        show.line(f"left out: {why}")


def _model_cells(row: Mapping[str, Any]) -> list[object]:
    can = "yes" if row["available"] else f"no: {row['why_not']}"
    return [_name(row), ", ".join(row["tasks"]), row["limits"], row["price"], row["typical_s"], can]


def _name(row: Mapping[str, Any]) -> str:
    return row["model"] + ("" if row["state"] == "active" else f" ({row['state']})")


SHORT = {
    "text_to_video": "text",
    "image_to_video": "image",
    "interpolate": "keyframes",
    "reference_to_video": "references",
}
"""A task as one word of a table."""


def _draw(rows: Sequence[Mapping[str, Any]]) -> None:
    """For reading: first the models that can be used, then the others by reason, each reason once."""
    groups: dict[str, list[Mapping[str, Any]]] = {"": [row for row in rows if row["available"]]}
    for row in rows:
        if not row["available"]:
            groups.setdefault(str(row["why_not"]), []).append(row)
    for why, group in groups.items():
        if not group:
            show.line("no model can be used now")
            continue
        if why:
            show.line()
            show.folded(f"not now: {why}")
        columns = ("model", "price", "takes", "from", "limits")
        show.table(columns, [_drawn_cells(row) for row in group], below=("from", "limits"))


def _drawn_cells(row: Mapping[str, Any]) -> list[object]:
    takes = f"{row['typical_s']:.0f} s" if row["typical_s"] else ""
    tasks: list[str] = row["tasks"]
    return [_name(row), row["price"], takes, ", ".join(SHORT.get(task, task) for task in tasks), row["limits"]]


def _check(studio: Studio, as_json: bool) -> None:
    """What needs attention in the catalogue; exit code 1 when there is something."""
    from backends.catalog.staleness import check_staleness
    from backends.provider.registry import broken, registry

    registry()
    catalog = studio.context.catalog
    found = [{"model": "", "finding": f"back end {name} is left out: {why}"} for name, why in broken.items()]
    found += [{"model": "", "finding": f"left out: {why}"} for why in catalog.left_out]
    found += [{"model": stale.model, "finding": stale.text} for stale in check_staleness(catalog, dt.date.today())]
    if as_json:
        show.as_json({"rows": len(catalog), "findings": found})
    elif found:
        show.table(("model", "finding"), [[one["model"], one["finding"]] for one in found])
    else:
        show.line(f"{len(catalog)} models, no problems")
    if found:
        raise typer.Exit(1)


@takes_request
def estimate(
    given: Given,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Number of clips to price.")] = 1,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most models to list.")] = 5,
    max_cost: Annotated[float | None, typer.Option(min=0.0, help="Most US dollars for one clip.")] = None,
    gpu: Annotated[str | None, typer.Option("--break-even", help="Compare every API with this GPU instead.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="With --break-even: minutes of film a month.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Price a request with each model that can do exactly this. Takes the options of `make`.

    --break-even CARD compares every priced API with a GPU of your own or a rented one for a month's film (--minutes);
    the prompt and the other options play no part.
    """
    if gpu is not None:
        break_even.show_table(gpu, minutes, as_json, sorted(given.fields))
        return
    with opening.studio(as_json) as studio, given.named():
        budget = None if max_cost is None else Decimal(str(max_cost))
        request = given.request().model_copy(update={"max_cost_usd": budget})
        found = studio.estimate(request, given.terms, count=count, limit=limit)
    if as_json:
        show.as_json(found)
        return
    offers = cast("list[dict[str, Any]]", found["fits"])
    if not offers:
        show.line("no model can do exactly this request")
    else:
        show.table(
            ("model", "cost", "seconds", "clip", "available"),
            [_offer_cells(offer) for offer in offers],
            below=("available",),
        )
    for offer in offers:
        for note in offer.get("notes", []):
            show.line(f"{offer['model']}: {note}")
    if found["misfits"]:
        why = ", ".join(f"{reason} {number}" for reason, number in found["why"].items())
        show.line(f"{found['misfits']} other models don't fit ({why})")


def _offer_cells(offer: Mapping[str, Any]) -> list[object]:
    low, high = offer["cost_low_usd"], offer["cost_high_usd"]
    cost = (
        "free" if offer["basis"] == "free" else show.usd(high) if low == high else f"{show.usd(low)}-{show.usd(high)}"
    )
    if "usd_per_s" in offer:
        cost += f" ({show.usd(offer['usd_per_s'])}/s)"
    seconds = f"{offer['duration_s']:g} s" if offer["duration_s"] else ""
    clip = " ".join(word for word in (seconds, offer["resolution"], offer["aspect_ratio"]) if word)
    usual = "" if offer["typical_s"] is None else f"{offer['typical_s']:.3g}"
    return [offer["model"], cost, usual, clip, "yes" if offer["available"] else f"no: {offer['why_not']}"]
