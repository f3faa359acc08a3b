"""An image put into a clip's frame: cropped around a focus, or shown whole over bars or over a blurred copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from backends.errors import VideoError
from backends.media.pixels import Picture
from backends.request import Fit

MAX_LOSS = 0.25
"""The largest part of an image that cropping may cut away unasked."""
SAME_RATIO = 0.01
"""Ratios within 1 % are taken as equal."""
WHOLE = ("pad", "blur")
"""Fits that show the whole image."""
SOFT_SIDE = 96
"""The shorter side, in pixels, at which a backdrop is blurred: nothing finer is left in it, and it costs next to
nothing."""
SOFTNESS = 0.05
"""A backdrop's blur (the Gaussian's sigma) as a share of its shorter side: shapes melt, the light and the colours
stay."""
DIM = 0.55
"""A backdrop's brightness, so that the eye goes to the picture and not to its copy."""

Focus = Sequence[float]
"""[x, y] of the image, 0..1 from its top left: what a crop is made around."""
MIDDLE: Focus = (0.5, 0.5)


def crop_loss(width: int, height: int, to_width: int, to_height: int) -> float:
    """The fraction of a width x height image that a crop to the other ratio cuts away, 0..1."""
    ratio, wanted = width / height, to_width / to_height
    return 1 - min(ratio, wanted) / max(ratio, wanted)


def fit_image(
    rgb: Picture, width: int, height: int, fit: Fit | None, focus: Focus | None = None
) -> tuple[Picture, float]:
    """The image as a width x height picture, and the fraction of it that was cut away.

    crop: scaled to cover, cut around the focus (the middle when None), however much that takes. None, a fit that
    nobody chose: the same, but VideoError("asset") when more than 25 % would be lost. pad: scaled to fit whole, with
    plain black bars (a letterbox is never mistaken for picture). blur: scaled to fit whole, over a blurred, darkened
    copy of itself that covers the frame. refuse: VideoError("asset") unless the ratios agree within 1 %. Shrinking
    averages (INTER_AREA), enlarging is bicubic.
    """
    source_height, source_width = rgb.shape[:2]
    lost = check_fit(source_width, source_height, width, height, fit)
    if fit in WHOLE and lost > SAME_RATIO:
        return shown_whole(rgb, width, height, fit, resize), 0.0
    left, top, keep_width, keep_height = crop_window(source_width, source_height, width, height, focus)
    return resize(rgb[top : top + keep_height, left : left + keep_width], width, height), lost


def check_fit(width: int, height: int, to_width: int, to_height: int, fit: Fit | None) -> float:
    """The fraction of an image that a crop to the other ratio cuts away. VideoError("asset") as `fit_image` has it."""
    lost = crop_loss(width, height, to_width, to_height)
    if fit == "refuse" and lost > SAME_RATIO:
        raise VideoError(
            "asset",
            f"the image is {width}x{height}, which is not the clip's ratio ({to_width}x{to_height}): "
            'crop it yourself, choose an aspect_ratio near its own, or use fit="crop", fit="blur" or fit="pad"',
            nearest={"fit": "crop" if lost <= MAX_LOSS else "blur"},
        )
    if fit is None and lost > MAX_LOSS:
        raise VideoError(
            "asset",
            f"cropping the {width}x{height} image to {to_width}x{to_height} would cut away {lost:.0%} of it "
            f'(at most {MAX_LOSS:.0%} is cut unasked): use fit="crop" with focus=[x, y] to crop it anyway, '
            'fit="blur" or fit="pad" to show it whole, or an aspect_ratio near its own',
            nearest={"fit": "blur"},
        )
    return lost


def crop_window(
    width: int, height: int, to_width: int, to_height: int, focus: Focus | None = None
) -> tuple[int, int, int, int]:
    """(left, top, width, height) in pixels: the largest part of an image that has the other ratio, with the focus as
    near to its middle as the image's edges let it be."""
    scale = max(to_width / width, to_height / height)
    keep_width = min(width, max(1, round(to_width / scale)))
    keep_height = min(height, max(1, round(to_height / scale)))
    across, down = focus or MIDDLE
    return (
        _placed(across * width, keep_width, width),
        _placed(down * height, keep_height, height),
        keep_width,
        keep_height,
    )


def _placed(middle: float, keep: int, of: int) -> int:
    """Where a span of `keep` pixels about a middle starts, within `of` pixels."""
    return min(of - keep, max(0, int(middle - keep / 2)))


def whole_window(width: int, height: int, to_width: int, to_height: int) -> tuple[int, int]:
    """(width, height) in pixels of an image that is scaled to fit whole into to_width x to_height."""
    scale = min(to_width / width, to_height / height)
    return min(to_width, max(2, round(width * scale))), min(to_height, max(2, round(height * scale)))


def surround(rgb: Picture, width: int, height: int, fit: Fit | None) -> Picture:
    """What lies behind an image that is shown whole: black for pad, its blurred and darkened copy for blur."""
    if fit != "blur":
        return np.zeros((height, width, 3), np.uint8)
    scale = SOFT_SIDE / min(width, height)
    small_width, small_height = max(SOFT_SIDE, round(width * scale)), max(SOFT_SIDE, round(height * scale))
    left, top, keep_width, keep_height = crop_window(rgb.shape[1], rgb.shape[0], width, height)
    small = resize(rgb[top : top + keep_height, left : left + keep_width], small_width, small_height)
    soft = cv2.GaussianBlur(small.astype(np.float32) * DIM, (0, 0), SOFTNESS * SOFT_SIDE)
    grown = cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.round(grown), 0, 255).astype(np.uint8)


def shown_whole(
    rgb: Picture, width: int, height: int, fit: Fit | None, resized: Callable[[Picture, int, int], Picture]
) -> Picture:
    """The whole image amid its surround, in width x height pixels. resized: brings it to a width and a height."""
    return amid(surround(rgb, width, height, fit), rgb, resized)


def amid(canvas: Picture, rgb: Picture, resized: Callable[[Picture, int, int], Picture]) -> Picture:
    """The canvas with the whole image in its middle, as large as it fits; drawn into the canvas itself."""
    height, width = canvas.shape[:2]
    inner_width, inner_height = whole_window(rgb.shape[1], rgb.shape[0], width, height)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    canvas[top : top + inner_height, left : left + inner_width] = resized(rgb, inner_width, inner_height)
    return canvas


def resize(rgb: Picture, width: int, height: int) -> Picture:
    """To width x height exactly: averaged when it shrinks, bicubic when it grows."""
    if rgb.shape[:2] == (height, width):
        return rgb.copy()
    smaller = width < rgb.shape[1] and height < rgb.shape[0]
    scaled = cv2.resize(
        np.ascontiguousarray(rgb), (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    )
    return np.asarray(scaled, np.uint8)
