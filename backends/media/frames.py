"""Frames out of a clip: all of them in a stream, the true last one, or the one shown at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from backends.errors import VideoError
from backends.media.container import Clip, open_clip
from backends.media.pixels import Picture, ToRGB, is_native, upright_of

TIME_TOLERANCE_S = 0.0005
"""Times are read to the millisecond: 0.083 is the third frame at 24 a second, although that begins at 0.08333."""


def decode(path: Path, *, fps: Fraction | None = None) -> Iterator[Picture]:
    """Every frame in order, upright, uint8 RGB; memory does not grow with the duration.

    fps: at this constant rate instead (each time shows the frame that a player would show), for clips whose own rate
    varies. VideoError("asset") when the clip, or a part of it, cannot be decoded.
    """
    with open_clip(path) as clip:
        pictures = _pictures(clip, clip.container.decode(clip.video))
        if fps is None:
            for _, picture in pictures:
                yield picture
            return
        yield from _resampled(clip, pictures, fps)


@dataclass(frozen=True)
class Timed:
    """A decoded frame. start_s: from the clip's first frame. native: whether the encoder takes it as it is."""

    start_s: Fraction
    frame: VideoFrame
    native: bool
    _convert: ToRGB

    def picture(self) -> Picture:
        return self._convert(self.frame)


def timed(path: Path, from_s: float = 0.0) -> Iterator[Timed]:
    """Each frame from the one shown at from_s on; only those that are wanted are turned into pictures. Errors as for
    `decode`; a damaged frame raises where it stands."""
    with open_clip(path) as clip:
        if from_s > 0:
            clip.container.seek(_wanted(clip, from_s), stream=clip.video, backward=True)
        aspect = clip.video.sample_aspect_ratio
        convert: ToRGB | None = None
        native = False
        for frame in clip.container.decode(clip.video):
            _refuse_damaged(clip, frame)
            if convert is None:  # once: a frame whose side data was read lives until the next garbage collection
                convert, native = ToRGB(upright_of(frame, aspect)), is_native(frame, aspect)
            start_s = ((frame.pts or 0) - clip.origin) * clip.time_base
            yield Timed(start_s, frame, native and frame.format.name == "yuv420p", convert)
        if convert is None:
            raise _no_frame()


def _wanted(clip: Clip, from_s: float) -> int:
    return clip.origin + int(Fraction(from_s).limit_denominator(1_000_000) / clip.time_base)


def _resampled(clip: Clip, pictures: Iterator[tuple[int, Picture]], fps: Fraction) -> Iterator[Picture]:
    shown: Picture | None = None
    index = 0
    for pts, picture in pictures:
        start = (pts - clip.origin) * clip.time_base
        while shown is not None and Fraction(index) / fps < start:
            yield shown
            index += 1
        shown = picture
    end = Fraction(clip.duration_s).limit_denominator(1_000_000) if clip.duration_s is not None else Fraction(0)
    while shown is not None and (index == 0 or Fraction(index) / fps < end):
        yield shown
        index += 1


def _pictures(clip: Clip, frames: Iterator[VideoFrame]) -> Iterator[tuple[int, Picture]]:
    convert: ToRGB | None = None
    for frame in frames:
        _refuse_damaged(clip, frame)
        convert = convert or ToRGB(upright_of(frame, clip.video.sample_aspect_ratio))
        yield frame.pts or 0, convert(frame)
    if convert is None:
        raise _no_frame()


def _refuse_damaged(clip: Clip, frame: VideoFrame) -> None:
    if frame.is_corrupt:
        raise VideoError("asset", f"the clip is damaged at {_seconds(clip, frame):.3f} s: export or download it again")


def _no_frame() -> VideoError:
    return VideoError("asset", "the clip holds no frame that can be decoded: export it again as H.264 MP4")


def _seconds(clip: Clip, frame: VideoFrame) -> float:
    return float(((frame.pts or 0) - clip.origin) * clip.time_base)


def _picture(clip: Clip, frame: VideoFrame) -> Picture:
    return ToRGB(upright_of(frame, clip.video.sample_aspect_ratio))(frame)


def last_frame(path: Path) -> Picture:
    """The last frame that a full decode gives, bit for bit; only the last keyframe's group is decoded."""
    with open_clip(path) as clip:
        return _picture(clip, _last(clip))


def _last(clip: Clip) -> VideoFrame:
    target = clip.video.duration
    if target is None and clip.duration_s is not None:
        target = int(Fraction(clip.duration_s) / clip.time_base)
    last: VideoFrame | None = None
    if target is not None:
        clip.container.seek(clip.origin + target, stream=clip.video, backward=True)
        last = _latest(clip)
    if last is None:  # no index to seek by, or no keyframe where the index says
        clip.container.seek(clip.origin, stream=clip.video, backward=True)
        last = _latest(clip)
    if last is None:
        raise _no_frame()
    return last


def _latest(clip: Clip) -> VideoFrame | None:
    last: VideoFrame | None = None
    for frame in clip.container.decode(clip.video):
        if last is None or (frame.pts or 0) >= (last.pts or 0):
            last = frame
    return last


def frame_at(path: Path, t: float) -> Picture:
    """The frame shown at t seconds: the last one that starts at or before t (to the millisecond).

    VideoError("asset") when t is negative, not a number, or not before the end of the clip.
    """
    for _, picture in frames_at(path, [t]):
        return picture
    raise AssertionError("one time gives one frame")


def frames_at(path: Path, times: Sequence[float], max_side: int | None = None) -> Iterator[tuple[float, Picture]]:
    """For each time: the true start of the frame shown then, in seconds, and the frame. Times as for `frame_at`.

    max_side: scaled down to it at once, which is much cheaper for large clips. Rising times are read in one sweep.
    """
    with open_clip(path) as clip:
        sweep = _Sweep(clip)
        convert: ToRGB | None = None
        for t in times:
            frame = sweep.shown_at(_target(clip, t), t)
            if convert is None:
                upright = upright_of(frame, clip.video.sample_aspect_ratio)
                convert = ToRGB(upright if max_side is None else upright.within(max_side))
            yield _seconds(clip, frame), convert(frame)


def _target(clip: Clip, t: float) -> int:
    if not math.isfinite(t) or t < 0:
        raise VideoError("asset", f"a time in a clip is 0 seconds or more, not {t}")
    if clip.duration_s is not None and t >= clip.duration_s:
        raise _beyond(t, clip.duration_s)
    return clip.origin + int(Fraction(t + TIME_TOLERANCE_S) / clip.time_base)


class _Sweep:
    """Frames by time; reads on where the next one is near, and seeks where it is not."""

    NEAR_S = 2  # about a group of pictures: decoding on is cheaper than decoding a group from its start

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._frames: Iterator[VideoFrame] | None = None
        self._shown: VideoFrame | None = None
        self._next: VideoFrame | None = None

    def shown_at(self, target: int, t: float) -> VideoFrame:
        """The last frame whose time is at or before `target`, in units of the clip's time base."""
        near = Fraction(self.NEAR_S) / self._clip.time_base
        if self._shown is None or not 0 <= target - (self._shown.pts or 0) <= near:
            self._seek(target)
        frame = self._read_to(target)
        if frame is None:  # the index led past it
            self._seek(self._clip.origin)
            frame = self._read_to(target)
        if frame is None:
            raise _beyond(t, 0.0 if self._next is None else _seconds(self._clip, self._next))
        return frame

    def _seek(self, target: int) -> None:
        self._clip.container.seek(target, stream=self._clip.video, backward=True)
        self._frames = self._clip.container.decode(self._clip.video)
        self._shown = None
        self._next = next(self._frames, None)

    def _read_to(self, target: int) -> VideoFrame | None:
        while self._frames is not None and self._next is not None and (self._next.pts or 0) <= target:
            self._shown = self._next
            self._next = next(self._frames, None)
        return self._shown


def _beyond(t: float, duration_s: float) -> VideoError:
    return VideoError(
        "asset",
        f"the clip ends at {duration_s:.3f} s, so nothing is shown at {t:g} s: give a time below that, or ask for "
        "the last frame",
    )
