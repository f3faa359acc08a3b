"""Peaks that were measured on a card (`python -m tests.gpu`, or `make gpu`), read for a comparison with the plan's.

Pure; no torch. A file says what device it is of: one of a processor, or of tiny models, holds nothing to compare.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from backends.errors import VideoError
from backends.local.families import Variant, variant
from backends.local.memory import FORMULA, Costs, Peak, Plan, peak
from backends.local.plan import Machine

NEAR = 0.15
"""What a plan that was judged on a card should be within."""


@dataclass(frozen=True)
class Run:
    """One model under one plan. kind: with the parameters that were on the card. GiB: allocated, by phase; reserved by
    the allocator for that; context beside it."""

    kind: Variant
    plan: Plan
    size: tuple[int, int, int]
    denoising_gib: float
    decoding_gib: float
    allocated_gib: float
    reserved_gib: float
    context_gib: float

    @property
    def used_gib(self) -> float:
        """What the driver counted at most: what a card must have."""
        return self.reserved_gib + self.context_gib

    def expected(self, costs: Costs = FORMULA) -> Peak:
        return peak(self.kind, self.plan, *self.size, costs)

    @property
    def ratio(self) -> float:
        """The formula's figure to the measured one."""
        return self.expected().gib / self.used_gib

    @property
    def fragmentation(self) -> float:
        """What the allocator held for what it gave."""
        return self.reserved_gib / self.allocated_gib

    @property
    def clip(self) -> str:
        return f"{self.size[0]}x{self.size[1]}, {self.size[2]} frames"


@dataclass(frozen=True)
class Measured:
    """A file of results. free_gib, total_gib: of the card before anything was loaded; ram_gib: available of the host's
    memory beside it. 0 where it is not known."""

    device: str
    made: str
    free_gib: float
    total_gib: float
    ram_gib: float
    runs: tuple[Run, ...]
    others: tuple[str, ...]
    """What was not measured: "WHAT CASE: why"."""

    @property
    def machine(self) -> Machine | None:
        """The card as the planner sees one, with its real free memory; None where the file does not tell it."""
        return Machine("cuda", self.free_gib, self.ram_gib) if self.free_gib and self.ram_gib else None


def read(path: Path) -> Measured:
    """VideoError("asset") for a file that is not one of results, or not of a card."""
    try:
        told = json.loads(path.read_text("utf-8"))
        assert isinstance(told, dict)
        return _measured(cast("dict[str, Any]", told), path)
    except OSError as error:
        raise VideoError("asset", f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError):
        raise _foreign(path, "it is no measured.json of `python -m tests.gpu`") from None


def _foreign(path: Path, why: str) -> VideoError:
    return VideoError("asset", f"{path}: {why}")


def _measured(told: dict[str, Any], path: Path) -> Measured:
    device = cast("dict[str, Any]", told["device"])
    if told["format"] != 1:
        raise _foreign(path, f"format {str(told['format'])[:20]} is newer than this program")
    if told["tiny"] or device.get("torch") == "cpu" or "name" not in device:
        raise _foreign(path, "no card was measured here (a processor, or tiny models): there is nothing to compare")
    rows = cast("list[dict[str, Any]]", told["rows"])
    return Measured(
        device=str(device["name"])[:80],
        made=str(told["made"])[:20],
        free_gib=float(device.get("free_gib") or 0),
        total_gib=float(device.get("total_gib") or 0),
        ram_gib=float(device.get("ram_gib") or 0),
        runs=tuple(_run(row["figures"]) for row in rows if row["what"] == "peak" and row["outcome"] == "measured"),
        others=tuple(
            f"{row['what']} {row['case']}: {str(row['why'])[:200]}" for row in rows if row["outcome"] != "measured"
        ),
    )


def _run(figures: dict[str, Any]) -> Run:
    width, height, frames = (int(one) for one in figures["size"])
    gib = {name: float(figures[name]) for name in ("allocated_gib", "reserved_gib", "context_gib")}
    phases = {name: float(figures[name]) for name in ("denoising_gib", "decoding_gib")}
    assert all(0 < one < 10_000 for one in gib.values())
    kind = replace(variant(str(figures["variant"])), **{key: float(one) for key, one in figures["counts"].items()})
    return Run(kind, Plan(**figures["plan"]), (width, height, frames), **phases, **gib)
