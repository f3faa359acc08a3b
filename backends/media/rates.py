"""Frame rates and frame times, exactly."""

from __future__ import annotations

import math
from fractions import Fraction

from backends.errors import VideoError

NTSC = Fraction(1000, 1001)
MAX_FPS = 240


def exact_rate(fps: Fraction | float | int) -> Fraction:
    """Frames a second as a fraction: 23.976 is 24000/1001, 24 is 24/1, other floats to the nearest n/1001.

    VideoError("invalid_request") outside (0, 240].
    """
    if not math.isfinite(fps) or not 0 < fps <= MAX_FPS:
        raise VideoError("invalid_request", f"fps is above 0 and at most {MAX_FPS}, not {fps}")
    if not isinstance(fps, float):
        return Fraction(fps)
    whole = round(fps)
    if abs(fps - whole) < 1e-6:
        return Fraction(whole)
    ntsc = round(fps / float(NTSC)) * NTSC
    if abs(fps - ntsc) < 0.005:  # 23.976 or 23.98, 29.97, 59.94: as people write them
        return ntsc
    return Fraction(fps).limit_denominator(1001)


def timecode(seconds: float) -> str:
    """0:03.250 (minutes, seconds, milliseconds)."""
    total = round(seconds * 1000)
    minutes, rest = divmod(total, 60_000)
    return f"{minutes}:{rest // 1000:02d}.{rest % 1000:03d}"
