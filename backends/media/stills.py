"""Stills out: PNG where every pixel counts, JPEG within a byte limit where a model or the user looks."""

from __future__ import annotations

import io
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from backends.errors import VideoError
from backends.media.diskspace import disk_full, is_full
from backends.media.pixels import Picture

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

QUALITIES = (85, 75, 65, 55, 45, 35, 25, 15)


def save_png(picture: Picture, dest: Path) -> None:
    """Lossless, replaced as a whole. VideoError("storage") when the disk is full."""
    _write(dest, _encoded(Image.fromarray(picture), "PNG", compress_level=4))


def save_jpeg(image: Image.Image, dest: Path, max_bytes: int | None = None) -> None:
    """At the best quality of `QUALITIES` that fits `max_bytes`, and smaller where none does; replaced as a whole."""
    data = b""
    while True:
        for quality in QUALITIES:
            data = _encoded(image, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
            if max_bytes is None or len(data) <= max_bytes:
                _write(dest, data)
                return
        image = image.resize((max(16, image.width * 3 // 4), max(16, image.height * 3 // 4)), Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _write(dest: Path, data: bytes) -> None:
    with _replacing(dest) as temporary:
        temporary.write_bytes(data)


@contextmanager
def _replacing(dest: Path) -> Generator[Path]:
    temporary = dest.with_name(f".{dest.name}.tmp")
    try:
        yield temporary
        temporary.replace(dest)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if is_full(error):
            raise disk_full(dest) from None
        raise VideoError("storage", f"{dest} cannot be written ({error.strerror}): choose another folder") from None


@cache
def font(size: int) -> Font:
    """Pillow's own typeface: there on every machine."""
    return ImageFont.load_default(size)


def label(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, anchor: str = "lt") -> None:
    """White text with a black rim, readable on anything."""
    draw.text(
        at, text, fill="white", font=font(size), anchor=anchor, stroke_width=max(1, size // 9), stroke_fill="black"
    )
