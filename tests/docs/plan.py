"""The memory plan of docs/local.md: models down, cards across."""

from __future__ import annotations

from collections.abc import Mapping

from backends.local.plan import Machine
from backends.local.presets import table


def markdown(cards: Mapping[str, Machine]) -> str:
    """The plan that each model's usual clip runs under on each card, and the GiB that it takes."""
    rows = table(cards)
    lines = [f"| model | clip | {' | '.join(cards)} |", f"|---|---|{'---|' * len(cards)}"]
    for number in range(0, len(rows), len(cards)):
        mine = rows[number : number + len(cards)]
        cells = [
            "no" if one.planned is None else f"{one.planned.plan.name}, {one.planned.peak.gib:.0f} GiB" for one in mine
        ]
        lines.append(f"| `{mine[0].model}` | {mine[0].clip} | {' | '.join(cells)} |")
    return "\n".join(lines)
