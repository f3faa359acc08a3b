"""The models as they are published: classes and configurations of every part that is measured, each with its source.

CLASS: the defaults of the class in diffusers 0.42.1. CONVERT: the configuration that diffusers' own conversion script
of the family writes. DOCS and REPO: what the page or repository named there says. Text encoders are measured alone
(`encoders`): a pipeline gets random prompt embeddings of the shape that its encoder would give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CLASS = "class defaults of diffusers 0.42.1"
CONVERT = "diffusers' scripts/convert_{}_to_diffusers.py"
REPO = "config.json of {}"

Kind = Literal["embeds", "pooled", "mask"]


@dataclass(frozen=True)
class Part:
    """One model of a pipeline. cls: its class in diffusers ("ltx2." before those of that pipeline's own module)."""

    cls: str
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    source: str = CLASS


@dataclass(frozen=True)
class Words:
    """A tensor that stands for the text encoder's answer. shape: without the batch. real: how many of a mask's words
    are a prompt's, the rest is padding."""

    kind: Kind
    shape: tuple[int, ...]
    real: int = 128


@dataclass(frozen=True)
class Shape:
    """A pipeline at one size. variant: of families.toml, for the plan. words: by argument of the call; negative:
    whether "negative_" + each is given too. size: width, height, frames. fps: of the video that it makes."""

    variant: str
    pipeline: str
    parts: Mapping[str, Part]
    scheduler: Part
    words: Mapping[str, Words]
    size: tuple[int, int, int]
    fps: int
    negative: bool = True
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    call: Mapping[str, Any] = field(default_factory=dict[str, Any])
    guider: Mapping[str, Any] | None = None


FLOW = Part("FlowMatchEulerDiscreteScheduler")
UNIPC = Part("UniPCMultistepScheduler", {"prediction_type": "flow_prediction", "use_flow_sigmas": True})
T5_128, T5_226, T5_256, T5_512 = (Words("embeds", (many, 4096)) for many in (128, 226, 256, 512))

WAN_VAE = Part("AutoencoderKLWan")
WAN_VAE_22 = Part(
    "AutoencoderKLWan",
    {
        "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "is_residual": True, "in_channels": 12,
        "out_channels": 12, "patch_size": 2, "scale_factor_spatial": 16, "scale_factor_temporal": 4,
        "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
    },
    REPO.format("Wan-AI/Wan2.2-TI2V-5B-Diffusers (its 48 means and deviations left at 0 and 1)"),
)  # fmt: skip


def _wan(variant: str, transformer: Part, vae: Part, size: tuple[int, int, int], fps: int, **config: Any) -> Shape:
    parts = {"transformer": transformer, "vae": vae}
    return Shape(variant, "WanPipeline", parts, UNIPC, {"prompt_embeds": T5_512}, size, fps, config=config)


WAN_1B = _wan(
    "wan2.1-t2v-1.3b",
    Part(
        "WanTransformer3DModel",
        {"num_attention_heads": 12, "num_layers": 30, "ffn_dim": 8960},
        CONVERT.format("wan"),
    ),
    WAN_VAE,
    (832, 480, 81),
    16,
)
WAN_14B = _wan(
    "wan2.1-t2v-14b",
    Part("WanTransformer3DModel", {}, f"{CLASS}, as {CONVERT.format('wan')} has it"),
    WAN_VAE,
    (832, 480, 81),
    16,
)
WAN_5B = _wan(
    "wan2.2-ti2v-5b",
    Part(
        "WanTransformer3DModel",
        {"num_attention_heads": 24, "num_layers": 30, "ffn_dim": 14336, "in_channels": 48, "out_channels": 48},
        REPO.format("Wan-AI/Wan2.2-TI2V-5B-Diffusers"),
    ),
    WAN_VAE_22,
    (1280, 704, 121),
    24,
    expand_timesteps=True,
)
LTX_VAE_095: Mapping[str, Any] = {
    "block_out_channels": (128, 256, 512, 1024, 2048), "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
    "decoder_block_out_channels": (256, 512, 1024), "layers_per_block": (4, 6, 6, 2, 2),
    "decoder_layers_per_block": (5, 5, 5, 5), "spatio_temporal_scaling": (True,) * 4,
    "decoder_spatio_temporal_scaling": (True,) * 3, "decoder_inject_noise": (False,) * 4,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"), "upsample_residual": (True,) * 3,
    "upsample_factor": (2, 2, 2), "timestep_conditioning": True, "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}  # fmt: skip
LTX = Shape(
    "ltx-video-t2v",
    "LTXPipeline",
    {
        "transformer": Part("LTXVideoTransformer3DModel", {}, f"{CLASS}, as {CONVERT.format('ltx')} has it"),
        "vae": Part("AutoencoderKLLTXVideo", LTX_VAE_095, f"{CONVERT.format('ltx')}, version 0.9.5"),
    },
    FLOW,
    {"prompt_embeds": T5_128, "prompt_attention_mask": Words("mask", (128,))},
    (768, 512, 121),
    24,
)
LTX_2 = Shape(
    "ltx-2-t2v",
    "LTX2Pipeline",
    {
        "transformer": Part("LTX2VideoTransformer3DModel", {}, f"{CLASS}, as {CONVERT.format('ltx2')} has it"),
        "vae": Part("AutoencoderKLLTX2Video", {"decoder_causal": False}, CONVERT.format("ltx2")),
        "audio_vae": Part("AutoencoderKLLTX2Audio"),
        "connectors": Part("ltx2.LTX2TextConnectors"),
        "vocoder": Part("ltx2.LTX2Vocoder", {}, f"{CLASS}, as {CONVERT.format('ltx2')} has it"),
    },
    Part("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}),
    {
        "prompt_embeds": Words("embeds", (1024, 3840 * 49)),
        "prompt_attention_mask": Words("mask", (1024,)),
    },
    (768, 512, 121),
    24,
)
HUNYUAN = Shape(
    "hunyuanvideo-t2v",
    "HunyuanVideoPipeline",
    {"transformer": Part("HunyuanVideoTransformer3DModel"), "vae": Part("AutoencoderKLHunyuanVideo")},
    Part("FlowMatchEulerDiscreteScheduler", {"shift": 7.0}),
    {
        "prompt_embeds": Words("embeds", (256, 4096)),
        "pooled_prompt_embeds": Words("pooled", (768,)),
        "prompt_attention_mask": Words("mask", (256,)),
    },
    (960, 544, 121),
    24,
    negative=False,
)
HUNYUAN_15 = Shape(
    "hunyuanvideo-1.5-t2v",
    "HunyuanVideo15Pipeline",
    {
        "transformer": Part(
            "HunyuanVideo15Transformer3DModel", {"task_type": "t2v"}, CONVERT.format("hunyuan_video1_5")
        ),
        "vae": Part("AutoencoderKLHunyuanVideo15"),
    },
    Part("FlowMatchEulerDiscreteScheduler", {"shift": 5.0}, CONVERT.format("hunyuan_video1_5")),
    {
        "prompt_embeds": Words("embeds", (1000, 3584)),
        "prompt_embeds_mask": Words("mask", (1000,)),
        "prompt_embeds_2": Words("embeds", (256, 1472)),
        "prompt_embeds_mask_2": Words("mask", (256,), real=16),
    },
    (848, 480, 121),
    24,
    guider={"guidance_scale": 6.0},
)
MOCHI = Shape(
    "mochi-1-t2v",
    "MochiPipeline",
    {"transformer": Part("MochiTransformer3DModel"), "vae": Part("AutoencoderKLMochi")},
    FLOW,
    {"prompt_embeds": T5_256, "prompt_attention_mask": Words("mask", (256,))},
    (848, 480, 85),
    30,
)
COG = Shape(
    "cogvideox-5b-t2v",
    "CogVideoXPipeline",
    {
        "transformer": Part(
            "CogVideoXTransformer3DModel",
            {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True},
            REPO.format("THUDM/CogVideoX-5b"),
        ),
        "vae": Part("AutoencoderKLCogVideoX", {}, CLASS),
    },
    Part("CogVideoXDDIMScheduler"),
    {"prompt_embeds": T5_226},
    (720, 480, 49),
    8,
)

FULL: Mapping[str, Shape] = {
    shape.variant: shape for shape in (LTX, WAN_1B, WAN_5B, WAN_14B, HUNYUAN, LTX_2, MOCHI, HUNYUAN_15, COG)
}
"""By variant, the ones first whose figures are asked for most."""
