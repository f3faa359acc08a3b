"""A picture put into the film's frame: cropped around a focus, or whole over bars or over a blurred copy of itself."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backends.media.fit import SAME_RATIO, WHOLE, amid, crop_loss, crop_window, shown_whole
from backends.media.images import BACKDROP
from backends.media.pixels import Picture
from backends.request import Fit


class Reframe:
    """Pictures of any size to width x height. fit None = crop (how much is lost was judged before). Enlarging is
    Lanczos, shrinking averages."""

    def __init__(self, width: int, height: int, fit: Fit | None, focus: Sequence[float] | None) -> None:
        self.width = width
        self.height = height
        self._fit = fit
        self._focus = focus

    def __call__(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        if (width, height) == (self.width, self.height):
            return picture
        if self._fit in WHOLE and crop_loss(width, height, self.width, self.height) > SAME_RATIO:
            return shown_whole(picture, self.width, self.height, self._fit, scaled)
        return self._cropped(picture)

    def card(self, picture: Picture) -> Picture:
        """A still with transparent parts, such as a logo: where it is shown whole, what lies behind them goes on around
        it, so that nothing shows where the image ends."""
        if self._fit not in WHOLE:
            return self(picture)
        return amid(np.full((self.height, self.width, 3), BACKDROP, np.uint8), picture, scaled)

    def _cropped(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        left, top, keep_width, keep_height = crop_window(width, height, self.width, self.height, self._focus)
        return scaled(picture[top : top + keep_height, left : left + keep_width], self.width, self.height)


def scaled(picture: Picture, width: int, height: int) -> Picture:
    """To width x height exactly."""
    if picture.shape[:2] == (height, width):
        return picture
    smaller = width * height < picture.shape[0] * picture.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=way), np.uint8)
