"""Masks of motion regions: painted on a page as PNG (white moves), or given as a file."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from backends.errors import VideoError
from notebook_ext.sources import Source

if TYPE_CHECKING:
    import numpy as np

    Levels = np.ndarray[Any, np.dtype[np.uint8]]

HALF = 127
"""Levels above it move, as in the engine."""


@dataclass(frozen=True)
class Painted:
    """A mask from the page. width: in pixels, at most the still's. empty: everything painted was erased."""

    png: bytes
    width: int
    empty: bool

    @classmethod
    def checked(cls, png: bytes, width: int, height: int) -> Painted:
        """VideoError("invalid_request") for what is not a complete PNG with the aspect of a still of that size."""
        from PIL import Image

        try:
            with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
                columns, rows = picture.size
                if columns > width or abs(rows - columns * height / width) > 1:
                    wrong = f"the mask is {columns}x{rows} pixels, the image {width}x{height}"
                    raise VideoError("invalid_request", wrong)
                high = cast(float, picture.convert("L").getextrema()[1])
        except (OSError, SyntaxError, ValueError):  # Pillow raises all three for damaged ones
            raise VideoError("invalid_request", "the mask is not a complete PNG") from None
        return cls(png, columns, high <= HALF)

    @classmethod
    def from_file(cls, data: bytes, most: int, width: int, height: int) -> Painted:
        """A mask from a user's file, white where it moves, at most `most` pixels wide. VideoError("asset") for what is
        not a mask, and for one with another aspect than a still of that size."""
        from PIL import Image

        from backends.media.images import load_mask

        with tempfile.TemporaryDirectory(prefix="reelwright-") as scratch:
            path = Path(scratch) / "mask"
            path.write_bytes(data)
            share = load_mask(path)
        rows, columns = share.shape
        if abs(rows * width / columns - height) > max(1, 0.01 * height):
            raise VideoError("asset", f"the mask is {columns}x{rows} pixels, the image {width}x{height}: crop it alike")
        wide = min(columns, most)
        picture = Image.fromarray((share * 255).round().astype("uint8")).resize((wide, round(wide * height / width)))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=4)
        return cls(buffer.getvalue(), wide, False)


def pixels_of(jpeg: bytes) -> Levels:
    """A small picture that was made here, as RGB, height x width x 3."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
        return np.asarray(picture.convert("RGB"), np.uint8)


def levels(mask: Painted | Source) -> Levels:
    """0 (still) to 255 (moves), height x width. VideoError("asset") for a given file that is not a mask or is all
    black."""
    import numpy as np
    from PIL import Image

    from backends.media.images import load_mask

    if isinstance(mask, Source):
        return (load_mask(mask.path) * 255).astype(np.uint8)
    with Image.open(io.BytesIO(mask.png), formats=["PNG"]) as picture:
        return np.asarray(picture.convert("L"), np.uint8)


def for_page(mask: Painted | Source) -> tuple[bytes, list[float]]:
    """A mask as the page draws it, white and opaque where it moves; and the centre of that, x and y from 0 to 1."""
    import numpy as np
    from PIL import Image

    share = levels(mask)
    rows, columns = np.nonzero(share > HALF)
    middle = [float(columns.mean()) / share.shape[1], float(rows.mean()) / share.shape[0]] if rows.size else [0.5, 0.5]
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([np.full_like(share, 255), share])).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue(), middle
