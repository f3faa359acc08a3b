"""What a clip measurably is: faults that a person would see at once, for somebody who reads numbers.

One decode pass at 320 pixels in grey. The thresholds were chosen on a few known clips with seeded faults: they are
starting values, so what passes them is a warning, never a failure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from backends.errors import VideoError
from backends.media.container import MAX_FRAMES, MIN_SIDE, Clip, open_clip
from backends.media.hdr import Transfer, told_as_sdr, transfer_of
from backends.media.pixels import Upright, upright_of

Grey = np.ndarray[Any, np.dtype[np.uint8]]
Measures = dict[str, float | int | bool | str | list[int] | list[float] | list[str] | None]

WIDTH = 320
BLACK = 16.0  # mean level of a black frame, 0..255
FROZEN = 0.3  # mean step between frames below which nothing moved; an encoder refining a still measures up to 0.22
FROZEN_RUN = 6  # frames in a row; a loop has two still ones at each turning point
CUT = 25.0  # mean step of a cut ...
CUT_RATIO = 4.0  # ... which is also this many times the median step
FLICKER = 3.0  # standard deviation of the second difference of the mean level; clean clips measure about 0.3
SEAM = 1.5  # step from the last frame to the first, in median steps; below it a loop is not seen
RATE_JITTER = 0.1  # of a frame's time
FLOW_PAIRS = 120  # at most, evenly spread: flow costs more than all the rest


def measure(clip: Path) -> Measures:
    """The numbers of one clip, and `warnings` that put the conspicuous ones into words.

    frames, duration_s, fps, width, height (as displayed), audio; constant_rate; black_frames (count);
    frozen_run (longest run of frames without a change), cuts (frame numbers at which a new shot starts);
    flicker; loop_seam (None below three frames); mean_flow_x, mean_flow_y (pixels of the clip a frame, x right and
    y down), motion (mean length of the flow); level (mean, 0..255).
    VideoError("asset") when the clip cannot be decoded.
    """
    with open_clip(clip) as opened:
        return _measured(opened)


@dataclass
class _Pass:
    """What one pass over the frames leaves behind: a few numbers a frame, and two small pictures."""

    times: list[float] = field(default_factory=list[float])
    levels: list[float] = field(default_factory=list[float])
    steps: list[float] = field(default_factory=list[float])
    flows: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    hdr: Transfer | None = None
    first: Grey | None = None
    last: Grey | None = None


def _measured(clip: Clip) -> Measures:
    expected = clip.video.frames or round((clip.duration_s or 0) * float(clip.fps or 25)) or FLOW_PAIRS
    every = max(1, math.ceil(expected / FLOW_PAIRS))
    seen = _Pass()
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    size, scale = (0, 0), 1.0
    for frame, grey in _greys(clip):
        if seen.first is None:
            size = upright_of(frame, clip.video.sample_aspect_ratio).size
            scale = size[0] / grey.shape[1]
            seen.first = grey
            seen.hdr = transfer_of(frame)
        if seen.last is not None:
            seen.steps.append(float(np.mean(cv2.absdiff(grey, seen.last))))
            if len(seen.levels) % every == 0:
                field_ = flow.calc(seen.last, grey, np.zeros((*grey.shape, 2), np.float32))
                length = float(np.hypot(field_[..., 0], field_[..., 1]).mean())
                seen.flows.append((float(field_[..., 0].mean()), float(field_[..., 1].mean()), length))
        seen.levels.append(float(grey.mean()))
        seen.times.append(float(((frame.pts or 0) - clip.origin) * clip.time_base))
        seen.last = grey
        if len(seen.levels) > MAX_FRAMES:
            raise VideoError("asset", f"the clip has more than {MAX_FRAMES} frames, the most that are taken: cut it")
    if not seen.levels:
        raise VideoError("asset", "the clip holds no frame that can be decoded: export it again as H.264 MP4")
    numbers = _numbers(clip, seen, size, scale)
    numbers["warnings"] = _warnings(numbers)
    if seen.hdr is not None:
        numbers["warnings"].append(told_as_sdr(seen.hdr))
    return numbers


def _greys(clip: Clip) -> Iterator[tuple[VideoFrame, Grey]]:
    """Each frame with its small grey picture, upright."""
    scaler = VideoReformatter()
    view: Upright | None = None
    width, height = 0, 0
    for frame in clip.container.decode(clip.video):
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
        yield frame, np.ascontiguousarray(np.rot90(small, view.turns), np.uint8)


def _numbers(clip: Clip, seen: _Pass, size: tuple[int, int], scale: float) -> Measures:
    count = len(seen.levels)
    duration_s = clip.duration_s if clip.duration_s is not None else seen.times[-1] + _median(np.diff(seen.times))
    steps, levels = np.array(seen.steps), np.array(seen.levels)
    flow = np.array(seen.flows or [(0.0, 0.0, 0.0)]).mean(axis=0) * scale
    typical = _median(steps)
    cuts = [int(at) + 1 for at in np.flatnonzero((steps > CUT) & (steps > CUT_RATIO * typical))]
    return {
        "frames": count,
        "duration_s": round(duration_s, 6),
        "fps": round(count / duration_s, 6) if duration_s else 0.0,
        "width": size[0],
        "height": size[1],
        "audio": clip.audio,
        "constant_rate": _constant(np.diff(seen.times)),
        "black_frames": int((levels < BLACK).sum()),
        "frozen_run": _longest(steps < FROZEN),
        "cuts": cuts,
        "flicker": round(_flicker(levels, cuts), 3),
        "loop_seam": _seam(seen, typical),
        "mean_flow_x": round(float(flow[0]), 3),
        "mean_flow_y": round(float(flow[1]), 3),
        "motion": round(float(flow[2]), 3),
        "level": round(float(levels.mean()), 1),
    }


def _median(values: np.ndarray[Any, np.dtype[np.floating[Any]]]) -> float:
    return float(np.median(values)) if values.size else 0.0


def _constant(spans: np.ndarray[Any, np.dtype[np.floating[Any]]]) -> bool:
    """Whether every frame is shown equally long, to the millisecond that Matroska keeps or a tenth of a frame."""
    if not spans.size:
        return True
    typical = _median(spans)
    return bool((spans > 0).all() and (np.abs(spans - typical) <= max(0.0011, typical * RATE_JITTER)).all())


def _longest(still: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    """Frames in the longest run without a change (0 = every frame differs from the one before)."""
    best = run = 0
    for value in still:
        run = run + 1 if value else 0
        best = max(best, run)
    return best + 1 if best else 0


def _flicker(levels: np.ndarray[Any, np.dtype[np.floating[Any]]], cuts: list[int]) -> float:
    """Within shots: the second difference leaves out steady fades, and cuts are no flicker."""
    shots = [np.diff(shot, 2) for shot in np.split(levels, cuts) if shot.size > 2]
    return float(np.concatenate(shots).std()) if shots else 0.0


def _seam(seen: _Pass, typical: float) -> float | None:
    if seen.first is None or seen.last is None or len(seen.levels) < 3:
        return None
    seam = float(np.mean(cv2.absdiff(seen.first, seen.last)))
    return round(seam / max(typical, FROZEN), 3)


def _warnings(numbers: Measures) -> list[str]:
    told: list[str] = []
    black, frozen, flicker, cuts = (numbers[name] for name in ("black_frames", "frozen_run", "flicker", "cuts"))
    count = numbers["frames"]
    if black:
        told.append(f"{black} of {count} frames are black")
    if isinstance(frozen, int) and frozen == count and frozen > 1:
        told.append("nothing moves: all frames are alike")
    elif isinstance(frozen, int) and frozen >= FROZEN_RUN:
        told.append(f"the picture stands still for {frozen} frames in a row")
    if isinstance(cuts, list) and cuts:
        told.append(f"{len(cuts)} cut(s), at frame {', '.join(map(str, cuts[:10]))}")
    if isinstance(flicker, float) and flicker > FLICKER:
        told.append(f"the brightness flickers ({flicker:.1f}; clean clips measure below {FLICKER:g})")
    if not numbers["constant_rate"]:
        told.append("the frame rate varies or times run backwards: players may stutter")
    return told
