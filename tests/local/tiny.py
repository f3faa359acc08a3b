"""Tiny pipelines of random weights, built through the real classes and saved as real model folders.

Each function of `BUILDERS` makes one pipeline; `save(name, folder)` seeds, builds and writes it as safetensors.
The sizes come from diffusers' own tests; tokenizers need no file: byte-level BPE of 256 symbols without merges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from tests.local.tiny_hunyuan import hunyuan_15_i2v, hunyuan_15_t2v, hunyuan_i2v, hunyuan_i2v_33ch, hunyuan_t2v
from tests.local.tiny_ltx import ltx2_condition, ltx2_i2v, ltx2_t2v, ltx_condition, ltx_i2v, ltx_t2v
from tests.local.tiny_text import t5, tokenizer, umt5


def clip_image() -> Any:
    return transformers.CLIPVisionModel(
        transformers.CLIPVisionConfig(
            hidden_size=4, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32,
            patch_size=8, projection_dim=4,
        )
    ).eval()  # fmt: skip


def clip_pixels() -> Any:
    return transformers.CLIPImageProcessor(crop_size=32, size=32)


def wan_vae(**over: Any) -> Any:
    shape: dict[str, Any] = {
        "base_dim": 3, "z_dim": 16, "dim_mult": [1] * 4, "num_res_blocks": 1,
        "temperal_downsample": [False, True, True], **over,
    }  # fmt: skip
    return diffusers.AutoencoderKLWan(**shape)


def wan_transformer(kind: Any = None, **over: Any) -> Any:
    shape: dict[str, Any] = {
        "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 16,
        "out_channels": 16, "text_dim": 32, "freq_dim": 256, "ffn_dim": 32, "num_layers": 2, "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 32, **over,
    }  # fmt: skip
    return (kind or diffusers.WanTransformer3DModel)(**shape)


def wan_scheduler() -> Any:
    return diffusers.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def wan_parts(**over: Any) -> dict[str, Any]:
    return {
        "tokenizer": tokenizer("t5"),
        "text_encoder": umt5(),
        "vae": wan_vae(),
        "scheduler": wan_scheduler(),
        "transformer": wan_transformer(),
        **over,
    }


def wan_t2v() -> Any:
    return diffusers.WanPipeline(**wan_parts())


def wan_v2v() -> Any:
    return diffusers.WanVideoToVideoPipeline(**wan_parts())


def wan22_t2v() -> Any:
    """Two experts, as the A14B has."""
    return diffusers.WanPipeline(**wan_parts(transformer_2=wan_transformer(), boundary_ratio=0.9))


def wan22_i2v() -> Any:
    parts = wan_parts(
        transformer=wan_transformer(in_channels=36), transformer_2=wan_transformer(in_channels=36), boundary_ratio=0.9,
        image_encoder=None, image_processor=None,
    )  # fmt: skip
    return diffusers.WanImageToVideoPipeline(**parts)


def wan21_i2v() -> Any:
    transformer = wan_transformer(in_channels=36, image_dim=4, added_kv_proj_dim=24)
    parts = wan_parts(transformer=transformer, image_encoder=clip_image(), image_processor=clip_pixels())
    return diffusers.WanImageToVideoPipeline(**parts)


def wan21_flf2v() -> Any:
    transformer = wan_transformer(in_channels=36, image_dim=4, added_kv_proj_dim=24, pos_embed_seq_len=2 * 17)
    parts = wan_parts(transformer=transformer, image_encoder=clip_image(), image_processor=clip_pixels())
    return diffusers.WanImageToVideoPipeline(**parts)


def wan_vace() -> Any:
    transformer = wan_transformer(
        diffusers.WanVACETransformer3DModel, num_layers=3, vace_layers=[0, 2], vace_in_channels=96
    )
    for weights in (transformer.vace_patch_embedding.weight, *(one.proj_out.weight for one in transformer.vace_blocks)):
        weights.data.mul_(100)  # at this size random weights carry next to nothing of what guides the clip
    return diffusers.WanVACEPipeline(**wan_parts(transformer=transformer))


def _wan_5b_parts() -> dict[str, Any]:
    vae = wan_vae(
        z_dim=48, in_channels=12, out_channels=12, is_residual=True, patch_size=2, latents_mean=[0.0] * 48,
        latents_std=[1.0] * 48, base_dim=3, scale_factor_spatial=16, scale_factor_temporal=4,
    )  # fmt: skip
    return wan_parts(vae=vae, transformer=wan_transformer(in_channels=48, out_channels=48), expand_timesteps=True)


def wan_5b_t2v() -> Any:
    return diffusers.WanPipeline(**_wan_5b_parts())


def wan_5b_i2v() -> Any:
    return diffusers.WanImageToVideoPipeline(**_wan_5b_parts(), image_encoder=None, image_processor=None)


def mochi() -> Any:
    transformer = diffusers.MochiTransformer3DModel(
        patch_size=2, num_attention_heads=2, attention_head_dim=8, num_layers=2, pooled_projection_dim=16,
        in_channels=12, text_embed_dim=32, time_embed_dim=4, max_sequence_length=16,
    )  # fmt: skip
    vae = diffusers.AutoencoderKLMochi(
        latent_channels=12, encoder_block_out_channels=(32,) * 4, decoder_block_out_channels=(32,) * 4,
        layers_per_block=(1,) * 5,
    )  # fmt: skip
    return diffusers.MochiPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(), vae=vae, text_encoder=t5(), tokenizer=tokenizer("t5"),
        transformer=transformer,
    )  # fmt: skip


def _cog_vae() -> Any:
    return diffusers.AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3,
        down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8,) * 4, latent_channels=4, layers_per_block=1, norm_num_groups=2,
        temporal_compression_ratio=4,
    )  # fmt: skip


def _cog_parts(transformer: dict[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "num_attention_heads": 4, "attention_head_dim": 8, "in_channels": 4, "out_channels": 4, "time_embed_dim": 2,
        "text_embed_dim": 32, "num_layers": 1, "sample_width": 2, "sample_height": 2, "sample_frames": 9,
        "patch_size": 2, "temporal_compression_ratio": 4, "max_text_seq_length": 16, **transformer,
    }  # fmt: skip
    return {
        "tokenizer": tokenizer("t5"),
        "text_encoder": t5(),
        "vae": _cog_vae(),
        "transformer": diffusers.CogVideoXTransformer3DModel(**shape),
        "scheduler": diffusers.CogVideoXDDIMScheduler(),
    }


def cog_t2v() -> Any:
    return diffusers.CogVideoXPipeline(**_cog_parts({}))


def cog_v2v() -> Any:
    return diffusers.CogVideoXVideoToVideoPipeline(**_cog_parts({}))


def cog_i2v() -> Any:
    shape = {
        "num_attention_heads": 2, "attention_head_dim": 16, "in_channels": 8, "sample_width": 4, "sample_height": 4,
        "use_rotary_positional_embeddings": True, "use_learned_positional_embeddings": True,
    }  # fmt: skip
    return diffusers.CogVideoXImageToVideoPipeline(**_cog_parts(shape))


BUILDERS: dict[str, Callable[[], Any]] = {
    "wan_t2v": wan_t2v,
    "wan_v2v": wan_v2v,
    "wan22_t2v": wan22_t2v,
    "wan22_i2v": wan22_i2v,
    "wan21_i2v": wan21_i2v,
    "wan21_flf2v": wan21_flf2v,
    "wan_vace": wan_vace,
    "wan_5b_t2v": wan_5b_t2v,
    "wan_5b_i2v": wan_5b_i2v,
    "hunyuan_t2v": hunyuan_t2v,
    "hunyuan_i2v": hunyuan_i2v,
    "hunyuan_i2v_33ch": hunyuan_i2v_33ch,
    "hunyuan_15_t2v": hunyuan_15_t2v,
    "hunyuan_15_i2v": hunyuan_15_i2v,
    "ltx_t2v": ltx_t2v,
    "ltx_i2v": ltx_i2v,
    "ltx_condition": ltx_condition,
    "ltx2_t2v": ltx2_t2v,
    "ltx2_i2v": ltx2_i2v,
    "ltx2_condition": ltx2_condition,
    "mochi": mochi,
    "cog_t2v": cog_t2v,
    "cog_i2v": cog_i2v,
    "cog_v2v": cog_v2v,
}


def save(name: str, folder: Path) -> Path:
    """Build `name` with seeded weights and write it to folder/name; that folder."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    target = folder / name
    BUILDERS[name]().save_pretrained(target, safe_serialization=True)
    return target


def save_all(folder: Path, names: Sequence[str] = ()) -> None:
    for name in names or tuple(BUILDERS):
        save(name, folder)
