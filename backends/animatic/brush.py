"""The motion brush: parts of a still that slide on their own, and parts that are frozen.

A region's weight rises from exactly 0 on its rim to 1 inside along the distance to the rim, so that nothing tears and
no pixel outside changes. How far it may slide before the picture would fold over itself is computed and kept to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from backends.animatic.lens import Rgb
from backends.errors import VideoError
from backends.media.fit import MIDDLE, Focus
from backends.regions import MotionRegion

Plane = npt.NDArray[np.float32]
Cover = npt.NDArray[np.bool_]

FULL = 0.10
"""How far intensity 1 goes over the clip, in frame widths."""
SQUEEZE = 0.8
"""The most that the picture may be squeezed at a rim: 1 would fold it."""
SOFT_RIM = 0.02
"""The narrowest rim, in frame widths, where the region has room for it."""
LONGEST_RIM = 6.0
"""How much longer a rim may be along the motion than across it."""
MEANINGFUL = 0.9
"""Noted when less than this share of the requested way is possible."""


@dataclass(frozen=True)
class Placement:
    """Where a fitted picture lies on the plane: x_plane = x * width + left for x in 0..1 of the picture."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def covering(cls, picture: tuple[int, int], plane: tuple[int, int], focus: Focus | None = None) -> Placement:
        """For a (width, height) picture on a plane that it covers, its overhang cut off around the focus."""
        scale = max(plane[0] / picture[0], plane[1] / picture[1])
        size = (picture[0] * scale, picture[1] * scale)
        left, top = (
            -min(whole - kept, max(0.0, part * whole - kept / 2))
            for part, whole, kept in zip(focus or MIDDLE, size, plane, strict=True)
        )
        return cls(left, top, *size)


def outline(region: MotionRegion, mask: Plane | None, place: Placement, plane: tuple[int, int]) -> Cover:
    """Which pixels of a (width, height) plane a region covers. mask: HxW 0..1 of the whole picture."""
    width, height = plane
    if mask is not None:
        rows, columns = mask.shape
        matrix = np.array(
            [
                [place.width / columns, 0.0, place.left + place.width / columns / 2 - 0.5],
                [0.0, place.height / rows, place.top + place.height / rows / 2 - 0.5],
            ]
        )
        return cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_LINEAR) >= 0.5
    if region.box is not None:
        left, top, right, bottom = region.box
        corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    else:
        corners = region.polygon or []
    points = np.array(corners) * [place.width, place.height] + [place.left, place.top] - 0.5
    canvas = np.zeros((height, width), np.uint8)
    cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], 255, shift=4)
    return canvas > 0


@dataclass
class Brush:
    """All regions of a still, ready to paint.

    across, down: how far each pixel of the box (left, top, right, bottom) slides over the whole clip, in pixels.
    slides: for every moving region, how far its heart goes, in plane pixels.
    """

    box: tuple[int, int, int, int]
    across: Plane
    down: Plane
    slides: list[float]

    @cached_property
    def _grid(self) -> tuple[Plane, Plane]:
        left, top, right, bottom = self.box
        columns, rows = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
        return columns, rows

    @classmethod
    def make(
        cls,
        regions: Sequence[MotionRegion],
        masks: Sequence[Plane | None],
        place: Placement,
        plane: tuple[int, int],
        notes: list[str],
    ) -> Brush | None:
        """None when nothing moves. VideoError("invalid_request") when a region covers nothing of the picture."""
        covers = [outline(region, mask, place, plane) for region, mask in zip(regions, masks, strict=True)]
        for index, cover in enumerate(covers):
            if not cover.any():
                raise VideoError(
                    "invalid_request",
                    f"motion[{index}] covers nothing of the picture that the clip shows: move it, or use fit=pad "
                    "if it was cropped away (a mask must have white where things move)",
                )
        frozen = np.zeros((plane[1], plane[0]), bool)
        for region, cover in zip(regions, covers, strict=True):
            if region.static:
                frozen |= cover
        across, down = (np.zeros((plane[1], plane[0]), np.float32) for _ in range(2))
        slides: list[float] = []
        for index, (region, cover) in enumerate(zip(regions, covers, strict=True)):
            if region.static or not region.intensity:
                continue
            if not (cover & ~frozen).any():
                notes.append(f"motion[{index}] lies wholly inside a frozen region: nothing of it moves")
                continue
            step = _slide(index, region, cover & ~frozen, FULL * plane[0], notes)
            across += step[0]
            down += step[1]
            slides.append(step[2])
        if not (across.any() or down.any()):
            return None
        squeezed = _hardest_squeeze(across, down)
        if squeezed > SQUEEZE:
            across *= SQUEEZE / squeezed
            down *= SQUEEZE / squeezed
            slides = [slide * SQUEEZE / squeezed for slide in slides]
            if squeezed > 1.05 * SQUEEZE:
                notes.append(f"motion regions overlap: all go {SQUEEZE / squeezed:.0%} as far so that nothing folds")
        box = _bounds(across, down)
        left, top, right, bottom = box
        return cls(box, across[top:bottom, left:right].copy(), down[top:bottom, left:right].copy(), slides)

    def paint(self, still: Rgb, onto: Rgb, done: float) -> None:
        """Paint the box of `still`, with `done` (0..1, or more) of the whole way gone, into `onto`."""
        left, top, right, bottom = self.box
        columns, rows = self._grid
        onto[top:bottom, left:right] = cv2.remap(
            still,
            columns - self.across * np.float32(done),
            rows - self.down * np.float32(done),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _slide(index: int, region: MotionRegion, cover: Cover, full: float, notes: list[str]) -> tuple[Plane, Plane, float]:
    """One region's field, and how far its heart goes: as requested, or as far as is possible without folding."""
    dx, dy = region.vector()
    wanted = region.intensity * full
    # A rim may be as narrow as the region across its way, but along it only as steep as the picture can bear.
    widest = max(1.5 * wanted / SQUEEZE, SOFT_RIM / FULL * full)
    weight, slide, room = _weighted(cover, (dx, dy), 1.0, widest, wanted)
    if slide < wanted:
        length = min(LONGEST_RIM, 1.5 * wanted / (SQUEEZE * max(room, 1.0)))
        weight, slide, _ = max(
            (weight, slide, room), _weighted(cover, (dx, dy), max(1.0, length), room, wanted), key=lambda way: way[1]
        )
    if slide < MEANINGFUL * wanted:
        notes.append(
            f"motion[{index}] goes {slide / full * FULL:.1%} of the width instead of {wanted / full * FULL:.1%}: "
            "farther, its rim would fold; a region that is longer in its direction can go farther"
        )
    return (weight * np.float32(dx * slide), weight * np.float32(dy * slide), slide)


def _weighted(
    cover: Cover, direction: tuple[float, float], length: float, widest: float, wanted: float
) -> tuple[Plane, float, float]:
    """The weight with a rim of at most `widest` pixels across and `length` times that along, how far it may slide
    (0 where the region is too small to have an inside), and the rim's width."""
    depth = _depth(cover, direction, length)
    rim = min(float(depth.max()), widest)
    share = np.clip((depth - 1) / max(rim - 1, 1e-3), 0, 1).astype(np.float32)
    weight = (share * share * (3 - 2 * share) * cover).astype(np.float32, copy=False)
    if not weight.any():
        return weight, 0.0, rim
    slope = float(np.abs(_gradient(weight, 1) * direction[0] + _gradient(weight, 0) * direction[1]).max())
    return weight, min(wanted, SQUEEZE / max(slope, 1e-9)), rim


def _depth(cover: Cover, direction: tuple[float, float], length: float) -> Plane:
    """Every pixel's distance to the region's rim, steps along the direction counting 1 / length. In pixels.

    The picture's own edge is a rim only where things would come in from outside it.
    """
    reach = round(FULL * 2 * cover.shape[1])
    dx, dy = direction
    beyond = [reach if abs(part) < 0.05 else 0 for part in (dy, dx)]  # rows, columns
    padded = np.pad(cover, [(width, width) for width in beyond], mode="edge").astype(np.uint8)
    rows, columns = padded.shape
    turn = np.array([[dx / length, dy / length], [-dy, dx]])
    corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]]) @ turn.T
    low, high = np.floor(corners.min(axis=0)) - 2, np.ceil(corners.max(axis=0)) + 2
    matrix = np.c_[turn, -low]
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    squashed = cv2.warpAffine(padded * np.uint8(255), matrix, size, flags=cv2.INTER_LINEAR) > 127
    depth = cv2.distanceTransform(squashed.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    depth = cv2.warpAffine(depth, matrix, (columns, rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return depth[beyond[0] : rows - beyond[0], beyond[1] : columns - beyond[1]].astype(np.float32, copy=False)


def _gradient(field: Plane, axis: int) -> Plane:
    return np.diff(field, axis=axis, append=np.take(field, [-1], axis=axis))


def _hardest_squeeze(across: Plane, down: Plane) -> float:
    """How near the whole field comes to folding: 1 minus the smallest Jacobian determinant of its map, roughly
    linear in the field's size for the sums of few regions that it is used for."""
    xx, xy = _gradient(across, 1), _gradient(across, 0)
    yx, yy = _gradient(down, 1), _gradient(down, 0)
    return float((1 - ((1 - xx) * (1 - yy) - xy * yx)).max())


def _bounds(across: Plane, down: Plane) -> tuple[int, int, int, int]:
    moves = (across != 0) | (down != 0)
    columns, rows = np.flatnonzero(moves.any(axis=0)), np.flatnonzero(moves.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
