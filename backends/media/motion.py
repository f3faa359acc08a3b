"""Whether anything moves in a clip, and where: each block of the picture against itself half a second before.

The mean over the whole frame drowns a small brushed region, a slow move and a picture between bars, so blocks are
asked one by one. What changes without moving is told apart by its form in time:

- noise (grain) changes a block as much from one frame to the next as over half a second, and changes every block;
- a keyframe that encodes a still again changes it in one step, and leaves it alone before and after;
- a move adds up: over half a second it is several times the largest single step, or far above the noise.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

BLOCK = 16  # pixels of the small picture that is measured, whose longer side is 320
BACK_S = 0.5
BLUR = 5  # pixels: grain is finer than that and moves are not
STILL = 0.25  # of 255: no change below it is called a move
SPREAD = 2.5  # a change of so many of its largest steps has added up
GRAIN = 1.5  # so many times the noise is no move even where it happens to add up
LOUD = 1.0  # of 255: a change above it, and above noise and re-encoding, is a move however it came about
NOISES = 2.2  # so many times the noise is above noise: in grain of one strength the worst block reaches 1.6
JUMPS = 1.5  # so many times what a keyframe's own step changes is above re-encoding
BUSY = 80  # percentile of a block's steps that tells its noise: encoders hold grain for some frames
QUIET = 20  # percentile of the blocks that tells the noise: what moves is rarely everywhere
FLAT = 12  # of 255: the range within which a bar keeps through the whole clip
SOFT = 8  # of 255: from one pixel to the next, the most within a blurred backdrop
EDGE = 4  # of 255: the mean step from a blurred backdrop to the picture before it
EDGE_OF = 3  # so many times the backdrop's own change over the same way
LEVEL = 3  # pixels by which two backdrops of one picture may differ in size
LASTING = 8  # a block belongs to a region when it moves in one of so many looks
REGIONS = 3


@dataclass(frozen=True)
class Region:
    """Where something moves. box: left, top, right, bottom, 0..1 from the top left. share: of the picture, 0..1."""

    box: tuple[float, float, float, float]
    share: float


@dataclass(frozen=True)
class Moves:
    """What moves in a clip.

    still: the longest stretch in which no block moves, as (first frame, frames); (0, 0) when there is none of half a
    second. share: of the picture that moves, bars left out, 0..1. regions: where, the largest first. noise: what
    changes from one frame to the next where nothing moves, 0..255.
    """

    still: tuple[int, int]
    share: float
    regions: tuple[Region, ...]
    noise: float


@dataclass(frozen=True)
class _Look:
    """A picture of the clip, blurred. steps: what each block has changed since the look before. key: a keyframe."""

    frame: int
    low: Floats
    steps: Floats | None
    key: bool


@dataclass(frozen=True)
class _Change:
    """What each block has changed from frame `since` to `frame`. largest: its largest step on the way; jump: what a
    keyframe's step on the way had above the other steps; both None across a gap, where the way was not seen."""

    since: int
    frame: int
    change: Floats
    largest: Floats | None
    jump: Floats | None


@dataclass
class MotionPass:
    """Takes the small grey pictures of a clip in order. back: looks in half a second, at least 1."""

    back: int
    _looks: deque[_Look] = field(default_factory=deque[_Look])
    _changes: list[_Change] = field(default_factory=list[_Change])
    _steps: list[Floats] = field(default_factory=list[Floats])
    _ends: list[int] = field(default_factory=list[int])
    _least: np.ndarray[Any, np.dtype[np.uint8]] | None = None
    _most: np.ndarray[Any, np.dtype[np.uint8]] | None = None

    def see(self, frame: int, grey: np.ndarray[Any, np.dtype[np.uint8]], *, key: bool, gap: bool) -> None:
        """grey: uint8. key: a keyframe. gap: frames between this look and the one before were not decoded."""
        self._least = grey if self._least is None else np.minimum(self._least, grey)
        self._most = grey if self._most is None else np.maximum(self._most, grey)
        low = np.asarray(cv2.blur(grey.astype(np.float32), (BLUR, BLUR)), np.float32)
        steps = None
        if self._looks and gap:
            self._finish()
            before = self._looks[-1]
            self._changes.append(_Change(before.frame, frame, _kept(_blocks(before.low, low)), None, None))
            self._looks.clear()
        elif self._looks:
            steps = _blocks(self._looks[-1].low, low)
            self._steps.append(_kept(steps))
            self._ends.append(frame)
        self._looks.append(_Look(frame, low, steps, key))
        if len(self._looks) > self.back + 1:
            self._looks.popleft()
        if len(self._looks) == self.back + 1:
            self._changes.append(self._change())

    def _finish(self) -> None:
        """What was seen in a row is judged even where it was shorter than half a second."""
        if 1 < len(self._looks) < self.back + 1:
            self._changes.append(self._change())

    def _change(self) -> _Change:
        """Over half a second, or over the second half of it: what goes out and comes back is as it was."""
        first, last = self._looks[0], self._looks[-1]
        middle = self._looks[len(self._looks) // 2]
        change = np.maximum(_blocks(first.low, last.low), _blocks(middle.low, last.low))
        taken = [(look.steps, look.key) for look in list(self._looks)[1:] if look.steps is not None]
        largest = np.max([steps for steps, _ in taken], axis=0)
        jump = np.zeros_like(largest)
        if keys := [steps for steps, key in taken if key]:
            others = [steps for steps, key in taken if not key]
            usual = np.percentile(others, 80, axis=0) if others else jump
            jump = np.maximum(np.max(keys, axis=0) - usual, 0)
        return _Change(first.frame, last.frame, _kept(change), _kept(largest), _kept(jump))

    def moves(self, frames: int) -> Moves:
        """The verdict. frames: of the whole clip."""
        if self._least is None or self._most is None:
            return Moves((0, 0), 0.0, (), 0.0)
        self._finish()
        picture = _picture(self._least, self._most)
        inside = picture if picture.any() else np.ones_like(picture)
        noise = self._noise(inside)
        moving = [self._moving(change, noise) for change in self._changes]
        still = _longest(self._changes, [not flags.any() for flags in moving], frames)
        if 0 < still[1] < frames:
            still = self._trimmed(*still)
        if not moving:
            return Moves(still, 0.0, (), float(noise))
        often = np.mean(moving, axis=0)
        where = often > 1 / LASTING if (often > 1 / LASTING).any() else often > 0
        share = float(where.sum() / max(1, inside.sum()))
        return Moves(still, min(1.0, share), _regions(where), float(noise))

    def _trimmed(self, start: int, length: int) -> tuple[int, int]:
        """Without the frames at both ends that still moved: half a second shows a stretch, but not its exact edges."""
        within = [step for step in zip(self._ends, self._steps, strict=True) if start < step[0] < start + length]
        largest = [float(steps.max()) for _, steps in within]
        limit = LOUD + NOISES * float(np.median(largest)) if largest else 0.0
        end = start + length
        for (frame, _), step in zip(within, largest, strict=True):
            if step <= limit:
                break
            start = frame
        for (frame, _), step in zip(reversed(within), reversed(largest), strict=True):
            if step <= limit or frame <= start:
                break
            end = frame
        return start, end - start

    def _noise(self, inside: Flags) -> float:
        if not self._steps:
            return 0.0
        usual = np.percentile(np.asarray(self._steps, np.float32), BUSY, axis=0)
        return float(np.percentile(usual[inside], QUIET))

    def _moving(self, found: _Change, noise: float) -> Flags:
        change = found.change.astype(np.float32)
        loud = LOUD + NOISES * noise
        if found.largest is None or found.jump is None:
            return change > loud + LOUD
        spread = min(SPREAD, 0.6 * self.back)
        adds_up = (change > STILL + GRAIN * noise) & (change > spread * found.largest.astype(np.float32))
        return adds_up | (change > loud + JUMPS * found.jump.astype(np.float32))


def _blocks(before: Floats, after: Floats) -> Floats:
    """The mean change of each block, 0..255."""
    changed = cv2.absdiff(before, after)
    rows, columns = changed.shape
    grid = (max(1, round(columns / BLOCK)), max(1, round(rows / BLOCK)))
    return np.asarray(cv2.resize(changed, grid, interpolation=cv2.INTER_AREA), np.float32)


def _kept(values: Floats) -> Floats:
    """In half the memory: an hour has 45,000 looks."""
    return np.asarray(values, np.float16)  # pyright: ignore[reportReturnType]


def _picture(least: np.ndarray[Any, np.dtype[np.uint8]], most: np.ndarray[Any, np.dtype[np.uint8]]) -> Flags:
    """Which blocks lie between the bars: rows and columns at the rim that keep one colour through the clip are bars,
    and so is a blurred backdrop on both sides."""
    rows, columns = least.shape
    inside = np.ones(least.shape, np.uint8)
    for axis, length in ((1, rows), (0, columns)):
        flat = most.max(axis=axis).astype(int) - least.min(axis=axis) < FLAT
        lead, trail = _run(flat), _run(flat[::-1])
        behind = _backdrop(least, most) if axis == 1 else _backdrop(least.T, most.T)
        lead, trail = max(lead, behind[0]), max(trail, behind[1])
        if lead + trail >= length:
            continue
        if axis == 1:
            inside[:lead], inside[length - trail :] = 0, 0
        else:
            inside[:, :lead], inside[:, length - trail :] = 0, 0
    grid = (max(1, round(columns / BLOCK)), max(1, round(rows / BLOCK)))
    return np.asarray(cv2.resize(inside * np.float32(1), grid, interpolation=cv2.INTER_AREA) > 0.5)


def _backdrop(least: np.ndarray[Any, np.dtype[np.uint8]], most: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[int, int]:
    """The rows at the top and at the bottom that are a blurred picture behind a sharp one: they keep through the clip,
    nothing in them is sharp, they are as many on both sides, and the sharp picture begins with a step. (0, 0): none."""
    middle: Floats = np.asarray((least.astype(np.float32) + most) / 2, np.float32)
    kept = (most.astype(int) - least).max(axis=1) < FLAT
    soft = np.abs(np.diff(middle, axis=1)).max(axis=1) < SOFT
    lead, trail = _run(kept & soft), _run((kept & soft)[::-1])
    if min(lead, trail) <= 2 * LEVEL or abs(lead - trail) > LEVEL or lead + trail >= len(middle):
        return 0, 0
    return (lead, trail) if _begins(middle, lead) and _begins(middle[::-1], trail) else (0, 0)


def _begins(middle: Floats, lead: int) -> bool:
    """Whether a picture begins after so many rows."""
    last = middle[lead - 1]
    own = float(np.abs(last - middle[lead - 1 - LEVEL]).mean())
    step = float(np.abs(middle[lead : lead + LEVEL] - last).mean(axis=1).max())
    return step > max(EDGE, EDGE_OF * own)


def _run(flags: Flags) -> int:
    return len(flags) if flags.all() else int(np.argmin(flags))


def _longest(changes: list[_Change], still: list[bool], frames: int) -> tuple[int, int]:
    """The longest stretch of still looks, each beginning before the last one ends: (first frame, frames). A gap joins
    what is still on both sides of it; by itself it proves nothing."""
    best = (0, 0)
    start = end = -1
    last = changes[-1].frame if changes else 0
    for change, quiet in zip(changes, still, strict=True):
        if not quiet:
            start = -1
        elif change.largest is None:
            end = change.frame
        else:
            start = change.since if start < 0 or change.since > end else start
            end = change.frame
            length = (frames if end == last else end + 1) - start
            best = max(best, (start, length), key=lambda stretch: stretch[1])
    if start >= 0 and end == last:
        best = max(best, (start, frames - start), key=lambda stretch: stretch[1])
    return best


def _regions(where: Flags) -> tuple[Region, ...]:
    rows, columns = where.shape
    count, _, stats, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8), connectivity=8)
    found: list[Region] = []
    for left, top, width, height, area in stats[1:count].tolist():
        box = (left / columns, top / rows, (left + width) / columns, (top + height) / rows)
        found.append(Region(box, area / (rows * columns)))
    return tuple(sorted(found, key=lambda region: -region.share)[:REGIONS])
