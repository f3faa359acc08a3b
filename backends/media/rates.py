"""Frame rates and frame times, exactly."""

from __future__ import annotations

import math
from fractions import Fraction

from backends.errors import VideoError

NTSC = Fraction(1000, 1001)
MAX_FPS = 240
SOUND_RATE = 48_000
MOST_TICKS = 2**31 - 1


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


def movie_clock(fps: Fraction) -> int:
    """Ticks a second for the lengths that an MP4's header states: so many that whole frames and whole samples (48 kHz)
    are whole numbers of them. FFmpeg's own are milliseconds, which cut a film short by up to one."""
    ticks = math.lcm(fps.numerator, SOUND_RATE)
    return ticks if ticks <= MOST_TICKS else fps.numerator


def timecode(seconds: float) -> str:
    """0:03.250 (minutes, seconds, milliseconds)."""
    total = round(seconds * 1000)
    minutes, rest = divmod(total, 60_000)
    return f"{minutes}:{rest // 1000:02d}.{rest % 1000:03d}"
