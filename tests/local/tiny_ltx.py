"""Tiny LTX pipelines: LTX-Video, and LTX-2 with its sound."""

from __future__ import annotations

from typing import Any

import diffusers
import transformers

from tests.local.tiny_text import t5, tokenizer


def _ltx_parts() -> dict[str, Any]:
    scaling = (True, True, False, False)
    vae = diffusers.AutoencoderKLLTXVideo(
        latent_channels=8, block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4, layers_per_block=(1,) * 5,
        decoder_layers_per_block=(1,) * 5, spatio_temporal_scaling=scaling, decoder_spatio_temporal_scaling=scaling,
        decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4, upsample_factor=(1,) * 4,
        timestep_conditioning=False, patch_size=1, patch_size_t=1, encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    transformer = diffusers.LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4, attention_head_dim=8,
        cross_attention_dim=32, num_layers=1, caption_channels=32,
    )  # fmt: skip
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": vae,
        "text_encoder": t5(),
        "tokenizer": tokenizer("t5"),
        "transformer": transformer,
    }


def ltx_t2v() -> Any:
    return diffusers.LTXPipeline(**_ltx_parts())


def ltx_i2v() -> Any:
    return diffusers.LTXImageToVideoPipeline(**_ltx_parts())


def ltx_condition() -> Any:
    return diffusers.LTXConditionPipeline(**_ltx_parts())


def gemma() -> Any:
    """A Gemma 3 whose eyes are as small as they may be: only its reading is used."""
    reading = transformers.Gemma3TextConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=8, vocab_size=300, pad_token_id=0, eos_token_id=1, bos_token_id=2,
    )  # fmt: skip
    seeing = transformers.SiglipVisionConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, image_size=8, patch_size=4
    )
    config = transformers.Gemma3Config(
        text_config=reading, vision_config=seeing, mm_tokens_per_image=4, image_token_index=299, boi_token_index=298,
        eoi_token_index=297,
    )  # fmt: skip
    return transformers.Gemma3ForConditionalGeneration(config).eval()


def _ltx2_parts() -> dict[str, Any]:
    """Frames in eights, 100 frames of sound spectrum a second and 24,000 samples, as the real model has them."""
    transformer = diffusers.LTX2VideoTransformer3DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
        audio_in_channels=4, audio_out_channels=4, audio_num_attention_heads=2, audio_attention_head_dim=4,
        audio_cross_attention_dim=8, num_layers=2, caption_channels=16, rope_double_precision=False, rope_type="split",
    )  # fmt: skip
    connectors = diffusers.pipelines.ltx2.LTX2TextConnectors(
        caption_channels=16, text_proj_in_factor=3, video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=8, video_connector_num_layers=1,
        video_connector_num_learnable_registers=None, audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=8, audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None, connector_rope_base_seq_len=32, rope_double_precision=False,
        rope_type="split",
    )  # fmt: skip
    vae = diffusers.AutoencoderKLLTX2Video(
        latent_channels=4, block_out_channels=(8,) * 4, decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 4, decoder_spatial_padding_mode="zeros",
        spatial_compression_ratio=32, temporal_compression_ratio=8,
    )  # fmt: skip
    sound = diffusers.AutoencoderKLLTX2Audio(
        base_channels=4, ch_mult=(1, 1, 1), num_res_blocks=1, latent_channels=2, resolution=32, mel_bins=8
    )
    vocoder = diffusers.pipelines.ltx2.LTX2Vocoder(
        in_channels=16, hidden_channels=32, resnet_kernel_sizes=[3], resnet_dilations=[[1, 3, 5]]
    )
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        "vae": vae,
        "audio_vae": sound,
        "text_encoder": gemma(),
        "tokenizer": tokenizer("gemma"),
        "connectors": connectors,
        "transformer": transformer,
        "vocoder": vocoder,
    }


def ltx2_t2v() -> Any:
    return diffusers.LTX2Pipeline(**_ltx2_parts())


def ltx2_i2v() -> Any:
    return diffusers.LTX2ImageToVideoPipeline(**_ltx2_parts())


def ltx2_condition() -> Any:
    return diffusers.LTX2ConditionPipeline(**_ltx2_parts())
