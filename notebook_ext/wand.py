"""The magic outline: the outline of the part of a picture that resembles the place that was pointed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, np.dtype[np.uint8]]
    Share = np.ndarray[Any, np.dtype[np.uint8]]

TOLERANCES = range(6, 61, 6)
"""How far colours may differ from the one pointed at, in each of L, a and b (0..255)."""
LARGEST, LEAST = 0.6, 0.002
"""Shares of the picture: above the larger a tolerance has let everything in, below the smaller it has found only a
speck."""
MOST_POINTS = 200
"""The most points of an outline in a request."""


def outline_at(picture: Pixels, x: float, y: float) -> list[list[float]]:
    """The outline around (x, y), both 0 to 1, as points of the same kind: 3 to 200; [] where nothing stands out.

    The connected colours near the one pointed at; of several tolerances the one at which that part grows least.
    """
    import cv2
    import numpy as np

    high, wide = picture.shape[:2]
    seed = (min(wide - 1, int(x * wide)), min(high - 1, int(y * high)))
    smooth = cv2.cvtColor(cv2.bilateralFilter(np.ascontiguousarray(picture), 9, 30, 9), cv2.COLOR_RGB2LAB)
    parts = [_near(np.asarray(smooth, np.uint8), seed, tolerance) for tolerance in TOLERANCES]
    part = _steadiest(parts)
    if part is None:
        return []
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    closed = cv2.morphologyEx(part, cv2.MORPH_CLOSE, kernel)
    rims, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rim: Any = max(rims, key=cv2.contourArea)
    loose = 1.0
    while len(points := cv2.approxPolyDP(rim, loose, True)) > MOST_POINTS:
        loose *= 1.5
    if len(points) < 3:
        return []
    return [[(float(px) + 0.5) / wide, (float(py) + 0.5) / high] for ((px, py),) in points]


def _near(lab: Pixels, seed: tuple[int, int], tolerance: int) -> Share:
    import cv2
    import numpy as np

    mask = np.zeros((lab.shape[0] + 2, lab.shape[1] + 2), np.uint8)
    how = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | 255 << 8
    cv2.floodFill(lab.copy(), mask, seed, (0, 0, 0), (tolerance,) * 3, (tolerance,) * 3, how)
    return mask[1:-1, 1:-1]


def _steadiest(parts: list[Share]) -> Share | None:
    """The part of a suitable size that grows least at the next tolerance."""
    shares = [float(part.mean()) / 255 for part in parts]
    fitting = [number for number, share in enumerate(shares) if LEAST <= share <= LARGEST]
    if not fitting:
        return None
    growth = {number: shares[min(number + 1, len(shares) - 1)] / shares[number] for number in fitting}
    return parts[min(fitting, key=lambda number: (growth[number], -number))]
