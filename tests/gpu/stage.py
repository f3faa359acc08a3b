"""What every measurement is given, and what one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from backends.local.families import variant
from backends.local.loading import arrange
from backends.local.memory import Plan
from tests.gpu.clock import Clock
from tests.gpu.meter import clear
from tests.gpu.pipelines import built
from tests.gpu.shapes import Shape


class LeftOut(Exception):
    """This measurement cannot be had here: the text says why. No failure."""


@dataclass
class Stage:
    """device: torch's name. shapes: by variant, full or tiny. folder: for files that a measurement needs. apart:
    whether what needs a process of its own gets one (this script's tests save the seconds that torch takes)."""

    device: str
    shapes: Mapping[str, Shape]
    folder: Path
    clock: Clock
    tiny: bool = False
    apart: bool = True

    def ready(self, name: str, plan: Plan) -> Any:
        """The pipeline of that variant, arranged by the product as the plan says."""
        clear(self.device)
        pipe = built(self.shapes[name], self.device)
        arrange(pipe, plan, self.device, getattr(torch, variant(name).dtypes(self.device)["default"]))
        return pipe


@dataclass(frozen=True)
class Measurement:
    """need_s: about what it takes on a fast card; it is not begun when less is left. Under three times as much it is
    ended."""

    what: str
    case: str
    need_s: float
    run: Callable[[Stage], dict[str, Any]]

    @property
    def limit_s(self) -> float:
        return 30 + 3 * self.need_s
