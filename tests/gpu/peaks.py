"""The most memory that a run takes, beside what the plan says; and what its steps and its decoding take."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from backends.local import memory
from backends.local.families import variant
from backends.local.plan import RUNGS, Machine, verdict
from tests.gpu import meter
from tests.gpu.pipelines import arguments, as_built, built
from tests.gpu.stage import LeftOut, Stage

STEPS = 3
COUNTS = ("transformer_b", "encoders_b", "encoder_b", "vae_b", "others_b", "experts")


def peak(stage: Stage, name: str, rung: str) -> dict[str, Any]:
    """One model under one rung of the ladder. Figures in GiB and seconds: formula_gib and its phase for the parameters
    that were built, *_gib measured, place_s until the weights lay where the plan wants them, and `speed`."""
    shape, plan = stage.shapes[name], RUNGS[rung]
    kind = as_built(shape, built(shape, stage.device))
    expected = memory.peak(kind, plan, *shape.size)
    free = meter.free_gib(stage.device)
    if free is not None and verdict(expected, Machine("cuda", free, 10_000)) == "no":
        raise LeftOut(f"the plan says {expected.gib:.1f} GiB, {free:.1f} are free")
    began = time.monotonic()
    pipe = stage.ready(name, plan)
    meter.settle(stage.device)
    place_s = time.monotonic() - began
    took = meter.called(pipe, plan, arguments(shape, stage.device, STEPS), stage.device)
    told = took.figures()
    if (context := meter.context_gib(stage.device)) is not None:
        told |= {"context_gib": context, "used_gib": told["reserved_gib"] + context}
    return {
        "variant": name,
        "plan": asdict(plan),
        "size": list(shape.size),
        "counts": {key: getattr(kind, key) for key in COUNTS},
        "formula_gib": expected.gib,
        "formula_phase": expected.phase,
        "place_s": place_s,
        **told,
        **speed(shape.size[2] / shape.fps, variant(name).steps, took),
    }


def speed(video_s: float, steps: int, took: meter.Took) -> dict[str, Any]:
    """Seconds of video made in a second of computing, once the model is loaded: with the model's usual number of steps,
    and with the 8 of a distilled one (the same arithmetic: distilled weights need fewer steps, not other ones)."""
    return {
        f"video_s_per_s_at_{count}": video_s / (count * took.step_s + took.decode_s) for count in sorted({8, steps})
    }
