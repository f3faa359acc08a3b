"""From a folder of weights and a plan to a pipeline that is ready to run."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateImportUsage=false, reportMissingTypeStubs=false, reportUnknownParameterType=false

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from backends.errors import VideoError
from backends.local.families import Variant
from backends.local.memory import Plan
from backends.local.parallel import split
from backends.local.prompts import remember
from backends.local.weights import Model

RECORDED = (
    "torch", "diffusers", "transformers", "accelerate", "safetensors", "tokenizers", "peft", "gguf", "torchao",
    "bitsandbytes", "sageattention", "flash-attn", "xformers", "av", "numpy",
)  # fmt: skip
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


def load(kind: Variant, model: Model, plan: Plan, device: str, *, half: bool | None = None) -> Any:
    """The pipeline, its weights where the plan wants them. Safetensors only, nothing from the network, no code of the
    model's own. half: in the precisions of its family; None = on a card, since on a processor float32 is faster."""
    import diffusers
    import torch
    from diffusers.utils import logging as told
    from transformers.utils import logging as transformers_told

    told.disable_progress_bar()
    transformers_told.disable_progress_bar()
    torch.backends.cuda.matmul.allow_tf32 = False
    dtypes = {part: getattr(torch, name) for part, name in kind.dtypes(device, half).items()}
    parts: dict[str, Any] = {}
    if model.transformer is not None:
        parts["transformer"] = _single_file(kind, model, dtypes["default"])
    if plan.quant in ("int8", "4bit"):
        parts["quantization_config"] = _quantised(plan.quant, model, dtypes["default"])
    pipe = getattr(diffusers, kind.pipeline).from_pretrained(
        str(model.folder), dtype=dtypes, use_safetensors=True, local_files_only=True, trust_remote_code=False, **parts
    )
    arrange(pipe, plan, device, dtypes["default"])
    remember(pipe)
    return pipe


def arrange(pipe: Any, plan: Plan, device: str, dtype: Any) -> None:
    """A pipeline in host memory becomes one that runs under the plan: weights cast (fp8 alone: int8 and 4-bit weights
    are made while they are read), where they should lie, blocks compiled. dtype: torch's, to compute in."""
    import torch

    if plan.quant == "fp8":
        for one in transformers_of(pipe):
            one.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    _placed(pipe, plan, device)
    if plan.cards > 1:
        split(transformers_of(pipe), plan.cards)
    if plan.compile:
        for one in transformers_of(pipe):
            if not one._repeated_blocks:
                raise VideoError(
                    "unsupported", f"compile: diffusers names no blocks of {type(one).__name__}: leave it out"
                )
            one.compile_repeated_blocks(fullgraph=True)


def transformers_of(pipe: Any) -> list[Any]:
    """One, or two experts."""
    found = [getattr(pipe, name, None) for name in ("transformer", "transformer_2")]
    return [one for one in found if one is not None]


def _single_file(kind: Variant, model: Model, dtype: Any) -> Any:
    import diffusers
    import torch
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    assert model.transformer is not None
    name = str(_index(model)["transformer"][1])
    if name not in SINGLE_FILE_LOADABLE_CLASSES:
        raise VideoError("unsupported", f"{kind.pipeline} takes no single-file transformer: give a whole folder")
    options: dict[str, Any] = {"config": str(model.folder), "subfolder": "transformer", "local_files_only": True}
    if model.transformer.suffix == ".gguf":
        need("gguf")
        options["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
    try:
        made = getattr(diffusers, name).from_single_file(str(model.transformer), dtype=dtype, **options)
    except torch.OutOfMemoryError:
        raise
    except (ValueError, KeyError, IndexError, OSError, AttributeError, RuntimeError) as error:
        lost = "meta tensor" in str(error)  # a weight that the file did not fill
        why = "not all weights are in it" if lost else (str(error).splitlines() or [type(error).__name__])[0]
        raise _foreign(model.transformer, name, why) from None
    if any(value.is_meta for value in made.state_dict().values()):
        raise _foreign(model.transformer, name, "not all weights are in it")
    return made


def _foreign(path: Path, name: str, why: str) -> VideoError:
    text = f"{path.name} is no {name} as the folder's config has it ({why}): fix wire.transformer of the row"
    return VideoError("asset", text[:500])


def _index(model: Model) -> dict[str, Any]:
    return json.loads((model.folder / "model_index.json").read_text("utf-8"))


def _quantised(quant: str, model: Model, dtype: Any) -> Any:
    """Every transformer; the plan counts on these alone. VideoError("unsupported") for one that comes as a file, which
    has a precision of its own."""
    import diffusers

    need(quant)
    if model.transformer is not None:
        name = model.transformer.name
        raise VideoError("unsupported", f"weights={quant}: {name} keeps its own precision; leave weights out")
    if quant == "int8":
        from torchao.quantization import Int8WeightOnlyConfig

        one: Any = diffusers.TorchAoConfig(Int8WeightOnlyConfig())
    else:
        one = diffusers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    index = _index(model)
    present = [name for name in ("transformer", "transformer_2") if index.get(name) and index[name][0]]
    return diffusers.PipelineQuantizationConfig(quant_mapping={name: one for name in present})


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
