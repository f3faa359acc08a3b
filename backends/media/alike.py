"""How alike two pictures are, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

Grey = np.ndarray[Any, np.dtype[np.uint8]]

BLOCK = 16
DIFFERS = 6.0  # of 255: a block that has changed more shows something else


@dataclass(frozen=True)
class Ends:
    """The first and the last frame of a clip, small and grey."""

    first: Grey
    last: Grey

    def apart(self) -> tuple[float, float]:
        """See `difference`."""
        return difference(self.first, self.last)


def difference(one: Grey, two: Grey) -> tuple[float, float]:
    """The mean difference, 0..255, and the share of the picture that differs, 0..1. Pictures of two sizes are brought
    to the first one's: another ratio is then seen as a difference, as a player would show it stretched."""
    if one.shape != two.shape:
        two = np.asarray(cv2.resize(two, (one.shape[1], one.shape[0]), interpolation=cv2.INTER_AREA), np.uint8)
    apart = cv2.absdiff(cv2.blur(one.astype(np.float32), (3, 3)), cv2.blur(two.astype(np.float32), (3, 3)))
    grid = (max(1, round(one.shape[1] / BLOCK)), max(1, round(one.shape[0] / BLOCK)))
    blocks = cv2.resize(apart, grid, interpolation=cv2.INTER_AREA)
    return float(np.mean(cv2.absdiff(one, two))), float(np.mean(blocks > DIFFERS))
