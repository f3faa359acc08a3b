"""Laying out a table for a terminal's width: words are never cut, and what does not fit goes below its row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len, chop_cells

GAP = 2
INDENT = 4
LONG_WORD = 24
"""The shortest word, in cells, that may be broken: it is a path rather than a word."""


def layout(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, below: Collection[str] = ()) -> list[str]:
    """The lines. width: cells of the terminal. below: the columns that go to an indented line under each row when there
    is no room beside the others; where there is no room even then, each cell gets a line of its own."""
    shown = [number for number in range(len(columns)) if any(row[number] for row in rows)] or [*range(len(columns))]
    beside = _beside(columns, rows, shown, width)
    if beside is not None:
        return beside
    kept = [number for number in shown if columns[number] not in below]
    under = [number for number in shown if columns[number] in below]
    if under and kept and (drawn := _beside(columns, rows, kept, width, under)) is not None:
        return drawn
    return _stacked(columns, rows, shown, width)


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most that many cells, broken at spaces; a longer word is broken."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if cell_len(joined) <= width:
            lines[-1:] = [joined]
        else:
            lines += chop_cells(word, max(1, width))
    return lines or [""]


def _beside(
    columns: Sequence[str], rows: Sequence[Sequence[str]], kept: list[int], width: int, under: Sequence[int] = ()
) -> list[str] | None:
    """Each row beside its columns, None when a word would have to be cut."""
    cells = [[columns[number], *(row[number] for row in rows)] for number in kept]
    least = [max(map(_longest_word, column)) for column in cells]
    least[0] = max(map(cell_len, cells[0]))  # what users copy: an id, a name
    most = [max(map(cell_len, column)) for column in cells]
    room = width - GAP * (len(kept) - 1) - sum(least)
    if room < 0:
        return None
    widths = list(least)
    while room and (needy := [number for number in range(len(kept)) if widths[number] < most[number]]):
        for number in needy[:room]:
            widths[number] += 1
        room -= min(room, len(needy))
    lines = [_line([columns[number] for number in kept], widths), "─" * min(width, sum(widths) + GAP * (len(kept) - 1))]
    for row in rows:
        parts = [wrapped(row[number], size) for number, size in zip(kept, widths, strict=True)]
        for level in range(max(map(len, parts))):
            lines.append(_line([part[level] if level < len(part) else "" for part in parts], widths))
        if rest := "; ".join(row[number] for number in under if row[number]):
            lines += [" " * INDENT + line for line in wrapped(rest, width - INDENT)]
    return lines


def _stacked(columns: Sequence[str], rows: Sequence[Sequence[str]], shown: list[int], width: int) -> list[str]:
    lines: list[str] = []
    for row in rows:
        lines += wrapped(row[shown[0]], width)
        for number in shown[1:]:
            if row[number]:
                text = f"{columns[number]}: {row[number]}" if columns[number] else row[number]
                lines += [" " * INDENT + line for line in wrapped(text, max(1, width - INDENT))]
    return lines


def _longest_word(text: str) -> int:
    return min(LONG_WORD, max(map(cell_len, text.split()), default=0))


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    gap = " " * GAP
    return gap.join(cell + " " * (size - cell_len(cell)) for cell, size in zip(cells, widths, strict=True)).rstrip()
