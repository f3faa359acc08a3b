"""How many frames a clip has, and how a place in it is written."""

from __future__ import annotations

import math
from fractions import Fraction


def frame_count(duration_s: float, rate: Fraction) -> int:
    """duration x rate, a half rounded up; at least 1. The duration counts as it is written (0.1 is one tenth)."""
    return max(1, math.floor(Fraction(str(duration_s)) * rate + Fraction(1, 2)))


def timecode(frame: int, rate: Fraction) -> str:
    """HH:MM:SS:FF, non-drop: FF counts to the nominal rate (24 for 23.976), as an edit list expects."""
    nominal = max(1, round(rate))
    seconds, frames = divmod(frame, nominal)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}:{frames:02}"
