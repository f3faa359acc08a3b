"""Setting type: words drawn on a picture, and lines that fit a block.

OpenCV 5 carries its own fonts (Rubik, and a pan-Unicode face with Latin, Greek, Cyrillic and East Asian scripts), so a
card looks the same on every machine. It neither shapes nor turns round: right-to-left scripts count as missing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np

from backends.media.pixels import Picture

LARGEST, SMALLEST = 0.085, 0.025
"""Type size, of the frame's shorter side; at the smallest (9 px at 360p) a square card holds 1000 characters."""
STEP = 0.94
LEADING = 1.36
CAPITALS = 0.7
"""The height of a capital, of the type size (Rubik)."""
REGULAR, BOLD = 400, 700
NO_LINE_START = "、。，．・：；！？）」』】〕〉》…ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ,.;:!?)]}"
"""East Asian type never begins a line with these (JIS X 4051)."""

Ink = tuple[int, int, int]
Measure = Callable[[str, int], float]
"""The width in pixels of a line at a type size."""


@cache
def _face() -> cv2.FontFace:
    return cv2.FontFace("sans")


def measure(text: str, size: int, weight: int = REGULAR) -> int:
    """The width in pixels of one line."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), _face(), size, weight)[2]) if text else 0


def put(
    canvas: Picture,
    text: str,
    at: tuple[float, float],
    size: int,
    ink: Ink,
    align: Literal["left", "middle", "right"] = "left",
    weight: int = REGULAR,
) -> None:
    """Draw one line into a canvas. at: its left end, middle or right end, on the baseline, in pixels."""
    share = {"left": 0.0, "middle": 0.5, "right": 1.0}[align]
    left = round(at[0] - share * measure(text, size, weight))
    cv2.putText(canvas, text, (left, round(at[1])), ink, _face(), size, weight)


@cache
def drawable(character: str) -> bool:
    """Whether the fonts can show it: they have it (what they lack is drawn as ?) and it runs from left to right."""
    if character in "? \n\t" or unicodedata.category(character) in ("Cf", "Cc"):
        return True
    if unicodedata.bidirectional(character) in ("R", "AL", "AN"):
        return False
    return not np.array_equal(_drawn(character), _drawn("?"))


def _drawn(text: str) -> Picture:
    canvas = np.zeros((64, 96, 3), np.uint8)
    put(canvas, text, (16, 48), 40, (255, 255, 255))
    return canvas


@dataclass(frozen=True)
class Block:
    """Lines of one size. size, leading (from baseline to baseline) in pixels. cut: not all of the text is in it."""

    lines: tuple[str, ...]
    size: int
    cut: bool = False

    @property
    def leading(self) -> float:
        return self.size * LEADING

    @property
    def height(self) -> float:
        """From the top of the first line's capitals to the last baseline."""
        return self.leading * (len(self.lines) - 1) + self.size * CAPITALS


def set_block(text: str, width: int, height: int, unit: int) -> Block:
    """The text in the largest type that fits width x height pixels; cut with an ellipsis at the smallest."""
    clean = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cf", "Cc"))
    smallest = max(8, round(unit * SMALLEST))
    size = float(unit * LARGEST)
    while True:
        block = Block(tuple(break_lines(clean, width, max(smallest, round(size)))), max(smallest, round(size)))
        if block.height <= height:
            return block
        if block.size == smallest:
            room = max(1, int((height - smallest * CAPITALS) / block.leading) + 1)
            kept = [*block.lines[: room - 1], _ellipsis(block.lines[room - 1], width, smallest)]
            return Block(tuple(kept), smallest, cut=True)
        size *= STEP


def _ellipsis(line: str, width: int, size: int) -> str:
    while line and measure(f"{line} …", size) > width:
        line = line[:-1]
    return f"{line.rstrip()} …"


def break_lines(text: str, width: int, size: int, measure: Measure = measure) -> list[str]:
    """Greedy lines; a word wider than a line is broken; of several blank lines one is kept."""
    lines: list[str] = []
    for paragraph in text.strip().split("\n"):
        line = ""
        for word in paragraph.split():
            whole = f"{line} {word}" if line else word
            if measure(whole, size) <= width:
                line = whole
                continue
            if line:
                lines.append(line)
            *full, line = _broken(word, width, size, measure)
            lines.extend(full)
        if line or (lines and lines[-1]):
            lines.append(line)
    return lines or [""]


def _broken(word: str, width: int, size: int, measure: Measure) -> list[str]:
    """A word in pieces that fit; a piece never starts with a mark that must not start a line."""
    pieces = [""]
    for character in word:
        attached = unicodedata.category(character).startswith("M")
        if pieces[-1] and not attached and measure(pieces[-1] + character, size) > width:
            carried = pieces[-1][-1] if character in NO_LINE_START and len(pieces[-1]) > 1 else ""
            pieces[-1] = pieces[-1].removesuffix(carried)
            pieces.append(carried)
        pieces[-1] += character
    return pieces
