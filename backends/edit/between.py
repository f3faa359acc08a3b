"""Frames between two frames of a clip, along the motion: dense optical flow both ways (DIS: Kroeger et al., ECCV
2016), intermediate flows as in Super SloMo (Jiang et al., CVPR 2018, eq. 4), each source weighted by how well its two
flows agree. Across a cut, where they agree nowhere, the nearer frame is shown."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cv2
import numpy as np

from backends.media.pixels import Picture

Floats = np.ndarray[Any, np.dtype[np.float32]]

FLOW_SIDE = 640
"""Flow is found with the longer side at most this."""
AGREE = 1.5
"""Two flows agree within so many flow pixels."""
RELATED = 0.4
"""The share of agreeing pixels below which two frames lie on two sides of a cut."""


class Between:
    """What lies between two frames of one size."""

    def __init__(self, a: Picture, b: Picture) -> None:
        self.a = a
        self.b = b

    def at(self, share: float) -> Picture:
        """The picture `share` (0..1) of the way from a to b."""
        if share <= 0.01:
            return self.a
        if share >= 0.99:
            return self.b
        forward, back, trust_a, trust_b, related = self._flows
        if not related:
            return self.a if share < 0.5 else self.b
        ahead, rest = share, 1 - share
        one, of_a = self._pulled(self.a, _sum(forward, -rest * ahead, back, ahead * ahead), trust_a)
        two, of_b = self._pulled(self.b, _sum(forward, rest * rest, back, -ahead * rest), trust_b)
        of_a, of_b = of_a * (1 - share) + 1e-3, of_b * share + 1e-3
        part = of_b / (of_a + of_b)
        return np.asarray(cv2.blendLinear(one, two, 1 - part, part), np.uint8)

    @cached_property
    def _flows(self) -> tuple[Floats, Floats, Floats, Floats, bool]:
        small_a, small_b = _small(self.a), _small(self.b)
        forward, back = _flow(small_a, small_b), _flow(small_b, small_a)
        gap_a, gap_b = _gap(forward, back), _gap(back, forward)
        related = float((gap_a < AGREE).mean()) >= RELATED
        return forward, back, np.exp(-gap_a), np.exp(-gap_b), related

    def _pulled(self, picture: Picture, flow: Floats, trust: Floats) -> tuple[Picture, Floats]:
        """A picture drawn along a flow, and how far it is to be trusted, both at full size."""
        height, width = picture.shape[:2]
        rows, columns = flow.shape[:2]
        scale = np.array([width / columns, height / rows], np.float32)
        full = np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR), np.float32) * scale
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        drawn = cv2.remap(
            picture, x + full[..., 0], y + full[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        weight = cv2.resize(trust, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(drawn, np.uint8), np.asarray(weight, np.float32)


def _sum(one: Floats, part_one: float, two: Floats, part_two: float) -> Floats:
    return np.asarray(cv2.addWeighted(one, part_one, two, part_two, 0), np.float32)


def _small(picture: Picture) -> np.ndarray[Any, np.dtype[np.uint8]]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    scale = FLOW_SIDE / max(grey.shape)
    if scale < 1:
        size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _flow(a: np.ndarray[Any, np.dtype[np.uint8]], b: np.ndarray[Any, np.dtype[np.uint8]]) -> Floats:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(search.calc(a, b, np.zeros((*a.shape, 2), np.float32)), np.float32)


def _gap(there: Floats, back: Floats) -> Floats:
    """How far a pixel ends from itself after going there and back, in flow pixels."""
    height, width = there.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    home = cv2.remap(back, x + there[..., 0], y + there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.linalg.norm(there + np.asarray(home, np.float32), axis=2), np.float32)
