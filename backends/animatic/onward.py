"""The camera beyond a clip's last frame.

The new frames see only that last frame: nothing lies beyond its edges. So a continued pan closes in just as much as it
must to keep its window inside, never opening again, and a continued pull-out comes to rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np

from backends.animatic.camera import CameraPath
from backends.animatic.drift import moved
from backends.animatic.ease import coast
from backends.animatic.lens import SLANT, Matrix, homography, inverse, magnification, project, rim, window

HAND_OVER_S = 1.2
"""Seconds in which the old motion fades while new moves take over."""
MOST_CLOSING = 0.15
"""How much of the frame's width a continued motion may cost before it eases out sooner."""
SOONEST_S = 0.5
CLOSEST = 0.45
"""The smallest window, in widths of the last frame: a move that would need a smaller one stops at the edge."""


@dataclass(frozen=True)
class Onward:
    """old: the clip's velocity at its end (see `drift`), None = at rest. path: the new moves, from rest."""

    old: Matrix | None
    path: CameraPath
    added: int
    rate: Fraction
    aspect: float

    @property
    def closing(self) -> float:
        """The share of the last frame's width that is lost to staying inside it by the end."""
        return 1 - self._windows()[-1][0]

    def views(self) -> list[Matrix | None]:
        """For each new frame the homography from it to the last frame; None = the last frame itself, untouched."""
        if self.old is None and self.path.still:
            return [None] * self.added
        return [view for _, view in self._windows()]

    def upscale(self, view: Matrix) -> float:
        """By how much a view enlarges the last frame, at most."""
        points = np.r_[rim(self.aspect), [[0.0, 0.0]]]
        return float((1 / magnification(view, points)).max())

    def _windows(self) -> list[tuple[float, Matrix]]:
        """Each frame's scale (1 = no closing in) and view, with the old motion fading as late as it may."""
        fade = float(self.added / self.rate)
        if self.path.moves:
            return self._with_fade(min(fade, HAND_OVER_S))
        while True:
            windows = self._with_fade(fade)
            if 1 - windows[-1][0] <= MOST_CLOSING or fade <= SOONEST_S:
                return windows
            fade *= 0.8

    def _with_fade(self, fade: float) -> list[tuple[float, Matrix]]:
        times = [float(k / self.rate) for k in range(1, self.added + 1)]
        slant = 0.0 if self.path.orbit_deg else SLANT
        framed: list[Matrix] = []
        for t in times:
            matrix = homography(self.path.pose(t), self.aspect, slant)
            if self.old is not None:
                matrix = matrix @ moved(self.old, coast(t, fade))
            window(matrix, self.aspect)  # refused when it looks past the horizon
            framed.append(inverse(matrix))
        scales = self._closing([self._room(view) for view in framed])
        return [(scale, self._held(_shrunk(view, scale))) for scale, view in zip(scales, framed, strict=True)]

    def _closing(self, rooms: list[float]) -> list[float]:
        """Each frame's scale: never above its room, never growing again.

        A shaken path's room jumps about: its window closes in on what the next second will need, as evenly as a
        limiter in sound does (the least of what lies ahead, averaged over what lies behind).
        """
        if not self.path.shaken:
            return list(accumulate(rooms, min))
        second = max(1, round(self.rate))
        padded = [1.0, *rooms]  # the last frame itself
        scales: list[float] = []
        for here in range(1, len(padded)):
            ahead = min(second, here)
            least = [min(padded[start : start + ahead + 1]) for start in range(here - ahead, here + 1)]
            scales.append(sum(least) / len(least))
        return list(accumulate(scales, min))

    def _held(self, view: Matrix) -> Matrix:
        """The same window, drawn in and shifted back if even the closest one looks past the edge."""
        edge = np.array([self.aspect, 1.0])
        seen = project(view, rim(self.aspect))
        wide = float(((seen.max(axis=0) - seen.min(axis=0)) / (2 * edge)).max())
        if wide > 1:
            view = _shrunk(view, 1 / wide)
            seen = project(view, rim(self.aspect))
        back = np.maximum(0.0, -edge - seen.min(axis=0)) - np.maximum(0.0, seen.max(axis=0) - edge)
        if np.abs(back).max() < 1e-12:
            return view
        return np.array([[1.0, 0.0, back[0]], [0.0, 1.0, back[1]], [0.0, 0.0, 1.0]]) @ view

    def _room(self, view: Matrix) -> float:
        """The largest scale of a window about its own middle that keeps it inside the last frame."""
        corners = project(view, rim(self.aspect))
        middle = project(view, np.zeros((1, 2)))[0]
        reach = corners - middle
        room = 1.0
        for axis, edge in enumerate((self.aspect, 1.0)):
            for step in reach[:, axis]:
                free = edge - middle[axis] if step > 0 else edge + middle[axis]
                room = min(room, max(CLOSEST, free / max(abs(step), 1e-9)))
        return room


def _shrunk(view: Matrix, scale: float) -> Matrix:
    """The same view with its picture on the last frame drawn in towards its middle."""
    x, y = project(view, np.zeros((1, 2)))[0]
    draw = np.array([[scale, 0.0, x * (1 - scale)], [0.0, scale, y * (1 - scale)], [0.0, 0.0, 1.0]])
    return draw @ view
