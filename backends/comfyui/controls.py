"""The brush and the camera as a workflow's own values: motion regions become tracks of points, a camera move the words
and the speed of a camera node.

Tracks are a JSON list of tracks, each a list of {x, y} in pixels of the clip, evenly over its length. WanTrackToVideo's
`tracks` takes 121 points a track, whatever the number of frames, and calls every missing one hidden;
WanMoveTracksFromCoords takes one a frame.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backends.camera import CameraMove
from backends.comfyui.graph import inputs
from backends.errors import VideoError
from backends.provider.protocol import Prepared
from backends.regions import MotionRegion
from backends.request import VideoRequest

if TYPE_CHECKING:
    from backends.comfyui.filling import Filling
    from backends.media.images import Mask

FULL = 0.10
"""How far intensity 1 goes over the clip, in clip widths."""
GRID = 16
"""Points that are tried along the longer side of a region's outline."""
MOST = 9
"""Tracks a region."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Placement:
    """Where the whole image lies in the clip: x = left + width * (0..1 of the image), in pixels of the clip."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, picture: tuple[int, int], prepared: Prepared) -> Placement:
        """As `media.fit` puts an image of (width, height) into the clip."""
        from backends.media.fit import WHOLE, crop_window, whole_window

        clip = (prepared.width, prepared.height)
        if prepared.request.fit in WHOLE:
            width, height = whole_window(*picture, *clip)
            return cls((clip[0] - width) // 2, (clip[1] - height) // 2, width, height)
        left, top, kept_width, kept_height = crop_window(*picture, *clip, prepared.request.focus)
        across, down = clip[0] / kept_width, clip[1] / kept_height
        return cls(-left * across, -top * down, picture[0] * across, picture[1] * down)

    def at(self, point: Point) -> Point:
        return self.left + point[0] * self.width, self.top + point[1] * self.height


def put_motion(filling: Filling, request: VideoRequest, prepared: Prepared) -> None:
    """Every region's tracks, into every place that takes tracks."""
    first = prepared.assets.get("frames[0].image")
    picture = (first.facts.width, first.facts.height) if first else (prepared.width, prepared.height)
    place = Placement.of(picture, prepared)
    starts: list[list[Point]] = []
    for index, region in enumerate(request.motion):
        found = [point for point in map(place.at, spread(region, _mask(prepared, index))) if _is_seen(point, prepared)]
        if not found:
            text = f"motion[{index}] covers nothing of the picture that the clip shows: move it, or use fit=pad"
            raise VideoError("invalid_request", text)
        starts.append(found)
    for selector, (node, key) in zip(
        filling.binding.selectors.get("tracks", ()), filling.where("tracks", "motion"), strict=True
    ):
        points = selector.points or _frames(filling)
        made = [
            track(point, region, prepared.width, points)
            for region, found in zip(request.motion, starts, strict=True)
            for point in found
        ]
        filling.set(node, key, json.dumps(made, separators=(",", ":")))
    filling.notes.append(
        f"the motion regions are {sum(map(len, starts))} tracks of points: the model follows them as it can"
    )


def _frames(filling: Filling) -> int:
    """How many the clip will have: a node that names no other number takes a point for each."""
    node, key = filling.where("frames", "motion")[0]
    return int(str(inputs(filling.graph[node])[key]))


def track(start: Point, region: MotionRegion, width: int, points: int) -> list[dict[str, float]]:
    """A point on its straight way: intensity 1 goes FULL of the clip's width by its last frame; a static one stays."""
    across, down = region.vector()
    far = 0.0 if region.static else FULL * region.intensity * width
    steps = [number / max(1, points - 1) for number in range(points)]
    return [
        {"x": round(start[0] + across * far * step, 2), "y": round(start[1] + down * far * step, 2)} for step in steps
    ]


def _mask(prepared: Prepared, index: int) -> Mask | None:
    from backends.media.images import load_mask

    asset = prepared.assets.get(f"motion[{index}].mask")
    return None if asset is None else load_mask(asset.path)


def _is_seen(point: Point, prepared: Prepared) -> bool:
    return 0 <= point[0] < prepared.width and 0 <= point[1] < prepared.height


def spread(region: MotionRegion, mask: Mask | None) -> list[Point]:
    """At most MOST points evenly inside a region, 0..1 of the image; its heart where it is thinner than their grid."""
    left, top, right, bottom = _bounds(region, mask)
    inside = [
        point
        for row in range(GRID)
        for column in range(GRID)
        if _covers(
            region,
            mask,
            point := (
                left + (right - left) * (column + 0.5) / GRID,
                top + (bottom - top) * (row + 0.5) / GRID,
            ),
        )
    ]
    wanted = [
        (left + (right - left) * x, top + (bottom - top) * y) for y in (1 / 6, 0.5, 5 / 6) for x in (1 / 6, 0.5, 5 / 6)
    ]
    if region.box is not None:
        return wanted
    nearest = [min(inside, key=lambda one: (one[0] - x) ** 2 + (one[1] - y) ** 2) for x, y in wanted] if inside else []
    return list(dict.fromkeys(nearest))[:MOST]


def _bounds(region: MotionRegion, mask: Mask | None) -> tuple[float, float, float, float]:
    if region.box is not None:
        return region.box[0], region.box[1], region.box[2], region.box[3]
    if region.polygon is not None:
        across, down = [point[0] for point in region.polygon], [point[1] for point in region.polygon]
        return min(across), min(down), max(across), max(down)
    if mask is None or not (mask >= 0.5).any():
        return 0.0, 0.0, 1.0, 1.0
    rows, columns = np.nonzero(mask >= 0.5)
    height, width = mask.shape
    left, top = float(columns.min()) / width, float(rows.min()) / height
    return left, top, (float(columns.max()) + 1) / width, (float(rows.max()) + 1) / height


def _covers(region: MotionRegion, mask: Mask | None, point: Point) -> bool:
    if region.box is not None:
        return True
    if region.polygon is not None:
        return _is_inside(region.polygon, point)
    if mask is None:
        return False
    height, width = mask.shape
    return bool(mask[min(height - 1, int(point[1] * height)), min(width - 1, int(point[0] * width))] >= 0.5)


def _is_inside(polygon: Sequence[Sequence[float]], point: Point) -> bool:
    """By the number of edges that a ray to the right crosses."""
    inside, (x, y) = False, point
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
    return inside


def put_camera(filling: Filling, moves: Sequence[CameraMove]) -> None:
    """One move for the whole clip: the camera node's own word, and its speed by the amount."""
    if len(moves) != 1:
        raise VideoError(
            "unsupported", f"camera: the workflow {filling.binding.name} takes one move for the whole clip"
        )
    (move,) = moves
    if (pose := filling.binding.camera.get(move.move)) is None:
        legal = ", ".join(filling.binding.camera) or "none"
        raise VideoError("unsupported", f"camera {move.move}: the workflow {filling.binding.name} has {legal}")
    filling.put("camera_pose", pose.pose, "camera")
    if filling.has("camera_speed"):
        filling.put("camera_speed", round(pose.speed * move.amount, 3))
