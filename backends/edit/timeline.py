"""The film's frames, one after the other, in as much memory for an hour as for a second."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path

import cv2
import numpy as np

from backends.edit import seam
from backends.edit.between import Between
from backends.edit.plan import Plan, Segment, meets
from backends.edit.reframe import Reframe
from backends.errors import OwnFault, VideoError
from backends.media.frames import Timed, frame_at, last_frame, timed
from backends.media.hdr import told_as_sdr, transfer_of
from backends.media.images import is_see_through, load_image
from backends.media.pixels import Picture

SHORT = 1.5
"""Frames of a clip that may be missing at its end without a word."""
SEAM = 1.5
"""A step so many times the clip's first is not seen at a loop's seam."""
DOUBLE = 6.0
"""Levels (of 255) that a picture and a model's rendering of it may differ by on average."""
SAME = 0.5
"""Levels (of 255) that two encodings of one picture may differ by."""
HELD = 1.5
"""A frame that stands for longer than so many of its clip's frames is held, and moves on only just before the next."""

Frame = Picture | Timed
"""A picture of the film; a clip's own frame, where it can stand on the film as it is."""


class Timeline:
    """frames() gives exactly plan.frames pictures of plan.width x plan.height; notes fills while it runs.

    files: the media by place. VideoError("asset") where a clip cannot be decoded from its beginning.
    """

    def __init__(self, plan: Plan, files: Mapping[str, Path]) -> None:
        self.plan = plan
        self.notes: list[str] = []
        self._files = files
        self._reframe = Reframe(plan.width, plan.height, plan.fit, plan.focus)

    def frames(self) -> Iterator[Frame]:
        loop = self.plan.loop
        if not loop:
            yield from self._film()
            return
        end = self.plan.frames  # of the film without its last `loop` frames
        head = self._film()
        for number, picture in enumerate(self._film()):
            if number >= end:
                picture = mixed(picture, next(head), (number - end + 1) / (loop + 1))
            if number >= loop:
                yield picture

    def _film(self) -> Iterator[Frame]:
        """Every clip after the other, each running into the next where there is a cross-fade."""
        fade = self.plan.fade
        before: Iterator[Frame] | None = None
        for number, segment in enumerate(self.plan.segments):
            pictures = self._of(segment)
            left = segment.frames
            if before is not None and fade:
                for step in range(1, fade + 1):
                    yield mixed(next(before), next(pictures), step / (fade + 1))
                left -= fade
            if number < len(self.plan.segments) - 1:
                left -= fade
            yield from islice(pictures, left)
            before = pictures

    def _of(self, segment: Segment) -> Iterator[Frame]:
        """Exactly segment.frames pictures."""
        path = self._files[segment.place]
        if segment.still:
            return repeat(self._still(segment, path), segment.frames)
        source = _Source(segment, path, self._reframe, self._tell)
        return source.between(self.plan.fps) if segment.between else source.nearest(self.plan.fps)

    def _still(self, segment: Segment, path: Path) -> Picture:
        picture = load_image(path)
        if not is_see_through(path):
            return self._reframe(picture)
        self._tell(f"{segment.place} has transparent parts, which are shown over grey: save it on a colour for another")
        return self._reframe.card(picture)

    def _tell(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def doubled(self, going_on: Collection[int]) -> list[int]:
        """Which of these clips begin, at a cut, with the very frame that the clip before ends with."""
        if self.plan.fade:
            return []
        pairs = zip(self.plan.segments, self.plan.segments[1:], strict=False)
        return [
            number
            for number, (before, one) in enumerate(pairs, 1)
            if number in going_on and meets(before, one) and self._begins_as(before, one)
        ]

    def _begins_as(self, before: Segment, one: Segment) -> bool:
        try:
            ending = self._reframe(last_frame(self._files[before.place]))
            return _apart(ending, self._reframe(frame_at(self._files[one.place], 0.0))) <= DOUBLE
        except OwnFault:
            raise
        except VideoError:  # a broken tail is held and told when the film is made
            return False

    def loops_already(self) -> bool:
        """Whether the film's end runs into its beginning as it is, so that nothing need be blended."""
        first, last = self.plan.segments[0], self.plan.segments[-1]
        if first.still or last.still:
            return False
        path, step = self._files[first.place], 1 / float(self.plan.fps)
        opening = self._reframe(frame_at(path, first.from_s))
        second = self._reframe(frame_at(path, min(first.from_s + step, max(first.from_s, first.to_s - step / 2))))
        end = self._files[last.place]
        ending = self._reframe(last_frame(end) if last.whole else frame_at(end, max(last.from_s, last.to_s - step / 2)))
        return _apart(ending, opening) <= SEAM * _apart(opening, second) + SAME

    def seam(self) -> tuple[int, int] | None:
        """How many frames to leave out at the two ends so that the film is a loop; None where that cannot be had."""
        first, last = self.plan.segments[0], self.plan.segments[-1]
        if first.still or last.still or self.plan.fade:
            return None
        fps = self.plan.fps
        count = min(int(seam.MOST_S * fps), min(first.frames, last.frames) // 4)
        if count < 2:
            return None
        ending = replace(last, from_s=max(last.from_s, last.to_s - count / float(fps) * last.speed), frames=count)
        head = seam.small(picture_of(frame) for frame in islice(self._of(first), count))
        return seam.find(head, seam.small(map(picture_of, self._of(ending))))


class _Source:
    """One clip's part as film frames. tell: takes what the user should know."""

    def __init__(self, segment: Segment, path: Path, reframe: Reframe, tell: Callable[[str], None]) -> None:
        self._segment = segment
        self._frames = timed(path, segment.from_s)
        self._reframe = reframe
        self._tell = tell
        self._ended = False
        self._trouble: VideoError | None = None

    def _next(self) -> Timed | None:
        """The next frame of the clip; a damaged one ends it there."""
        if self._ended:
            return None
        try:
            return next(self._frames)
        except StopIteration:
            self._ended = True
        except OwnFault:
            raise
        except VideoError as error:
            self._ended = True
            self._trouble = error
        return None

    def nearest(self, fps: Fraction) -> Iterator[Frame]:
        """Each film frame shows the clip's frame of its own middle, which no rounding of times can miss."""
        shown, following = self._opened()
        picture: Frame | None = None
        for number in range(self._segment.frames):
            at = self._at(number + Fraction(1, 2), fps)
            while following is not None and following.start_s <= at:
                shown, following, picture = following, self._next(), None
            if following is None:
                self._tell_short(shown.start_s)
            if picture is None:
                picture = shown if self._stands(shown) else self._reframe(shown.picture())
            yield picture

    def _stands(self, shown: Timed) -> bool:
        """Whether a frame of the clip is a frame of the film as it is."""
        return shown.native and (shown.frame.width, shown.frame.height) == (self._reframe.width, self._reframe.height)

    def between(self, fps: Fraction) -> Iterator[Picture]:
        """Each film frame shows its own moment, made of the two frames around it."""
        shown, following = self._opened()
        pair: Between | None = None
        picture: Picture | None = None
        for number in range(self._segment.frames):
            at = self._at(Fraction(number), fps)
            while following is not None and following.start_s <= at:
                picture = None if pair is None else pair.b
                shown, following, pair = following, self._next(), None
            if following is None:
                self._tell_short(shown.start_s)
            if pair is None:
                picture = self._reframe(shown.picture()) if picture is None else picture
                pair = Between(picture, picture if following is None else self._reframe(following.picture()))
            yield pair.at(0.0 if following is None else self._share(at, shown.start_s, following.start_s))

    def _share(self, at: Fraction, start: Fraction, end: Fraction) -> float:
        """How far between two frames of the clip, which begin at start and end, a moment is: 0..1."""
        each = Fraction(1 / (self._segment.fps or 1))
        begun = start if end - start <= HELD * each else end - each
        return max(0.0, float((at - begun) / (end - begun)))

    def _opened(self) -> tuple[Timed, Timed | None]:
        first = self._next()
        if first is None:
            raise self._named(self._trouble or VideoError("asset", "no frame of it can be decoded"))
        if (transfer := transfer_of(first.frame)) is not None:
            self._tell(f"{self._segment.place}: {told_as_sdr(transfer)}")
        return first, self._next()

    def _at(self, number: Fraction, fps: Fraction) -> Fraction:
        """The moment of the clip that a film frame shows, seconds."""
        speed = Fraction(self._segment.speed).limit_denominator(1000)
        return Fraction(self._segment.from_s).limit_denominator(1_000_000) + number / fps * speed

    def _tell_short(self, last: Fraction) -> None:
        place, segment = self._segment.place, self._segment
        if self._trouble is not None:
            self._tell(f"{place} cannot be decoded from {float(last):.2f} s on: its last good frame is held to its end")
        elif segment.fps and segment.to_s - float(last) > (SHORT + 0.5) / segment.fps:
            self._tell(f"{place} has no picture from {float(last):.2f} s on: its last frame is held to its end")

    def _named(self, error: VideoError) -> VideoError:
        return VideoError("asset", f"{self._segment.place}: {error.message}")


def picture_of(frame: Frame) -> Picture:
    """uint8 RGB, height x width x 3."""
    return frame.picture() if isinstance(frame, Timed) else frame


def mixed(one: Frame, other: Frame, share: float) -> Picture:
    """share 0..1: of the other."""
    return np.asarray(cv2.addWeighted(picture_of(one), 1 - share, picture_of(other), share, 0), np.uint8)


def _apart(one: Picture, other: Picture) -> float:
    """Mean difference, 0..255."""
    return float(np.abs(one[::2, ::2].astype(np.int16) - other[::2, ::2]).mean())
