"""`estimate --break-even`: when a card of one's own, or a rented one, beats the APIs."""

from __future__ import annotations

import typer

from mcp_server.cli import opening, show


def show_table(card: str, minutes: float, as_json: bool) -> None:
    """Every priced API against the card for so many minutes of film a month. card: a name, or the start of one."""
    from backends.catalog.ownership import break_even, gpus

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
        f"{minutes:g} minutes of film a month on {gpu.name}: {gpu.gpu_s_per_s:g} s of the card for a second of film"
    )
    when = "film an hour must give" if gpu.rent_usd_per_hour else "pays for itself after"
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
    show.line(f"figures of the card: {gpu.source}, {gpu.day}")


def _when(figure: object, unit: str) -> str:
    return "never" if figure is None else f"{figure:.0f} {unit}"
