"""Where a model's files lie, whether they are there and safe to load. Nothing here reaches for the network or torch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import cast

from backends.errors import VideoError
from backends.local.families import Variant, variant

Index = Mapping[str, object]
"""What model_index.json holds."""

SAFE_LIBRARIES = frozenset({"diffusers", "transformers", "ltx2"})
"""ltx2 is diffusers' own module of that pipeline, which it takes before any file of that name in a model's folder."""
UNSAFE = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Formats that run code when they are loaded."""
OTHERS = ("connectors", "audio_vae", "vocoder")
"""Parts of LTX-2 beside its transformer, text encoder and VAE."""
MAX_HEADER = 100_000_000
"""Bytes; the format's own limit."""


@dataclass(frozen=True)
class Model:
    """A model on this disk. revision: the commit on the hub, or "folder". transformer: a GGUF or single-file
    transformer to use instead of the folder's own."""

    repo: str
    folder: Path
    revision: str
    transformer: Path | None = None


def repo_of(wire: Mapping[str, object]) -> str:
    """The row's own repo, or the variant's; "path:/models/x" and absolute paths are folders on this disk."""
    own = wire.get("repo")
    return own if isinstance(own, str) and own else variant(str(wire.get("variant"))).repo


def as_folder(repo: str) -> Path | None:
    if repo.startswith("path:"):
        return Path(repo.removeprefix("path:")).expanduser()
    return Path(repo) if repo.startswith("/") else None


def hub(env: Mapping[str, str]) -> Path:
    """The hub's cache folder, by the rules of huggingface_hub (which is not imported for it)."""
    if env.get("HF_HUB_CACHE"):
        return Path(env["HF_HUB_CACHE"]).expanduser()
    if env.get("HF_HOME"):
        return Path(env["HF_HOME"]).expanduser() / "hub"
    base = env.get("XDG_CACHE_HOME") or str(Path(env.get("HOME", "~")).expanduser() / ".cache")
    return Path(base) / "huggingface" / "hub"


def hub_folder(cache: Path, repo: str) -> Path:
    """Where the hub's client keeps a repository."""
    return cache / f"models--{repo.replace('/', '--')}"


def find(wire: Mapping[str, object], env: Mapping[str, str]) -> Model | None:
    """The model that a box's wire table names, None when it is not on this disk."""
    repo = repo_of(wire)
    kind = variant(str(wire.get("variant")))
    own = wire.get("transformer")
    transformer = Path(own).expanduser() if isinstance(own, str) and own else None
    folder = as_folder(repo)
    if folder is not None:
        return Model(repo, folder, "folder", transformer) if (folder / "model_index.json").is_file() else None
    root = hub_folder(hub(env), repo)
    asked = str(wire.get("revision") or kind.revision)
    try:
        commit = (root / "refs" / asked).read_text().strip()
    except OSError:
        commit = asked
    folder = root / "snapshots" / commit
    return Model(repo, folder, commit, transformer) if _whole(folder) else None


def _whole(folder: Path) -> bool:
    """Whether every part of a downloaded pipeline is there, with all shards of its weights: the hub's client puts a
    file in its place when it has come whole, and a download may have been broken off between two files."""
    try:
        stamp = tuple(entry.stat().st_mtime_ns for entry in sorted(folder.iterdir()) if entry.is_dir())
    except OSError:
        return False
    return _whole_then(folder, stamp)


@lru_cache(64)
def _whole_then(folder: Path, stamp: tuple[int, ...]) -> bool:
    """stamp: when something was last put into each of its folders; every list of models needs this."""
    del stamp
    try:
        index = read_index(folder)
        for part in (folder / name for name in components(index)):
            names = {entry.name for entry in part.iterdir() if entry.exists()}
            shards = {
                shard for name in names if name.endswith(".safetensors.index.json") for shard in _shards(part / name)
            }
            weights = any(name.endswith((".safetensors", *UNSAFE)) for name in names)
            if not names or not shards <= names or ("config.json" in names and not weights):
                return False
    except (OSError, ValueError):
        return False
    return True


def _shards(listing: Path) -> set[str]:
    return set(cast("dict[str, dict[str, str]]", json.loads(listing.read_text("utf-8")))["weight_map"].values())


def read_index(folder: Path) -> Index:
    """model_index.json. OSError or ValueError when it cannot be read."""
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    if not isinstance(index, dict):
        raise ValueError("not an object")
    return cast(Index, index)


def components(index: Index) -> dict[str, str]:
    """The pipeline's parts that lie in folders of their own, with the library of each one's class."""
    parts = {name: cast("list[object]", value) for name, value in index.items() if isinstance(value, list) and value}
    return {name: str(value[0]) for name, value in parts.items() if value[0] is not None}


def missing(kind: Variant, repo: str, model: str) -> VideoError:
    """Why a job cannot run yet, with what to do."""
    if as_folder(repo) is not None:
        text = f"{repo} holds no model_index.json: name the folder of a diffusers pipeline (wire.repo of {model})"
        return VideoError("asset", text)
    return VideoError(
        "asset",
        f"the weights of {model} ({repo}, about {kind.download_gib:.0f} GiB) are not on this machine: "
        f"reelwright models pull {model} shows the licence, and with --accept-licence downloads them",
    )


def lacks(env: Mapping[str, str], wires: tuple[Mapping[str, object], ...], model: str) -> str | None:
    """Why a catalogue row cannot be used: none of its boxes' weights are here. None when one's are."""
    boxes = [wire for wire in wires if isinstance(wire.get("variant"), str)]
    if not boxes:
        return "its boxes name no pipeline (wire.variant)"
    if any(find(wire, env) is not None for wire in boxes):
        return None
    try:
        return missing(variant(str(boxes[0]["variant"])), repo_of(boxes[0]), model).message
    except VideoError as error:
        return error.message


def check_safe(model: Model, kind: Variant) -> None:
    """Only safetensors, only classes of diffusers and transformers, only the class that the family names.

    VideoError("asset"): a folder can hold code (custom components) and pickles; neither is ever run.
    """
    try:
        index = read_index(model.folder)
    except (OSError, ValueError) as error:
        raise VideoError("asset", f"model_index.json of {model.repo} cannot be read ({error}): pull it again") from None
    check_libraries(index, model.repo)
    for name in components(index):
        part = model.folder / name
        if part.is_dir():
            names = [entry.name for entry in part.iterdir()]
            if any(one.endswith(UNSAFE) for one in names) and not any(one.endswith(".safetensors") for one in names):
                raise VideoError(
                    "asset", f"{name} of {model.repo} has no safetensors: pickled weights are never loaded; convert it"
                )
    if model.transformer is not None and model.transformer.suffix not in (".safetensors", ".gguf"):
        raise VideoError("asset", f"{model.transformer.name}: a single-file transformer is .safetensors or .gguf")
    if model.transformer is not None and not model.transformer.is_file():
        raise VideoError("asset", f"{model.transformer} is not there: fix wire.transformer of the catalogue row")


def check_libraries(index: Index, repo: str) -> None:
    """VideoError("asset") when a part's class comes from elsewhere than diffusers and transformers."""
    for name, library in components(index).items():
        if library not in SAFE_LIBRARIES:
            raise VideoError(
                "asset", f"{name} of {repo} comes from {library[:60]!r}: code of a model's own is never run"
            )


@cache
def counted(model: Model, kind: Variant) -> Variant:
    """The variant with the parameters that this folder really has, by the headers of its safetensors: a folder of the
    user's own may be smaller or larger than the model that it is like."""
    parts = {part.name: _billions(part) for part in model.folder.iterdir() if part.is_dir()}
    encoders = [count for name, count in parts.items() if name.startswith(("text_encoder", "image_encoder"))]
    others = [count for name, count in parts.items() if name in OTHERS]
    transformer = parts.get("transformer", 0.0)
    if model.transformer is not None:  # as it lies in the file, so it lies in memory: of two bytes a parameter
        transformer = model.transformer.stat().st_size / 2e9
    return replace(
        kind,
        transformer_b=transformer or kind.transformer_b,
        experts=2 if parts.get("transformer_2") else 1,
        encoders_b=sum(encoders) or kind.encoders_b,
        encoder_b=max(encoders, default=0.0) or kind.encoder_b,
        vae_b=parts.get("vae") or kind.vae_b,
        others_b=sum(others) or kind.others_b,
    )


def _billions(folder: Path) -> float:
    """Elements of every tensor in a folder's safetensors, in billions."""
    total = 0
    for path in folder.glob("*.safetensors"):
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = cast("dict[str, dict[str, list[int]]]", json.loads(file.read(min(length, MAX_HEADER))))
        except (OSError, ValueError, struct.error):
            raise VideoError("asset", f"{path.name} in {folder} is damaged: pull or copy it again") from None
        total += sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return total / 1e9
