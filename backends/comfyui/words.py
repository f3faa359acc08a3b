"""What a ComfyUI server says when it refuses or fails, in words that tell what to do; its own paths are left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from backends.comfyui.graph import Graph, named
from backends.errors import ErrorKind
from backends.provider.answer import at, listed, table, text
from backends.provider.channel import Answer
from backends.provider.outcome import Reported, Service

PATHS = re.compile(r"(?<![\w.:/])(?:[A-Za-z]:)?(?:[\\/]+[^\\/\s'\"<>|:*?]+){2,}[\\/]?")
"""An absolute path of two parts or more; addresses and a ratio are none."""

MODEL_FILES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".gguf", ".bin")

FOLDERS: Mapping[str, str] = {
    "unet_name": "diffusion_models",
    "ckpt_name": "checkpoints",
    "vae_name": "vae",
    "lora_name": "loras",
    "clip_name": "text_encoders",
    "text_encoder": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "model_name": "upscale_models",
    "style_model_name": "style_models",
    "control_net_name": "controlnet",
}
"""The folder below `models` of a loader's input; CLIPVisionLoader's clip_name is the exception."""


@dataclass(frozen=True)
class Server(Service):
    """Its words without the paths of its own disk."""

    def clean(self, text: object, limit: int = 300) -> str:
        return super().clean(PATHS.sub("(a path of the server)", str(text)), limit)


def folder_of(kind: str, key: str) -> str:
    """Where the model file of a loader's input belongs, below the server's `models`."""
    if kind.startswith("CLIPVision"):
        return "clip_vision"
    return "frame_interpolation" if kind.startswith("FrameInterpolation") else FOLDERS.get(key, "")


def missing_file(name: str, folder: str) -> str:
    return f"the model file {name} is not on the server: put it into models/{folder or '(its folder)'} there"


def reported(answer: Answer) -> Reported:
    """The refusal of a graph: each node's own errors first, the first sentence else."""
    reply = answer.json
    error = at(reply, "error")
    said = [*node_errors(reply)]
    kind: ErrorKind | None = "unsupported" if any("is not on the server" in one for one in said) else None
    code = text(at(error, "type"))
    if not said and (code == "missing_node_type" or "does not exist" in text(at(error, "message"))):
        kind = "unsupported"
        said = [f"{text(at(error, 'message'))}: install the package that holds this node, or update ComfyUI"]
    if not said and table(error):
        said = [" ".join(part for part in (text(at(error, "message")), text(at(error, "details"))) if part)]
    elif not said and isinstance(error, str):
        said = [error]
    return Reported("; ".join(said)[:1500], code, kind, charged="no")


def node_errors(reply: object, graph: Graph | None = None) -> list[str]:
    """Every finding about a node, as a sentence."""
    found: list[str] = []
    for name, node in table(at(reply, "node_errors")).items():
        kind = text(at(node, "class_type"))
        shown = named(graph, name) if graph is not None and name in graph else f"{name} ({kind})"
        found += [_one(shown, kind, error) for error in listed(at(node, "errors"))]
    return found


def _one(shown: str, kind: str, error: object) -> str:
    key, value = text(at(error, "extra_info", "input_name")), at(error, "extra_info", "received_value")
    word = text(at(error, "type"))
    if word == "value_not_in_list" and isinstance(value, str) and value.endswith(MODEL_FILES):
        return f"node {shown}: {missing_file(value, folder_of(kind, key))}"
    if word == "exception_during_validation":
        return f"node {shown}: {key or 'an input'} comes from a node that is not there, or fails to be checked"
    details = text(at(error, "details"))
    return f"node {shown}: {text(at(error, 'message'))}{f' ({details[:200]})' if details else ''}"


def failure(status: object, service: Service) -> str:
    """Why a run failed, from the messages of its history."""
    for message in listed(at(status, "messages")):
        if at(message, 0) == "execution_error":
            said = at(message, 1)
            node = f"{text(at(said, 'node_id'))} ({text(at(said, 'node_type'))})"
            why = text(at(said, "exception_message")).strip()
            kind = text(at(said, "exception_type")).rpartition(".")[2]
            if "OutOfMemory" in kind:
                return f"node {node} ran out of GPU memory: take a smaller size or a shorter clip"
            return service.clean(f"node {node} failed: {kind}: {why}")
    return "it gives no reason"


def was_interrupted(status: object) -> bool:
    return any(at(message, 0) == "execution_interrupted" for message in listed(at(status, "messages")))
