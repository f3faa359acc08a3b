"""An image put into a clip's frame."""

from __future__ import annotations

import cv2
import numpy as np

from backends.errors import VideoError
from backends.media.pixels import Picture
from backends.request import Fit

MAX_LOSS = 0.25
"""The largest part of an image that cropping may cut away unasked."""
SAME_RATIO = 0.01
"""Ratios within 1 % are taken as equal."""


def crop_loss(width: int, height: int, to_width: int, to_height: int) -> float:
    """The fraction of a width x height image that a centred crop to the other ratio cuts away, 0..1."""
    ratio, wanted = width / height, to_width / to_height
    return 1 - min(ratio, wanted) / max(ratio, wanted)


def fit_image(rgb: Picture, width: int, height: int, fit: Fit) -> tuple[Picture, float]:
    """The image as a width x height picture, and the fraction of it that was cut away.

    crop: scaled to cover, centred; VideoError("asset") when more than 25 % would be lost. pad: scaled to fit whole,
    with plain black bars (a letterbox is never mistaken for picture, as a blurred one is). refuse: VideoError("asset")
    unless the ratios agree within 1 %. Shrinking averages (INTER_AREA), enlarging is bicubic.
    """
    source_height, source_width = rgb.shape[:2]
    lost = crop_loss(source_width, source_height, width, height)
    if fit == "pad" and lost > SAME_RATIO:
        return _padded(rgb, width, height), 0.0
    if fit == "refuse" and lost > SAME_RATIO:
        raise VideoError(
            "asset",
            f"the image is {source_width}x{source_height}, which is not the clip's ratio ({width}x{height}): "
            'crop it yourself, choose an aspect_ratio near its own, or use fit="crop" or fit="pad"',
            nearest={"fit": "crop" if lost <= MAX_LOSS else "pad"},
        )
    if lost > MAX_LOSS:
        raise VideoError(
            "asset",
            f"cropping the {source_width}x{source_height} image to {width}x{height} would cut away {lost:.0%} of it "
            f'(at most {MAX_LOSS:.0%} is cut unasked): use fit="pad", choose an aspect_ratio near its own, or crop it '
            "yourself",
            nearest={"fit": "pad"},
        )
    return _covered(rgb, width, height), lost


def _covered(rgb: Picture, width: int, height: int) -> Picture:
    source_height, source_width = rgb.shape[:2]
    scale = max(width / source_width, height / source_height)
    keep_width = min(source_width, max(1, round(width / scale)))
    keep_height = min(source_height, max(1, round(height / scale)))
    left, top = (source_width - keep_width) // 2, (source_height - keep_height) // 2
    return resize(rgb[top : top + keep_height, left : left + keep_width], width, height)


def _padded(rgb: Picture, width: int, height: int) -> Picture:
    source_height, source_width = rgb.shape[:2]
    scale = min(width / source_width, height / source_height)
    inner_width = min(width, max(1, round(source_width * scale)))
    inner_height = min(height, max(1, round(source_height * scale)))
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    canvas[top : top + inner_height, left : left + inner_width] = resize(rgb, inner_width, inner_height)
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
