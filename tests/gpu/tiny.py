"""The same pipelines so small that a processor runs them in a moment: for the tests of the measurements themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.gpu import shapes
from tests.gpu.shapes import Shape, Words

WAN: Mapping[str, Any] = {
    "num_attention_heads": 2, "attention_head_dim": 12, "text_dim": 32, "ffn_dim": 32, "num_layers": 2,
    "rope_max_seq_len": 32,
}  # fmt: skip
WAN_VAE: Mapping[str, Any] = {"base_dim": 3, "dim_mult": [1] * 4, "num_res_blocks": 1}
LTX_SCALING = (True, True, False, False)


def _made(shape: Shape, words: int, size: tuple[int, int, int], **parts: Mapping[str, Any]) -> Shape:
    """The same classes with other configurations and a prompt of 16 words."""
    small = {name: replace(part, config=parts.get(name, part.config)) for name, part in shape.parts.items()}
    said = {name: _few(one, words) for name, one in shape.words.items()}
    return replace(shape, parts=small, words=said, size=size)


def _few(one: Words, wide: int) -> Words:
    if one.kind == "pooled":
        return replace(one, shape=(8,))
    return replace(one, shape=(16, wide) if one.kind == "embeds" else (16,), real=8)


WAN_1B, WAN_14B = (_made(one, 32, (16, 16, 9), transformer=WAN, vae=WAN_VAE) for one in (shapes.WAN_1B, shapes.WAN_14B))
WAN_5B = _made(
    shapes.WAN_5B, 32, (32, 32, 9), transformer={**WAN, "in_channels": 48, "out_channels": 48},
    vae={**shapes.WAN_VAE_22.config, **WAN_VAE, "decoder_base_dim": None},
)  # fmt: skip
LTX = _made(
    shapes.LTX, 32, (32, 32, 9),
    transformer={
        "in_channels": 8, "out_channels": 8, "num_attention_heads": 4, "attention_head_dim": 8,
        "cross_attention_dim": 32, "num_layers": 1, "caption_channels": 32,
    },
    vae={
        "latent_channels": 8, "block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4,
        "layers_per_block": (1,) * 5, "decoder_layers_per_block": (1,) * 5, "spatio_temporal_scaling": LTX_SCALING,
        "decoder_spatio_temporal_scaling": LTX_SCALING, "patch_size": 1,
    },
)  # fmt: skip
LTX_2 = _made(
    shapes.LTX_2, 48, (32, 32, 9),
    transformer={
        "in_channels": 4, "out_channels": 4, "num_attention_heads": 2, "attention_head_dim": 8,
        "cross_attention_dim": 16, "audio_in_channels": 4, "audio_out_channels": 4, "audio_num_attention_heads": 2,
        "audio_attention_head_dim": 4, "audio_cross_attention_dim": 8, "num_layers": 2, "caption_channels": 16,
        "rope_double_precision": False, "rope_type": "split",
    },
    vae={
        "latent_channels": 4, "block_out_channels": (8,) * 4, "decoder_block_out_channels": (8, 16, 32),
        "layers_per_block": (1,) * 5, "decoder_layers_per_block": (1,) * 4, "decoder_spatial_padding_mode": "zeros",
        "spatial_compression_ratio": 32, "temporal_compression_ratio": 8,
    },
    audio_vae={
        "base_channels": 4, "ch_mult": (1, 1, 1), "num_res_blocks": 1, "latent_channels": 2, "resolution": 32,
        "mel_bins": 8,
    },
    connectors={
        "caption_channels": 16, "text_proj_in_factor": 3, "video_connector_num_attention_heads": 2,
        "video_connector_attention_head_dim": 8, "video_connector_num_layers": 1,
        "video_connector_num_learnable_registers": None, "audio_connector_num_attention_heads": 2,
        "audio_connector_attention_head_dim": 8, "audio_connector_num_layers": 1,
        "audio_connector_num_learnable_registers": None, "connector_rope_base_seq_len": 32,
        "rope_double_precision": False, "rope_type": "split",
    },
    vocoder={
        "in_channels": 16, "hidden_channels": 32, "resnet_kernel_sizes": [3], "resnet_dilations": [[1, 3, 5]],
    },
)  # fmt: skip
LTX_2 = replace(LTX_2, call={"spatio_temporal_guidance_blocks": [1]})
HUNYUAN = _made(
    shapes.HUNYUAN, 16, (16, 16, 9),
    transformer={
        "in_channels": 4, "out_channels": 4, "num_attention_heads": 2, "attention_head_dim": 10, "num_layers": 1,
        "num_single_layers": 1, "num_refiner_layers": 1, "patch_size": 1, "text_embed_dim": 16,
        "pooled_projection_dim": 8, "rope_axes_dim": (2, 4, 4),
    },
    vae={"latent_channels": 4, "block_out_channels": (8,) * 4, "layers_per_block": 1, "norm_num_groups": 4},
)  # fmt: skip
HUNYUAN_15 = _made(
    shapes.HUNYUAN_15, 16, (16, 16, 9),
    transformer={
        "in_channels": 9, "out_channels": 4, "num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2,
        "num_refiner_layers": 1, "mlp_ratio": 2.0, "text_embed_dim": 16, "text_embed_2_dim": 16,
        "image_embed_dim": 12, "rope_axes_dim": (2, 2, 4), "task_type": "t2v",
    },
    vae={"latent_channels": 4, "block_out_channels": (16,) * 5, "layers_per_block": 1},
)  # fmt: skip
MOCHI = _made(
    shapes.MOCHI, 32, (16, 16, 7),
    transformer={
        "num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "pooled_projection_dim": 16,
        "text_embed_dim": 32, "time_embed_dim": 4, "max_sequence_length": 16,
    },
    vae={
        "encoder_block_out_channels": (32,) * 4, "decoder_block_out_channels": (32,) * 4, "layers_per_block": (1,) * 5,
    },
)  # fmt: skip
COG = _made(
    shapes.COG, 32, (16, 16, 9),
    transformer={
        "num_attention_heads": 4, "attention_head_dim": 8, "in_channels": 4, "out_channels": 4, "time_embed_dim": 2,
        "text_embed_dim": 32, "num_layers": 1, "sample_width": 2, "sample_height": 2, "sample_frames": 9,
        "max_text_seq_length": 16,
    },
    vae={"block_out_channels": (8,) * 4, "latent_channels": 4, "layers_per_block": 1, "norm_num_groups": 2},
)  # fmt: skip

TINY: Mapping[str, Shape] = {
    shape.variant: shape for shape in (LTX, WAN_1B, WAN_5B, WAN_14B, HUNYUAN, LTX_2, MOCHI, HUNYUAN_15, COG)
}
