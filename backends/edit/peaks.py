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
        kernels.append((kernel / kernel.sum()).astype(np.float32))
    return kernels


_FILTERS = _filters()
MOST_BETWEEN = max(float(np.abs(kernel).sum()) for kernel in _FILTERS)
"""No true peak is so many times as high as the highest sample."""


def highest_sample(wave: Wave) -> float:
    return float(np.abs(wave).max(initial=0))


def heights(wave: Wave) -> Row:
    """The true height at each sample, and up to the next: of 2 x n samples n - 2 * HALF values, without the edges."""
    inner = slice(HALF, wave.shape[1] - HALF)
    height = np.abs(wave[:, inner])
    for kernel in _FILTERS:
        between = cv2.filter2D(wave, cv2.CV_32F, kernel[np.newaxis], anchor=(HALF - 1, 0))
        np.maximum(height, np.abs(between[:, inner]), out=height)
    return height.max(axis=0)


class TruePeak:
    """The true peak of samples that come block by block."""

    def __init__(self) -> None:
        self._edge: Wave = np.zeros((2, 2 * HALF), np.float32)
        self._peak = 0.0

    def feed(self, wave: Wave) -> None:
        """wave: 2 x n samples, after those before."""
        wave = np.concatenate((self._edge, wave), axis=1)
        if highest_sample(wave) * MOST_BETWEEN > self._peak:
            self._peak = max(self._peak, float(heights(wave).max(initial=0)))
        self._edge = wave[:, -2 * HALF :]

    def end(self) -> float:
        """Amplitude, when the last sample has come."""
        self.feed(np.zeros_like(self._edge))
        return self._peak


def limited(wave: Wave, ceiling: float) -> tuple[Wave, bool]:
    """The samples without `MARGIN` on both sides, no true peak above `ceiling` (amplitude); whether any had been."""
    inner = wave[:, MARGIN : wave.shape[1] - MARGIN]
    if highest_sample(wave) * MOST_BETWEEN <= ceiling:
        return inner, False
    height = heights(wave)
    if float(height.max()) <= ceiling:
        return inner, False
    needed = np.minimum(1, ceiling / np.maximum(height, ceiling)).astype(np.float32)
    return inner * _smoothed(_lowest(needed))[np.newaxis], True


def _lowest(row: Row) -> Row:
    """The lowest value within `REACH` of each, without `REACH` at both ends."""
    width, have = 2 * REACH + 1, 1
    while have < width:  # windows twice as wide, each of two that overlap or touch
        step = min(have, width - have)
        row, have = np.minimum(row[:-step], row[step:]), have + step
    return row


def _smoothed(row: Row) -> Row:
    """A mean over `REACH` on both sides, with less weight farther away; without `REACH` at both ends."""
    box = (REACH + 1, 1)
    return np.asarray(cv2.blur(cv2.blur(row[np.newaxis], box), box), np.float32)[0, REACH:-REACH]


def in_db(amplitude: float) -> float:
    """Decibels below full scale."""
    return 20 * math.log10(max(amplitude, 1e-9))
