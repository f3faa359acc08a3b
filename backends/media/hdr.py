"""HDR pictures brought to BT.709: what a phone films as HLG, and films are graded in as PQ.

Both are turned into light (nits), BT.2020's primaries into BT.709's, and the reference white of 203 nits (ITU-R
BT.2408) becomes SDR white, so that skin and paper look as they do on an HDR screen. Brighter light is scaled down to
white with its hue kept; nothing below it is changed.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np
from av.video.frame import VideoFrame

Transfer = Literal["HLG", "PQ"]
Floats = np.ndarray[Any, np.dtype[np.float32]]

_TRANSFERS: dict[int, Transfer] = {18: "HLG", 16: "PQ"}  # ITU-T H.273, table 3
_BT2020 = 9  # H.273, table 2
REFERENCE_WHITE = 203.0  # nits, BT.2408
HLG_PEAK = 1000.0  # nits: the display that HLG's system gamma of 1.2 is for (BT.2100, table 5)
GAMMA = 2.4  # BT.1886
_STEPS = 65535
_LIMITED_WHITE = 255 << 8

_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2020's primaries
_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
"""Linear BT.2020 RGB to BT.709 RGB (ITU-R BT.2087, the inverse of its M2)."""


def transfer_of(frame: VideoFrame) -> Transfer | None:
    """HLG or PQ, None for every picture that is not HDR."""
    return _TRANSFERS.get(frame.color_trc)


def told_as_sdr(transfer: Transfer) -> str:
    """What somebody who uses an HDR clip should know."""
    return f"the clip is HDR ({transfer}): it is converted to BT.709, and light above the reference white becomes white"


def still_as_sdr(transfer: Transfer) -> str:
    """The same of a still that is taken from one."""
    return f"the image is from an HDR clip ({transfer}): it is in BT.709, and light above the reference white is white"


def has_wide_primaries(frame: VideoFrame) -> bool:
    """Whether the frame's primaries are BT.2020's; HDR that does not say has them, as both systems demand."""
    return frame.color_primaries in (0, 2, _BT2020)


def white_of(frame: VideoFrame, full: bool) -> int:
    """The value that swscale's 16-bit RGB has for the frame's white: it shifts samples to 16 bits, so that white is
    65535 for RGB alone. full: the frame's range."""
    if frame.format.is_rgb:
        return _STEPS
    bits = frame.format.components[0].bits
    return ((1 << bits) - 1) << (16 - bits) if full else _LIMITED_WHITE


def to_sdr(
    signal: np.ndarray[Any, np.dtype[np.uint16]], transfer: Transfer, wide: bool, white: int = _STEPS
) -> np.ndarray[Any, Any]:
    """uint16 R'G'B' of that transfer to uint8 R'G'B' of BT.709. wide: of BT.2020's primaries. white: the value of a
    signal of 1 (0 is black)."""
    light = _light(transfer, white)[signal]
    if transfer == "HLG":  # the OOTF: scene light to the light of the display (BT.2100, table 5)
        scene = np.maximum(light @ _LUMA, 1e-6)
        light = light * (np.float32(HLG_PEAK / REFERENCE_WHITE) * scene**0.2)[..., None]
    if wide:
        light = light @ _TO_BT709.T
    np.maximum(light, 0, out=light)
    light /= np.maximum(light.max(axis=-1, keepdims=True), 1)  # hue-preserving cut at white
    return _coded()[(np.sqrt(light) * _STEPS + 0.5).astype(np.uint16)]


@cache
def _light(transfer: Transfer, white: int) -> Floats:
    """For each 16-bit signal value: HLG, scene light 0..1; PQ, display light in units of the reference white."""
    value = np.arange(_STEPS + 1) / white
    if transfer == "HLG":  # inverse OETF of ARIB STD-B67
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    else:  # EOTF of SMPTE ST 2084
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        root = value ** (1 / m2)
        light = 10_000 / REFERENCE_WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light.astype(np.float32)


@cache
def _coded() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """For each square root of light, in 16 bits: the BT.1886 signal in 8 (roots keep the dark steps apart)."""
    root = np.arange(_STEPS + 1) / _STEPS
    return np.rint(255 * root ** (2 / GAMMA)).astype(np.uint8)
