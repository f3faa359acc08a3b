"""Text encoders, each alone: what it takes to bring one to the card and to read a prompt; and what a VAE takes to read
an image-to-video's first frame. A person's first clip includes both."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from backends.local.memory import GIB
from tests.gpu import meter
from tests.gpu.pipelines import built
from tests.gpu.stage import Stage
from tests.gpu.weights import NoFilling, billions, filled


@dataclass(frozen=True)
class Encoder:
    """cls, config: of transformers. words: how many tokens the pipelines give it. used_by: for the plan's figure."""

    cls: str
    config_cls: str
    config: Mapping[str, Any]
    tiny: Mapping[str, Any]
    words: int
    source: str


T5_XXL: Mapping[str, Any] = {
    "d_model": 4096, "d_ff": 10240, "d_kv": 64, "num_heads": 64, "num_layers": 24, "feed_forward_proj": "gated-gelu",
}  # fmt: skip
T5_TINY: Mapping[str, Any] = {"d_model": 32, "d_ff": 37, "d_kv": 8, "num_heads": 4, "num_layers": 2, "vocab_size": 300}
LLAMA_TINY: Mapping[str, Any] = {
    "hidden_size": 16, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 3,
    "num_key_value_heads": 4, "vocab_size": 300, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip

ENCODERS: Mapping[str, Encoder] = {
    "umt5-xxl": Encoder(
        "UMT5EncoderModel", "UMT5Config", {**T5_XXL, "vocab_size": 256384}, T5_TINY, 512, "google/umt5-xxl (Wan)"
    ),
    "t5-v1.1-xxl": Encoder(
        "T5EncoderModel", "T5Config", {**T5_XXL, "vocab_size": 32128}, T5_TINY, 256,
        "google/t5-v1_1-xxl (LTX-Video, Mochi, CogVideoX)",
    ),
    "llama-3-8b": Encoder(
        "LlamaModel",
        "LlamaConfig",
        {
            "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
            "num_key_value_heads": 8, "vocab_size": 128320,
        },
        LLAMA_TINY,
        351,
        "llava-llama-3-8b's reading part (HunyuanVideo)",
    ),
    "gemma-3-12b": Encoder(
        "Gemma3TextModel",
        "Gemma3TextConfig",
        {
            "hidden_size": 3840, "intermediate_size": 15360, "num_hidden_layers": 48, "num_attention_heads": 16,
            "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 262208,
        },
        {
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "head_dim": 8, "vocab_size": 300,
        },
        1024,
        "google/gemma-3-12b-it's reading part (LTX-2)",
    ),
}  # fmt: skip


def text(stage: Stage, name: str) -> dict[str, Any]:
    """move_s: from host memory to the card; first_s, later_s: a prompt's reading."""
    import transformers

    one = ENCODERS[name]
    config = getattr(transformers, one.config_cls)(**(one.tiny if stage.tiny else one.config))
    with NoFilling():
        model = getattr(transformers, one.cls)(config)
    model = filled(model, torch.bfloat16 if meter.on_card(stage.device) else torch.float32)
    meter.clear(stage.device)
    began = time.monotonic()
    model.to(stage.device)
    meter.settle(stage.device)
    told: dict[str, Any] = {"billions": billions(model), "move_s": time.monotonic() - began}
    words = 16 if stage.tiny else one.words
    ids = torch.full((1, words), 5, device=stage.device)
    mask = torch.ones_like(ids)
    for when in ("first_s", "later_s"):
        began = time.monotonic()
        with torch.inference_mode():
            model(input_ids=ids, attention_mask=mask)
        meter.settle(stage.device)
        told[when] = time.monotonic() - began
    if meter.on_card(stage.device):
        told |= {
            "formula_gib": billions(model) * 2e9 / GIB,
            "allocated_gib": torch.cuda.max_memory_allocated() / GIB,
        }
    return told


def image(stage: Stage, name: str) -> dict[str, Any]:
    """The VAE reads a clip of the usual length, as image to video of Wan 2.1 has it do: the image, then grey."""
    shape = stage.shapes[name]
    vae = built(shape, stage.device).vae
    meter.clear(stage.device)
    vae.to(stage.device)
    width, height, frames = shape.size
    clip = torch.zeros((1, 3, frames, height, width), dtype=vae.dtype, device=stage.device)
    began = time.monotonic()
    with torch.inference_mode():
        vae.encode(clip)
    meter.settle(stage.device)
    told = {"encode_s": time.monotonic() - began}
    if meter.on_card(stage.device):
        told["allocated_gib"] = torch.cuda.max_memory_allocated() / GIB
    return told
