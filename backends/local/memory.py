"""How much GPU memory a run takes under a plan: a formula over a variant's figures, in GiB. Pure; no torch.

activation = k * batch * tokens * width * 2 bytes; tokens = latent frames * (H / (space * patch)) * (W / (space *
patch)) + text. Several cards share it, and nothing else. k is constant over sizes (meta-device runs of diffusers
0.42.1: 10.6 and 11.1 for Wan 14B at 480p and 720p, 15.7 and 15.8 for 1.3B, 17.9 and 18.0 for HunyuanVideo) where
attention runs in a fused kernel. The VAE's decoding grows with the picture, and with the length where it takes all
frames at once; in tiles, with the length alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from backends.local.families import Variant

Offload = Literal["none", "model", "group", "sequential"]
Quant = Literal["none", "fp8", "int8", "4bit"]

GIB = 2**30
MARGIN = 1.1
"""For what the allocator splits and the small tensors that the formula leaves out."""
CONTEXT_GIB = 0.7
"""A CUDA context and its libraries."""
SPREAD = 0.25
"""The range that is shown: of the published peaks that can be compared with the formula, all but one lie within it."""
BYTES: dict[Quant, float] = {"none": 2.0, "fp8": 1.0, "int8": 1.0, "4bit": 0.56}
"""Bytes a parameter: 4-bit formats keep scales beside the values."""


@dataclass(frozen=True)
class Costs:
    """What comes on top of the weights and activations of the largest phase: a factor, and GiB beside it."""

    margin: float = MARGIN
    context_gib: float = CONTEXT_GIB


FORMULA = Costs()


@dataclass(frozen=True)
class Plan:
    """How a pipeline is loaded and run.

    offload: none = all weights on the card; model = one component at a time; group = a few blocks at a time;
    sequential = layer by layer. quant: of the transformer's weights; text encoders and VAE keep theirs. tiling: the VAE
    works in tiles. cache, attention, compile: speed switches, by name. cards: how many work on the clip together, each
    with all weights and its share of the tokens.
    """

    name: str = "resident"
    offload: Offload = "none"
    quant: Quant = "none"
    tiling: bool = False
    cache: str = "none"
    attention: str = "default"
    compile: bool = False
    cards: int = 1

    @property
    def memory(self) -> str:
        """The word of provider_options.memory for it."""
        return re.sub(r"-[0-9]+", "", self.name)


@dataclass(frozen=True)
class Peak:
    """GiB: the formula's figure and its range; which phase it falls in; host memory for offloaded weights."""

    gib: float
    phase: str
    ram_gib: float

    @property
    def low(self) -> float:
        return self.gib * (1 - SPREAD)

    @property
    def high(self) -> float:
        return self.gib * (1 + SPREAD)


def tokens(variant: Variant, width: int, height: int, frames: int) -> int:
    """How many tokens the transformer sees."""
    latent = (frames - 1) // variant.time + 1
    side = variant.space * variant.patch
    return latent * (height // side) * (width // side) + variant.words


def activation_gib(variant: Variant, width: int, height: int, frames: int) -> float:
    return variant.k * variant.batch * tokens(variant, width, height, frames) * variant.width * 2 / GIB


def decode_gib(variant: Variant, width: int, height: int, frames: int, *, tiling: bool) -> float:
    """The VAE's decoding with its weights; float32 takes twice what was measured in bf16."""
    whole = variant.decode_gib * width * height / variant.decode_pixels
    if variant.decode_frames:
        whole *= frames / variant.decode_frames
    tiled = variant.tiled_gib * (frames / variant.tiled_frames if variant.tiled_frames else 1.0)
    return vae_gib(variant) + _vae_precision(variant) * (min(whole, tiled) if tiling else whole)


def vae_gib(variant: Variant) -> float:
    """The VAE's weights."""
    return variant.vae_b * 2e9 / GIB * _vae_precision(variant)


def _vae_precision(variant: Variant) -> float:
    return 2.0 if variant.vae_dtype == "float32" else 1.0


def weights_gib(variant: Variant, plan: Plan) -> tuple[float, float, float, float]:
    """(one transformer, all transformers, all text encoders with what else is loaded, the largest text encoder)."""
    one = variant.transformer_b * 1e9 * BYTES[plan.quant] / GIB
    read_b = variant.encoders_b + variant.others_b
    encoders, largest = (billions * 2e9 / GIB for billions in (read_b, variant.encoder_b))
    return one, one * variant.experts, encoders, largest


def peak(variant: Variant, plan: Plan, width: int, height: int, frames: int, costs: Costs = FORMULA) -> Peak:
    """The most memory that the run takes at a time."""
    _, every, encoders, _ = weights_gib(variant, plan)
    told = phases(variant, plan, width, height, frames)
    phase = max(told, key=lambda name: told[name])
    host = 0.0 if plan.offload == "none" else every + encoders + vae_gib(variant)
    return Peak(costs.margin * told[phase] + costs.context_gib, phase, host)


def phases(variant: Variant, plan: Plan, width: int, height: int, frames: int) -> dict[str, float]:
    """GiB of weights and activations on the card, by phase."""
    one, every, encoders, largest = weights_gib(variant, plan)
    act = activation_gib(variant, width, height, frames) / plan.cards
    decode = decode_gib(variant, width, height, frames, tiling=plan.tiling)
    if plan.offload == "none":
        return {"denoising": every + encoders + vae_gib(variant) + act, "decoding": every + encoders + decode}
    if plan.offload == "model":
        return {"the text encoder": largest, "denoising": one + act, "decoding": decode}
    blocks = 2 if plan.offload == "group" else 1
    return {"denoising": blocks * one / variant.layers + act, "decoding": decode}


def work_pflop(variant: Variant, width: int, height: int, frames: int, steps: int) -> float:
    """Arithmetic of all denoising steps, both passes of guidance counted, in 1e15 operations."""
    seen = tokens(variant, width, height, frames)
    step = 2 * variant.transformer_b * 1e9 * seen + 4 * seen * seen * variant.width * variant.layers
    passes = 1 if variant.pipeline.startswith("HunyuanVideo") and variant.guided else 2
    return steps * passes * step / 1e15
