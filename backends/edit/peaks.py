"""True peaks: how high the wave between the samples goes, and a gain that keeps it below a ceiling.

A player's converter draws a curve through the samples, and the curve may rise above all of them (ITU-R BS.1770,
annex 2). So the wave is looked at four times as finely.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from backends.media.listen import RATE, Wave

FINER = 4
HALF = 16
"""Samples on each side that one value in between is made of."""
REACH = RATE // 100
"""The gain is low for so long before and after a peak (10 ms), so that it neither clicks nor is heard to move."""
MARGIN = 2 * REACH + HALF
"""Samples that `limited` needs on both sides of those that it gives back."""

Row = np.ndarray[Any, np.dtype[np.float32]]


def _filters() -> list[Row]:
    """One kernel for each place between two samples: a sinc in a Kaiser window."""
    at = np.arange(-HALF + 1, HALF + 1)
    window = np.kaiser(2 * HALF * FINER + 1, 8.0)
    kernels: list[Row] = []
    for phase in range(1, FINER):
        shift = phase / FINER
        taper = window[[round((place - shift + HALF) * FINER) for place in at]]
        kernel = np.sinc(at - shift) * taper
        kernels.append((kernel / kernel.sum()).astype(np.float32)[::-1])
    return kernels


_FILTERS = _filters()


def heights(wave: Wave) -> Row:
    """The true height at each sample, and up to the next: of 2 x n samples n - 2 * HALF values, without the edges."""
    inner = wave[:, HALF : wave.shape[1] - HALF]
    height = np.abs(inner).max(axis=0)
    for kernel in _FILTERS:
        for row in wave:
            between = np.convolve(row, kernel, "valid")[1 : 1 + height.size]
            np.maximum(height, np.abs(between), out=height)
    return height


def limited(wave: Wave, ceiling: float) -> tuple[Wave, bool]:
    """The samples without `MARGIN` on both sides, no true peak above `ceiling` (amplitude); whether any had been."""
    height = heights(wave)
    inner = wave[:, MARGIN : wave.shape[1] - MARGIN]
    if not height.size or float(height.max()) <= ceiling:
        return inner, False
    needed = np.minimum(1, ceiling / np.maximum(height, ceiling)).astype(np.float32)
    lowest = cv2.erode(needed[np.newaxis], np.ones((1, 2 * REACH + 1), np.uint8))[0]
    slope = np.hanning(2 * REACH + 3)[1:-1]
    gain = np.convolve(lowest, slope / slope.sum(), "valid")[REACH:-REACH].astype(np.float32)
    return inner * gain[np.newaxis], True


def in_db(amplitude: float) -> float:
    """Decibels below full scale."""
    return 20 * math.log10(max(amplitude, 1e-9))
