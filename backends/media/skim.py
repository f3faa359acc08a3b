"""Which frames of a clip are decoded to judge it: of a long one half or less, and every frame that may hold a fault.

Decoding is nearly all that measuring costs. Of each group of frames that begins with a keyframe the tail is left out,
since the group's head shows the same motion, unless the sizes of its packets say that it does not: a cut is a packet
far above its neighbours, a frozen or black stretch a run far below them (and cheap to decode).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame

from backends.errors import VideoError
from backends.media.container import MAX_FRAMES, Clip
from backends.media.probe import ONE_FRAME_A_PACKET

LONG = 240  # frames: a shorter clip is decoded whole
GAP_S = 2.0  # at most so much is left out at a time
HEAD_S = 0.75  # at least so much of a group is decoded: a change of half a second must fit in
LEAST, MOST = 0.4, 2.5  # packets of the tail are like those of the head within these ratios


@dataclass(frozen=True)
class Seen:
    """A decoded frame. index: its number in the clip as shown. gap: the frame before it was not decoded."""

    index: int
    frame: VideoFrame
    gap: bool


@dataclass(frozen=True)
class _Part:
    """A packet without its bytes. pts: units of the time base."""

    pts: int
    end: int
    size: int
    key: bool


@dataclass(frozen=True)
class Plan:
    """shown: the time of every frame as shown, in the clip's time base, with the end of the last one after it.
    skipped: numbers of the packets, in the order of the file, that are not decoded. Both None where only decoding
    tells how many frames there are."""

    shown: tuple[int, ...] | None
    skipped: frozenset[int]

    @property
    def frames(self) -> int | None:
        return None if self.shown is None else len(self.shown) - 1


def plan(clip: Clip, sheet: int) -> Plan:
    """Look through the packets. sheet: frames that are evenly spread from the first to the last are wanted too."""
    if clip.video.codec_context.codec.canonical_name not in ONE_FRAME_A_PACKET:
        return Plan(None, frozenset())
    parts: list[_Part | None] = []  # None: a packet that shows nothing
    clip.container.seek(0, backward=True)
    for packet in clip.container.demux(clip.video):
        if packet.size == 0:
            continue
        parts.append(_part(packet))
        if len(parts) > MAX_FRAMES:
            raise VideoError("asset", f"the clip has more than {MAX_FRAMES} frames, the most that are taken: cut it")
    told = [part for part in parts if part is not None]
    times = sorted(part.pts for part in told)
    if not times or len(set(times)) < len(times):
        return Plan(None, frozenset())
    shown = (*times, max(part.end for part in told))
    wanted = {times[index] for index in spread(len(times), sheet)}
    return Plan(shown, frozenset(_skipped(clip, parts, wanted)) if len(times) > LONG else frozenset())


def spread(total: int, count: int) -> list[int]:
    """`count` frame numbers of `total`, evenly spaced, the first and the last among them; all when there are fewer."""
    count = min(total, count)
    if count == 1:
        return [0]
    return [round(place * (total - 1) / (count - 1)) for place in range(count)]


def _part(packet: Packet[Any]) -> _Part | None:
    if packet.pts is None or packet.is_discard:
        return None
    return _Part(packet.pts, packet.pts + (packet.duration or 0), packet.size, packet.is_keyframe)


def _skipped(clip: Clip, parts: list[_Part | None], wanted: Collection[int]) -> Iterator[int]:
    keys = [number for number, part in enumerate(parts) if part is not None and part.key]
    for start, after in pairwise(keys):  # the last group is decoded whole: its end is the clip's last frame
        group = [part for part in parts[start:after] if part is not None]
        if len(group) < after - start or _leads(parts, after):
            continue
        seconds = float((max(part.end for part in group) - group[0].pts) * clip.time_base)
        rate = len(group) / seconds if seconds > 0 else 0.0
        latest = max((number for number, part in enumerate(group) if part.pts in wanted), default=0)
        head = max(len(group) // 3, round(HEAD_S * rate), latest + 1, 2)
        if 0 < len(group) - head <= GAP_S * rate and _alike(group[1:head], group[head:]):
            yield from range(start + head, after)


def _leads(parts: list[_Part | None], key: int) -> bool:
    """Whether the frame after this keyframe is shown before it: such a frame leans on the group before, whole."""
    first, second = parts[key], parts[key + 1] if key + 1 < len(parts) else None
    return first is not None and second is not None and second.pts < first.pts


def _alike(head: list[_Part], tail: list[_Part]) -> bool:
    """Four packets at a time, since encoders alternate between large and small ones."""
    usual = sum(part.size for part in head) / len(head)
    least = min(sum(part.size for part in tail[at : at + 4]) / 4 for at in range(max(1, len(tail) - 3)))
    return least >= LEAST * usual and max(part.size for part in tail) <= MOST * max(part.size for part in head)


def decoded(clip: Clip, plan: Plan) -> Iterator[Seen]:
    """The frames of the plan, as shown."""
    clip.container.seek(0, backward=True)
    if plan.shown is None or not plan.skipped:
        for index, frame in enumerate(clip.container.decode(clip.video)):
            yield Seen(index, frame, gap=False)
        return
    numbers = {pts: index for index, pts in enumerate(plan.shown[:-1])}
    before = -1
    for frame in _frames(clip, plan.skipped):
        index = numbers.get(frame.pts if frame.pts is not None else -1)
        if index is None or index <= before:
            continue
        yield Seen(index, frame, gap=index != before + 1)
        before = index


def _frames(clip: Clip, skipped: Collection[int]) -> Iterator[VideoFrame]:
    number = 0
    for packet in clip.container.demux(clip.video):
        number += bool(packet.size)
        if not packet.size or number - 1 not in skipped:
            yield from packet.decode()
