"""Memory and time of one call: by phase, since the formula tells each phase's memory by itself.

On a card: what the allocator gave at most (allocated), what it held for that (reserved), and what the driver counts
beside it (context). On a processor there is no such meter: the figures are left out.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import torch

from backends.local.memory import GIB, Plan
from backends.local.steps import StepBar
from backends.local.switches import switched

CancelCheck = Callable[[float, str], None]


def on_card(device: str) -> bool:
    return device != "cpu"


def settle(device: str) -> None:
    """Wait for the card to have done all that it was given."""
    if on_card(device):
        torch.cuda.synchronize()


def clear(device: str) -> None:
    """Give back the card's memory that nobody holds any more, and begin to meter anew."""
    if on_card(device):  # on a processor nothing is metered, and looking for what nobody holds takes half a second
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def free_gib(device: str) -> float | None:
    """What the driver says is free, with what the allocator keeps for later."""
    if not on_card(device):
        return None
    return (torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()) / GIB


def context_gib(device: str) -> float | None:
    """What the driver counts as used beside the allocator's: the CUDA context, libraries, and other processes'."""
    if not on_card(device):
        return None
    free, total = torch.cuda.mem_get_info()
    return (total - free - torch.cuda.memory_reserved()) / GIB


@dataclass
class Took:
    """Seconds of the first and of the later steps, of all before the first (embeddings, latents) and of all after the
    last (decoding); GiB at most by phase. frames: as the pipeline gave them."""

    frames: Any = None
    before_s: float = 0.0
    steps_s: list[float] = field(default_factory=list[float])
    decode_s: float = 0.0
    allocated: dict[str, float] = field(default_factory=dict[str, float])
    reserved_gib: float = 0.0

    @property
    def step_s(self) -> float:
        """Of a step that has nothing to warm up any more."""
        return min(self.steps_s) if self.steps_s else 0.0

    def figures(self) -> dict[str, Any]:
        told: dict[str, Any] = {"step_s": self.step_s, "decode_s": self.decode_s, "first_step_s": self.steps_s[0]}
        if self.allocated:
            told |= {f"{phase}_gib": gib for phase, gib in self.allocated.items()}
            told |= {"allocated_gib": max(self.allocated.values()), "reserved_gib": self.reserved_gib}
        return told


class Watched(StepBar):
    """The product's progress bar, with the card's clock and memory read at every step and phase."""

    def __init__(self, took: Took, device: str, progress: CancelCheck) -> None:
        super().__init__(progress, took.steps_s)
        self._took = took
        self._device = device
        self._began = time.monotonic()

    def _phase(self, name: str) -> float:
        """End a phase; what it has taken in seconds."""
        settle(self._device)
        if on_card(self._device):
            self._took.allocated[name] = torch.cuda.max_memory_allocated() / GIB
            self._took.reserved_gib = max(self._took.reserved_gib, torch.cuda.max_memory_reserved() / GIB)
            torch.cuda.reset_peak_memory_stats()
        took, self._began = time.monotonic() - self._began, time.monotonic()
        return took

    def __enter__(self) -> Self:
        self._took.before_s = self._phase("before")
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._phase("denoising")
        super().__exit__(kind, error, trace)

    def update(self, n: int = 1) -> None:
        settle(self._device)
        super().update(n)

    def done(self) -> None:
        self._took.decode_s = self._phase("decoding")


def called(
    pipe: Any,
    plan: Plan,
    arguments: dict[str, Any],
    device: str,
    *,
    progress: CancelCheck = lambda share, text: None,
    kernel: Any = None,
) -> Took:
    """Run the pipeline under the plan's switches, metered. kernel: a context to run it in beside them."""
    took = Took()
    clear(device)
    bar = Watched(took, device, progress)
    pipe.progress_bar = bar
    generator = torch.Generator("cpu").manual_seed(7)
    try:
        with (
            switched(pipe, plan, int(arguments["num_inference_steps"])),
            kernel or nullcontext(),
            torch.inference_mode(),
        ):
            took.frames = pipe(**arguments, generator=generator, output_type="np").frames[0]
        bar.done()
    finally:
        pipe.maybe_free_model_hooks()
    return took
