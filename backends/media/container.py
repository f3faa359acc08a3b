"""Opening a clip: the demuxer forced by magic bytes, the caps, and every library failure turned into words.

A text file named .mp4 can be an ffconcat list, and an .m3u8 a playlist: left to guess, FFmpeg would open the files
that they name. So the format is forced, checked again after opening, and the file is handed over as an open stream,
never as a name.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from av.error import (
    BSFNotFoundError,
    DecoderNotFoundError,
    DemuxerNotFoundError,
    EncoderNotFoundError,
    FFmpegError,
    FilterNotFoundError,
    MuxerNotFoundError,
    OptionNotFoundError,
)
from av.error import MemoryError as FFmpegMemoryError
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from backends.errors import VideoError
from backends.media.blame import FILE_FAULTS, is_machines, own_fault
from backends.media.boxes import missing_bytes
from backends.media.magic import CLIP_FORMATS, IMAGE_FORMATS, in_words, read_head, sniff_bytes

MAX_CLIP_S = 3600.0
MAX_FRAMES = 216_000  # an hour at 60 a second
MAX_PIXELS = 8192 * 4320
MIN_SIDE = 16
MAX_STREAMS = 32
DECODE_THREADS = 4  # frame threads each hold a frame: more would cost memory on large machines

CODECS = frozenset(
    [
        *("h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9"),
        *("mpeg4", "mpeg2video", "mpeg1video", "h263", "theora", "mjpeg", "png", "qtrle"),
        *("prores", "dnxhd", "cfhd", "v210", "ffv1", "rawvideo"),
    ]
)
"""Decoders that untrusted clips may use: what cameras, editors and video services write."""

OPTIONS = {"protocol_whitelist": "file", "enable_drefs": "0"}
ANY_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
"""PyAV 18 refuses a clip whose tags are not UTF-8 unless this keyword allows it; 19 reads every one and has no such
keyword."""

TAKEN = "give an MP4, MOV, WebM or MKV clip (H.264 MP4 is the safest)"


@dataclass(frozen=True)
class Clip:
    """An open clip. fps, duration_s: as the container says, None where it doesn't. origin: the video's first
    time, in units of its time base."""

    container: InputContainer
    video: VideoStream
    mime: str
    path: Path
    duration_s: float | None
    fps: Fraction | None

    @property
    def time_base(self) -> Fraction:
        return self.video.time_base or Fraction(1, 1000)

    @property
    def origin(self) -> int:
        return self.video.start_time or 0

    @property
    def audio(self) -> bool:
        return bool(self.container.streams.audio)


@contextmanager
def decoding(*, sized: bool = True) -> Generator[None]:
    """Turns what a decoder raises for the bytes of a clip into VideoError("asset"), and any other failure into
    OwnFault.

    sized: whether the clip's size is known to be within the caps; before that, its own fields choose how much memory
    is requested.
    """
    try:
        yield
    except (VideoError, GeneratorExit):
        raise
    except FileNotFoundError:
        raise VideoError("asset", "the clip's file is gone: give it again") from None
    except (MemoryError, FFmpegMemoryError) as error:
        if sized:
            raise own_fault(MemoryError(str(error)), "clip") from None
        raise _undecodable("more memory is needed than there is") from None
    except _OWN_LACKS as error:
        raise own_fault(error, "clip") from None
    except FFmpegError as error:
        raise _undecodable(str(error.strerror or "invalid data").lower()) from None
    except FILE_FAULTS as error:
        raise own_fault(error, "clip") if is_machines(error) else _undecodable(type(error).__name__) from None
    except Exception as error:
        raise own_fault(error, "clip") from None


_OWN_LACKS = (
    *(DecoderNotFoundError, DemuxerNotFoundError, EncoderNotFoundError, MuxerNotFoundError, FilterNotFoundError),
    *(BSFNotFoundError, OptionNotFoundError),
)
"""What FFmpeg's build here lacks, or calls an option that it does not know."""


def _undecodable(reason: str) -> VideoError:
    return VideoError(
        "asset",
        f"the clip cannot be decoded ({reason}): it is damaged or not what it seems; export it again, as H.264 MP4",
    )


@contextmanager
def open_clip(path: Path, *, pictures: bool = True) -> Generator[Clip]:
    """Open for decoding. VideoError("asset") for anything that is not a whole clip within the caps, OwnFault where
    the failure is this program's own. pictures: False where none is to be decoded: the first ones are then not looked
    into, which is most of what opening takes, and the video stream tells only what the container says."""
    with ExitStack() as stack:
        with decoding(sized=False):
            mime = _clip_mime(path)
            file = stack.enter_context(path.open("rb"))
            container = stack.enter_context(
                av.open(
                    file,
                    "r",
                    format=CLIP_FORMATS[mime],
                    options={**OPTIONS, **({} if pictures else {"skip_frame": "all"})},
                    **ANY_TAGS,
                )
            )
            clip = _checked(container, mime, path, pictures)
        with decoding():
            yield clip


def _clip_mime(path: Path) -> str:
    head = read_head(path)
    mime = sniff_bytes(head)
    if mime in CLIP_FORMATS:
        if short := missing_bytes(path, mime):
            raise VideoError(
                "asset", f"the clip is truncated: {short} bytes are missing at its end; copy or download it again"
            )
        return mime
    what = f"an image ({mime}), not a clip" if mime in IMAGE_FORMATS else in_words(mime, head)
    raise VideoError("asset", f"the file is {what}: {TAKEN}")


def _checked(container: InputContainer, mime: str, path: Path, decoded: bool) -> Clip:
    names = container.format.name.split(",")
    if CLIP_FORMATS[mime] not in names:
        raise VideoError("asset", f"the file opens as {container.format.name}, not as {mime}: {TAKEN}")
    if len(container.streams) > MAX_STREAMS:
        raise VideoError("asset", f"the clip has {len(container.streams)} streams; at most {MAX_STREAMS} are taken")
    pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not pictures:
        sound = "sound only, " if container.streams.audio else ""
        raise VideoError("asset", f"the clip has {sound}no video stream: {TAKEN}")
    video = pictures[0]
    context = cast("VideoCodecContext | None", video.codec_context)  # None: no decoder of that name
    if context is None and (lacking := CODECS - set(av.codecs_available)):
        raise own_fault(LookupError(f"PyAV was built without the decoders {', '.join(sorted(lacking))}"), "clip")
    if context is None or context.codec.name not in CODECS:
        name = "an unknown codec" if context is None else f"the codec {context.codec.name}"
        raise VideoError("asset", f"the clip uses {name}, which is not taken: export it as H.264 MP4")
    if decoded or context.width:
        _check_size(context.width, context.height)
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_count = DECODE_THREADS
    context.thread_type = "AUTO"
    duration_s = _duration(container, video)
    if duration_s is not None and duration_s > MAX_CLIP_S:
        raise VideoError("asset", f"the clip lasts {duration_s:.0f} s; at most {MAX_CLIP_S:.0f} s are taken: cut it")
    if video.frames > MAX_FRAMES:
        raise VideoError("asset", f"the clip has {video.frames} frames; at most {MAX_FRAMES} are taken: cut it")
    return Clip(container, video, mime, path, duration_s, _rate(video))


def _check_size(width: int, height: int) -> None:
    if not width or not height:
        raise VideoError("asset", f"the clip states no picture size, so it is damaged: {TAKEN}")
    if width * height > MAX_PIXELS:
        raise VideoError("asset", f"the clip is {width}x{height}; at most 8192x4320 is taken: scale it down")
    if min(width, height) < MIN_SIDE:
        raise VideoError("asset", f"the clip is {width}x{height} pixels; at least {MIN_SIDE} a side are needed")


def _duration(container: InputContainer, video: VideoStream) -> float | None:
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    if tag := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", video.metadata.get("DURATION", "")):  # Matroska
        hours, minutes, seconds = tag.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return container.duration / 1_000_000 if container.duration else None


def _rate(video: VideoStream) -> Fraction | None:
    for rate in (video.average_rate, video.guessed_rate):
        if rate and 0 < rate <= 240:
            return Fraction(rate)
    return None
