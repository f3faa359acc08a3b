"""Which keyframe is shown when: times, the frames that they fall on, and the pace from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from backends.errors import VideoError


def times_of(
    at_s: Sequence[float | None], duration_s: float, loop: bool, holds: Sequence[float] | None = None
) -> list[float]:
    """Every keyframe's time. Those left out lie so that the ways between the stills' holds are equally long: the first
    at 0, the last so that its hold is the end (in a loop a way before it, as the first comes back there)."""
    held = list(holds or [0.0] * len(at_s))
    known = [*at_s, duration_s] if loop else list(at_s)
    known[0] = known[0] or 0.0
    if known[-1] is None:
        known[-1] = duration_s - held[-1]
    filled: list[float] = []
    for index, value in enumerate(known):
        if value is not None:
            filled.append(value)
            continue
        after = next(i for i in range(index, len(known)) if known[i] is not None)
        leaves = filled[-1] + held[index - 1]
        ways = (known[after] or 0.0) - leaves - sum(held[index:after])
        filled.append(leaves + ways / (after - index + 1))
    return filled[: len(at_s)]


@dataclass(frozen=True)
class Beat:
    """The frames on which a keyframe stands alone: from `arrives` to `leaves`, both included."""

    arrives: int
    leaves: int

    @property
    def frames(self) -> int:
        return self.leaves - self.arrives + 1


def beats_of(
    at_s: Sequence[float | None],
    holds: Sequence[float],
    duration_s: float,
    rate: Fraction,
    count: int,
    loop: bool,
) -> list[Beat]:
    """Every keyframe's beat in a clip of `count` frames. One that is held until the next comes is cut to it.

    VideoError("invalid_request") for keyframes closer than a frame.
    """
    times = times_of(at_s, duration_s, loop, holds)
    marks = [_frame_at(time, rate) for time in times]
    if not loop:  # the end of the clip is the end of its last frame
        marks = [min(count - 1, mark) for mark in marks]
    _refuse_crowding(times, [*marks, count] if loop else marks, duration_s, rate)
    bounds = [*marks[1:], count]
    return [
        Beat(mark, min(max(mark, _frame_at(time + hold, rate)), bound - 1) if hold else mark)
        for mark, time, hold, bound in zip(marks, times, holds, bounds, strict=True)
    ]


def _frame_at(time: float, rate: Fraction) -> int:
    return round(Fraction(str(time)) * rate)


def _refuse_crowding(times: list[float], marks: list[int], duration_s: float, rate: Fraction) -> None:
    for index, (before, after) in enumerate(pairwise(marks)):
        if after > before:
            continue
        last = index == len(times) - 1
        raise VideoError(
            "invalid_request",
            f"frames[{index}].at_s is {times[index]:g}: a loop needs time to come back to the first keyframe; "
            f"give at_s below {duration_s - float(1 / rate):.3g}"
            if last
            else f"frames[{index}] and frames[{index + 1}] are shown at {times[index]:g} and {times[index + 1]:g} s, "
            f"which is the same frame or backwards: give rising at_s at least {float(1 / rate):.3g} s apart",
        )


@dataclass(frozen=True)
class Pace:
    """How far through the keyframes a frame is: a smooth, never-turning curve through (frame, keyframe number).

    At rest on the first, on the last and while one is held; it doesn't stop on the others. Monotone cubic: Fritsch &
    Butland 1984.
    """

    marks: tuple[int, ...]
    values: tuple[float, ...]
    slopes: tuple[float, ...]

    @classmethod
    def of(cls, beats: Sequence[Beat], count: int, loop: bool) -> Pace:
        """Through the beats; in a loop on to the first keyframe again, at frame `count`."""
        points: list[tuple[int, int]] = []
        for number, beat in enumerate(beats):
            points.append((beat.arrives, number))
            if beat.leaves > beat.arrives:
                points.append((beat.leaves, number))
        if loop:
            points.append((count, len(beats)))
        speeds = [(to - at) / (after - before) for (before, at), (after, to) in pairwise(points)]
        inner = [_between(one, two) for one, two in pairwise(speeds)]
        end = _between(speeds[0], speeds[-1]) if loop else 0.0
        marks, values = zip(*points, strict=True)
        return cls(marks, tuple(float(value) for value in values), (end, *inner, end))

    def at(self, frame: int) -> float:
        """0 = the first keyframe, 1 = the second ...; clamped to the ends."""
        if frame <= self.marks[0]:
            return 0.0
        if frame >= self.marks[-1]:
            return self.values[-1]
        k = max(i for i, mark in enumerate(self.marks) if mark <= frame)
        way = self.values[k + 1] - self.values[k]
        if not way:
            return self.values[k]
        span = self.marks[k + 1] - self.marks[k]
        u = (frame - self.marks[k]) / span
        start, end = self.slopes[k] * span, self.slopes[k + 1] * span
        return self.values[k] + (u**3 - 2 * u**2 + u) * start + (3 * u**2 - 2 * u**3) * way + (u**3 - u**2) * end


def _between(one: float, two: float) -> float:
    """The slope where two speeds meet: their harmonic mean, 0 beside a hold."""
    return 2 * one * two / (one + two) if one and two else 0.0
