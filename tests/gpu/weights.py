"""Models with random weights, at once: their parameters are views of one small block until they are moved to a card,
where each gets memory of its own. So a model of 28 GB costs the host next to nothing, and nothing is downloaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

SPREAD = 0.02
"""Standard deviation of a weight, as transformers are usually initialised."""
DRAWN = 1 << 22
"""How many weights are drawn; all others are these again."""
_BLOCKS: dict[tuple[str, torch.dtype], torch.Tensor] = {}


class NoFilling(TorchFunctionMode):
    """New parameters keep what their memory holds: filling billions of them with draws takes minutes."""

    FILLS = frozenset(
        {
            torch.Tensor.uniform_, torch.Tensor.normal_, torch.nn.init.kaiming_uniform_, torch.nn.init.uniform_,
            torch.nn.init.normal_, torch.nn.init.xavier_uniform_, torch.nn.init.trunc_normal_,
        }
    )  # fmt: skip

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in self.FILLS:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def filled(model: Any, dtype: torch.dtype) -> Any:
    """The model with small random weights: norms at one, biases at zero; what it must keep in 32 bits, in 32 bits."""
    keep = set(getattr(model, "_keep_in_fp32_modules", None) or ())
    for name, parameter in model.named_parameters():
        own = torch.float32 if keep.intersection(name.split(".")) else dtype
        kind = "zeros" if name.endswith("bias") else "ones" if _is_norm(name, parameter) else "draws"
        parameter.data = _view(kind, tuple(parameter.shape), own)
    return model.requires_grad_(False).eval()


def _is_norm(name: str, parameter: torch.Tensor) -> bool:
    return name.endswith("gamma") or parameter.ndim == 1


def _view(kind: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    count = math.prod(shape)
    block = _BLOCKS.get((kind, dtype))
    if block is None or block.numel() < count:
        block = _BLOCKS[kind, dtype] = _block(kind, -(-count // DRAWN) * DRAWN, dtype)
    return block[:count].view(shape)


def _block(kind: str, size: int, dtype: torch.dtype) -> torch.Tensor:
    if kind != "draws":
        return torch.zeros(size, dtype=dtype) if kind == "zeros" else torch.ones(size, dtype=dtype)
    drawn = torch.empty(DRAWN).normal_(0, SPREAD, generator=torch.Generator("cpu").manual_seed(0))
    return drawn.to(dtype).repeat(size // DRAWN)


def forget() -> None:
    """Give the blocks' memory back."""
    _BLOCKS.clear()


def billions(model: Any) -> float:
    """Parameters, in billions."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e9
