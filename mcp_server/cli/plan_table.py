"""`doctor --plan`: the plan under which each local model runs on cards of 12 to 80 GB, and on this machine's own GPU;
with a file of measured peaks, measured and estimated memory side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcp_server.cli import show

if TYPE_CHECKING:
    from backends.local.fit import Fit
    from backends.local.measured import Measured, Run
    from backends.local.plan import Machine

COLUMNS = ("model", "clip", "GPU memory", "plan", "expected GiB", "verdict", "minutes (a guess)")


def plan_table(as_json: bool) -> None:
    """Print the table of estimates, marked as such; nothing is loaded."""
    from backends.local.presets import CARDS, Preset, table, together

    rows: list[Preset] = table(CARDS)
    several = together()
    if as_json:
        made = {"rows": [row.as_json() for row in rows], "together": [row.as_json() for row in several]}
        show.as_json({"estimates": True, **made})
        return
    show.line("Estimates, +-25 %: a formula over each model's size; no GPU was used to check them.")
    show.table(COLUMNS, [row.cells() for row in rows])
    show.line(
        "One clip on several GPUs (provider_options cards=2 or 4), GiB of each; a model that is not listed cannot:"
    )
    show.table(COLUMNS, [row.cells() for row in several])
    for text in about_machine(own_machine()):
        show.line(text)


def own_machine() -> Machine | None:
    """This machine's GPU as the driver reports it, None when there is none."""
    from backends.local.device import own_gpu

    return own_gpu()


def about_machine(machine: Machine | None) -> list[str]:
    if machine is None:
        return ["This machine has no NVIDIA GPU."]
    text = f"This machine: {machine.free_gib:.1f} GiB of GPU memory free, {machine.ram_gib:.0f} GiB of host memory."
    return [text, *(f"held by {holder}" for holder in machine.holders)]


PEAKS = ("model", "clip", "plan", "formula GiB", "measured GiB", "formula / measured", "fitted / measured")


def measured_table(path: Path, as_json: bool) -> None:
    """Print measured memory beside the plan's. VideoError("asset") for a file without such runs."""
    from backends.local.fit import fit
    from backends.local.measured import NEAR, read
    from backends.local.presets import table

    found = read(path)
    fitted = fit(found.runs)
    if as_json:
        show.as_json(_as_json(found, fitted))
        return
    near = sum(abs(run.ratio - 1) <= NEAR for run in found.runs)
    show.line(f"Measured on {found.device}, {found.made}: {near} of {len(found.runs)} plans within {NEAR:.0%}.")
    if found.total_gib:
        show.line(f"Free before anything was loaded: {found.free_gib:.1f} of {found.total_gib:.1f} GiB.")
    show.table(PEAKS, [_cells(run, fitted) for run in found.runs])
    for text in about_fit(fitted):
        show.line(text)
    for text in found.others:
        show.line(f"not measured: {text}")
    if found.machine is not None:
        show.line("What each model would run under there, with the memory that was free:")
        show.table(COLUMNS, [row.cells() for row in table({found.device: found.machine})])


def _cells(run: Run, fitted: Fit | None) -> list[object]:
    other = f"{fitted.ratio(run):.2f}" if fitted is not None and run in fitted.judged else ""
    formula = f"{run.expected().gib:.1f}"
    return [run.kind.id, run.clip, run.plan.name, formula, f"{run.used_gib:.1f}", f"{run.ratio:.2f}", other]


def about_fit(fitted: Fit | None) -> list[str]:
    """What the runs say about the formula's coefficients, checked on runs that were not used to fit them."""
    if fitted is None:
        return ["Too few runs to fit the formula's coefficients."]
    count, costs = len(fitted.judged), fitted.costs
    lines = [
        f"Fitted to the other runs, judged on {count}: {fitted.before} within before, {fitted.after} after.",
        f"margin {costs.margin:.3f}, context {costs.context_gib:.2f} GiB",
        *(f"{name}: {part} x {scale:.2f}" for (name, part), scale in fitted.scales.items()),
    ]
    return lines if fitted.better else [lines[0], "They are not better: the formula stays as it is."]


def _as_json(found: Measured, fitted: Fit | None) -> dict[str, object]:
    return {
        "device": found.device,
        "made": found.made,
        "free_gib": found.free_gib,
        "rows": [
            {
                "variant": run.kind.id,
                "clip": run.clip,
                "plan": run.plan.name,
                "formula_gib": round(run.expected().gib, 2),
                "measured_gib": round(run.used_gib, 2),
                "ratio": round(run.ratio, 3),
            }
            for run in found.runs
        ],
        "fit": None
        if fitted is None
        else {
            "judged": len(fitted.judged),
            "within_before": fitted.before,
            "within_after": fitted.after,
            "margin": round(fitted.costs.margin, 4),
            "context_gib": round(fitted.costs.context_gib, 3),
            "scales": {f"{name} {part}": round(scale, 3) for (name, part), scale in fitted.scales.items()},
        },
        "not_measured": list(found.others),
    }
