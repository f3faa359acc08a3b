"""Making room for a voice: while it speaks, what lies under it is turned down, smoothly and a moment before."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from backends.edit.stems import Stem
from backends.media.listen import RATE, Wave

STEP = RATE // 100
"""Samples between two values of a curve: 10 ms."""
BELOW_DB = 25.0
"""A voice speaks where it is at most so far below its own loudness."""
QUIETEST_DB = -55.0
PAUSE_S = 0.7
"""Shorter pauses count as speech: music that comes up between two words pumps."""
AHEAD_S, AFTER_S = 0.3, 0.3
SLOPE_S = 0.5
"""How long it takes to go down and to come up again; half of it lies before the voice (`AHEAD_S` holds more)."""

Curve = np.ndarray[Any, np.dtype[np.float32]]


class Ducking:
    """How much of a voice is heard at each time. stem: the voice, of at most an hour."""

    def __init__(self, stem: Stem, lufs: float | None) -> None:
        level = np.concatenate([_levels(block) for block in stem.blocks()] or [np.zeros(1, np.float32)])
        threshold = max(QUIETEST_DB, (QUIETEST_DB if lufs is None else lufs) - BELOW_DB)
        self._curve = _smooth(level > threshold)

    @property
    def speaks(self) -> bool:
        return bool(self._curve.max() > 0)

    def gain(self, start: int, stop: int, depth_db: float) -> Wave:
        """1 x n factors for the samples from `start` to `stop`: 1 in silence, -depth_db while somebody speaks."""
        at = np.arange(start, stop) / STEP
        amount = np.interp(at, np.arange(self._curve.size), self._curve, right=0.0)
        return (10 ** (-depth_db / 20 * amount)).astype(np.float32)[np.newaxis]


def _levels(block: Wave) -> Curve:
    """dB (full scale = 0) of each step of a block."""
    steps = -(-block.shape[1] // STEP)
    power = np.zeros(steps * STEP, np.float32)
    power[: block.shape[1]] = (block**2).mean(axis=0)
    return (10 * np.log10(power.reshape(steps, STEP).mean(axis=1) + 1e-12)).astype(np.float32)


def _smooth(speaking: np.ndarray[Any, np.dtype[np.bool_]]) -> Curve:
    """0..1 a step: pauses closed, widened at both sides, with soft slopes."""
    pad = round((PAUSE_S + AHEAD_S + AFTER_S + SLOPE_S) * RATE / STEP)
    row = np.pad(speaking.astype(np.uint8), pad)[np.newaxis]
    pause, ahead, after = (round(seconds * RATE / STEP) for seconds in (PAUSE_S, AHEAD_S, AFTER_S))
    row = cv2.morphologyEx(row, cv2.MORPH_CLOSE, np.ones((1, pause | 1), np.uint8))
    row = cv2.dilate(row, np.ones((1, ahead + after + 1), np.uint8), anchor=(after, 0))
    slope = np.hanning(round(SLOPE_S * RATE / STEP) + 2)[1:-1]
    curve = np.convolve(row[0].astype(np.float64), slope / slope.sum(), "same")
    return np.clip(curve[pad:-pad], 0, 1).astype(np.float32)
