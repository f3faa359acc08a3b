"""What happens when something goes wrong: a cancel, a full card, a process that is killed with the card full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import torch

from backends.local.memory import GIB
from backends.local.plan import RUNGS
from tests.gpu import meter
from tests.gpu.pipelines import arguments
from tests.gpu.stage import Stage

MODEL = "ltx-video-t2v"
FILLER = """
import sys
if sys.argv[1] == "cpu":
    held = bytearray(64 << 20)
else:
    import torch
    free, total = torch.cuda.mem_get_info()
    held = torch.empty(int(free * 0.9), dtype=torch.uint8, device=sys.argv[1])
print(len(held), flush=True)
sys.stdin.read()
"""


class Cancelled(Exception):
    """As the engine's progress raises it."""


def cancel(stage: Stage) -> dict[str, Any]:
    """latency_s: from the moment that a person cancels (in the middle of a step) until the pipeline has returned; and
    that the same pipeline then makes the clip that it would have made."""
    pipe, given = stage.ready(MODEL, RUNGS["resident"]), arguments(stage.shapes[MODEL], stage.device, 4)
    whole = meter.called(pipe, RUNGS["resident"], given, stage.device)
    asked: list[float] = []

    def progress(share: float, text: str) -> None:
        if asked:
            raise Cancelled
        if text.startswith("step 1 "):
            asked.append(time.monotonic())

    try:
        meter.called(pipe, RUNGS["resident"], given, stage.device, progress=progress)
    except Cancelled:
        latency = time.monotonic() - asked[0]
    else:
        raise AssertionError("the pipeline went on")
    again = meter.called(pipe, RUNGS["resident"], given, stage.device)
    return {"latency_s": latency, "step_s": whole.step_s, "same_clip_after": bool((again.frames == whole.frames).all())}


def out_of_memory(stage: Stage) -> dict[str, Any]:
    """The memory runs out in the middle of a step; recover_s: until it is free again; and whether the same pipeline
    then makes the same clip."""
    pipe, given = stage.ready(MODEL, RUNGS["resident"]), arguments(stage.shapes[MODEL], stage.device, 2)
    whole = meter.called(pipe, RUNGS["resident"], given, stage.device)
    before = torch.cuda.memory_allocated() if meter.on_card(stage.device) else 0

    def fill(module: Any, args: Any) -> None:
        torch.empty(1 << 50, dtype=torch.uint8, device=stage.device)

    hook = pipe.transformer.register_forward_pre_hook(fill)
    try:
        meter.called(pipe, RUNGS["resident"], given, stage.device)
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        raised = type(error).__name__
    else:
        raise AssertionError("a petabyte was given")
    finally:
        hook.remove()
    began = time.monotonic()
    meter.clear(stage.device)
    recover_s = time.monotonic() - began
    left = (torch.cuda.memory_allocated() - before) / GIB if meter.on_card(stage.device) else 0.0
    again = meter.called(pipe, RUNGS["resident"], given, stage.device)
    return {
        "raised": raised,
        "recover_s": recover_s,
        "lost_gib": left,
        "same_clip_after": bool((again.frames == whole.frames).all()),
    }


def killed(stage: Stage) -> dict[str, Any]:
    """A process that has filled the card is killed; back_s: until the driver counts its memory as free."""
    command = [sys.executable, "-c", FILLER, stage.device]
    meter.clear(stage.device)
    before = meter.free_gib(stage.device)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        held = int(child.stdout.readline() or 0)
        full = meter.free_gib(stage.device)
        began = time.monotonic()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        while before is not None and (meter.free_gib(stage.device) or 0) < before - 0.5:
            if not stage.clock.left_s:
                raise TimeoutError("the memory of a killed process did not come back")
            time.sleep(0.01)
        back_s = time.monotonic() - began
    return {"held_gib": held / GIB, "free_gib_while_full": full, "back_s": back_s}
