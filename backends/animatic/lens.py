"""From camera poses to pictures: every pose is one homography of the still, warped once, to sub-pixel accuracy.

The still is taken for a plane whose foot is nearer than its head, as the ground is in most pictures: moves in space
(truck, crane, dolly, orbit) then differ from turns and zooms as they should, and straight lines stay straight.
Geometry: Hartley & Zisserman, Multiple View Geometry, 13.1 (plane-induced homographies), H = K R (I - C n') K^-1.
Units: half the frame's height, origin in its middle, x right, y down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from backends.animatic.camera import Pose
from backends.errors import VideoError

Matrix = npt.NDArray[np.float64]
Rgb = npt.NDArray[np.uint8]

SLANT = 0.12
"""How much nearer than its middle the still's foot is taken to be (and its head farther)."""
LEAST = 0.25
"""The smallest share of the still's width that a path may leave: less is a few hundred pixels blown up."""
HORIZON = 0.1
"""How near the picture plane's horizon a corner may look, relative to its middle."""
FOCAL = 2.15
"""Focal length in half frame widths (of the wider side): 50 degrees across, a normal lens."""


def homography(pose: Pose, aspect: float, slant: float = SLANT) -> Matrix:
    """The 3x3 that takes points of the still to points of the frame, for a frame of that aspect (width / height).

    slant: 0 for a path with an orbit, which would shear a slanting plane into a leaning one.
    """
    focal = FOCAL * max(aspect, 1.0)
    pan = math.atan2(2 * aspect * pose.pan, focal)
    tilt = math.atan2(2 * pose.tilt, focal)
    roll, orbit = math.radians(pose.roll), math.radians(pose.orbit)
    place = np.array(
        [
            2 * aspect * pose.truck / focal + math.sin(orbit),
            -2 * pose.crane / focal,
            1 - math.exp(-pose.dolly) + 1 - math.cos(orbit),
        ]
    )
    normal = np.array([0.0, slant * focal, 1.0])
    turn = _roll(-roll) @ _tilt(tilt) @ _yaw(pan - orbit)
    lens = np.diag([focal, focal, 1.0])
    narrowed = np.diag([focal * math.exp(pose.zoom), focal * math.exp(pose.zoom), 1.0])
    made = narrowed @ turn @ (np.eye(3) - np.outer(place, normal)) @ inverse(lens)
    return made / made[2, 2]


def _yaw(angle: float) -> Matrix:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])


def _tilt(angle: float) -> Matrix:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])


def _roll(angle: float) -> Matrix:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def inverse(matrix: Matrix) -> Matrix:
    return np.linalg.inv(matrix).astype(np.float64, copy=False)


def rim(aspect: float) -> Matrix:
    """The frame's four corners, 4x2."""
    return np.array([[-aspect, -1.0], [aspect, -1.0], [aspect, 1.0], [-aspect, 1.0]])


def project(matrix: Matrix, points: Matrix) -> Matrix:
    """Nx2 points through a homography."""
    lifted = np.c_[points, np.ones(len(points))] @ matrix.T
    return lifted[:, :2] / lifted[:, 2:]


def too_far(left: float) -> VideoError:
    """For moves that add up to looking past the still; left: the share of its width that could be shown."""
    return VideoError(
        "unsupported",
        f"the camera moves together leave {max(0.0, left):.0%} of the picture's width, and at least {LEAST:.0%} is "
        "needed: use smaller amounts, or fewer moves the same way",
    )


def window(frame_from_still: Matrix, aspect: float) -> Matrix:
    """Where the frame's corners lie on the still, 4x2. VideoError("unsupported") when one looks past the horizon."""
    back = inverse(frame_from_still)
    lifted = np.c_[rim(aspect), np.ones(4)] @ back.T
    depth = lifted[:, 2] / back[2, 2]
    if depth.min() < HORIZON:
        raise too_far(0.0)
    return project(back, rim(aspect))


def magnification(matrix: Matrix, points: Matrix) -> Matrix:
    """How much longer a short line becomes at each of Nx2 points (the square root of the Jacobian's determinant)."""
    depth = np.c_[points, np.ones(len(points))] @ matrix[2]
    return np.sqrt(np.abs(np.linalg.det(matrix)) / np.abs(depth) ** 3)


@dataclass(frozen=True)
class Overscan:
    """The one crop under which a whole path shows nothing outside the still.

    scale: what is left of the still's width (1 = all). shift: where the crop's middle lies.
    closest, widest: the largest and smallest magnification on the path, the crop included.
    """

    scale: float
    shift: tuple[float, float]
    closest: float
    widest: float

    @classmethod
    def of(cls, matrices: Sequence[Matrix], aspect: float) -> Overscan:
        """From every frame's homography. Exact: a window is convex and so is its picture on the still.

        VideoError("unsupported") when less than `LEAST` of the width would be left.
        """
        corners = rim(aspect)
        seen = np.concatenate([window(matrix, aspect) for matrix in matrices])
        low, high = seen.min(axis=0), seen.max(axis=0)
        scale = float(min(1.0, 2 * aspect / (high[0] - low[0]), 2 / (high[1] - low[1])))
        if scale < LEAST:
            raise too_far(scale)
        middle = -scale * (low + high) / 2
        room = np.array([aspect, 1.0])
        # No farther from the middle than needed: a path that fits where it is stays there.
        shift = np.clip(np.zeros(2), -room - scale * low, room - scale * high)
        shift = np.where(-room - scale * low > room - scale * high, middle, shift)
        sizes = [magnification(matrix, project(inverse(matrix), np.r_[corners, [[0.0, 0.0]]])) for matrix in matrices]
        return cls(
            scale,
            (float(shift[0]), float(shift[1])),
            float(max(size.max() for size in sizes)) / scale,
            float(min(size.min() for size in sizes)) / scale,
        )

    def crop(self) -> Matrix:
        """The 3x3 from the cropped still's coordinates to the whole still's."""
        return np.array([[self.scale, 0.0, self.shift[0]], [0.0, self.scale, self.shift[1]], [0.0, 0.0, 1.0]])


def to_pixels(width: int, height: int, aspect: float) -> Matrix:
    """From half heights to the pixel centres of an image that covers the frame (whose own ratio may be off by a
    rounding)."""
    across, down = width / 2 / aspect, height / 2
    return np.array([[across, 0.0, width / 2 - 0.5], [0.0, down, height / 2 - 0.5], [0.0, 0.0, 1.0]])


def shoot(plane: Rgb, still_from_frame: Matrix, width: int, height: int) -> Rgb:
    """One frame: the plane seen through a homography from frame to still, both in half heights.

    Cubic: at 0.03 px it moves as evenly as the eye can tell, and Lanczos costs six times as much.
    """
    aspect = width / height
    matrix = to_pixels(plane.shape[1], plane.shape[0], aspect) @ still_from_frame
    matrix = matrix @ inverse(to_pixels(width, height, aspect))
    warped = cv2.warpPerspective(
        plane,
        matrix / matrix[2, 2],
        (width, height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return warped.astype(np.uint8, copy=False)
