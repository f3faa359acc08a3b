"""A model's folder as a download would leave it, and the product's engine on it, twice."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.gpu.pipelines import built
from tests.gpu.shapes import Shape
from tests.local.tiny_text import tokenizer

STARTED = time.monotonic()


def saved(shape: Shape, folder: Path, device: str) -> Path:
    """Transformer and VAE at their size, with a text encoder of two layers whose answers are as wide as the real one's:
    a prompt is read, but not for the time that the real one takes."""
    pipe = built(shape, device)
    wide = shape.words["prompt_embeds"].shape[1]
    config = transformers.T5Config(d_model=wide, d_ff=37, d_kv=8, num_heads=4, num_layers=2, vocab_size=300)
    dtype = next(pipe.transformer.parameters()).dtype
    pipe.register_modules(tokenizer=tokenizer("t5"), text_encoder=transformers.T5EncoderModel(config).to(dtype).eval())
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            for parameter in part.parameters():
                parameter.data = parameter.data.clone()  # views of one block cannot be saved
    pipe.save_pretrained(folder, safe_serialization=True)
    return folder


def order(shape: Shape, folder: Path, device: str, steps: int) -> dict[str, Any]:
    """What the engine is asked, as JSON."""
    width, height, frames = shape.size
    return {
        "device": device,
        "folder": str(folder),
        "variant": shape.variant,
        "words": shape.words["prompt_embeds"].shape[0],
        "steps": steps,
        "size": [width, height],
        "fps": shape.fps,
        "duration_s": (frames - 1) / shape.fps,
    }


async def twice(asked: dict[str, Any]) -> dict[str, Any]:
    """cold_s: from the start of this process to the first clip; warm_s: of the second."""
    from backends.local.engine import Diffusers
    from backends.provider.protocol import Prepared
    from backends.request import build_request

    request = build_request(
        task="text_to_video", model="local/measured", prompt="a paper boat in the rain", seed=7, fps=asked["fps"],
        duration_s=asked["duration_s"], provider_options={"steps": asked["steps"], "memory": "resident"},
    )  # fmt: skip
    wire = {
        "variant": asked["variant"],
        "repo": f"path:{asked['folder']}",
        "call": {"max_sequence_length": asked["words"]},
    }
    prepared = Prepared(request, "local/measured", *asked["size"], wire=wire)
    env = {"REELWRIGHT_LOCAL_DEVICE": "cpu", "REELWRIGHT_TORCH_THREADS": "1"} if asked["device"] == "cpu" else {}
    engine, took, told = Diffusers(env), [], {}
    for number in range(2):
        dest = Path(asked["folder"]).parent / f"clip{number}"
        dest.mkdir(exist_ok=True)
        began = time.monotonic()
        output = await engine.run(prepared, dest, lambda share, text: None)
        took.append(time.monotonic() - began)
        told = {"load_s": output.facts["load_s"]} if not number else {**told, "warm": output.facts["warm"]}
    return {**told, "cold_s": time.monotonic() - STARTED - took[1], "warm_s": took[1], "first_clip_s": took[0]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(twice(json.loads(sys.argv[1])))))
