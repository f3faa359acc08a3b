"""HDR clips, as phones film them, come out in the colours that they have on an HDR screen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from backends.media.frames import decode
from backends.media.measure import measure
from backends.media.probe import hdr_note
from backends.media.sandbox import Sandbox
from tests.samples import made

BARS = (
    (188, 188, 188), (189, 201, 5), (20, 190, 190), (30, 180, 30), (190, 20, 190), (190, 20, 10), (16, 16, 180),
    (255, 255, 255), (40, 40, 40),
)  # fmt: skip
PURE = (
    (253, 253, 0), (0, 253, 254), (190, 188, 0), (0, 189, 0), (190, 0, 191), (0, 0, 254), (254, 0, 0), (255, 255, 255),
    (8, 8, 8),
)  # fmt: skip
"""Of ffmpeg's smptehdbars. 10 bits move their weak parts, so what is shown is held against the samples themselves."""
TOLERANCE = 3
NEAR_BLACK, NEAR_BLACK_TOLERANCE = 48, 12
"""Levels of 255. A step of a 10-bit signal is more than one level where a saturated colour's weakest part is nearly
black: there the primaries' matrix takes the difference of two large figures."""

# BT.709 to BT.2020 (ITU-R BT.2087), and the luma of BT.2020.
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
LUMA = np.array([0.2627, 0.6780, 0.0593])


def hlg(nits: np.ndarray) -> np.ndarray:
    """Display light to the HLG signal, for a display of 1000 nits: inverse OOTF, then the OETF (ITU-R BT.2100)."""
    display = nits / 1000
    scene = display * np.maximum(display @ LUMA, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def pq(nits: np.ndarray) -> np.ndarray:
    """Display light to the PQ signal (SMPTE ST 2084)."""
    power = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def written(path: Path, signal: np.ndarray, trc: int, *, full: bool = False) -> Path:
    """10-bit HEVC, BT.2020, of a signal 0..1; the YUV is made by hand, not by the program's scaler. full: its range."""
    luma = signal @ LUMA
    blue, red = (signal[..., 2] - luma) / 1.8814, (signal[..., 0] - luma) / 1.4746
    black, height, chroma = (0, 1023, 1023) if full else (64, 876, 896)
    planes = [black + height * luma, 512 + chroma * blue[::2, ::2], 512 + chroma * red[::2, ::2]]
    frame = VideoFrame(signal.shape[1], signal.shape[0], "yuv420p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        rows[:, : values.shape[1]] = np.rint(values).clip(0, 1023)
        plane.update(rows.tobytes())
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx265", rate=12, options={"crf": "4", "x265-params": "log-level=none"})
        video.width, video.height, video.pix_fmt = signal.shape[1], signal.shape[0], "yuv420p10le"
        context = video.codec_context
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1 + full, 9, 9, trc
        for index in range(3):
            frame.pts, frame.time_base = index, Fraction(1, 12)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return path


def light_of(signal: np.ndarray, trc: int) -> np.ndarray:
    """The light in nits of a signal of HLG (18) or PQ (16), of BT.2020's primaries, as BT.2100 gives it."""
    if trc == 16:
        power = signal.clip(0) ** (1 / 78.84375)
        return 10_000 * ((power - 0.8359375).clip(0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal.clip(0) ** 2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return 1000 * scene * (scene @ LUMA)[..., None] ** 0.2


def reference(path: Path, trc: int, columns: list[int]) -> np.ndarray:
    """What the samples of those columns (of the middle row, limited range) look like in BT.709, in double precision."""
    with av.open(str(path)) as clip:
        frame = next(clip.decode(video=0))
    planes = [np.frombuffer(plane, np.uint16).reshape(plane.height, -1) for plane in frame.planes]
    luma = (planes[0][24, columns] - 64.0) / 876
    blue, red = ((plane[12, [at // 2 for at in columns]] - 512.0) / 896 for plane in planes[1:])
    r, b = luma + 1.4746 * red, luma + 1.8814 * blue
    signal = np.stack([r, (luma - LUMA[0] * r - LUMA[2] * b) / LUMA[1], b], -1).clip(0)
    light = (light_of(signal, trc) / 203 @ np.linalg.inv(TO_BT2020).T).clip(0)
    return 255 * (light / light.max(-1, keepdims=True).clip(1)) ** (1 / 2.4)


def bars(levels: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    return np.repeat(np.array(levels, np.float64)[None], 48, 0).repeat(32, 1)


@pytest.mark.parametrize("full", [False, True], ids=["limited range", "full range"])
@pytest.mark.parametrize(("name", "trc", "signal"), [("HLG", 18, hlg), ("PQ", 16, pq)])
def test_colour_bars_keep_their_colours(tmp_path: Path, name: str, trc: int, signal: object, full: bool) -> None:
    assert callable(signal)
    wanted = bars(BARS)
    nits = (wanted / 255) ** 2.4 @ TO_BT2020.T * 203  # BT.1886; SDR white is the reference white
    path = written(tmp_path / "hdr.mov", signal(nits), trc, full=full)
    *_, shown = decode(path)
    for number, bar in enumerate(BARS):
        middle = shown[8:40, number * 32 + 8 : number * 32 + 24].reshape(-1, 3).mean(axis=0)
        allowed = np.where(np.array(bar) < NEAR_BLACK, NEAR_BLACK_TOLERANCE, TOLERANCE)
        assert (np.abs(middle - bar) <= allowed).all(), (name, bar, middle)
    told = f"the clip is HDR ({name}): it is converted to BT.709, and light above the reference white becomes white"
    warnings = measure(path)["warnings"]
    assert isinstance(warnings, list) and told in warnings
    assert hdr_note(path) == told


@pytest.mark.parametrize(("trc", "signal"), [(18, hlg), (16, pq)])
def test_the_purest_colours_are_what_their_samples_say(tmp_path: Path, trc: int, signal: object) -> None:
    assert callable(signal)
    nits = (bars(PURE) / 255) ** 2.4 @ TO_BT2020.T * 203
    path = written(tmp_path / "hdr.mov", signal(nits), trc)
    columns = [number * 32 + 16 for number in range(len(PURE))]
    shown, *_ = decode(path)
    assert np.abs(shown[24, columns] - reference(path, trc, columns)).max() <= NEAR_BLACK_TOLERANCE / 2


@pytest.mark.parametrize(("trc", "signal"), [(18, hlg), (16, pq)])
def test_reference_white_is_white_and_brighter_light_keeps_its_hue(tmp_path: Path, trc: int, signal: object) -> None:
    assert callable(signal)
    nits = np.zeros((48, 96, 3))
    nits[:, :32] = 203
    nits[:, 32:64] = 900
    nits[:, 64:] = np.array([600, 150, 150]) @ TO_BT2020.T  # red, three times as bright as white may be
    *_, shown = decode(written(tmp_path / "hdr.mov", signal(nits), trc))
    assert shown[24, 16].min() >= 255 - TOLERANCE
    assert shown[24, 48].min() == 255
    red = shown[24, 80].astype(int)
    assert red[0] >= 254 and np.abs(red[1:] - round(255 * 0.25 ** (1 / 2.4))).max() <= TOLERANCE


@pytest.mark.parametrize(("name", "trc", "signal"), [("HLG", 18, hlg), ("PQ", 16, pq)])
def test_a_still_of_an_hdr_clip_says_so(tmp_path: Path, name: str, trc: int, signal: object) -> None:
    assert callable(signal)
    path = written(tmp_path / "hdr.mov", signal((bars(BARS) / 255) ** 2.4 @ TO_BT2020.T * 203), trc)
    with Sandbox() as sandbox:
        last = sandbox.still(path, "last_frame", 0, tmp_path / "last.png")
        other = sandbox.still(path, "frame", 0.1, tmp_path / "other.png")
        plain = sandbox.still(made("tone.mp4"), "last_frame", 0, tmp_path / "plain.png")
    assert last.note == other.note
    told = f"the image is from an HDR clip ({name}): it is in BT.709, and light above the reference white is white"
    assert last.note == told and plain.note == ""


def test_other_clips_are_not_taken_for_hdr() -> None:
    assert hdr_note(made("tone.mp4")) == ""
