"""What a pipeline's VAE has decoded, one picture after the other: the whole clip is never held as numbers of 32 bits.

A pipeline's own way makes three such copies of it in host memory before the first picture can be written.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from backends.errors import VideoError
from backends.media.pixels import Picture

NOT_A_NUMBER = "the model's frames or sound hold no numbers (NaN): another precision or plan may help (memory, weights)"


class Decoded:
    """A clip as its VAE left it, on the device: 1 x 3 x count x height x width. size: width, height."""

    def __init__(self, video: Any, finish: Callable[..., Any]) -> None:
        self._video = video
        self._finish = finish
        self.size = (int(video.shape[4]), int(video.shape[3]))

    def __len__(self) -> int:
        return int(self._video.shape[2])

    def __iter__(self) -> Iterator[Picture]:
        return self.pictures(0, len(self))

    def pictures(self, start: int, stop: int) -> Iterator[Picture]:
        """Those from `start` up to `stop`, exactly as the pipeline's own processor makes them of the whole clip.
        VideoError("provider") for one that holds no numbers."""
        for number in range(start, stop):
            frame = self._finish(self._video[:, :, number : number + 1], output_type="np")[0][0]
            if not np.isfinite(frame).all():
                raise VideoError("provider", NOT_A_NUMBER)
            yield np.asarray(np.clip(frame * 255.0 + 0.5, 0, 255), np.uint8)


@contextmanager
def as_decoded(pipe: Any) -> Generator[None]:
    """The pipeline gives `Decoded` as its result's frames."""
    processor = pipe.video_processor
    finish = processor.postprocess_video

    def whole(video: Any, output_type: str = "np", **_: Any) -> list[Decoded]:
        del output_type
        return [Decoded(video[number : number + 1], finish) for number in range(video.shape[0])]

    vars(processor)["postprocess_video"] = whole
    try:
        yield
    finally:
        del vars(processor)["postprocess_video"]
