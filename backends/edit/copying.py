"""Clips of one maker joined without re-encoding: their packets one after the other, the sound mixed beside them.

That is exact only where codec, size, parameters, colour, time base and rate are the same and each clip is whole, from
a keyframe to its last frame. Of anything else no byte is kept.
"""

# PyAV's stubs leave the parameter of Packet open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from backends.media.boxes import is_turned, missing_bytes
from backends.media.container import Clip, open_clip
from backends.media.diskspace import disk_full, is_full
from backends.media.rates import movie_clock
from backends.media.sound import ClipSound, SoundFile
from backends.provider.protocol import Progress

EVERY = 12
"""Packets of pictures between which none of the sound's are written."""

Part = tuple[Path, int]
"""A clip and how many frames it has on the film."""


class _Inexact(Exception):
    """These clips cannot be joined by copying."""


def join(parts: Sequence[Part], sound: Path | None, dest: Path, fps: Fraction, progress: Progress) -> bool:
    """Write the clips to `dest` as H.264 in MP4, with the sound of a WAV file; whether that was exact. Nothing is left
    when it was not. VideoError("storage") when the disk is full."""
    try:
        _write(parts, sound, dest, fps, progress)
    except BaseException as error:
        dest.unlink(missing_ok=True)
        if is_full(error):
            raise disk_full(dest) from None
        if isinstance(error, _Inexact | FFmpegError):
            return False
        raise
    if missing_bytes(dest, "video/mp4"):
        dest.unlink()
        raise disk_full(dest)
    return True


def _write(parts: Sequence[Part], sound: Path | None, dest: Path, fps: Fraction, progress: Progress) -> None:
    total = sum(count for _, count in parts)
    options = {"movflags": "+faststart", "movie_timescale": str(movie_clock(fps))}
    with av.open(f"file:{dest.absolute()}", "w", format="mp4", options=options) as output:
        with open_clip(parts[0][0]) as first:
            video = output.add_stream_from_template(first.video) if _copies(first) else None
        if video is None:
            raise _Inexact
        film = _Film(output, video, fps, None if sound is None else ClipSound.open(SoundFile(sound), output))
        try:
            for path, count in parts:
                film.add(path, count)
                progress(film.frames / total, "joining")
            film.finish()
        finally:
            film.close()
    with dest.open("rb+") as file:
        os.fsync(file.fileno())


def _copies(clip: Clip) -> bool:
    """Whether clips such as this one can be joined by copying at all."""
    context, aspect = clip.video.codec_context, clip.video.sample_aspect_ratio
    square = not aspect or abs(aspect - 1) <= Fraction(1, 100)
    return square and clip.mime == "video/mp4" and context.codec.canonical_name == "h264" and bool(context.extradata)


def _kind(clip: Clip) -> tuple[object, ...]:
    """All that must be the same in every clip. How pictures are to be read is told by the extradata."""
    context = clip.video.codec_context
    return (
        clip.mime,
        context.codec.canonical_name,
        context.width,
        context.height,
        bytes(context.extradata or b""),
        clip.time_base,
        clip.fps,
        clip.video.sample_aspect_ratio,
        (context.color_range, context.colorspace, context.color_primaries, context.color_trc),
    )


def _packets(path: Path) -> Generator[tuple[Clip, Packet[av.VideoStream]]]:
    """A clip's pictures. (Whatever its reader raises is the reader's own, and not taken for the clip's fault.)"""
    with open_clip(path, pictures=False) as clip:
        for packet in clip.container.demux(clip.video):
            if packet.pts is not None and packet.dts is not None and packet.size:
                yield clip, packet


@dataclass(frozen=True)
class _Place:
    """Where a clip stands on the film. shift: from its times to the film's. step: between two frames. prefix: see
    `_length_bytes`."""

    shift: int
    step: Fraction
    prefix: int


class _Film:
    """The film while it is written."""

    def __init__(self, output: OutputContainer, video: av.VideoStream, fps: Fraction, heard: ClipSound | None) -> None:
        self._output = output
        self._video = video
        self._fps = fps
        self._heard = heard
        self._kind: tuple[object, ...] | None = None
        self.frames = 0

    def add(self, path: Path, count: int) -> None:
        """A clip's packets behind those that are there. _Inexact where they are not `count` whole ones of the film's
        kind and rate."""
        seen: set[int] = set()
        place: _Place | None = None
        with closing(_packets(path)) as packets:
            for clip, packet in packets:
                place = place or self._placed(clip)
                seen.add(self._copied(clip, packet, place, first=not seen))
                if self._heard is not None and len(seen) % EVERY == 0:
                    self._heard.advance((self.frames + len(seen)) / self._fps)
        if place is None or len(seen) != count:
            raise _Inexact
        if any(pts != round(number * place.step) for number, pts in enumerate(sorted(seen))):
            raise _Inexact
        self.frames += count

    def _placed(self, clip: Clip) -> _Place:
        kind, start = _kind(clip), self.frames / self._fps / clip.time_base
        self._kind = self._kind or kind
        if kind != self._kind or is_turned(clip.path) or start.denominator != 1:
            raise _Inexact
        return _Place(int(start) - clip.origin, 1 / self._fps / clip.time_base, _length_bytes(clip))

    def _copied(self, clip: Clip, packet: Packet[av.VideoStream], place: _Place, *, first: bool) -> int:
        """Write a packet; its time in the clip."""
        if packet.is_discard or packet.is_corrupt or (first and not packet.is_keyframe):
            raise _Inexact
        if packet.pts is None or packet.dts is None or not _adds_up(memoryview(packet), place.prefix):
            raise _Inexact
        shown = packet.pts - clip.origin
        packet.pts, packet.dts = packet.pts + place.shift, packet.dts + place.shift
        packet.stream = self._video
        self._output.mux(packet)
        return shown

    def finish(self) -> None:
        """Write the rest of the sound."""
        if self._heard is not None:
            self._heard.finish(self.frames / self._fps)

    def close(self) -> None:
        if self._heard is not None:
            with suppress(FFmpegError):
                self._heard.close()


def _length_bytes(clip: Clip) -> int:
    """How many bytes the length of a NAL unit takes in this clip (ISO/IEC 14496-15, 5.3.3.1.2)."""
    extradata = bytes(clip.video.codec_context.extradata or b"")
    return (extradata[4] & 3) + 1 if len(extradata) > 4 else 4


def _adds_up(packet: memoryview, prefix: int) -> bool:
    """Whether a packet is NAL units one after the other to its last byte. A part of a file that was never written, or
    was overwritten, is not; damage within a unit is not found."""
    at = 0
    while at < len(packet):
        length = int.from_bytes(packet[at : at + prefix], "big")
        at += prefix + length
        if not length or at > len(packet) or packet[at - length] & 0x80:  # the highest bit of a unit is 0
            return False
    return True
