"""The pipeline that a process keeps loaded: one at most. The next job of the same model finds it here."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import gc
import hashlib
from dataclasses import dataclass
from typing import Any

from backends.local.families import Variant
from backends.local.memory import Plan
from backends.local.weights import Model


@dataclass
class Loaded:
    """What this process keeps. key: everything that decides how it was loaded. sha256: of a transformer's own file."""

    key: tuple[object, ...]
    pipe: Any
    sha256: str | None = None


_kept: list[Loaded] = []


def loaded(kind: Variant, model: Model, plan: Plan, device: str) -> tuple[Loaded, bool]:
    """The pipeline, and whether it was there already. For a plan over several cards the process group is there."""
    from backends.local.loading import load

    own, sha256 = model.transformer, None
    where = (str(model.folder), str(own))
    key = (kind.pipeline, *where, plan.offload, plan.quant, plan.compile, plan.cards, device)
    for one in _kept:
        if one.key == key:
            return one, True
    drop()
    if own is not None:
        with own.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    made = Loaded(key, load(kind, model, plan, device), sha256)
    _kept.append(made)
    return made, False


def drop() -> None:
    """Forget what is loaded."""
    import torch

    _kept.clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
