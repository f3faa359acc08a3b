"""The part of a view that stays in a saved notebook: a figure of HTML beside it, redrawn when something is set.

It needs no kernel, no script and no network. While the view is live, the page hides it (figure.RULES).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from notebook_ext.figure import POSTER_SIDE, RULES

if TYPE_CHECKING:
    import numpy as np

    Levels = np.ndarray[Any, np.dtype[np.uint8]]

PICTURE_SIDE = 200
"""The side of each of several pictures, in pixels."""


def figure(inside: str, caption: str, code: str = "") -> str:
    """The whole output. inside: HTML; caption, code: plain text."""
    code_line = f"<br><code>{escape(code)}</code>" if code else ""
    return f'{RULES}<figure class="rw-figure">{inside}<figcaption>{escape(caption)}{code_line}</figcaption></figure>'


def picture(jpeg: bytes, alt: str, side: int = POSTER_SIDE) -> str:
    """An <img> of a small picture that was made here, at most `side` pixels a side."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as image:
        return _img(image, alt, side)


def strip(pictures: Iterable[tuple[bytes, str]]) -> str:
    """Pictures side by side, each with its text below."""
    shown = (
        f'<span style="display:inline-block;margin:0 8px 8px 0;vertical-align:top;max-width:{PICTURE_SIDE}px">'
        f"{picture(jpeg, words, PICTURE_SIDE) if jpeg else ''}{escape(words)}</span>"
        for jpeg, words in pictures
    )
    return f"<div>{''.join(shown)}</div>"


def painted(jpeg: bytes, shapes: Sequence[Levels | Sequence[Sequence[float]]], alt: str) -> str:
    """The picture with numbered regions over it: masks (0..255, any size) or outlines (x and y from 0 to 1)."""
    import colorsys

    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(jpeg)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((POSTER_SIDE, POSTER_SIDE))
    for number, shape in enumerate(shapes, 1):
        cover = Image.new("L", image.size, 0)
        if isinstance(shape, Sequence):
            points = [(x * image.width, y * image.height) for x, y in shape]
            ImageDraw.Draw(cover).polygon(points, fill=255)
        else:
            cover = Image.fromarray(shape).resize(image.size)
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(number * 137 % 360 / 360, 0.9, 0.95))
        image.paste((red, green, blue), mask=cover.point([level * 3 // 5 for level in range(256)]))
        if (box := cover.getbbox()) is not None:
            at = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            ImageDraw.Draw(image).text(at, str(number), fill="white", stroke_width=2, stroke_fill="black", anchor="mm")
    return _img(image, alt, POSTER_SIDE)


def _img(image: Any, alt: str, side: int) -> str:
    image = image.convert("RGB")
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60, optimize=True)
    source = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{source}">'
