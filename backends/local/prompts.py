"""What a text encoder made of a prompt, kept in host memory while its model stays loaded: another take of a prompt, and
the same negative prompt beside another one, are not read again. With offloading this spares bringing the encoder to the
card, which for most models is larger than what else a step needs.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

MOST_BYTES = 1 << 30
"""Of all that is kept. A prompt is some 8 MB for most models; for LTX-2, which keeps every layer's answer, 770 MB."""
PLAIN = (str, int, float, bool, type(None))


def remember(pipe: Any) -> None:
    """Give a pipeline such a memory. Its text encoders must stay as they are: LoRA files change transformers alone."""
    pipe.encode_prompt = Prompts(pipe.encode_prompt)


class Prompts:
    """Stands in for a pipeline's encode_prompt: the same tensors for the same arguments. Arguments that are not plain
    (an image that is read with the prompt, embeddings that were given) are always passed on."""

    def __init__(self, encode: Callable[..., Any], most_bytes: int = MOST_BYTES) -> None:
        self._encode = encode
        self._most = most_bytes
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self.found = 0

    def __call__(self, *args: Any, **named: Any) -> Any:
        key = _key(args, named)
        if key is not None and key in self._kept:
            self._kept.move_to_end(key)
            self.found += 1
            return _mapped(self._kept[key][0], lambda pair: pair[0].to(pair[1], copy=True))
        made = self._encode(*args, **named)
        if key is not None:
            self._keep(key, made)
        return made

    def _keep(self, key: str, made: Any) -> None:
        import torch

        every = list(_tensors(made))
        size = sum(one.nbytes for one in every if isinstance(one, torch.Tensor))
        if not all(isinstance(one, torch.Tensor) for one in every) or size > self._most:
            return
        self._kept[key] = _mapped(made, lambda one: (one.detach().to("cpu", copy=True), one.device)), size
        while sum(kept for _, kept in self._kept.values()) > self._most:
            self._kept.popitem(last=False)


def _key(args: tuple[Any, ...], named: Mapping[str, Any]) -> str | None:
    """A hash of all arguments; None when one is not plain."""
    try:
        text = repr((_plain(args), sorted((name, _plain(value)) for name, value in named.items())))
    except TypeError:
        return None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    import torch

    if isinstance(value, PLAIN):
        return value
    if isinstance(value, torch.device | torch.dtype):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("list[object]", value)]
    if isinstance(value, dict):
        return sorted((str(name), _plain(one)) for name, one in cast("dict[object, object]", value).items())
    raise TypeError(type(value).__name__)


def _mapped(made: Any, change: Callable[[Any], Any]) -> Any:
    """The encoder's answer, a tuple of tensors and Nones, with each tensor (or kept pair) changed."""
    if made is None:
        return None
    if isinstance(made, tuple) and not _is_pair(made):
        return tuple(_mapped(one, change) for one in cast("tuple[object, ...]", made))
    return change(made)


def _is_pair(made: Any) -> bool:
    import torch

    return len(made) == 2 and isinstance(made[1], torch.device)


def _tensors(made: Any) -> Iterator[Any]:
    if isinstance(made, tuple):
        for one in cast("tuple[object, ...]", made):
            yield from _tensors(one)
    elif made is not None:
        yield made
