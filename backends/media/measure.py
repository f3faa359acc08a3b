"""What a clip measurably is: faults that anybody would see at once, for an agent that reads numbers.

One decode pass (`skim` says over which frames) at 320 pixels in grey; `motion` says what moves. The thresholds were
chosen on a few known clips with seeded faults: they are starting values, so what passes them is a warning, never a
failure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from backends.errors import VideoError
from backends.media.alike import Ends, Grey
from backends.media.container import MAX_FRAMES, MIN_SIDE, Clip, open_clip
from backends.media.hdr import Transfer, told_as_sdr, transfer_of
from backends.media.loudness import loudness
from backends.media.motion import BACK_S, MotionPass, Moves
from backends.media.pixels import ToRGB, Upright, upright_of
from backends.media.sheet import Shot
from backends.media.skim import Plan, Seen, decoded, plan, spread

Measures = dict[str, float | int | bool | str | list[int] | list[float] | list[str] | list[list[float]] | None]

WIDTH = 320
BLACK = 16.0  # mean level of a black frame, 0..255
LEAST_STEP = 0.3  # of 255: a loop's seam is measured in usual steps, and those of a still clip are nothing
FROZEN_S = 0.75  # a shorter standstill is told by the number alone: eased moves begin and end slowly
CUT = 25.0  # mean step of a cut ...
CUT_RATIO = 4.0  # ... which is also this many times the median step
FLICKER = 3.0  # standard deviation of the second difference of the mean level; clean clips measure about 0.3
SOFT = 1.0  # of 255: sharpness below it looks soft or enlarged
RATE_JITTER = 0.1  # of a frame's time
FLOW_PAIRS = 120  # at most, evenly spread: flow costs more than the other measures
LOOKS_A_S = 12.5  # of clips with more than `MANY` frames, motion is looked at so often
MANY = 1200


@dataclass(frozen=True)
class Watched:
    """A clip after one pass. shots: the frames for a contact sheet; empty where only decoding counts the frames."""

    numbers: Measures
    ends: Ends
    shots: tuple[Shot, ...]


def measure(clip: Path) -> Measures:
    """The numbers of one clip, and `warnings` that put the conspicuous ones into words.

    frames, duration_s, fps, width, height (as displayed), audio; constant_rate; black_frames (count);
    frozen_run (frames of the longest stretch in which nothing moves, 0 below half a second) and frozen_from (its first
    frame); moving (share of the picture, 0..1) and moving_boxes ([left, top, right, bottom, share], 0..1);
    noise (0..255, see `motion`); cuts (frame numbers at which a new shot starts); flicker (0..255);
    ends_apart, ends_differ (first against last frame, see `alike`); loop_seam (usual steps; None below three frames);
    mean_flow_x, mean_flow_y (pixels of the clip a frame, x right and y down), motion (mean length of the flow);
    level (mean, 0..255); sharpness (0..255, see `_sharpness`); lufs (None without sound that is heard).
    VideoError("asset") when the clip cannot be decoded.
    """
    return watch(clip).numbers


def watch(clip: Path, sheet: int = 8, shot_side: int = 0) -> Watched:
    """Measure a clip, and keep `sheet` evenly spread frames at most `shot_side` pixels a side (0 = none)."""
    with open_clip(clip) as opened:
        seen = _pass(opened, plan(opened, sheet), sheet, shot_side)
        if seen.skipped_a_cut:
            seen = _pass(opened, Plan(seen.plan.shown, frozenset()), sheet, shot_side)
        numbers = _numbers(opened, seen)
    numbers["lufs"] = loudness(clip) if numbers["audio"] else None
    numbers["warnings"] = _warnings(numbers)
    if seen.hdr is not None:
        numbers["warnings"].append(told_as_sdr(seen.hdr))
    return Watched(numbers, seen.ends, tuple(seen.shots))


@dataclass
class _Pass:
    """What one pass over the frames leaves behind: a few numbers a frame, and two small pictures.

    indexes: the number of each decoded frame. steps: from it to the one before; nan across a gap.
    """

    plan: Plan
    motion: MotionPass
    times: list[float] = field(default_factory=list[float])
    indexes: list[int] = field(default_factory=list[int])
    levels: list[float] = field(default_factory=list[float])
    steps: list[float] = field(default_factory=list[float])
    flows: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    details: list[float] = field(default_factory=list[float])
    shots: list[Shot] = field(default_factory=list[Shot])
    size: tuple[int, int] = (0, 0)
    skipped_a_cut: bool = False
    hdr: Transfer | None = None
    first: Grey | None = None
    last: Grey | None = None

    @property
    def ends(self) -> Ends:
        if self.first is None or self.last is None:
            raise VideoError("asset", "the clip holds no frame that can be decoded: export it again as H.264 MP4")
        return Ends(self.first, self.last)


def _pass(clip: Clip, plan: Plan, sheet: int, shot_side: int) -> _Pass:
    expected = plan.frames or clip.video.frames or round((clip.duration_s or 0) * float(clip.fps or 25)) or FLOW_PAIRS
    fps = float(clip.fps or 25)
    stride = max(1, round(fps / LOOKS_A_S)) if expected > MANY else 1
    seen = _Pass(plan, MotionPass(max(1, round(fps * BACK_S / stride))))
    every = max(1, math.ceil(expected / FLOW_PAIRS))
    wanted = set(spread(expected, sheet))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    convert: ToRGB | None = None
    gap = key = False
    for one, grey in _greys(clip, decoded(clip, plan)):
        upright = upright_of(one.frame, clip.video.sample_aspect_ratio)
        if seen.first is None:
            seen.size, seen.first, seen.hdr = upright.size, grey, transfer_of(one.frame)
        time = float(((one.frame.pts or 0) - clip.origin) * clip.time_base)
        if seen.last is not None:
            step = float(np.mean(cv2.absdiff(grey, seen.last)))
            seen.skipped_a_cut |= one.gap and step > CUT
            seen.steps.append(math.nan if one.gap else step)
            if one.index % every == 0 and not one.gap:
                field_ = flow.calc(seen.last, grey, np.zeros((*grey.shape, 2), np.float32))
                length = float(np.hypot(field_[..., 0], field_[..., 1]).mean())
                seen.flows.append((float(field_[..., 0].mean()), float(field_[..., 1].mean()), length))
        if one.index in wanted:
            seen.details.append(_sharpness(one.frame))
            if shot_side and plan.frames is not None:
                convert = convert or ToRGB(upright.within(shot_side))
                seen.shots.append(Shot(round(time, 6), one.index, convert(one.frame)))
        gap, key = gap or one.gap, key or one.frame.key_frame
        if one.index % stride == 0:
            seen.motion.see(one.index, grey, key=key, gap=gap)
            gap = key = False
        seen.levels.append(float(grey.mean()))
        seen.times.append(time)
        seen.indexes.append(one.index)
        seen.last = grey
        if len(seen.levels) > MAX_FRAMES:
            raise VideoError("asset", f"the clip has more than {MAX_FRAMES} frames, the most that are taken: cut it")
    if not seen.levels:
        raise VideoError("asset", "the clip holds no frame that can be decoded: export it again as H.264 MP4")
    return seen


def _sharpness(frame: VideoFrame) -> float:
    """The detail that only the full resolution holds, where there is most of it (the upper tenth of 16x16 blocks):
    what is lost when the picture is halved and doubled again, 0..255. Photos measure 2 and more, enlarged ones less
    than 1."""
    luma = frame.reformat(format="gray", dst_color_range=ColorRange.JPEG).to_ndarray()
    rows, columns = luma.shape
    half = cv2.resize(luma, (max(1, columns // 2), max(1, rows // 2)), interpolation=cv2.INTER_AREA)
    lost = cv2.absdiff(luma, cv2.resize(half, (columns, rows), interpolation=cv2.INTER_LINEAR)).astype(np.float32)
    grid = (max(1, columns // 16), max(1, rows // 16))
    return float(np.percentile(cv2.resize(lost, grid, interpolation=cv2.INTER_AREA), 90))


def _greys(clip: Clip, frames: Iterator[Seen]) -> Iterator[tuple[Seen, Grey]]:
    """Each frame with its small grey picture, upright."""
    scaler = VideoReformatter()
    view: Upright | None = None
    width, height = 0, 0
    for one in frames:
        frame = one.frame
        if view is None:
            view = upright_of(frame, clip.video.sample_aspect_ratio)
            width = min(WIDTH, view.width)
            height = max(MIN_SIDE, round(view.height * width / view.width))
        small = scaler.reformat(
            frame,
            width=width,
            height=height,
            format="gray",
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
            threads=1,
        ).to_ndarray()
        if view.flip:
            small = small[:, ::-1]
        yield one, np.ascontiguousarray(np.rot90(small, view.turns), np.uint8)


def _numbers(clip: Clip, seen: _Pass) -> Measures:
    ends = seen.ends
    scale = seen.size[0] / ends.first.shape[1]
    times = _times(clip, seen)
    count = seen.plan.frames or len(seen.levels)
    duration_s = clip.duration_s if clip.duration_s is not None else times[-1] + _median(np.diff(times))
    steps, levels = np.array(seen.steps), np.array(seen.levels)
    flow = np.array(seen.flows or [(0.0, 0.0, 0.0)]).mean(axis=0) * scale
    typical = _median(steps[~np.isnan(steps)])
    starts = [place + 1 for place in np.flatnonzero((steps > CUT) & (steps > CUT_RATIO * typical)).tolist()]
    moves = seen.motion.moves(count)
    apart, differ = ends.apart()
    return {
        "frames": count,
        "duration_s": round(duration_s, 6),
        "fps": round(count / duration_s, 6) if duration_s else 0.0,
        "width": seen.size[0],
        "height": seen.size[1],
        "audio": clip.audio,
        "constant_rate": _constant(np.diff(times)),
        "black_frames": _black(seen),
        "cuts": [seen.indexes[place] for place in starts],
        "flicker": round(_flicker(seen, starts), 3),
        "ends_apart": round(apart, 3),
        "ends_differ": round(differ, 3),
        "loop_seam": round(apart / max(typical, LEAST_STEP), 3) if count >= 3 else None,
        "mean_flow_x": round(float(flow[0]), 3),
        "mean_flow_y": round(float(flow[1]), 3),
        "motion": round(float(flow[2]), 3),
        "level": round(float(levels.mean()), 1),
        "sharpness": round(max(seen.details, default=0.0), 2),
        **_moved(moves),
    }


def _moved(moves: Moves) -> Measures:
    return {
        "frozen_run": moves.still[1],
        "frozen_from": moves.still[0],
        "moving": round(moves.share, 3),
        "moving_boxes": [[round(value, 2) for value in (*one.box, one.share)] for one in moves.regions],
        "noise": round(moves.noise, 2),
    }


def _times(clip: Clip, seen: _Pass) -> list[float]:
    if seen.plan.shown is None:
        return seen.times
    return [float((pts - clip.origin) * clip.time_base) for pts in seen.plan.shown[:-1]]


def _black(seen: _Pass) -> int:
    """Frames; those that were not decoded are black when the frames on both sides are."""
    black = [level < BLACK for level in seen.levels]
    between = zip(pairwise(seen.indexes), pairwise(black), strict=True)
    return sum(black) + sum(after - before - 1 for (before, after), both in between if all(both))


def _median(values: np.ndarray[Any, np.dtype[np.floating[Any]]]) -> float:
    return float(np.median(values)) if values.size else 0.0


def _constant(spans: np.ndarray[Any, np.dtype[np.floating[Any]]]) -> bool:
    """Whether every frame is shown equally long, to the millisecond that Matroska keeps or a tenth of a frame."""
    if not spans.size:
        return True
    typical = _median(spans)
    return bool((spans > 0).all() and (np.abs(spans - typical) <= max(0.0011, typical * RATE_JITTER)).all())


def _flicker(seen: _Pass, starts: list[int]) -> float:
    """Within shots and between gaps: the second difference leaves out steady fades, and cuts are no flicker."""
    gaps = [place + 1 for place, step in enumerate(seen.steps) if math.isnan(step)]
    parts = np.split(np.array(seen.levels), sorted({*starts, *gaps}))
    bends = [np.diff(part, 2) for part in parts if part.size > 2]
    return float(np.concatenate(bends).std()) if bends else 0.0


def _warnings(numbers: Measures) -> list[str]:
    told: list[str] = []
    black, flicker, cuts, sharpness = (numbers[name] for name in ("black_frames", "flicker", "cuts", "sharpness"))
    if black:
        told.append(f"{black} of {numbers['frames']} frames are black")
    told += _stillness(numbers)
    if isinstance(cuts, list) and cuts:
        told.append(f"{len(cuts)} cut(s), at frame {', '.join(map(str, cuts[:10]))}")
    if isinstance(flicker, float) and flicker > FLICKER:
        told.append(f"the brightness flickers ({flicker:.1f}; clean clips measure below {FLICKER:g})")
    if isinstance(sharpness, float) and sharpness < SOFT and not black:
        told.append(f"the picture is soft (sharpness {sharpness:.1f}; sharp ones measure above {SOFT:g})")
    if not numbers["constant_rate"]:
        told.append("the frame rate varies or times run backwards: players may stutter")
    return told


def _stillness(numbers: Measures) -> list[str]:
    run, start, count, fps = (numbers[name] for name in ("frozen_run", "frozen_from", "frames", "fps"))
    if not (isinstance(run, int) and isinstance(start, int) and isinstance(count, int) and isinstance(fps, float)):
        return []
    if run == count and run > 1:
        noise = numbers["noise"]
        grain = f" but for noise of {noise:.1f} of 255" if isinstance(noise, float) and noise >= 0.3 else ""
        return [f"nothing moves: all frames are alike{grain}"]
    if run < FROZEN_S * fps:
        return []
    span = f" ({start / fps:.2f}-{(start + run) / fps:.2f} s)" if fps else ""
    return [f"the picture is frozen for {run} frames in a row{span}"]
