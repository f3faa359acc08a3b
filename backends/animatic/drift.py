"""The camera's speed at a cut, and how it goes on from there.

The motion between a clip's last two frames is one homography; its logarithm is the whole velocity field (pan, zoom,
roll and keystone at once), so that a continuation starts with exactly the motion that the clip ended with.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from backends.animatic.lens import Matrix

STILL = 4e-3
"""Half frame heights a second under which a motion is none (1.4 px a second at 720p)."""


def velocity(before: Matrix, after: Matrix, seconds: float) -> Matrix:
    """The 3x3 generator of the motion from one frame to the next, per second (frame coordinates in half heights)."""
    return logarithm(after @ np.linalg.inv(before)) / seconds


def logarithm(matrix: Matrix) -> Matrix:
    """The generator whose motion over 1 second is this homography (of determinant above 0).

    By square roots until it is near the identity (Denman & Beavers 1976), then the series of log.
    """
    step = matrix / np.cbrt(np.linalg.det(matrix))
    halvings = 0
    while np.abs(step - np.eye(3)).max() > 0.2 and halvings < 12:
        step, halvings = _root(step), halvings + 1
    rest = step - np.eye(3)
    total, power = np.zeros((3, 3)), np.eye(3)
    for n in range(1, 25):
        power = power @ rest
        total = total + power * ((-1) ** (n + 1) / n)
    return total * 2**halvings


def _root(matrix: Matrix) -> Matrix:
    root, inverse = matrix, np.eye(3)
    for _ in range(20):
        root, inverse = (root + np.linalg.inv(inverse)) / 2, (inverse + np.linalg.inv(root)) / 2
    return root


def moved(generator: Matrix, seconds: float) -> Matrix:
    """The homography after that many seconds of a steady velocity: exp by scaling, series and squaring."""
    size = float(np.abs(generator).max()) * abs(seconds)
    halvings = max(0, math.ceil(math.log2(max(size, 1e-9) / 0.25)))
    small = generator * (seconds / 2**halvings)
    total, power = np.eye(3), np.eye(3)
    for n in range(1, 13):
        power = power @ small / n
        total = total + power
    for _ in range(halvings):
        total = total @ total
    return total / total[2, 2]


def in_words(generator: Matrix) -> dict[str, float]:
    """A velocity as figures that people can read: per cent of the frame's height, per cent and degrees, a second."""
    across, down = generator[0, 2], generator[1, 2]
    grow = (generator[0, 0] + generator[1, 1]) / 2 - generator[2, 2]
    turn = (generator[1, 0] - generator[0, 1]) / 2
    return {
        "right_pct_s": round(float(across) * 50, 3),
        "down_pct_s": round(float(down) * 50, 3),
        "grow_pct_s": round(float(grow) * 100, 3),
        "turn_deg_s": round(math.degrees(float(turn)), 3),
    }


def is_still(generator: Matrix) -> bool:
    return bool(np.abs(generator - np.eye(3) * generator[2, 2]).max() < STILL)


def from_json(values: object) -> Matrix | None:
    """A stored generator; None when it is not nine finite numbers of a sane size (under ten frames a second)."""
    if not isinstance(values, list):
        return None
    numbers = [float(value) for value in cast("list[object]", values) if isinstance(value, int | float)]
    if len(numbers) != 9 or not all(math.isfinite(value) and abs(value) < 20 for value in numbers):
        return None
    return np.array(numbers).reshape(3, 3)


def to_json(generator: Matrix) -> list[float]:
    return [float(value) for value in generator.ravel()]
