"""Where words stand in a frame, and how large: two lines at most, inside the safe area, the larger the better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backends.edit.cues import Cue, Kind
from backends.media.typesetting import BOLD, LEADING, break_lines

LINES_MOST = 2
SIDE, END = 0.05, 0.10
"""Margins, of the width and of the height: what screens and players cover."""
LEAST_PX = 8


@dataclass(frozen=True)
class Style:
    """size, smallest: type size, of the frame's shorter side. line_em: the longest line, in type sizes; longer ones
    are not read at a glance. weight: of the built-in fonts."""

    size: float
    smallest: float
    line_em: float
    weight: int


STYLES: dict[Kind, Style] = {"caption": Style(0.056, 0.044, 24, 550), "title": Style(0.105, 0.055, 16, BOLD)}
STEP = 0.93

Widths = Callable[[str, int, int], float]
"""The width in pixels of a line at a size and weight."""


@dataclass(frozen=True)
class Page:
    """What is shown at once. from_s, to_s: its share of the cue's time. size in pixels. cut: words were left out."""

    cue: Cue
    lines: tuple[str, ...]
    size: int
    from_s: float
    to_s: float
    cut: bool = False

    @property
    def weight(self) -> int:
        return STYLES[self.cue.kind].weight

    def baselines(self, height: int) -> list[float]:
        """Of each line, in pixels from the top of a frame of that height: captions at its foot, titles amid it."""
        leading = self.size * LEADING
        if self.cue.kind == "caption":
            last = height * (1 - END) - 0.3 * self.size
        else:
            last = height / 2 + 0.35 * self.size + leading * (len(self.lines) - 1) / 2
        return [last - leading * (len(self.lines) - 1 - number) for number in range(len(self.lines))]


def paged(cue: Cue, width: int, height: int, widths: Widths) -> list[Page]:
    """The cue in the largest type in which it fits on two lines; a caption that never does goes on several pages, a
    title is cut."""
    style = STYLES[cue.kind]
    unit = min(width, height)
    size, smallest = (max(LEAST_PX, round(unit * share)) for share in (style.size, style.smallest))
    while True:
        room = min(width * (1 - 2 * SIDE), style.line_em * size)
        lines = _lines(cue.text, room, size, style.weight, widths)
        if len(lines) <= LINES_MOST:
            return [Page(cue, tuple(lines), size, cue.from_s, cue.to_s)]
        if size == smallest:
            break
        size = max(smallest, min(size - 1, round(size * STEP)))
    if cue.kind == "title":
        last = _shortened(lines[LINES_MOST - 1], room, size, style.weight, widths)
        return [Page(cue, (*lines[: LINES_MOST - 1], last), size, cue.from_s, cue.to_s, cut=True)]
    return _in_turn(cue, lines, size)


def _lines(text: str, room: float, size: int, weight: int, widths: Widths) -> list[str]:
    """As few lines as hold it, of about the same length; its own line breaks are kept where they fit."""

    def measure(line: str, at_size: int) -> float:
        return widths(line, at_size, weight)

    own = text.split("\n")
    if 1 < len(own) <= LINES_MOST and all(measure(line, size) <= room for line in own):
        return own
    text = " ".join(own)
    lines = break_lines(text, int(room), size, measure)
    if len(lines) != LINES_MOST:
        return lines
    low, high = room / 2, room
    while high - low > size / 4:  # the narrowest room that still takes two lines
        middle = (low + high) / 2
        narrow = break_lines(text, int(middle), size, measure)
        low, high, lines = (low, middle, narrow) if len(narrow) <= LINES_MOST else (middle, high, lines)
    return lines


def _shortened(line: str, room: float, size: int, weight: int, widths: Widths) -> str:
    while line and widths(f"{line} …", size, weight) > room:
        line = line[:-1]
    return f"{line.rstrip()} …"


def _in_turn(cue: Cue, lines: list[str], size: int) -> list[Page]:
    """Two lines after the other, each pair for as long as its share of the letters."""
    pairs = [tuple(lines[at : at + LINES_MOST]) for at in range(0, len(lines), LINES_MOST)]
    letters = [sum(map(len, pair)) for pair in pairs]
    pages: list[Page] = []
    at_s = cue.from_s
    for pair, share in zip(pairs, letters, strict=True):
        to_s = at_s + (cue.to_s - cue.from_s) * share / sum(letters)
        pages.append(Page(cue, pair, size, at_s, to_s))
        at_s = to_s
    return pages
