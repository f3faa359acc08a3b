"""Speed switches of diffusers around one run: attention, step caches, tiling. All are undone after it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateImportUsage=false, reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from backends.errors import VideoError
from backends.local.loading import transformers_of
from backends.local.memory import Plan

CACHES = ("none", "first_block", "taylorseer", "mag")
ATTENTION: dict[str, str] = {
    "native": "native",
    "flash": "flash",
    "flash3": "_flash_3",
    "sage": "sage",
    "xformers": "xformers",
    "flex": "flex",
}
"""Our word to diffusers' name of the attention back end."""
PACKAGES = {"flash": "flash-attn", "flash3": "flash-attn (Hopper)", "sage": "sageattention", "xformers": "xformers"}


@contextmanager
def switched(pipe: Any, plan: Plan, steps: int) -> Generator[None]:
    """The pipeline under the plan's switches. VideoError("unsupported") for one that this machine lacks."""
    with ExitStack() as stack:
        _tile(pipe, plan.tiling)
        for one in transformers_of(pipe):
            _cached(stack, one, plan.cache, steps)
        if plan.attention != "default":
            _attended(stack, plan.attention)
        yield


def _tile(pipe: Any, on: bool) -> None:
    name = "enable_tiling" if on else "disable_tiling"
    if (switch := getattr(pipe.vae, name, None)) is not None:
        switch()
    elif on:
        raise VideoError("unsupported", f"{type(pipe.vae).__name__} cannot decode in tiles: take another plan")


def _cached(stack: ExitStack, transformer: Any, cache: str, steps: int) -> None:
    if cache == "none":
        return
    import diffusers

    configs: dict[str, Callable[[], Any]] = {
        "first_block": lambda: diffusers.FirstBlockCacheConfig(threshold=0.05),
        "taylorseer": lambda: diffusers.TaylorSeerCacheConfig(),
        "mag": lambda: diffusers.MagCacheConfig(num_inference_steps=steps, mag_ratios=[1.0] * steps),
    }
    if cache not in configs:
        raise VideoError("invalid_request", f"cache {cache!r} is unknown: {', '.join(CACHES)}")
    try:
        transformer.enable_cache(configs[cache]())
    except (ValueError, AttributeError) as error:
        text = f"cache {cache}: {type(transformer).__name__} takes none of it: {error}"
        raise VideoError("unsupported", text[:300]) from None
    stack.callback(transformer.disable_cache)


def _attended(stack: ExitStack, word: str) -> None:
    """By the context manager alone: set_attention_backend() would outlive this run for the whole process."""
    from diffusers.models.attention_dispatch import attention_backend

    if word not in ATTENTION:
        raise VideoError("invalid_request", f"attention {word!r} is unknown: default, {', '.join(ATTENTION)}")
    try:
        stack.enter_context(attention_backend(ATTENTION[word]))
    except (RuntimeError, ValueError, ImportError) as error:
        package = PACKAGES.get(word)
        remedy = f"pip install {package}" if package else "take attention=default"
        raise VideoError("unsupported", f"attention {word} is not usable here ({error}): {remedy}"[:400]) from None
