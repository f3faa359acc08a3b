"""What a clip is, before anything is done with it."""

from __future__ import annotations

from pathlib import Path

from av.video.frame import VideoFrame

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.media.container import MAX_FRAMES, Clip, open_clip
from backends.media.hdr import still_as_sdr, told_as_sdr, transfer_of
from backends.media.magic import sniff
from backends.media.pixels import upright_of

__all__ = ["hdr_note", "probe_clip", "sniff"]

ONE_FRAME_A_PACKET = frozenset({"h264", "hevc", "av1", "libdav1d", "vp9", "prores", "mjpeg"})
"""Codecs whose packets in MP4 and Matroska hold exactly one shown frame each, so that counting needs no decoding."""


def probe_clip(path: Path, *, count_frames: bool = False) -> MediaFacts:
    """Size as displayed, duration in seconds, rate, codec and sound of a clip; its first frame is decoded as a proof.

    frames: exact with count_frames=True, or where the container holds a count (MP4, MOV); otherwise None.
    VideoError("asset") for anything that is not a whole, decodable clip within the caps of `container`.
    """
    with open_clip(path) as clip:
        first = _first_frame(clip)
        width, height = upright_of(first, clip.video.sample_aspect_ratio).size
        frames: int | None = clip.video.frames or None
        duration_s = clip.duration_s
        fps = float(clip.fps) if clip.fps else None
        if count_frames or duration_s is None or fps is None:
            frames, counted_s = _count(clip)
            duration_s = duration_s if duration_s is not None else counted_s
            fps = fps or (frames / counted_s if counted_s else None)
        return MediaFacts(
            kind="clip",
            mime=clip.mime,
            width=width,
            height=height,
            bytes=path.stat().st_size,
            duration_s=duration_s,
            fps=fps,
            frames=frames,
            audio=clip.audio,
            codec=clip.video.codec_context.codec.canonical_name,
        )


def hdr_note(path: Path, *, still: bool = False) -> str:
    """What somebody who uses the clip should know when it is HDR; "" when it is not. still: who uses one frame of it.
    Errors as for `probe_clip`."""
    with open_clip(path) as clip:
        transfer = transfer_of(_first_frame(clip))
    if transfer is None:
        return ""
    return still_as_sdr(transfer) if still else told_as_sdr(transfer)


def _first_frame(clip: Clip) -> VideoFrame:
    for frame in clip.container.decode(clip.video):
        return frame
    raise VideoError("asset", "the clip holds no frame that can be decoded: export it again as H.264 MP4")


def _count(clip: Clip) -> tuple[int, float]:
    """Shown frames, and the seconds from the first to the end of the last."""
    clip.container.seek(0, backward=True)
    count, end = 0, 0
    by_packet = clip.video.codec_context.codec.canonical_name in ONE_FRAME_A_PACKET
    for packet in clip.container.demux(clip.video):
        if by_packet:
            shown = [] if packet.pts is None or packet.is_discard else [packet]
        else:
            shown = packet.decode()
        for item in shown:
            count += 1
            end = max(end, (item.pts or 0) + (item.duration or 0))
        if count > MAX_FRAMES:
            raise VideoError("asset", f"the clip has more than {MAX_FRAMES} frames, the most that are taken: cut it")
    return count, float((end - clip.origin) * clip.time_base)
