"""Speed switches, each against the same clip without it: a ratio of step times, and how far the pictures are apart.

The weights are random. So a step cache's ratio says what it saves where it skips, not how often it would skip with a
real model; and distances of pictures compare kernels, not the looks of films.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_dispatch import attention_backend

from backends.local.plan import RUNGS
from tests.gpu import meter
from tests.gpu.pipelines import arguments
from tests.gpu.stage import LeftOut, Stage

MODEL = "wan2.1-t2v-1.3b"
FRAMES = 33
SDPA = {"cudnn": "_native_cudnn", "efficient": "_native_efficient", "flash": "_native_flash", "math": "_native_math"}
"""torch's own kernels of scaled_dot_product_attention, by diffusers' names."""


def _clip(stage: Stage, steps: int) -> dict[str, Any]:
    """A short clip of the model, so that many can be had."""
    shape = stage.shapes[MODEL]
    width, height, frames = shape.size
    return arguments(shape, stage.device, steps, (width, height, min(frames, FRAMES)))


def _against(plain: meter.Took, other: meter.Took) -> dict[str, Any]:
    return {
        "plain_step_s": plain.step_s,
        "step_s": other.step_s,
        "ratio": other.step_s / plain.step_s,
        "mean_step_ratio": sum(other.steps_s) / sum(plain.steps_s),
        "difference": float(np.abs(np.asarray(plain.frames) - np.asarray(other.frames)).mean() * 255),
    }


def sdpa(stage: Stage, word: str) -> dict[str, Any]:
    """One of torch's kernels against the one that torch chooses by itself."""
    pipe = stage.ready(MODEL, RUNGS["resident"])
    given = _clip(stage, 3)
    plain = meter.called(pipe, RUNGS["resident"], given, stage.device)
    try:
        other = meter.called(pipe, RUNGS["resident"], given, stage.device, kernel=attention_backend(SDPA[word]))
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise LeftOut(f"torch has no such kernel here: {str(error).splitlines()[0]}") from None
    return _against(plain, other)


def attention(stage: Stage, word: str) -> dict[str, Any]:
    """provider_options.attention against its absence."""
    return _switched(stage, steps=3, attention=word)


def cache(stage: Stage, word: str) -> dict[str, Any]:
    """provider_options.cache against its absence."""
    return _switched(stage, steps=8, cache=word)


def _switched(stage: Stage, steps: int, **over: str) -> dict[str, Any]:
    plan = RUNGS["resident"]
    pipe = stage.ready(MODEL, plan)
    given = _clip(stage, steps)
    plain = meter.called(pipe, plan, given, stage.device)
    return _against(plain, meter.called(pipe, replace(plan, **over), given, stage.device))


def compiled(stage: Stage) -> dict[str, Any]:
    """provider_options.compile: what the first run costs, what later ones save, and that they compile nothing again."""
    given, plan = _clip(stage, 3), RUNGS["resident"]
    plain = meter.called(stage.ready(MODEL, plan), plan, given, stage.device)
    pipe = stage.ready(MODEL, replace(plan, compile=True))
    began = time.monotonic()
    meter.called(pipe, plan, given, stage.device)
    first_s = time.monotonic() - began
    began = time.monotonic()
    later = meter.called(pipe, plan, given, stage.device)
    return {**_against(plain, later), "first_clip_s": first_s, "later_clip_s": time.monotonic() - began}
