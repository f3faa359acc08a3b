"""Where a film can be cut so that its end runs into its beginning by itself: a pair of frames near its two ends that
follow on each other as any two frames of it do."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from backends.media.pixels import Picture

Small = np.ndarray[Any, np.dtype[np.float32]]

SIDE = 64
"""Frames are compared with the longer side at so many pixels."""
MOST_S = 1.0
"""So much is cut from either end at most."""
STEP = (0.4, 1.5)
"""The step across the seam, in steps of the film there: a smaller one would stand still, a larger one would jump."""
ONWARD = 1.2
"""Two steps on either side of the seam lie so many steps apart at least, where the film does not turn back."""
MOVES = 0.5
"""Levels (of 255) of a step below which nothing can be said of a motion."""


def small(pictures: Iterable[Picture]) -> list[Small]:
    """The pictures as `find` takes them."""
    return [_small(picture) for picture in pictures]


def _small(picture: Picture) -> Small:
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def find(head: list[Small], tail: list[Small]) -> tuple[int, int] | None:
    """How many frames to leave out at the beginning and at the end, as few as can be; None where no cut is good.

    head: the first frames of the film, tail: its last ones, both in order.
    """
    steps = [_apart(one, other) for one, other in pairwise(head)]
    pairs = [(out + cut, out, cut) for out in range(len(head) - 1) for cut in range(len(tail) - 1)]
    for _, out, cut in sorted(pairs):
        last = len(tail) - 1 - cut
        step = steps[out]
        if step < MOVES:
            continue
        across = _apart(tail[last], head[out])
        if STEP[0] * step <= across <= STEP[1] * step and _apart(tail[last - 1], head[out + 1]) >= ONWARD * step:
            return out, cut
    return None


def _apart(one: Small, other: Small) -> float:
    """Mean difference, 0..255."""
    return float(np.abs(one - other).mean())
