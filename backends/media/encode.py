"""The one encoder: pictures in, a finished MP4 out.

H.264 yuv420p with the index first (plays while it loads), BT.709 converted and tagged, a keyframe at least every 48
frames (so that the last frame is found quickly), constant frame rate with exact times.
"""

# PyAV's stubs leave the parameter of Packet open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from backends.errors import VideoError
from backends.media.boxes import missing_bytes
from backends.media.diskspace import disk_full, is_full
from backends.media.forms import MP4, Form
from backends.media.pixels import Picture, ToYUV
from backends.media.rates import exact_rate, movie_clock
from backends.media.sound import ClipSound, Samples, SoundFile

KEYFRAME_EVERY = 48
X264_THREADS = 4
"""Fixed: x264's output depends on its number of threads, and the same input must give the same frames everywhere."""
X264_PARAMS = "mbtree=0"
"""Macroblock trees make x264's output vary from run to run: of 150 encodes of one 320x180 clip the most frequent result
came 51 times, and without them 150 times. Files grow (14 % on a real clip, more on a pure pan), and so does quality."""
MAX_SIDE = 8192
BOXED = frozenset({"mp4", "mov"})
"""Containers of ISO boxes (14496-12), whose header states the length in ticks of its own."""


class ClipWriter:
    """A context manager that encodes pictures; leaving it finishes the file and syncs it to the disk.

    path: replaced if it exists. width, height: even, 16..8192 pixels. fps: see `exact_rate`. crf: 0..51, lower is
    better (18 is visually lossless). preset: x264's. audio_from: samples, a sound file of ours, or a clip whose sound
    is taken along, cut or padded with silence to the picture's length. metadata: text tags in the file. form: another
    container and codec than H.264 in MP4; crf and preset are x264's alone.
    An exception inside the block removes the partial file. VideoError("storage") when the disk is full,
    VideoError("provider") for frames of the wrong shape or no frame at all.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        fps: Fraction | float | int,
        *,
        crf: int = 18,
        preset: str = "veryfast",
        audio_from: Path | Samples | SoundFile | None = None,
        metadata: Mapping[str, str] | None = None,
        form: Form = MP4,
    ) -> None:
        if width % 2 or height % 2 or not (16 <= width <= MAX_SIDE and 16 <= height <= MAX_SIDE):
            raise VideoError(
                "invalid_request", f"a clip's sides are even and 16 to {MAX_SIDE} pixels, not {width}x{height}"
            )
        self.path = path
        self.width = width
        self.height = height
        self.fps = exact_rate(fps)
        self.frames = 0
        self._form = form
        self._options = dict(form.options) or {
            "crf": str(crf),
            "preset": preset,
            "g": str(KEYFRAME_EVERY),
            "threads": str(X264_THREADS),
            "x264-params": X264_PARAMS,
        }
        self._metadata = dict(metadata or {})
        self._audio_from = audio_from
        self._to_yuv = ToYUV(form.pix_fmt)
        self._output: OutputContainer | None = None
        self._video: VideoStream | None = None
        self._sound: ClipSound | None = None

    @property
    def duration_s(self) -> float:
        """Seconds written so far."""
        return float(self.frames / self.fps)

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException as error:
            raise self._abandon(error) from None
        return self

    def _open(self) -> None:
        form = self._form
        flags = form.flags + ("+use_metadata_tags" if self._metadata and form.flags else "")
        options = {"movflags": flags} if flags else {}
        if form.container in BOXED:
            options["movie_timescale"] = str(movie_clock(self.fps))
        self.path.open("wb").close()  # the muxer opens it only at the first frame: better told before
        # "file:" keeps a name such as "concat:x" from being taken for a protocol.
        self._output = av.open(f"file:{self.path.absolute()}", "w", format=form.container, options=options)
        self._output.metadata.update(self._metadata)
        video = cast(VideoStream, self._output.add_stream(form.codec, rate=self.fps, options=self._options))
        video.width, video.height, video.pix_fmt = self.width, self.height, form.pix_fmt
        context = video.codec_context
        if form.tag:
            context.codec_tag = form.tag
        context.time_base = 1 / self.fps
        context.color_range = context.colorspace = context.color_primaries = context.color_trc = 1
        self._video = video
        if self._audio_from is not None:
            self._sound = ClipSound.open(self._audio_from, self._output, form.sound)

    def write(self, frame: Picture | VideoFrame) -> None:
        """Add one frame: uint8 RGB, height x width x 3; or a decoded one that is upright BT.709 of this size."""
        if isinstance(frame, VideoFrame):
            self._encode(self._own(frame))
            return
        if frame.shape != (self.height, self.width, 3) or frame.dtype != np.uint8:
            raise VideoError(
                "provider",
                f"a frame of this clip is uint8 {self.height}x{self.width}x3 RGB, not {frame.dtype} "
                f"{'x'.join(map(str, frame.shape))}",
            )
        self._encode(self._to_yuv(np.ascontiguousarray(frame)))

    def _own(self, frame: VideoFrame) -> VideoFrame:
        """A decoded frame for this encoder, which chooses the kind of each frame itself."""
        if (frame.width, frame.height) != (self.width, self.height):
            raise VideoError(
                "provider", f"a frame of {frame.width}x{frame.height} in a clip of {self.width}x{self.height}"
            )
        if frame.format.name != self._form.pix_fmt:
            frame = frame.reformat(format=self._form.pix_fmt)
        frame.pict_type = PictureType.NONE
        frame.color_primaries = frame.color_trc = 1
        return frame

    def _encode(self, picture: VideoFrame) -> None:
        if self._output is None or self._video is None:
            raise VideoError("provider", "frames are written inside the writer's with block")
        try:
            picture.pts = self.frames
            picture.time_base = 1 / self.fps
            self._output.mux(self._video.encode(picture))
            self.frames += 1
            if self._sound is not None:
                self._sound.advance(self.frames / self.fps)
        except (OSError, FFmpegError) as error:
            raise self._told(error) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._discard()
            return
        try:
            self._finish()
        except BaseException as failure:
            raise self._abandon(failure) from None

    def _finish(self) -> None:
        if self._output is None or self._video is None or not self.frames:
            raise VideoError("provider", "no frame was written, so there is no clip")
        self._output.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.finish(self.frames / self.fps)
            self._sound.close()
        self._output.close()
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        if self._form.container in BOXED and missing_bytes(self.path, "video/mp4"):
            raise disk_full(self.path)  # a late write error that the muxer didn't tell

    def _abandon(self, error: BaseException) -> BaseException:
        """Throw the file away; what to raise instead of `error`."""
        self._discard()
        return self._told(error)

    def _told(self, error: BaseException) -> BaseException:
        """The failure in words, where it is one of the disk or the encoder."""
        if isinstance(error, VideoError):
            return error
        if is_full(error):
            return disk_full(self.path)
        if isinstance(error, OSError):
            return VideoError("storage", f"{self.path} cannot be written ({error.strerror}): choose another folder")
        if isinstance(error, FFmpegError):
            return VideoError("provider", f"the encoder failed ({error.strerror}): report it with the request")
        return error

    def _discard(self) -> None:
        if self._sound is not None:
            self._sound.close()
        if self._output is not None:
            # Closing writes a trailer; on a full disk that fails too, and it doesn't matter.
            with suppress(OSError, FFmpegError, ValueError):
                self._output.close()
        self.path.unlink(missing_ok=True)
