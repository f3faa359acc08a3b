"""interpolate: from keyframe to keyframe, along the motion between them where there is one.

Dense optical flow both ways (DIS: Kroeger et al., ECCV 2016), intermediate flows as in Super SloMo (Jiang et al.,
CVPR 2018, eq. 4), and each source weighted by how well its two flows agree. Between pictures with no common motion
that would give rubber, so there a plain dissolve is made, and it is called one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from backends.animatic.align import reframing
from backends.animatic.drift import logarithm, moved
from backends.animatic.lens import Matrix, Rgb, inverse

Flow = npt.NDArray[np.float32]
"""HxWx2: where each pixel of one picture is found in the other, in pixels to the right and down."""
Weight = npt.NDArray[np.float32]
Maps = tuple[Weight, Weight]
"""Where each pixel comes from: its column and its row in the source."""

FLOW_SIDE = 640
"""Flow is found with the longer side at most this: larger finds no more between keyframes and costs by the pixel."""
TOLERANCE = (1.0, 0.05)
"""Two flows agree within this many flow pixels, plus this share of the way."""
PLAIN = 12.0
"""Variance of a 15x15 patch (grey levels squared) below which it has no structure to compare."""
CORRELATED = 0.7
"""Correlation from which two patches have the same structure."""
COMMON = 0.08
"""The share of the frame that two pictures must both show (a quarter of it for a zoom of 2)."""
FLOOR = np.float32(1e-3)
EDGE = np.float32(6)
RELATED = 0.4
"""The share of agreeing pixels below which two pictures are dissolved, not morphed. See tests/animatic/test_morph.py
for what related and unrelated photographs give."""


@dataclass(frozen=True)
class Bridge:
    """What lies between two keyframes.

    reframed: the camera's part of the motion, a homography from a's flow pixels to b's; its generator is `camera`.
    forward, back: what else moves, in a's flow pixels. trust_a, trust_b: 0..1 a flow pixel.
    consistency: 0..1, the share of the common view that the flows carry there and back and that looks alike.
    """

    a: Rgb
    b: Rgb
    consistency: float
    reframed: Matrix
    camera: Matrix
    forward: Flow
    back: Flow
    trust_a: Weight
    trust_b: Weight

    @classmethod
    def between(cls, a: Rgb, b: Rgb) -> Bridge:
        """For two pictures of one size."""
        small_a, small_b = _small(a), _small(b)
        height, width = small_a.shape
        reframed = reframing(small_a, small_b)
        there = _through(reframed, *_grid(height, width))
        common = (there[0] > -1) & (there[0] < width) & (there[1] > -1) & (there[1] < height)
        like_a = cv2.remap(small_b, *there, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        like_a = np.where(common, like_a, small_a).astype(np.uint8)
        forward, back = _flow(small_a, like_a), _flow(like_a, small_a)
        gap_a, gap_b = _gap(forward, back), _gap(back, forward)
        agree = (gap_a < 1) & _alike(small_a, like_a, forward) & common
        seen = int(np.count_nonzero(common))
        # Where the flows don't agree they mean nothing: there the pictures dissolve in place instead of being torn.
        sure = _sureness(agree)
        return cls(
            a,
            b,
            np.count_nonzero(agree) / seen if seen > COMMON * common.size else 0.0,
            reframed,
            logarithm(reframed),
            forward * sure[..., None],
            back * sure[..., None],
            1 - sure + sure * np.exp(-gap_a),
            1 - sure + sure * np.exp(-gap_b),
        )

    @property
    def related(self) -> bool:
        return self.consistency >= RELATED

    def at(self, share: float) -> Rgb:
        """The picture `share` (0..1) of the way from a to b; the keyframes themselves at 0 and 1."""
        if share <= 0:
            return self.a
        if share >= 1:
            return self.b
        if not self.related:
            return cv2.addWeighted(self.a, 1 - share, self.b, share, 0).astype(np.uint8, copy=False)
        height, width = self.a.shape[:2]
        map_a, map_b, mix = self._maps(share)
        mix = cv2.resize(mix, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
        return _blend(_drawn(self.a, map_a), _drawn(self.b, map_b), mix)

    def _maps(self, s: float) -> tuple[Maps, Maps, Weight]:
        """At flow size: where each pixel comes from in a and in b (in flow pixels), and b's share of it."""
        height, width = self.forward.shape[:2]
        # Where the camera alone would have each pixel of this moment lie on a.
        home = _through(inverse(moved(self.camera, s)), *_grid(height, width))
        forward, back = _sampled(self.forward, home), _sampled(self.back, home)
        map_a = _shifted(home, _mixed(forward, -(1 - s) * s, back, s * s))
        seen_b = _shifted(home, _mixed(forward, (1 - s) * (1 - s), back, -s * (1 - s)))
        map_b = _through(self.reframed, *seen_b)
        weight_a = (1 - s) * (_sampled(self.trust_a, map_a) + FLOOR) * (_inside(map_a, width, height) + FLOOR)
        weight_b = s * (_sampled(self.trust_b, seen_b) + FLOOR) * (_inside(map_b, width, height) + FLOOR)
        return map_a, map_b, (weight_b / (weight_a + weight_b)).astype(np.float32)


def _small(picture: Rgb) -> npt.NDArray[np.uint8]:
    height, width = picture.shape[:2]
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    scale = FLOW_SIDE / max(height, width)
    if scale < 1:
        grey = cv2.resize(grey, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    return grey.astype(np.uint8, copy=False)


def _flow(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> Flow:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(1)
    start = np.zeros((*a.shape, 2), np.float32)
    return search.calc(a, b, start).astype(np.float32, copy=False)


def _grid(height: int, width: int) -> Maps:
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return columns, rows


def _through(matrix: Matrix, columns: Weight, rows: Weight) -> Maps:
    """Points through a homography."""
    m = matrix.astype(np.float32)
    depth = m[2, 0] * columns + m[2, 1] * rows + m[2, 2]
    return (m[0, 0] * columns + m[0, 1] * rows + m[0, 2]) / depth, (
        m[1, 0] * columns + m[1, 1] * rows + m[1, 2]
    ) / depth


def _shifted(place: Maps, flow: Flow) -> Maps:
    return place[0] + flow[..., 0], place[1] + flow[..., 1]


def _mixed(one: Flow, part_one: float, two: Flow, part_two: float) -> Flow:
    return cv2.addWeighted(one, part_one, two, part_two, 0).astype(np.float32, copy=False)


def _sampled(field: Flow, place: Maps) -> Flow:
    return cv2.remap(field, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32, copy=False)


def _inside(place: Maps, width: int, height: int) -> Weight:
    """1 within a picture, falling to 0 over the outermost pixels, so that its edge never shows as a line."""
    depth = np.minimum(np.minimum(place[0], width - 1 - place[0]), np.minimum(place[1], height - 1 - place[1]))
    return np.clip(depth / EDGE + 1, 0, 1).astype(np.float32, copy=False)


def _drawn(picture: Rgb, place: Maps) -> Rgb:
    """A full-size picture pulled through maps of flow size."""
    height, width = picture.shape[:2]
    rows, columns = place[0].shape
    full: list[Weight] = []
    for field, scale in zip(place, (width / columns, height / rows), strict=True):
        grown = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
        full.append((grown + np.float32(0.5)) * np.float32(scale) - np.float32(0.5))
    drawn = cv2.remap(picture, full[0], full[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return drawn.astype(np.uint8, copy=False)


def _gap(there: Flow, back: Flow) -> npt.NDArray[np.float32]:
    """How far a pixel ends from itself after going there and back, in tolerances."""
    lost = np.linalg.norm(there + _sampled(back, _shifted(_grid(*there.shape[:2]), there)), axis=2)
    way = np.linalg.norm(there, axis=2)
    return (lost / (TOLERANCE[0] + TOLERANCE[1] * way)).astype(np.float32)


def _sureness(agree: npt.NDArray[np.bool_]) -> Weight:
    """0..1: how many of the pixels around each one agree, made soft."""
    near = cv2.GaussianBlur(agree.astype(np.float32), (0, 0), 6)
    share = np.clip((near - 0.25) / 0.5, 0, 1).astype(np.float32)
    return share * share * (3 - 2 * share)


def _alike(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], flow: Flow) -> npt.NDArray[np.bool_]:
    """Where b, pulled along the flow, has the same local structure as a (or both are plain and equally bright)."""
    one = a.astype(np.float32)
    two = _sampled(b.astype(np.float32), _shifted(_grid(*a.shape), flow))
    mean_one, mean_two = _local(one), _local(two)
    spread_one = np.maximum(_local(one * one) - mean_one * mean_one, 0)
    spread_two = np.maximum(_local(two * two) - mean_two * mean_two, 0)
    shared = _local(one * two) - mean_one * mean_two
    plain = (spread_one < PLAIN) & (spread_two < PLAIN) & (np.abs(mean_one - mean_two) < 12)
    return plain | (shared > CORRELATED * np.sqrt(np.maximum(spread_one * spread_two, 1.0)))


def _local(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return cv2.boxFilter(picture, -1, (15, 15), borderType=cv2.BORDER_REFLECT).astype(np.float32, copy=False)


def _blend(a: Rgb, b: Rgb, share: npt.NDArray[np.float32]) -> Rgb:
    return cv2.blendLinear(a, b, 1 - share, share).astype(np.uint8, copy=False)
