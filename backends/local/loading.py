"""From a folder of weights and a plan to a pipeline that is ready to run."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateImportUsage=false, reportMissingTypeStubs=false, reportUnknownParameterType=false

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from backends.errors import VideoError
from backends.local.families import Variant
from backends.local.memory import Plan
from backends.local.weights import Model

RECORDED = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "peft", "gguf", "torchao", "av", "numpy")
NEEDS = {"int8": "torchao", "4bit": "bitsandbytes", "gguf": "gguf", "lora": "peft"}


@cache
def versions() -> Mapping[str, str]:
    """Of all libraries that shape a clip. Looked up once a process: they are read from the installation's files."""
    found: dict[str, str] = {}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def need(what: str) -> None:
    """VideoError("unsupported") with the install command when an optional package is not there."""
    package = NEEDS[what]
    try:
        version(package)
    except PackageNotFoundError:
        raise VideoError("unsupported", f"{what} needs {package}: pip install {package}") from None


def load(kind: Variant, model: Model, plan: Plan, device: str) -> Any:
    """The pipeline, its weights where the plan wants them. Safetensors only, nothing from the network, no code of the
    model's own."""
    import diffusers
    import torch
    from diffusers.utils import logging as told
    from transformers.utils import logging as transformers_told

    told.disable_progress_bar()
    transformers_told.disable_progress_bar()
    torch.backends.cuda.matmul.allow_tf32 = False
    dtypes = {part: getattr(torch, name) for part, name in kind.dtypes(device).items()}
    parts: dict[str, Any] = {}
    if model.transformer is not None:
        parts["transformer"] = _single_file(kind, model, dtypes["default"])
    if plan.quant in ("int8", "4bit"):
        parts["quantization_config"] = _quantised(model, plan.quant, dtypes["default"])
    pipe = getattr(diffusers, kind.pipeline).from_pretrained(
        str(model.folder), dtype=dtypes, use_safetensors=True, local_files_only=True, trust_remote_code=False, **parts
    )
    if plan.quant == "fp8":
        for one in _transformers(pipe):
            one.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtypes["default"])
    _placed(pipe, plan, device)
    if plan.compile:
        for one in _transformers(pipe):
            one.compile_repeated_blocks(fullgraph=True)
    return pipe


def _transformers(pipe: Any) -> list[Any]:
    found = [getattr(pipe, name, None) for name in ("transformer", "transformer_2")]
    return [one for one in found if one is not None]


def _single_file(kind: Variant, model: Model, dtype: Any) -> Any:
    import json

    import diffusers

    assert model.transformer is not None
    index = json.loads((model.folder / "model_index.json").read_text("utf-8"))
    options: dict[str, Any] = {"config": str(model.folder), "subfolder": "transformer", "local_files_only": True}
    if model.transformer.suffix == ".gguf":
        need("gguf")
        options["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
    maker = getattr(diffusers, index["transformer"][1])
    if not hasattr(maker, "from_single_file"):
        raise VideoError("unsupported", f"{kind.pipeline} takes no single-file transformer: give a whole folder")
    return maker.from_single_file(str(model.transformer), dtype=dtype, **options)


def _quantised(model: Model, quant: str, dtype: Any) -> Any:
    """For every transformer that the model has; the plan counts on it."""
    import diffusers

    need(quant)
    if quant == "int8":
        from torchao.quantization import Int8WeightOnlyConfig  # pyright: ignore[reportMissingImports]

        one: Any = diffusers.TorchAoConfig(Int8WeightOnlyConfig())
    else:
        one = diffusers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    names = [name for name in ("transformer", "transformer_2") if (model.folder / name).is_dir()]
    return diffusers.PipelineQuantizationConfig(quant_mapping={name: one for name in names})


def _placed(pipe: Any, plan: Plan, device: str) -> None:
    """Weights on the device, or offloaded as the plan says. A stream (copies beside the arithmetic) needs CUDA."""
    if plan.offload == "none":
        pipe.to(device)
    elif plan.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif plan.offload == "group":
        _in_groups(pipe, device)
    elif device == "cpu":
        raise VideoError("unsupported", "memory=sequential needs a GPU: take resident, offload or group")
    else:
        pipe.enable_sequential_cpu_offload(device=device)


def _in_groups(pipe: Any, device: str) -> None:
    """Each component by itself; with a stream, copies run beside the arithmetic."""
    import torch
    from diffusers.hooks import apply_group_offloading

    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            apply_group_offloading(
                part,
                onload_device=torch.device(device),
                offload_device=torch.device("cpu"),
                offload_type="leaf_level",
                use_stream=device != "cpu",
            )
