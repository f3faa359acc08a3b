"""interpolate: which keyframe is shown when, and the take that runs through them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from backends.animatic.drift import to_json
from backends.animatic.lens import Rgb
from backends.animatic.morph import RELATED, Bridge
from backends.animatic.take import Take
from backends.animatic.timing import frame_count
from backends.backend import Prepared
from backends.errors import VideoError
from backends.media.fit import fit_image
from backends.media.images import load_image
from backends.media.rates import exact_rate

MOSTLY = 0.9
"""Consistency below which the part that only dissolves is told."""


def times_of(at_s: Sequence[float | None], duration_s: float, loop: bool) -> list[float]:
    """Every keyframe's time: those left out lie evenly between their neighbours, the first at 0, the last at the end
    (in a loop a step before it, as the first comes back there)."""
    known = [*at_s, duration_s] if loop else list(at_s)
    known[0] = known[0] or 0.0
    if known[-1] is None:
        known[-1] = duration_s
    filled: list[float] = []
    for index, value in enumerate(known):
        if value is not None:
            filled.append(value)
            continue
        after = next(i for i in range(index, len(known)) if known[i] is not None)
        gap = (known[after] or 0.0) - filled[-1]
        filled.append(filled[-1] + gap / (after - index + 1))
    return filled[: len(at_s)]


@dataclass(frozen=True)
class Pace:
    """How far through the keyframes a frame is: a smooth, never-turning curve through (frame, keyframe number).

    At rest on the first and the last; it doesn't stop on those between. Monotone cubic: Fritsch & Butland 1984.
    """

    marks: tuple[int, ...]
    slopes: tuple[float, ...]

    @classmethod
    def through(cls, marks: Sequence[int], loop: bool) -> Pace:
        speeds = [1 / (after - before) for before, after in pairwise(marks)]
        inner = [2 * one * two / (one + two) for one, two in pairwise(speeds)]
        end = 2 * speeds[0] * speeds[-1] / (speeds[0] + speeds[-1]) if loop else 0.0
        return cls(tuple(marks), (end, *inner, end))

    def at(self, frame: int) -> float:
        """0 = the first keyframe, 1 = the second ...; clamped to the ends."""
        if frame <= self.marks[0]:
            return 0.0
        if frame >= self.marks[-1]:
            return float(len(self.marks) - 1)
        k = max(i for i, mark in enumerate(self.marks) if mark <= frame)
        span = self.marks[k + 1] - self.marks[k]
        u = (frame - self.marks[k]) / span
        start, end = self.slopes[k] * span, self.slopes[k + 1] * span
        return k + (u**3 - 2 * u**2 + u) * start + (3 * u**2 - 2 * u**3) + (u**3 - u**2) * end


def keyframes_take(prepared: Prepared) -> Take:
    """The take for interpolate. VideoError("invalid_request") for keyframes closer than a frame."""
    request = prepared.request
    rate = exact_rate(request.fps or 24)
    duration_s = request.duration_s or 5.0
    count = frame_count(duration_s, rate)
    marks = _marks([frame.at_s for frame in request.frames], duration_s, rate, count, request.loop)
    take = Take(
        frames=iter(()),
        count=count,
        rate=rate,
        phase="running through the keyframes",
        sidecar={"kind": "keyframes", "velocity": to_json(np.zeros((3, 3)))},
    )
    if request.prompt or any(frame.prompt for frame in request.frames):
        take.notes.append("prompts are not followed: an animatic runs from keyframe to keyframe, nothing else")
    if count <= 2 * len(request.frames):
        take.notes.append(f"{len(request.frames)} keyframes in {count} frames: hardly anything is shown between them")
    take.frames = _run(prepared, marks, take)
    return take


def _marks(at_s: Sequence[float | None], duration_s: float, rate: Fraction, count: int, loop: bool) -> list[int]:
    """The frame on which each keyframe is shown, and for a loop the one after the last, where the first comes back."""
    times = times_of(at_s, duration_s, loop)
    marks = [round(Fraction(str(time)) * rate) for time in times]
    if not loop:  # the end of the clip is the end of its last frame
        marks = [min(count - 1, mark) for mark in marks]
    if loop:
        marks.append(count)
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
    return marks


def _run(prepared: Prepared, marks: list[int], take: Take) -> Iterator[Rgb]:
    """Only the two keyframes in use are held."""
    pace = Pace.through(marks, prepared.request.loop)
    consistencies: list[float] = []
    bridge: Bridge | None = None
    for frame in range(take.count):
        position = pace.at(frame)
        k = min(int(position), len(marks) - 2)
        while bridge is None or len(consistencies) <= k:
            after = (len(consistencies) + 1) % len(prepared.request.frames)
            before = bridge.b if bridge else _fitted(prepared, 0, take)
            bridge = Bridge.between(before, _fitted(prepared, after, take))
            consistencies.append(bridge.consistency)
        yield bridge.at(position - k)
    _tell(consistencies, take)


def _fitted(prepared: Prepared, index: int, take: Take) -> Rgb:
    asset = prepared.assets.get(f"frames[{index}].image")
    if asset is None:
        raise VideoError("invalid_request", f"interpolate needs its keyframes: frames[{index}].image is missing")
    image = load_image(asset.path)
    picture, lost = fit_image(image, prepared.width, prepared.height, prepared.request.fit)
    lost_before = float(take.facts.get("cut_off_pct", 0.0))
    take.facts["cut_off_pct"] = max(lost_before, round(100 * lost, 1))
    return picture


def _tell(consistencies: list[float], take: Take) -> None:
    """What was really made between the keyframes: morphs, dissolves, or some of each."""
    dissolved = [i for i, value in enumerate(consistencies) if value < RELATED]
    partly = [i for i, value in enumerate(consistencies) if RELATED <= value < MOSTLY]
    if not dissolved:
        take.facts["method_effective"] = "morph"
    else:
        take.facts["method_effective"] = "dissolve" if len(dissolved) == len(consistencies) else "morph and dissolve"
    take.facts["method"] = "keyframes"
    take.facts["flow_consistency_pct"] = [round(100 * value, 1) for value in consistencies]
    if take.facts["cut_off_pct"] >= 0.5:
        take.notes.append(f"up to {take.facts['cut_off_pct']:.0f}% of a keyframe was cut off to fit the clip")
    for i in dissolved:
        take.notes.append(
            f"from keyframe {i} to the next there is no common motion ({consistencies[i]:.0%} of the flow agrees): "
            "a plain dissolve was made, not a motion; a generative model can make the motion"
        )
    for i in partly:
        take.notes.append(
            f"from keyframe {i} to the next {1 - consistencies[i]:.0%} of the common view has no motion that both "
            "pictures share, and dissolves in place"
        )
