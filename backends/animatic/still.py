"""image_to_video: a camera over a still, with motion regions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backends.animatic.brush import Brush, Placement, Plane
from backends.animatic.camera import CameraPath, drifting_in
from backends.animatic.drift import in_words, to_json, velocity
from backends.animatic.ease import DRIFT, out_and_back, travel
from backends.animatic.lens import SLANT, Matrix, Overscan, Rgb, homography, inverse, shoot
from backends.animatic.take import Take
from backends.animatic.timing import frame_count
from backends.backend import Prepared
from backends.errors import VideoError
from backends.media.fit import fit_image
from backends.media.images import load_image, load_mask
from backends.media.rates import exact_rate
from backends.request import Fit

MUCH_CROP = 0.15
"""The share of the width lost to overscan that is told."""
MUCH_UPSCALE = 1.5
"""Clip pixels a source pixel above which softness is told."""
TURNING_CARD_DEG = 10.0
"""How far one may circle a flat still before it looks like a turning card."""
FINER = 1.25
"""How much finer than the widest view the plane is kept: more would shimmer, less would soften the closest view."""


def still_take(prepared: Prepared) -> Take:
    """The take for image_to_video. VideoError from reading the inputs passes through."""
    request = prepared.request
    rate = exact_rate(request.fps or 24)
    count = frame_count(request.duration_s or 5, rate)
    notes: list[str] = []
    moves = request.camera
    if not moves and not request.motion:
        moves = tuple(drifting_in(notes, request.loop))
    path = CameraPath(moves, _length(count, rate, request.loop), request.seed or 0, loop=request.loop)
    asset = prepared.assets.get("frames[0].image")
    if asset is None:
        raise VideoError("invalid_request", "image_to_video needs an image: give frames[0].image")
    image = load_image(asset.path)
    width, height = window = _window(image, prepared.width, prepared.height, request.fit == "pad")
    matrices = camera_matrices(path, [float(i / rate) for i in range(count)], width / height)
    overscan = Overscan.of(matrices, width / height)
    if path.still:
        overscan = Overscan(1.0, (0.0, 0.0), 1.0, 1.0)
    plane, upscale = _plane(image, request.fit, window, overscan, notes)
    place = Placement.covering((image.shape[1], image.shape[0]), (plane.shape[1], plane.shape[0]))
    brush = _brush(prepared, plane, place, notes)
    _tell(path, overscan, upscale, notes)
    if request.prompt:
        notes.append("the prompt is not followed: an animatic moves the camera and the marked regions, nothing else")
    if request.loop and brush:
        notes.append("motion regions go out and back so that the loop has no seam")
    speed = np.zeros((3, 3))
    if count > 1 and not path.still and not request.loop:
        speed = velocity(matrices[-2], matrices[-1], float(1 / rate))
    take = Take(
        frames=iter(()),
        count=count,
        rate=rate,
        phase="moving the camera over the still" if not path.still else "moving the marked regions",
        sidecar={
            "kind": "camera",
            "camera": [str(move) for move in path.moves],
            "velocity": to_json(speed),
            "speed": in_words(speed),
            "regions": len(request.motion),
        },
        facts={
            "method": "+".join(["camera"] * (not path.still) + ["motion brush"] * (brush is not None)) or "held still",
            "crop_pct": round(100 * (1 - overscan.scale), 1),
            "upscale": round(upscale, 2),
        },
        notes=notes,
    )
    if brush:
        take.facts["slides_px"] = [round(slide * width / plane.shape[1], 1) for slide in brush.slides]
    shot = _Shot(plane, brush, None if path.still else overscan, matrices, width, height)
    frames = shot.frames([_done(path, i, count, rate) for i in range(count)])
    take.frames = frames if window == (prepared.width, prepared.height) else _letterboxed(frames, prepared)
    return take


def _length(count: int, rate: Fraction, loop: bool) -> float:
    """The time of the last frame; for a loop the whole period, whose end is the first frame again."""
    return float((count if loop else count - 1) / rate)


def camera_matrices(path: CameraPath, times: list[float], aspect: float) -> list[Matrix]:
    """Frame-from-still homographies at those times."""
    slant = 0.0 if path.orbit_deg else SLANT
    return [homography(path.pose(t), aspect, slant) for t in times]


def _done(path: CameraPath, frame: int, count: int, rate: Fraction) -> float:
    """How much of their way the motion regions have gone at a frame."""
    t = float(frame / rate)
    return out_and_back(t, path.length_s) if path.loop else travel(t, path.length_s, DRIFT) if count > 1 else 0.0


@dataclass(frozen=True)
class _Shot:
    """plane: the still as it is filmed. overscan None = locked off: frames are the plane itself."""

    plane: Rgb
    brush: Brush | None
    overscan: Overscan | None
    matrices: list[Matrix]
    width: int
    height: int

    def frames(self, done: list[float]) -> Iterator[Rgb]:
        """One frame a value of `done` (the motion regions' share of their way)."""
        painted = self.plane.copy() if self.brush else self.plane
        for matrix, share in zip(self.matrices, done, strict=True):
            if self.brush:
                self.brush.paint(self.plane, painted, share)
            if self.overscan is None:
                yield painted
            else:
                yield shoot(painted, self.overscan.crop() @ inverse(matrix), self.width, self.height)


def _letterboxed(frames: Iterator[Rgb], prepared: Prepared) -> Iterator[Rgb]:
    canvas = np.zeros((prepared.height, prepared.width, 3), np.uint8)
    for frame in frames:
        rows, columns = frame.shape[:2]
        top, left = (prepared.height - rows) // 2, (prepared.width - columns) // 2
        canvas[top : top + rows, left : left + columns] = frame
        yield canvas


def _window(image: Rgb, width: int, height: int, pad: bool) -> tuple[int, int]:
    """The part of the frame that the picture fills: all of it, or what a letterbox leaves (whose bars stand still)."""
    if not pad:
        return width, height
    scale = min(width / image.shape[1], height / image.shape[0])
    return min(width, max(2, round(image.shape[1] * scale))), min(height, max(2, round(image.shape[0] * scale)))


def _plane(image: Rgb, fit: Fit, window: tuple[int, int], overscan: Overscan, notes: list[str]) -> tuple[Rgb, float]:
    """The fitted still at the size that the path needs, and by how much its closest view enlarges the image."""
    width, height = window
    rows, columns = image.shape[:2]
    detail = min(columns / width, rows / height)  # source pixels a clip pixel where the whole still is seen
    finer = 1.0
    if overscan.closest > 1.0001:
        finer = max(1.0, min(detail, overscan.closest, FINER * max(1.0, overscan.widest)))
    if fit == "refuse":  # checked at the clip's own size, before a rounding can tell another ratio
        fit_image(image, width, height, fit)
    plane, lost = fit_image(image, round(width * finer), round(height * finer), "crop")
    if lost > 0.005 and fit == "crop":
        notes.append(f"{lost:.0%} of the image was cut off to fit {width}x{height}")
    if detail < 0.999:
        notes.append(f"the image ({columns}x{rows}) is smaller than the clip and was enlarged {1 / detail:.2f}x")
    return plane, overscan.closest / detail


def _brush(prepared: Prepared, plane: Rgb, place: Placement, notes: list[str]) -> Brush | None:
    regions = prepared.request.motion
    if not regions:
        return None
    masks: list[Plane | None] = []
    for index in range(len(regions)):
        asset = prepared.assets.get(f"motion[{index}].mask")
        masks.append(load_mask(asset.path) if asset else None)
    for index, mask in enumerate(masks):
        if mask is not None and abs(mask.shape[1] / mask.shape[0] / (place.width / place.height) - 1) > 0.03:
            notes.append(f"motion[{index}].mask has another ratio than the image and was stretched to it")
    return Brush.make(regions, masks, place, (plane.shape[1], plane.shape[0]), notes)


def _tell(path: CameraPath, overscan: Overscan, upscale: float, notes: list[str]) -> None:
    crop = 1 - overscan.scale
    if crop > MUCH_CROP:
        notes.append(
            f"{crop:.0%} of the width is cropped so that no border shows on the whole move; a smaller amount crops less"
        )
    if upscale > MUCH_UPSCALE:
        notes.append(f"the closest view enlarges the image {upscale:.1f}x and is soft: a larger image is sharper")
    if path.orbit_deg > TURNING_CARD_DEG:
        notes.append(
            f"the orbit gets {path.orbit_deg:.0f} degrees from facing a flat still: beyond {TURNING_CARD_DEG:.0f} it "
            "looks like a turning card"
        )
