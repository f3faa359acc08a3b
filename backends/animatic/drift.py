"""The camera's speed at a cut, and how it goes on from there.

The motion between a clip's last two frames is one homography; its logarithm is the whole velocity field (pan, zoom,
roll and keystone at once), so that a continuation starts with exactly the motion that the clip ended with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from backends.animatic.lens import Matrix

STILL = 1e-4
"""Half frame heights a second under which nobody sees a motion (0.04 px at 720p)."""


def velocity(before: Matrix, after: Matrix, seconds: float) -> Matrix:
    """The 3x3 generator of the motion from one frame to the next, per second (frame coordinates in half heights).

    log(A) by its series (A is near the identity), after scaling A to determinant 1.
    """
    step = after @ np.linalg.inv(before)
    step = step / np.cbrt(np.linalg.det(step))
    rest = step - np.eye(3)
    total, power = np.zeros((3, 3)), np.eye(3)
    for n in range(1, 13):
        power = power @ rest
        total = total + power * ((-1) ** (n + 1) / n)
    return total / seconds


def moved(generator: Matrix, seconds: float) -> Matrix:
    """The homography after that many seconds of a steady velocity: exp by scaling, series and squaring."""
    halvings = max(0, math.ceil(math.log2(max(1e-9, float(np.abs(generator).max()) * abs(seconds)) / 0.25)))
    small = generator * (seconds / 2**halvings)
    total, power = np.eye(3), np.eye(3)
    for n in range(1, 11):
        power = power @ small / n
        total = total + power
    for _ in range(halvings):
        total = total @ total
    return total / total[2, 2]


def in_words(generator: Matrix) -> dict[str, float]:
    """A velocity as figures that a person can read: per cent of the frame's height, per cent and degrees, a second."""
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
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 9:
        return None
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if len(numbers) != 9 or not all(math.isfinite(value) and abs(value) < 20 for value in numbers):
        return None
    return np.array(numbers).reshape(3, 3)


def to_json(generator: Matrix) -> list[float]:
    return [float(value) for value in generator.ravel()]
