"""The coefficients of the memory formula, from measured runs; judged on other runs than they were taken from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median

from backends.local.families import Variant
from backends.local.measured import NEAR, Run
from backends.local.memory import FORMULA, Costs, activation_gib, decode_gib, peak, phases, vae_gib

LEAST = 4
"""Runs, below which nothing is fitted."""
SCALES = (0.2, 5.0)
"""What a coefficient may be changed by: a run that says more than that measured something else."""
PARTS = ("k", "decode_gib", "tiled_gib")


@dataclass(frozen=True)
class Fit:
    """costs: for all models. scales: by variant and key of families.toml (k, decode_gib, tiled_gib), what it is to be
    multiplied by. judged: of the runs that played no part; before, after: how many of them lie within `NEAR`."""

    costs: Costs
    scales: Mapping[tuple[str, str], float]
    judged: tuple[Run, ...]
    before: int
    after: int

    def ratio(self, run: Run) -> float:
        """The fitted formula's figure to the measured one."""
        return peak(scaled(run.kind, self.scales), run.plan, *run.size, self.costs).gib / run.used_gib

    @property
    def better(self) -> bool:
        """Whether the runs that it was not taken from speak for it."""
        return self.after > self.before


def split(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """(to fit, to judge): of each model in turns, so that both hold every model that was run more than once."""
    fitted: list[Run] = []
    judged: list[Run] = []
    for _, group in groupby(sorted(runs, key=_order), key=lambda run: run.kind.id):
        mine = list(group)
        fitted += mine[::2] if len(mine) > 1 else []
        judged += mine[1::2] if len(mine) > 1 else mine
    return fitted, judged


def _order(run: Run) -> tuple[object, ...]:
    return run.kind.id, run.plan.name, run.size


def fit(runs: Sequence[Run]) -> Fit | None:
    """None for fewer than `LEAST` runs, or when none is left to take the figures from."""
    fitted, judged = split(runs)
    if len(runs) < LEAST or not fitted:
        return None
    costs = Costs(
        margin=median(run.fragmentation for run in fitted),
        context_gib=median(run.context_gib for run in fitted),
    )
    scales = {
        (name, part): _within(median(found))
        for name in sorted({run.kind.id for run in fitted})
        for part in PARTS
        if (found := [scale for run in fitted if run.kind.id == name for scale in _scale(run, part)])
    }
    before = _near(judged, lambda run: run.expected(FORMULA).gib / run.used_gib)
    made = Fit(costs, scales, tuple(judged), before, 0)
    return replace(made, after=_near(judged, made.ratio))


def _near(runs: Iterable[Run], ratio: Callable[[Run], float]) -> int:
    return sum(abs(ratio(run) - 1) <= NEAR for run in runs)


def _scale(run: Run, part: str) -> list[float]:
    """What this run says of a coefficient: measured work to the formula's, the weights taken off both."""
    told = phases(run.kind, run.plan, *run.size)
    if part == "k":
        work = activation_gib(run.kind, *run.size) / run.plan.cards
        phase, measured = "denoising", run.denoising_gib
    elif (part == "tiled_gib") == run.plan.tiling:
        work = decode_gib(run.kind, *run.size, tiling=run.plan.tiling) - vae_gib(run.kind)
        phase, measured = "decoding", run.decoding_gib
    else:
        return []
    weights = told[phase] - work
    return [(measured - weights) / work] if work > 0 else []


def _within(scale: float) -> float:
    return min(max(scale, SCALES[0]), SCALES[1])


def scaled(kind: Variant, scales: Mapping[tuple[str, str], float]) -> Variant:
    """The variant with coefficients that were fitted."""
    changed = {part: getattr(kind, part) * scales[kind.id, part] for part in PARTS if (kind.id, part) in scales}
    return replace(kind, **changed)
