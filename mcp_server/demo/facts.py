"""The facts of a finished file, read without the program that made it, and whether they match the request."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True)
class Facts:
    """Seconds, sizes in pixels, frames counted by decoding every one. moov_first: it plays while it loads."""

    duration_s: float
    width: int
    height: int
    frames: int
    fps: float
    codec: str
    pixels: str
    moov_first: bool
    bytes: int


@dataclass(frozen=True)
class Wanted:
    """The requested clip. width, height: as the job announced them before it ran."""

    duration_s: float
    fps: int
    width: int
    height: int

    @property
    def frames(self) -> int:
        return round(self.duration_s * self.fps)


def facts_of(path: Path) -> Facts:
    """Decode the whole file."""
    import av

    with av.open(str(path), format="mp4") as container:
        video = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video))
        seconds = Fraction(container.duration or 0, av.time_base)
        return Facts(
            duration_s=float(seconds),
            width=video.codec_context.width,
            height=video.codec_context.height,
            frames=frames,
            fps=float(video.average_rate or 0),
            codec=video.codec_context.codec.canonical_name,
            pixels=str(video.codec_context.pix_fmt),
            moov_first=_moov_first(path),
            bytes=path.stat().st_size,
        )


def _moov_first(path: Path) -> bool:
    """Whether the index comes before the pictures (ISO/IEC 14496-12: size and type of each top-level box)."""
    order: list[bytes] = []
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            order.append(kind)
            if size == 1:
                size = struct.unpack(">Q", file.read(8))[0] - 8
            if size < 8:
                break
            file.seek(size - 8, 1)
    return b"moov" in order and b"mdat" in order and order.index(b"moov") < order.index(b"mdat")


def misses(found: Facts, wanted: Wanted) -> list[str]:
    """Every difference between the file and the request, in words."""
    compared = [
        ("seconds", round(found.duration_s, 3), round(wanted.duration_s, 3)),
        ("size", f"{found.width}x{found.height}", f"{wanted.width}x{wanted.height}"),
        ("frames", found.frames, wanted.frames),
        ("fps", found.fps, float(wanted.fps)),
        ("codec", found.codec, "h264"),
        ("pixels", found.pixels, "yuv420p"),
        ("moov first", found.moov_first, True),
    ]
    return [f"{name} is {is_} instead of {wanted_value}" for name, is_, wanted_value in compared if is_ != wanted_value]
