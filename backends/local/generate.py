"""The call itself: progress and cancelling by the pipeline's own progress bar, frames into the clip."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backends.errors import VideoError
from backends.local.call import Call
from backends.local.decoded import NOT_A_NUMBER, Decoded, as_decoded
from backends.local.loras import Fitted, with_loras
from backends.local.memory import Plan
from backends.local.overrides import overridden
from backends.local.steps import DECODED, LOADED, StepBar
from backends.local.switches import switched
from backends.media.encode import ClipWriter
from backends.media.frames import decode
from backends.media.sound import Samples
from backends.provider.protocol import Progress


@dataclass
class Generated:
    """frames: still on the device. audio: float, channels x samples, with its rate, or None."""

    frames: Decoded
    audio: Any = None
    rate: int = 0
    step_s: list[float] = field(default_factory=list[float])
    loras: tuple[Fitted, ...] = ()


def generate(pipe: Any, call: Call, plan: Plan, seed: int, device: str, progress: Progress) -> Generated:
    """Run the pipeline. Whatever passes through (a cancel, a full card), an offloaded model leaves the card."""
    import torch

    signature = inspect.signature(pipe.__call__).parameters
    if unknown := set(call.arguments) - set(signature):
        raise VideoError("provider", f"{type(pipe).__name__} of this diffusers takes no {', '.join(sorted(unknown))}")
    step_s: list[float] = []
    pipe.progress_bar = StepBar(progress, step_s)
    # On the processor on purpose: the same seed then gives the same noise on every card.
    generator = torch.Generator("cpu").manual_seed(seed)
    steps = int(call.arguments["num_inference_steps"])
    progress(LOADED, "reading the prompt")
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    try:
        with (
            overridden(pipe, call),
            as_decoded(pipe),
            switched(pipe, plan, steps),
            with_loras(pipe, call.loras, call.lora_files, plan, device) as loras,
            torch.inference_mode(),
        ):
            result = pipe(**call.arguments, generator=generator, output_type="np")
    finally:
        pipe.maybe_free_model_hooks()
    audio = getattr(result, "audio", None)
    rate = int(pipe.vocoder.config.output_sampling_rate) if audio is not None else 0
    sound = None if audio is None else np.asarray(audio[0].float().cpu())
    return Generated(result.frames[0], sound, rate, step_s, loras)


@dataclass
class Saved:
    """frames: how many the clip has, counted."""

    path: Path
    frames: int
    notes: list[str] = field(default_factory=list[str])


def save(made: Generated, call: Call, dest: Path, progress: Progress) -> Saved:
    """Write `dest/clip.mp4`: for an extension the whole clip, source first. The frames are counted, never assumed."""
    got = len(made.frames)
    notes: list[str] = []
    if got != call.frames:
        notes.append(f"the model made {got} frames instead of {call.frames}")
    width, height = made.frames.size
    if (width, height) != call.size:
        notes.append(f"the model made {width}x{height} instead of {call.size[0]}x{call.size[1]}")
    if made.audio is not None and not np.isfinite(made.audio).all():
        raise VideoError("provider", NOT_A_NUMBER)
    last = got - call.drop_last
    sound = call.before if made.audio is None else Samples(made.audio, made.rate)
    path, written = dest / "clip.mp4", 0
    before = decode(call.before) if call.before else iter(())
    with ClipWriter(path, width, height, call.fps, audio_from=sound) as writer:
        for picture in before:
            writer.write(picture)
            written += 1
        for number, picture in enumerate(made.frames.pictures(call.drop, last)):
            writer.write(picture)
            written += 1
            progress(DECODED + (0.99 - DECODED) * number / (last - call.drop), "writing")
    return Saved(path, written, notes)
