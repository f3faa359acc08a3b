"""Files that a person would give: LoRAs and single-file transformers, written for a tiny model without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file, save_file

Weights = Mapping[str, np.ndarray[Any, Any]]
Q8 = gguf.GGMLQuantizationType.Q8_0


def transformer_of(model: Path, part: str = "transformer") -> dict[str, np.ndarray[Any, Any]]:
    (path,) = (model / part).glob("*.safetensors")
    return load_file(path)


def lora_of(model: Path, *, seed: int = 0, rank: int = 4, scale: float = 1.0, prefix: str = "transformer.") -> Weights:
    """Weights of a LoRA over the queries, values and feed-forward layers of a model's transformer."""
    rng = np.random.default_rng(seed)
    made: dict[str, np.ndarray[Any, Any]] = {}
    for key, value in transformer_of(model).items():
        name = key.removesuffix(".weight")
        if name != key and value.ndim == 2 and any(word in name for word in ("to_q", "to_v", "ff")):
            out, into = value.shape
            made[f"{prefix}{name}.lora_A.weight"] = (scale * rng.standard_normal((rank, into))).astype(np.float32)
            made[f"{prefix}{name}.lora_B.weight"] = (scale * rng.standard_normal((out, rank))).astype(np.float32)
    assert made
    return made


def write(path: Path, weights: Weights) -> str:
    save_file(dict(weights), path)
    return str(path)


def other_weights(model: Path) -> Weights:
    """The transformer's, with its last layer turned round: another model of the same shape."""
    weights = transformer_of(model)
    return {key: -value if key.startswith("proj_out") else value for key, value in weights.items()}


def write_gguf(path: Path, weights: Weights) -> int:
    """Q8_0 where a row's length allows it, else as they are; how many tensors were quantised."""
    writer, quantised = gguf.GGUFWriter(path, "wan"), 0
    for key, value in weights.items():
        if value.ndim == 2 and value.shape[1] % 32 == 0:
            writer.add_tensor(key, gguf.quants.quantize(value, Q8), raw_dtype=Q8)
            quantised += 1
        else:
            writer.add_tensor(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return quantised
