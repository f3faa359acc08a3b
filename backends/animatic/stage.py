"""A still set up to be filmed: how large it must be for the camera's path, where its window lies in the clip's frame,
and what stands around that window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backends.animatic.brush import Placement
from backends.animatic.camera import CameraPath
from backends.animatic.lens import SLANT, Matrix, Overscan, Rgb, homography, inverse, shoot
from backends.media.fit import WHOLE, Focus, check_fit, fit_image, surround, whole_window
from backends.request import Fit

MUCH_CROP = 0.15
"""The share of the width lost to overscan from which it is noted."""
MUCH_UPSCALE = 1.5
"""Clip pixels a source pixel above which softness is noted."""
TURNING_CARD_DEG = 10.0
"""How far one may circle a flat still before it looks like a turning card."""
FINER = 1.25
"""How much finer than the widest view the plane is kept: more would shimmer, less would soften the closest view."""


def camera_matrices(path: CameraPath, times: list[float], aspect: float) -> list[Matrix]:
    """Frame-from-still homographies at those times."""
    slant = 0.0 if path.orbit_deg else SLANT
    return [homography(path.pose(t), aspect, slant) for t in times]


@dataclass(frozen=True)
class Stage:
    """plane: the still as it is filmed. place: where the whole picture lies on the plane. matrices: the camera's, one a
    frame. locked: frames are the plane itself. window: (width, height) of the part of the frame that the picture
    fills. around: the whole frame behind that part (None = the window is the frame). upscale: by how much the closest
    view enlarges the image."""

    plane: Rgb
    place: Placement
    matrices: list[Matrix]
    overscan: Overscan
    locked: bool
    window: tuple[int, int]
    around: Rgb | None
    upscale: float
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        image: Rgb,
        size: tuple[int, int],
        fit: Fit | None,
        focus: Focus | None,
        path: CameraPath,
        times: list[float],
    ) -> Stage:
        """For a (width, height) clip whose frames are at those times. notes: what the user should know of the crop
        and the path. VideoError("asset") for an image that the fit refuses, ("unsupported") for a path that looks past
        the still."""
        rows, columns = image.shape[:2]
        window = whole_window(columns, rows, *size) if fit in WHOLE else size
        matrices = camera_matrices(path, times, window[0] / window[1])
        overscan = Overscan.of(matrices, window[0] / window[1])
        if path.still:
            overscan = Overscan(1.0, (0.0, 0.0), 1.0, 1.0)
        lost = check_fit(columns, rows, *window, fit)  # at the clip's own size, before a rounding tells another ratio
        detail = min(columns / window[0], rows / window[1])  # source pixels a clip pixel where the whole still is seen
        finer = 1.0
        if overscan.closest > 1.0001:
            finer = max(1.0, min(detail, overscan.closest, FINER * max(1.0, overscan.widest)))
        plane, _ = fit_image(image, round(window[0] * finer), round(window[1] * finer), "crop", focus)
        upscale = overscan.closest / detail
        notes: list[str] = []
        if lost > 0.005 and fit not in WHOLE:
            notes.append(f"{lost:.0%} of the image was cut off to fit {size[0]}x{size[1]}")
        if detail < 0.999:
            notes.append(f"the image ({columns}x{rows}) is smaller than the clip and was enlarged {1 / detail:.2f}x")
        notes += _told(path, overscan, upscale)
        return cls(
            plane,
            Placement.covering((columns, rows), (plane.shape[1], plane.shape[0]), focus),
            matrices,
            overscan,
            path.still,
            window,
            None if window == size else surround(image, *size, fit),
            upscale,
            tuple(notes),
        )

    def view(self, index: int, painted: Rgb | None = None) -> Rgb:
        """Frame number `index`; painted: the plane with its motion regions moved. The frame is only good until the
        next one is requested."""
        plane = self.plane if painted is None else painted
        if not self.locked:
            plane = shoot(plane, self.overscan.crop() @ inverse(self.matrices[index]), *self.window)
        if self.around is None:
            return plane
        height, width = self.around.shape[:2]
        left, top = (width - self.window[0]) // 2, (height - self.window[1]) // 2
        self.around[top : top + self.window[1], left : left + self.window[0]] = plane
        return self.around


def _told(path: CameraPath, overscan: Overscan, upscale: float) -> list[str]:
    notes: list[str] = []
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
    return notes


def at_rest() -> Matrix:
    """The velocity of a camera that stands still."""
    return np.zeros((3, 3))
