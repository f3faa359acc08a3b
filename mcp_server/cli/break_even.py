"""`estimate --break-even`: when a GPU of your own, or a rented one, is cheaper than the APIs."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import typer

from mcp_server.cli import opening, show

if TYPE_CHECKING:
    from backends.costs.ownership import Gpu


def show_table(card: str, minutes: float, as_json: bool, unused: Collection[str] = ()) -> None:
    """Every priced API against the card for so many minutes of film a month. card: a name, or the start of one. unused:
    other options of the command, on which no figure here depends."""
    from backends.costs.ownership import break_even, gpus

    known = gpus()
    found = [gpu for name, gpu in known.items() if card.lower() in name.lower()]
    if len(found) != 1:
        show.line(f"no single card is called {card[:40]!r}; there are {', '.join(known)}")
        raise typer.Exit(2)
    gpu = found[0]
    with opening.studio(as_json) as studio:
        lines = break_even(studio.context.catalog, gpu, minutes * 60)
    if as_json:
        rows = [line.figures() for line in lines]
        show.as_json({"gpu": gpu.name, "minutes_per_month": minutes, "source": gpu.source, "rows": rows})
        return
    show.line(
        f"{minutes:g} minutes of film a month on {gpu.name}: {gpu.gpu_s_per_s:g} s of GPU time for each second of film"
    )
    if unused:
        show.folded(
            f"note: --break-even compares a month of film, not one clip: {', '.join(unused)} has no effect here"
        )
    when = "film needed an hour" if gpu.rent_usd_per_hour else "pays for itself after"
    cells = [
        [
            line.row.id,
            f"${line.usd_per_s:.3f}/s",
            f"${line.api_usd:.2f}",
            f"${line.gpu_usd:.2f}",
            _when(line.seconds_an_hour, "s") if gpu.rent_usd_per_hour else _when(line.minutes, "minutes"),
            line.best,
        ]
        for line in lines
    ]
    show.table(("model", "API", "API/month", "card/month", when, "cheaper"), cells)
    show.folded(_assumed(gpu, max((line.cards for line in lines), default=1)))
    show.folded(f"figures of the card: {gpu.source}, {gpu.day}")


def _assumed(gpu: Gpu, cards: int) -> str:
    """The assumptions behind the figures."""
    several = f", {cards} of them for so much film," if cards > 1 else ""
    card = (
        f"${gpu.rent_usd_per_hour:.2f} an hour of rent, only while it computes"
        if gpu.rent_usd_per_hour
        else f"${gpu.buy_usd:.0f} spread over {gpu.months} months{several} and {gpu.watts} W at "
        f"${gpu.usd_per_kwh:.2f} a kWh while it computes"
    )
    return (
        f"assumed: each API makes its default clip at its list price; the card costs {card}, and runs one 14B model at "
        "720p, whatever the API's model can do; your own work and the rest of the machine are not counted"
    )


def _when(figure: object, unit: str) -> str:
    return "never" if figure is None else f"{figure:.0f} {unit}"
