"""`doctor --plan`: what each local model runs under on cards of 12 to 80 GB, and on this machine's own GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_server.cli import show

if TYPE_CHECKING:
    from backends.local.plan import Machine

COLUMNS = ("model", "clip", "GPU memory", "plan", "expected GiB", "verdict", "minutes (a guess)")


def plan_table(as_json: bool) -> None:
    """Print the table: estimates of a formula, told as such; nothing is loaded."""
    from backends.local.presets import CARDS, Preset, table

    rows: list[Preset] = table(CARDS)
    if as_json:
        show.as_json({"estimates": True, "rows": [row.as_json() for row in rows]})
        return
    show.line("Estimates, +-25 %: a formula over each model's size; no GPU was used to check them.")
    show.table(COLUMNS, [row.cells() for row in rows])
    for text in told_of(own_machine()):
        show.line(text)


def own_machine() -> Machine | None:
    """This machine's GPU as the driver tells it, None when there is none."""
    from backends.local.device import own_gpu

    return own_gpu()


def told_of(machine: Machine | None) -> list[str]:
    if machine is None:
        return ["This machine has no NVIDIA GPU."]
    text = f"This machine: {machine.free_gib:.1f} GiB of GPU memory free, {machine.ram_gib:.0f} GiB of host memory."
    return [text, *(f"held by {holder}" for holder in machine.holders)]
