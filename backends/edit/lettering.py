"""One line of words in any script, as a mask: the built-in fonts where they do, else those of this machine.

The built-in fonts look the same everywhere but neither join letters nor turn round. What they lack is drawn with an
installed font that has it, shaped (HarfBuzz) and ordered (FriBidi) by Pillow's Raqm layout.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from backends.media.pixels import Picture
from backends.media.typefaces import Typeface, folders, installed, read_typefaces
from backends.media.typesetting import REGULAR, drawable, measure, put

MISSING = "□"
BOLDER = 0.03
"""How much thicker, of the type size, the strokes of an installed font become for a bold line."""
ASCENT, DESCENT = 1.15, 0.45
"""Of the type size: what a line may need above and below its baseline, whatever the script."""
_JOINERS = "\u200c\u200d"
_UNSEEN = "\ufe0e\ufe0f"

Mask = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class _Run:
    """Words of one font. face: None = the built-in fonts."""

    text: str
    face: Typeface | None


class Lettering:
    """Measures and draws lines.

    font: a font file that is used for every character that it has. places: folders of fonts (left out = this
    system's), looked at only when the built-in fonts lack something. missing: characters that no font has, in the
    order met; they are drawn as □.
    """

    def __init__(self, font: Path | None = None, places: Sequence[Path] | None = None) -> None:
        self._own = read_typefaces(font)[:1] if font is not None else []
        self._places = tuple(folders() if places is None else places)
        self.missing: dict[str, None] = {}
        self._runs = lru_cache(2048)(self._found_runs)

    def measure(self, text: str, size: int, weight: int) -> float:
        """The width of a line in pixels."""
        return sum(_advance(run, size, weight) for run in self._runs(text))

    def draw(self, text: str, size: int, weight: int) -> tuple[Mask, int]:
        """A line as coverage (255 = ink), and how far below its top edge the baseline is.

        Its left edge lies size / 2 pixels left of the line's start: letters may reach over.
        """
        margin, baseline = size // 2, round(size * ASCENT)
        width = round(self.measure(text, size, weight)) + 2 * margin
        mask = np.zeros((baseline + round(size * DESCENT), width), np.uint8)
        at = float(margin)
        for run in self._runs(text):
            np.maximum(mask, _drawn(run, size, weight, mask.shape, (at, baseline)), out=mask)
            at += _advance(run, size, weight)
        return mask, baseline

    def _found_runs(self, text: str) -> tuple[_Run, ...]:
        clusters = list(_clusters(unicodedata.normalize("NFC", text)))
        if any(map(_turns, clusters)) and (turned := self._turned(clusters)) is not None:
            return turned
        runs: list[_Run] = []
        for cluster in clusters:
            last = runs[-1].face if runs else None
            known, face = self._face(cluster, last, begun=bool(runs))
            shown = cluster if known else MISSING
            if runs and runs[-1].face == face:
                runs[-1] = _Run(runs[-1].text + shown, face)
            else:
                runs.append(_Run(shown, face))
        return tuple(runs)

    def _turned(self, clusters: list[str]) -> tuple[_Run, ...] | None:
        """A line with words from right to left: in the one font that has most of it, since order goes over fonts. None
        when no font has any of those words."""
        seen = [cluster for cluster in clusters if not cluster.isspace()]
        faces = [*self._own, *installed(self._places)] if features.check("raqm") else []
        faces = [face for face in faces if any(_turns(cluster) and _has(face, cluster) for cluster in seen)]
        best = max(faces, key=lambda face: sum(_has(face, cluster) for cluster in seen), default=None)
        if best is None:
            return None
        shown = (c if c.isspace() or _has(best, c) else self._lacking(c, best) for c in clusters)
        return (_Run("".join(shown), best),)

    def _lacking(self, cluster: str, face: Typeface) -> str:
        self.missing[cluster] = None
        return MISSING if face.has(MISSING) else "?"

    def _face(self, cluster: str, last: Typeface | None, *, begun: bool) -> tuple[bool, Typeface | None]:
        """The font for a cluster, and whether any has it. last: that of the one before, which spaces stay with."""
        if cluster.isspace() and begun:
            return True, last
        for face in self._own:
            if _has(face, cluster) and not _turns(cluster):
                return True, face
        if _built_in(cluster):
            return True, None
        if last is not None and _has(last, cluster):
            return True, last
        if not _turns(cluster) and (len(cluster) == 1 or features.check("raqm")):
            for face in installed(self._places):
                if _has(face, cluster):
                    return True, face
        self.missing[cluster] = None
        return False, None


def _clusters(text: str) -> Iterator[str]:
    """Letters with the marks that belong to them, and those that joiners tie together."""
    cluster = ""
    for character in text:
        if character in _UNSEEN:
            continue
        attached = unicodedata.category(character).startswith("M") or character in _JOINERS
        if cluster and (attached or cluster[-1] in _JOINERS):
            cluster += character
            continue
        if cluster:
            yield cluster
        cluster = character
    if cluster:
        yield cluster


def _turns(cluster: str) -> bool:
    """Whether it runs from right to left."""
    return any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in cluster)


def _built_in(cluster: str) -> bool:
    """Whether the built-in fonts show it: one character, since they put no marks on letters."""
    return len(cluster) == 1 and drawable(cluster) and not unicodedata.category(cluster).startswith("M")


def _has(face: Typeface, cluster: str) -> bool:
    return all(face.has(character) or character in _JOINERS for character in cluster)


@lru_cache(64)
def _font(path: Path, index: int, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size, index)


@lru_cache(4096)
def _advance(run: _Run, size: int, weight: int) -> float:
    if run.face is not None:
        return float(_font(run.face.path, run.face.index, size).getlength(run.text))
    return measure(f"{run.text}.", size, weight) - _point(size, weight)  # spaces at the end count, too


@cache
def _point(size: int, weight: int) -> int:
    return measure(".", size, weight)


def _drawn(run: _Run, size: int, weight: int, shape: tuple[int, ...], at: tuple[float, float]) -> Mask:
    if run.face is None:
        canvas: Picture = np.zeros((shape[0], shape[1], 3), np.uint8)
        put(canvas, run.text, at, size, (255, 255, 255), weight=weight)
        return canvas[:, :, 0]
    image = Image.new("L", (shape[1], shape[0]))
    font = _font(run.face.path, run.face.index, size)
    stroke = max(0.0, (weight - REGULAR) / 300) * BOLDER * size
    ImageDraw.Draw(image).text(at, run.text, 255, font, anchor="ls", stroke_width=stroke)
    return np.asarray(image)
