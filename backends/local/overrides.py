"""What some pipelines decide by themselves, decided by the request instead: size, guidance, where a still stands.

Each is undone after the run, since the pipeline stays loaded for the next job.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from backends.errors import VideoError
from backends.local.call import Call


@contextmanager
def overridden(pipe: Any, call: Call) -> Generator[None]:
    """The pipeline under the request's own size, guidance and places."""
    with ExitStack() as stack:
        if call.own_size:
            _sized(stack, pipe, call.size)
        if call.guidance is not None:
            _guided(stack, pipe, call.guidance)
        if call.places:
            _placed(stack, pipe, call.places)
        yield


def _sized(stack: ExitStack, pipe: Any, size: tuple[int, int]) -> None:
    """HunyuanVideo 1.5 makes the size of a list whose ratio is next to the image's, and so 480x832 of 480x848."""
    width, height = size
    _replace(stack, pipe.video_processor, "calculate_default_height_width", lambda *_, **__: (height, width))


def _guided(stack: ExitStack, pipe: Any, guidance: float) -> None:
    """A pipeline without guidance_scale has a component that holds it."""
    if (guider := getattr(pipe, "guider", None)) is None:
        raise VideoError(
            "unsupported",
            f"provider_options.guidance: {type(pipe).__name__} has none: leave it out",
            nearest={"guidance": None},
        )
    stack.callback(setattr, pipe, "guider", guider)
    pipe.guider = guider.new(guidance_scale=guidance)


def _placed(stack: ExitStack, pipe: Any, places: tuple[int, ...]) -> None:
    """LTX-2 gets the latent frame of an image and takes the first of its eight frames; a single still may stand at
    any frame, and these are the stills' own, in the order of the call."""
    left = list(places)
    make: Callable[..., Any] = pipe._prepare_keyframe_coords

    def coordinates(**given: Any) -> Any:
        return make(**{**given, "pixel_frame_idx": left.pop(0)})

    _replace(stack, pipe, "_prepare_keyframe_coords", coordinates)


def _replace(stack: ExitStack, what: Any, name: str, other: Callable[..., Any]) -> None:
    """Over the class's method, on this one object."""
    stack.callback(vars(what).pop, name)
    vars(what)[name] = other
