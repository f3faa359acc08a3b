"""Clips of one maker joined without re-encoding: their packets one after the other, the sound mixed beside them.

That is exact only where codec, size, parameters, colour, time base and rate are the same and each clip is whole, from
a keyframe to its last frame. Anything else is reported before a byte is kept.
"""

# PyAV's stubs leave the parameter of Packet open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.error import FFmpegError

from backends.media.boxes import missing_bytes
from backends.media.container import Clip, open_clip
from backends.media.diskspace import disk_full, is_full
from backends.media.pixels import Upright, upright_of
from backends.media.rates import movie_clock
from backends.media.sound import ClipSound, SoundFile
from backends.provider.protocol import Progress

Part = tuple[Path, int]
"""A clip and how many frames it has on the film."""


class _Inexact(Exception):
    """These clips cannot be joined by copying."""


def join(parts: Sequence[Part], sound: Path | None, dest: Path, fps: Fraction, progress: Progress) -> bool:
    """Write the clips to `dest` as H.264 in MP4, with the sound of a WAV file; whether that was exact. Nothing is left
    when it was not. VideoError("storage") when the disk is full."""
    if len({_kind(path) for path, _ in parts}) != 1:
        return False
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


def _kind(path: Path) -> tuple[object, ...]:
    """All that must be the same; something that equals nothing else for a clip that cannot be copied."""
    with open_clip(path) as clip:
        context = clip.video.codec_context
        upright = _upright(clip)
        plain = clip.mime == "video/mp4" and context.codec.canonical_name == "h264" and bool(context.extradata)
        if not plain or upright != Upright(context.width, context.height):
            return (object(),)
        return (
            context.width,
            context.height,
            context.pix_fmt,
            bytes(context.extradata or b""),
            clip.time_base,
            clip.fps,
            (context.color_range, context.colorspace, context.color_primaries, context.color_trc),
        )


def _upright(clip: Clip) -> Upright | None:
    for frame in clip.container.decode(clip.video):
        return upright_of(frame, clip.video.sample_aspect_ratio)
    return None


def _write(parts: Sequence[Part], sound: Path | None, dest: Path, fps: Fraction, progress: Progress) -> None:
    options = {"movflags": "+faststart", "movie_timescale": str(movie_clock(fps))}
    with av.open(f"file:{dest.absolute()}", "w", format="mp4", options=options) as output:
        with open_clip(parts[0][0]) as first:
            video = output.add_stream_from_template(first.video)
        heard = None if sound is None else ClipSound.open(SoundFile(sound), output)
        try:
            frames = 0
            total = sum(count for _, count in parts)
            for path, count in parts:
                if not _append(path, count, frames, fps, output, video, heard):
                    raise _Inexact
                frames += count
                progress(frames / total, "joining")
            if heard is not None:
                heard.finish(frames / fps)
        finally:
            if heard is not None:
                with suppress(FFmpegError):
                    heard.close()
    with dest.open("rb+") as file:
        os.fsync(file.fileno())


def _append(
    path: Path,
    count: int,
    before: int,
    fps: Fraction,
    output: OutputContainer,
    video: av.VideoStream,
    heard: ClipSound | None,
) -> bool:
    """One clip's packets behind `before` frames; whether they are `count` whole ones at that rate."""
    with open_clip(path) as clip:
        start = before / fps / clip.time_base
        if start.denominator != 1:
            return False
        prefix = _length_bytes(clip)
        shift = int(start) - clip.origin
        seen: set[int] = set()
        for packet in clip.container.demux(clip.video):
            if packet.pts is None or packet.dts is None or not packet.size:
                continue
            if packet.is_discard or packet.is_corrupt or (not seen and not packet.is_keyframe):
                return False
            if not _adds_up(memoryview(packet), prefix):
                return False
            seen.add(packet.pts - clip.origin)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packet.stream = video
            output.mux(packet)
            if heard is not None:
                heard.advance((before + len(seen)) / fps)
        step = 1 / fps / clip.time_base
        return len(seen) == count and all(pts == round(number * step) for number, pts in enumerate(sorted(seen)))


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
