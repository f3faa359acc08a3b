"""How the framing changes from one picture to another of the same scene: one homography, where there is one.

Dense flow finds motions of up to a tenth of the frame. Between two keyframes the camera has often gone much farther:
found first, it leaves the flow only what moved in front of it.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from backends.animatic.lens import Matrix

Grey = npt.NDArray[np.uint8]

FAINT = 0.01
"""SIFT's contrast threshold, a quarter of the usual: dusk and fog have few strong corners; RANSAC sorts them."""
DISTINCT = 0.75
"""A match counts when the second best is this much worse (Lowe, IJCV 2004)."""
MIN_INLIERS = 12
MIN_SHARE = 0.35
"""Of the distinct matches that must agree on the one homography."""
MAX_ZOOM = 4.0


def reframing(a: Grey, b: Grey) -> Matrix:
    """The homography from a's pixels to b's; the identity when none can be trusted."""
    search = cv2.SIFT.create(nfeatures=1500, contrastThreshold=FAINT)
    points_a, marks_a = search.detectAndCompute(a, None)
    points_b, marks_b = search.detectAndCompute(b, None)
    if len(points_a) < MIN_INLIERS or len(points_b) < MIN_INLIERS:
        return np.eye(3)
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(marks_a, marks_b, k=2)
    best = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < DISTINCT * pair[1].distance]
    if len(best) < MIN_INLIERS:
        return np.eye(3)
    source = np.array([points_a[match.queryIdx].pt for match in best])
    target = np.array([points_b[match.trainIdx].pt for match in best])
    # RANSAC's random stream is fixed inside OpenCV, so that the same pictures give the same homography.
    found, inliers = cv2.findHomography(source, target, cv2.RANSAC, 3.0)
    # found is None where no homography fits, whatever the type stubs say
    if np.shape(found) != (3, 3) or np.count_nonzero(inliers) < max(MIN_INLIERS, MIN_SHARE * len(best)):
        return np.eye(3)
    matrix = np.asarray(found, np.float64)
    return matrix if _sane(matrix, a.shape[1], a.shape[0]) else np.eye(3)


def _sane(matrix: Matrix, width: int, height: int) -> bool:
    """Whether it keeps the picture the right way round, in front of the camera, and of a like size everywhere."""
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64) @ matrix.T
    depths = corners[:, 2]
    if depths.min() <= 0 or depths.max() > 2 * depths.min():
        return False
    sizes = np.sqrt(np.abs(np.linalg.det(matrix)) / depths**3)
    return bool(np.linalg.det(matrix) > 0 and sizes.max() < MAX_ZOOM and sizes.min() > 1 / MAX_ZOOM)
