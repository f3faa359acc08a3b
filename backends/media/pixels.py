"""From a decoded frame to upright RGB and back, without a shift in colour.

swscale's default conversion truncates: each decode-encode round darkens the picture by about 1.3 levels (8 rounds of
a photo: 28 dB). Bicubic with ACCURATE_RND and full chroma has no bias (8 rounds: 44 dB), so that is used both ways;
a clip that is extended eight times keeps its colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type as SideData
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from backends.media.hdr import has_wide_primaries, to_sdr, transfer_of, white_of

Picture = np.ndarray[Any, np.dtype[np.uint8]]
"""uint8, height x width x 3, RGB (sRGB or BT.709, full range)."""

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
_MATRIX = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""Matrix coefficients of ITU-T H.273 table 4 to swscale's names."""
_FULL_RANGE = 2


@dataclass(frozen=True)
class Upright:
    """How a stored frame is shown: scaled to width x height, then flipped, then turned.

    width, height: of the stored frame with square pixels, before the turn. turns: quarter turns counter-clockwise
    (numpy.rot90's). flip: mirrored left to right before the turn.
    """

    width: int
    height: int
    turns: int = 0
    flip: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as displayed."""
        return (self.height, self.width) if self.turns % 2 else (self.width, self.height)

    def within(self, max_side: int) -> Upright:
        """The same view, scaled down to at most `max_side` pixels a side."""
        scale = min(1.0, max_side / max(self.width, self.height))
        width, height = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        return replace(self, width=width, height=height)


def upright_of(frame: VideoFrame, pixel_aspect: Fraction | None) -> Upright:
    """From the frame's display matrix and the stream's pixel aspect ratio (None = square)."""
    width, height = frame.width, frame.height
    if pixel_aspect and pixel_aspect > 0 and abs(pixel_aspect - 1) > Fraction(1, 100) and 0.2 < pixel_aspect < 5:
        width = round(width * pixel_aspect / 2) * 2
    data = cast("Mapping[SideData, Buffer]", frame.side_data)
    try:
        matrix = bytes(data[SideData.DISPLAYMATRIX])
    except KeyError:
        return Upright(width, height)
    a, b, _, c, d = np.frombuffer(matrix, "=i4")[:5].astype(float) / 65536
    mirrored = a * d - b * c < 0
    # The matrix maps (x, y) to (a x + c y, b x + d y), y down; a mirror is taken out of it first.
    angle = np.degrees(np.arctan2(-b, a)) + (180 if mirrored else 0)
    return Upright(width, height, round(angle / 90) % 4, bool(mirrored))


def matrix_of(frame: VideoFrame) -> Colorspace:
    """The frame's YUV matrix; untagged: BT.709 from 720 lines (or 1280 columns) up, BT.601 below, as players do."""
    untagged = Colorspace.ITU709 if frame.height >= 720 or frame.width >= 1280 else Colorspace.ITU601
    return _MATRIX.get(frame.colorspace, untagged)


def is_native(frame: VideoFrame, pixel_aspect: Fraction | None) -> bool:
    """Whether a frame is, as it is, what the encoder writes: upright yuv420p in limited-range BT.709."""
    full = frame.color_range == _FULL_RANGE
    same = frame.format.name == "yuv420p" and not full and transfer_of(frame) is None
    return (
        same
        and matrix_of(frame) == Colorspace.ITU709
        and upright_of(frame, pixel_aspect) == Upright(frame.width, frame.height)
    )


class ToRGB:
    """Decoded frames to pictures of one size; HDR is brought to BT.709 (see `hdr`). It holds the scaler's state, so
    keep one for a clip."""

    def __init__(self, upright: Upright) -> None:
        self._upright = upright
        self._scaler = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Picture:
        view = self._upright
        full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
        transfer = transfer_of(frame)
        rgb = self._scaler.reformat(
            frame,
            width=view.width,
            height=view.height,
            format="rgb24" if transfer is None else "rgb48le",
            src_colorspace=matrix_of(frame),
            src_color_range=ColorRange.JPEG if full or frame.format.is_rgb else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=EXACT,
            threads=1,
        ).to_ndarray()
        if transfer is not None:
            signal = rgb.astype(np.uint16, copy=False)
            rgb = to_sdr(signal, transfer, has_wide_primaries(frame), white_of(frame, full))
        if view.flip:
            rgb = rgb[:, ::-1]
        return np.ascontiguousarray(np.rot90(rgb, view.turns), dtype=np.uint8)


class ToYUV:
    """Pictures to limited-range BT.709 frames of a pixel format (yuv420p)."""

    def __init__(self, pix_fmt: str = "yuv420p") -> None:
        self._scaler = VideoReformatter()
        self._pix_fmt = pix_fmt

    def __call__(self, picture: Picture) -> VideoFrame:
        frame = self._scaler.reformat(
            VideoFrame.from_ndarray(picture, format="rgb24"),
            format=self._pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=EXACT,
            threads=1,
        )
        frame.color_primaries = 1
        frame.color_trc = 1
        return frame
