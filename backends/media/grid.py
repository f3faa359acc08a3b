"""A still under a 0..1 grid, so that somebody who only sees it can name boxes and points in it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from backends.media.images import load_image
from backends.media.stills import label, save_jpeg

MAX_BYTES = 150_000
MAX_SIDE = 1024
STEPS = 10
BACKGROUND = (24, 24, 24)


def coordinate_grid(image: Path, dest_jpg: Path, max_bytes: int = MAX_BYTES) -> None:
    """Write a JPEG of the still with a line at every 0.1, numbered in the margins from the top left.

    VideoError("asset") when the image cannot be used.
    """
    picture = Image.fromarray(load_image(image))
    scale = MAX_SIDE / max(picture.size)
    width, height = (max(16, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    _draw_lines(picture)
    size = 17
    margin_x, margin_y = size * 2 + 6, size + 8
    sheet = Image.new("RGB", (width + 2 * margin_x, height + 2 * margin_y), BACKGROUND)
    sheet.paste(picture, (margin_x, margin_y))
    draw = ImageDraw.Draw(sheet)
    sparse_x, sparse_y = width < STEPS * size * 2.2, height < STEPS * size * 1.2
    for step in range(STEPS + 1):
        text = f"{step / STEPS:g}"
        x, y = margin_x + step * width / STEPS, margin_y + step * height / STEPS
        if not (sparse_x and step % 5):
            label(draw, (x, margin_y / 2), text, size, "mm")
            label(draw, (x, height + margin_y * 1.5), text, size, "mm")
        if not (sparse_y and step % 5):
            label(draw, (margin_x / 2, y), text, size, "mm")
            label(draw, (width + margin_x * 1.5, y), text, size, "mm")
    save_jpeg(sheet, dest_jpg, max_bytes)


def _draw_lines(picture: Image.Image) -> None:
    """Black beside white, so that one of the two is seen on anything; the middle lines are stronger."""
    lines = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(lines)
    width, height = picture.size
    for step in range(1, STEPS):
        alpha = 235 if step == STEPS // 2 else 130
        x, y = round(step * width / STEPS), round(step * height / STEPS)
        for offset, level in ((0, 255), (1, 0)):
            draw.line([(x + offset, 0), (x + offset, height)], fill=(level, level, level, alpha))
            draw.line([(0, y + offset), (width, y + offset)], fill=(level, level, level, alpha))
    picture.paste(lines, (0, 0), lines)
