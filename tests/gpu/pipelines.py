"""A pipeline of a published shape, and what it is called with: random embeddings in place of a prompt's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from backends.local.families import Variant, variant
from tests.gpu.shapes import Part, Shape, Words
from tests.gpu.weights import NoFilling, billions, filled

NO_TEXT = ("tokenizer", "text_encoder")
SECOND_TEXT = ("tokenizer_2", "text_encoder_2")


def built(shape: Shape, device: str) -> Any:
    """The pipeline in host memory, in the precisions that the product loads it in on that device."""
    import diffusers

    dtypes = variant(shape.variant).dtypes(device)
    parts = {name: _part(part, dtypes.get(name, dtypes["default"])) for name, part in shape.parts.items()}
    parts["scheduler"] = _class(shape.scheduler.cls)(**shape.scheduler.config)
    lacking = [*NO_TEXT, *(SECOND_TEXT if shape.variant.startswith("hunyuanvideo") else ())]
    if shape.guider is not None:
        parts["guider"] = diffusers.ClassifierFreeGuidance(**shape.guider)
    return getattr(diffusers, shape.pipeline)(**parts, **dict.fromkeys(lacking), **shape.config)


def _part(part: Part, dtype: str) -> Any:
    with NoFilling():
        model = _class(part.cls)(**part.config)
    return filled(model, getattr(torch, dtype))


def _class(name: str) -> Any:
    import diffusers

    if name.startswith("ltx2."):
        from diffusers.pipelines import ltx2

        return getattr(ltx2, name.removeprefix("ltx2."))
    return getattr(diffusers, name)


def published(shape: Shape) -> dict[str, float]:
    """Billions of parameters of every part, without memory for one of them."""
    with torch.device("meta"), NoFilling():
        return {name: billions(_class(part.cls)(**part.config)) for name, part in shape.parts.items()}


def as_built(shape: Shape, pipe: Any) -> Variant:
    """The planner's figures with the parameters that this pipeline has: without text encoders, since it has none."""
    counts = {name: billions(part) for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
    return replace(
        variant(shape.variant),
        transformer_b=counts["transformer"],
        experts=1,
        encoders_b=0.0,
        encoder_b=0.0,
        vae_b=counts["vae"],
        others_b=sum(counts.values()) - counts["transformer"] - counts["vae"],
    )


def arguments(shape: Shape, device: str, steps: int, size: tuple[int, int, int] | None = None) -> dict[str, Any]:
    """For the pipeline's call, but for the generator and the form of its result."""
    kind = variant(shape.variant)
    width, height, frames = size or shape.size
    given: dict[str, Any] = {**kind.keep, **shape.call, "num_inference_steps": steps}
    given |= {"width": width, "height": height, "num_frames": frames}
    if kind.guided:
        given["guidance_scale"] = kind.guidance
    if kind.rate:
        given["frame_rate"] = shape.fps
    dtype = getattr(torch, kind.dtypes(device)["default"])
    for name, words in shape.words.items():
        given[name] = _said(words, dtype, device)
        if shape.negative:
            given[f"negative_{name}"] = _said(words, dtype, device)
    return given


def _said(words: Words, dtype: torch.dtype, device: str) -> torch.Tensor:
    if words.kind == "mask":
        mask = torch.zeros((1, *words.shape), dtype=torch.bool)
        mask[..., : words.real] = True
        return mask.to(device)
    draws = torch.Generator("cpu").manual_seed(1)
    return torch.randn((1, *words.shape), generator=draws).to(device, dtype)
