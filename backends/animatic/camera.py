"""Camera moves as a path of poses over time.

A pose is where a real camera would be: turned (pan, tilt, roll), moved (truck, crane, dolly, orbit) and with its lens
narrowed (zoom). `lens` turns poses into pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from backends.animatic.ease import DRIFT, out_and_back, smoothstep, travel
from backends.animatic.shake import Shake
from backends.camera import CameraMove

QUARTER = 0.25
"""What amount 1 is of the frame: a pan's or truck's way, and how much narrower a dolly or zoom ends."""
TURN_DEG = 30.0
"""What amount 1 is for a roll or an orbit."""
SHAKE_FRAME, SHAKE_DEG = 0.035, 1.2
"""The widest that handheld:1 strays: of the frame's height, and in degrees of roll."""


@dataclass(frozen=True)
class Pose:
    """A camera relative to the one that took the still; all zero = that camera.

    pan, truck: in frame widths, to the right. tilt, crane: in frame heights, up. dolly, zoom: ln of the magnification.
    roll: degrees clockwise (the picture turns the other way). orbit: degrees to the right round the subject.
    """

    pan: float = 0.0
    tilt: float = 0.0
    roll: float = 0.0
    truck: float = 0.0
    crane: float = 0.0
    dolly: float = 0.0
    orbit: float = 0.0
    zoom: float = 0.0


_UNITS: dict[str, tuple[str, float]] = {
    "pan-left": ("pan", -QUARTER),
    "pan-right": ("pan", QUARTER),
    "tilt-up": ("tilt", QUARTER),
    "tilt-down": ("tilt", -QUARTER),
    "truck-left": ("truck", -QUARTER),
    "truck-right": ("truck", QUARTER),
    "crane-up": ("crane", QUARTER),
    "crane-down": ("crane", -QUARTER),
    "orbit-left": ("orbit", -TURN_DEG),
    "orbit-right": ("orbit", TURN_DEG),
    "roll-cw": ("roll", TURN_DEG),
    "roll-ccw": ("roll", -TURN_DEG),
}
_SCALES = {"dolly-in": ("dolly", 1), "dolly-out": ("dolly", -1), "zoom-in": ("zoom", 1), "zoom-out": ("zoom", -1)}
SIDEWAYS = frozenset({"pan", "tilt", "truck", "crane", "orbit"})
"""Channels whose moves are laid evenly about the still's own view: half before it and half after, so that neither
end leans, and the crop is smallest."""
REVEALING = frozenset({"dolly-out", "zoom-out"})
"""Moves that show what lay outside the frame: they come to rest, since nothing lies beyond their last frame."""


def _amount(move: CameraMove) -> tuple[str, float]:
    """The channel a move acts on, and how far. Dolly and zoom go by ln, so that their flow is even in time."""
    if move.move in _SCALES:
        channel, sign = _SCALES[move.move]
        return channel, -sign * math.log(1 - QUARTER * move.amount)
    channel, unit = _UNITS[move.move]
    return channel, unit * move.amount


@dataclass(frozen=True)
class CameraPath:
    """The camera over a clip. length_s: the time of the last frame, or a whole period when loop is true.

    from_rest: the path begins at the still's own view (an extension must start on the very last frame), and handheld
    grows from nothing in its first second. to_rest: it ends at rest, as what follows stands still.
    """

    moves: tuple[CameraMove, ...]
    length_s: float
    seed: int = 0
    loop: bool = False
    from_rest: bool = False
    to_rest: bool = False

    @property
    def still(self) -> bool:
        """Whether the camera is locked off."""
        return all(move.move == "static" or not move.amount for move in self.moves)

    @property
    def orbit_deg(self) -> float:
        """How far the camera gets from facing the still, by orbits alone."""
        turns = [abs(_amount(move)[1]) for move in self.moves if move.move.startswith("orbit")]
        return sum(turns) * (1.0 if self.from_rest else 0.5)

    @property
    def shaken(self) -> bool:
        return any(move.move == "handheld" and move.amount for move in self.moves)

    def pose(self, t: float) -> Pose:
        """The pose t seconds into the clip: the sum of what every move has done by then."""
        sums: dict[str, float] = {}
        for index, move in enumerate(self.moves):
            if move.move == "static":
                continue
            if move.move == "handheld":
                shares = self._shake(index, move, t)
            else:
                channel, amount = _amount(move)
                middle = 0.5 if channel in SIDEWAYS and not self.from_rest else 0.0
                shares = {channel: amount * (self._done(move, t) - middle)}
            for channel, share in shares.items():
                sums[channel] = sums.get(channel, 0.0) + share
        return replace(Pose(), **sums)

    def _span(self, move: CameraMove) -> tuple[float, float]:
        """When a move starts and how long it takes, within the clip."""
        start = move.from_s or 0.0
        end = self.length_s if move.to_s is None else min(move.to_s, self.length_s)
        return start, end - start

    def _done(self, move: CameraMove, t: float) -> float:
        start, span = self._span(move)
        if self.loop:
            return out_and_back(t - start, span)
        to_the_cut = start + span >= self.length_s - 1e-9
        drift = DRIFT if to_the_cut and not self.to_rest and move.move not in REVEALING else 0.0
        return travel(t - start, span, drift)

    def _shake(self, index: int, move: CameraMove, t: float) -> dict[str, float]:
        start, span = self._span(move)
        size = move.amount
        if move.from_s or (move.to_s is not None and start + span < self.length_s - 1e-9):
            size *= smoothstep((t - start) / 0.5) * smoothstep((start + span - t) / 0.5)
        elif self.from_rest:
            size *= self.settle(t)
        if self.to_rest:
            size *= smoothstep(t / 0.5) * smoothstep((self.length_s - t) / 0.5)
        repeat = self.length_s if self.loop else None
        pan, tilt, roll = (Shake.make(self.seed, f"{index}/{channel}", repeat) for channel in ("pan", "tilt", "roll"))
        return {
            "pan": size * SHAKE_FRAME * pan.value(t) * 9 / 16,
            "tilt": size * SHAKE_FRAME * tilt.value(t),
            "roll": size * SHAKE_DEG * roll.value(t),
        }

    def settle(self, t: float) -> float:
        """0 at the start, 1 after a second (or the whole clip when that is shorter)."""
        return smoothstep(t / max(1e-6, min(1.0, self.length_s)))
