"""LoRA files over a loaded pipeline for one job: checked against the model, recorded, and gone after the job."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.errors import VideoError
from backends.local.loading import need, transformers_of
from backends.local.memory import Plan
from backends.media.hashing import sha256_of
from backends.request import Lora

EXPERTS = {
    "transformer": re.compile(r"high[-_ .]?noise|\bhigh\b"),
    "transformer_2": re.compile(r"low[-_ .]?noise|\blow\b"),
}
"""Of a model with two experts: the words of a file's name that say which of them it was trained for."""


@dataclass(frozen=True)
class Fitted:
    """A LoRA as it was used. sha256: of the file. layers: how many of the model's it changes; of: how many it has.
    into: which transformers."""

    file: str
    sha256: str
    weight: float
    layers: int
    of: int
    into: tuple[str, ...]

    @property
    def note(self) -> str:
        """What the user should know, "" when all of it is used."""
        if self.layers < self.of:
            return f"lora {self.file}: {self.layers} of its {self.of} layers are in this model, the others are left out"
        return ""


@contextmanager
def with_loras(
    pipe: Any, loras: tuple[Lora, ...], known: Mapping[str, str], plan: Plan, device: str
) -> Generator[tuple[Fitted, ...]]:
    """The pipeline under the request's LoRAs. known: sha256 by path, as they were requested. VideoError("asset") names
    the file that is missing, changed since, broken or another model's; VideoError("unsupported") for a pipeline that
    takes none."""
    with ExitStack() as stack:
        fitted: list[Fitted] = []
        if loras:
            if not hasattr(pipe, "load_lora_weights"):
                raise VideoError(
                    "unsupported", f"loras: diffusers has no loader for {type(pipe).__name__}: leave them out",
                    nearest={"loras": ()},
                )  # fmt: skip
            need("lora")
            stack.callback(_unload, pipe, plan, device)
            if plan.offload == "model":
                pipe.remove_all_hooks()  # the loader would put them back for a device of its own choice
            fitted = [_fit(pipe, f"lora{number}", lora, known) for number, lora in enumerate(loras)]
            pipe.set_adapters([f"lora{number}" for number in range(len(loras))], [lora.weight for lora in loras])
            if plan.offload == "model":
                pipe.enable_model_cpu_offload(device=device)
        yield tuple(fitted)


def _unload(pipe: Any, plan: Plan, device: str) -> None:
    pipe.unload_lora_weights()
    if plan.offload == "model":  # whatever went wrong in between
        pipe.enable_model_cpu_offload(device=device)


def _fit(pipe: Any, name: str, lora: Lora, known: Mapping[str, str]) -> Fitted:
    """Load one as the adapter `name`."""
    import torch
    from safetensors import SafetensorError

    path = _file(lora)
    sha256 = _sha256(path)
    if known.get(lora.name, sha256) != sha256:
        raise VideoError(
            "asset",
            f"lora {path.name} has been changed since the request: repeat the request, for a clip with the new file",
        )
    where = {"weight_name": path.name, "local_files_only": True, "use_safetensors": True}
    try:
        weights: Mapping[str, Any] = pipe.lora_state_dict(str(path.parent), **where)
    except (OSError, SafetensorError):
        raise VideoError("asset", f"lora {path.name} is no whole safetensors file: copy it again") from None
    except (ValueError, KeyError, IndexError, RuntimeError, AttributeError):
        raise _foreign(path, pipe, "its layers have names of another kind of model") from None
    layers = sum(".lora_A." in key or key.endswith(".lokr_w1") for key in weights)
    into = _experts(pipe, path)
    try:
        for part in into:
            second = {"load_into_transformer_2": True} if part == "transformer_2" else {}
            pipe.load_lora_weights(str(path.parent), adapter_name=name, **where, **second)
    except torch.OutOfMemoryError:
        raise
    except (ValueError, KeyError, IndexError, RuntimeError, OSError, AttributeError) as error:
        sizes = "size mismatch" in str(error)
        raise _foreign(path, pipe, "its layers have other sizes" if sizes else str(error).splitlines()[0]) from None
    used = min(_layers(getattr(pipe, part), name) for part in into)
    used += _layers(getattr(pipe, "connectors", None), name)
    if not used:
        first = next(iter(weights), "none")
        raise _foreign(path, pipe, f"it has no layer of this model, but {first[:80]!r} and such")
    _in_full(pipe, name, weights)
    return Fitted(path.name, sha256, lora.weight, used, layers, into)


def _file(lora: Lora) -> Path:
    """Its place, which was found by the rules of every input when it was requested; here no name is read again."""
    path = Path(lora.name)
    if path.suffix != ".safetensors" or not path.is_absolute() or not path.is_file():
        raise VideoError(
            "asset", f"lora {lora.name[:120]!r}: give the absolute path of a .safetensors file on this machine"
        )
    return path


def _foreign(path: Path, pipe: Any, why: str) -> VideoError:
    text = f"lora {path.name} does not fit {type(pipe).__name__}: {why}; take one that was trained for this model"
    return VideoError("asset", text[:500])


def _experts(pipe: Any, path: Path) -> tuple[str, ...]:
    """The transformers that a file is for: of two experts the one that its name says, else both."""
    if getattr(pipe, "transformer_2", None) is None:
        return ("transformer",)
    words = re.sub(r"[-_.]", " ", path.stem.lower())
    told = tuple(part for part, shape in EXPERTS.items() if shape.search(words))
    return told if len(told) == 1 else tuple(EXPERTS)


def _layers(model: Any, name: str) -> int:
    """How many layers of a model the adapter changes."""
    if model is None:
        return 0
    kinds = ("lora_A", "lokr_w1")
    return sum(any(name in getattr(module, kind, ()) for kind in kinds) for module in model.modules())


def _in_full(pipe: Any, name: str, weights: Mapping[str, Any]) -> None:
    """Over a transformer that is stored in 8 bits peft makes the LoRA as coarse, in a form that cannot be computed
    with: its own values are put back."""
    for model in transformers_of(pipe):
        for key, parameter in model.named_parameters():
            if f".{name}." in key and parameter.element_size() == 1:
                own = weights[f"transformer.{key.replace(f'.{name}.', '.')}"]
                parameter.data = own.to(parameter.device, model.dtype)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return sha256_of(file)
    except OSError as error:
        raise VideoError("asset", f"lora {path.name} cannot be read ({error.strerror}): copy it again") from None
