"""Words drawn into a film's frames: white with a dark edge and a soft shadow, which reads on any picture."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from backends.edit.cues import Cue, Kind, refused
from backends.edit.layout import Page, paged
from backends.edit.lettering import Lettering, Mask
from backends.media.pixels import Picture

EDGE, SHADOW, SHADOW_SHARE = 0.075, 0.18, 0.8
"""The dark edge and the spread of the shadow, of the type size; how dark the shadow is."""
WHITE = 250
FADE_S = 0.3
"""A title comes and goes so long, or a quarter of its time where that is less."""
UNREADABLE = 0.4
"""When more than this share of a cue's letters is in no font, it is refused instead of shown as boxes."""
NOTES_MOST = 3
KEPT = 4
"""Drawn pages that are kept: more are never shown at once."""


@dataclass(frozen=True)
class _Overlay:
    """What a page does to a frame, where it stands: frame * keep / 255 + add."""

    top: int
    left: int
    keep: Picture
    add: Picture


@dataclass(frozen=True)
class _Shown:
    """A page and its frames: from `first`, before `last`. fade: frames over which it comes, and goes."""

    page: Page
    first: int
    last: int
    fade: int

    def share(self, index: int) -> float:
        """How much of it is seen in a frame: 0 = not there, 1 = all."""
        if not self.first <= index < self.last:
            return 0.0
        return min(1.0, (index - self.first + 1) / (self.fade + 1), (self.last - index) / (self.fade + 1))


class Painter:
    """Draws the cues of a film of width x height pixels and `fps` frames a second, one of a kind at a time.

    font: a font file to use for what it has; places: folders of fonts (left out = this system's). notes: what whoever
    requested the words should know.
    VideoError("invalid_request") when most of a cue is in a script that no font here has, and for a font that is none.
    """

    def __init__(
        self,
        cues: Sequence[Cue],
        width: int,
        height: int,
        fps: Fraction | float,
        font: Path | None = None,
        places: Sequence[Path] | None = None,
    ) -> None:
        self._width, self._height = width, height
        self._lettering = Lettering(font, places)
        self._drawn: dict[Page, _Overlay] = {}
        self._shown: dict[Kind, list[_Shown]] = {"caption": [], "title": []}
        self.notes: list[str] = []
        for cue in sorted(cues, key=lambda cue: cue.from_s):
            self._set(cue, Fraction(fps))
        if len(self.notes) > NOTES_MOST:
            more = len(self.notes) - NOTES_MOST
            self.notes[NOTES_MOST:] = [f"{more} more captions and titles are longer than two lines"]
        if missing := list(self._lettering.missing):
            shown = " ".join(missing[:12]) + (" ..." if len(missing) > 12 else "")
            self.notes.append(
                f"no font here has {shown}: they show as □; install a font that has them, or leave them out"
            )

    def shows(self, index: int) -> bool:
        """Whether anything is drawn into the frame of that number."""
        return any(shown.first <= index < shown.last for track in self._shown.values() for shown in track)

    def paint(self, frame: Picture, index: int) -> Picture:
        """The frame (uint8 RGB, height x width x 3) with what is shown at number `index`. The frame that is given is
        not changed; it comes back itself where nothing is shown."""
        painted = frame
        for track in self._shown.values():
            begun = bisect_right(track, index, key=lambda shown: shown.first)
            shown = track[max(0, begun - 1)] if track else None
            if shown is not None and (share := shown.share(index)) > 0:
                painted = frame.copy() if painted is frame else painted
                _lay(painted, self._overlay(shown.page), share)
        return painted

    def _set(self, cue: Cue, fps: Fraction) -> None:
        pages = paged(cue, self._width, self._height, self._lettering.measure)
        if self._lettering.missing:
            self._check_readable(cue)
        if len(pages) > 1:
            self.notes.append(f"the caption at {cue.from_s:g} s is longer than two lines: shown in {len(pages)} parts")
        if any(page.cut for page in pages):
            self.notes.append(f"the title at {cue.from_s:g} s is longer than two lines: it ends in ...")
        fade = 0 if cue.kind == "caption" else int(min(FADE_S, (cue.to_s - cue.from_s) / 4) * fps)
        for page in pages:
            first, last = (math.ceil(Fraction(at_s) * fps - Fraction(1, 1000)) for at_s in (page.from_s, page.to_s))
            if len(pages) == 1 or first < last:  # of pages shorter than a frame some are not seen
                self._shown[cue.kind].append(_Shown(page, first, max(last, first + 1), fade))

    def _check_readable(self, cue: Cue) -> None:
        letters = [letter for letter in cue.text if letter.isalpha()]
        lacking = [letter for letter in letters if any(letter in missing for missing in self._lettering.missing)]
        if len(lacking) > UNREADABLE * len(letters):
            text = (
                f"{cue.kind}s: no font here has most letters of the {cue.kind} at {cue.from_s:g} s "
                f"({' '.join(dict.fromkeys(lacking[:8]))}): install a font for that script (such as the Noto fonts)"
            )
            raise refused(f"{cue.kind}s", text)

    def _overlay(self, page: Page) -> _Overlay:
        if page not in self._drawn:
            while len(self._drawn) >= KEPT:
                del self._drawn[next(iter(self._drawn))]
            self._drawn[page] = self._draw(page)
        return self._drawn[page]

    def _draw(self, page: Page) -> _Overlay:
        size, baselines = page.size, page.baselines(self._height)
        lines = [self._lettering.draw(line, size, page.weight) for line in page.lines]
        pad = 2 * max(1, round(size * SHADOW)) + 2
        top = round(baselines[0]) - lines[0][1] - pad
        wide = max(mask.shape[1] for mask, _ in lines) + 2 * pad
        tall = round(baselines[-1]) - lines[-1][1] + lines[-1][0].shape[0] + pad - top
        ink = np.zeros((tall, wide), np.uint8)
        for (mask, baseline), place in zip(lines, baselines, strict=True):
            row, column = round(place) - baseline - top, (wide - mask.shape[1]) // 2
            part = ink[row : row + mask.shape[0], column : column + mask.shape[1]]
            np.maximum(part, mask, out=part)
        return self._inside(ink, _dark(ink, size), top, round((self._width - wide) / 2))

    def _inside(self, ink: Mask, dark: Mask, top: int, left: int) -> _Overlay:
        """The overlay of what lies within the frame."""
        rows = slice(max(0, -top), min(ink.shape[0], self._height - top))
        columns = slice(max(0, -left), min(ink.shape[1], self._width - left))
        white = ink[rows, columns].astype(np.float32) / 255
        keep = (1 - white) * (1 - dark[rows, columns].astype(np.float32) / 255) * 255
        planes = (
            np.repeat(np.rint(plane).astype(np.uint8)[:, :, np.newaxis], 3, axis=2) for plane in (keep, white * WHITE)
        )
        kept, added = planes
        return _Overlay(max(0, top), max(0, left), kept, added)


def _dark(ink: Mask, size: int) -> Mask:
    """The edge and the shadow around letters."""
    edge, spread = math.ceil(size * EDGE), max(1, round(size * SHADOW))
    round_edge = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * edge + 1, 2 * edge + 1))
    border = cv2.GaussianBlur(cv2.dilate(ink, round_edge), (3, 3), 0)
    shadow = cv2.GaussianBlur(border, (2 * spread + 1, 2 * spread + 1), 0)
    return np.maximum(border, (shadow * SHADOW_SHARE).astype(np.uint8))


def _lay(frame: Picture, overlay: _Overlay, share: float) -> None:
    """Draw into a frame. share: how much of the overlay is seen."""
    keep, add = overlay.keep, overlay.add
    if share < 1:
        keep, add = (
            cv2.addWeighted(keep, share, np.full_like(keep, 255), 1 - share, 0),
            cv2.convertScaleAbs(add, alpha=share),
        )
    rows, columns = keep.shape[:2]
    part = frame[overlay.top : overlay.top + rows, overlay.left : overlay.left + columns]
    part[:] = cv2.add(cv2.multiply(part, keep, scale=1 / 255), add)
