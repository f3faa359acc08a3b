"""The fonts that are installed on this machine, and which characters each one has.

Only the table of characters (`cmap`) of a file is read; drawing is left to FreeType. Fonts of pictures in colour
(emoji) are left out: they have no outlines.
"""

from __future__ import annotations

import os
import struct
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO

FILES_MOST = 5000
"""Font files looked at."""
TABLE_MOST = 4 * 1024**2
"""Bytes of a table that is read."""
SUFFIXES = frozenset({".ttf", ".otf", ".ttc", ".otc"})
OUTLINES, COLOURS = frozenset({b"glyf", b"CFF ", b"CFF2"}), frozenset({b"CBDT", b"COLR", b"sbix", b"SVG "})
_LESS_LIKED = ("italic", "math", "oblique", "mono", "condensed", "light", "thin", "black", "serif", "bold", "hairline")


@dataclass(frozen=True)
class Typeface:
    """One face of a font file. index: its place in a collection. starts, ends: the ranges of its characters."""

    path: Path
    index: int
    starts: tuple[int, ...] = field(repr=False)
    ends: tuple[int, ...] = field(repr=False)

    def has(self, character: str) -> bool:
        at = bisect_right(self.starts, ord(character)) - 1
        return at >= 0 and ord(character) <= self.ends[at]

    @property
    def plainness(self) -> tuple[int, str]:
        """Sorts upright sans-serif faces of usual weight and width first."""
        name = self.path.stem.lower()
        return sum(word in name.replace("sansserif", "") for word in _LESS_LIKED) + self.index, name


def folders(env: Mapping[str, str] = os.environ) -> list[Path]:
    """Where this system keeps fonts."""
    home = Path(env.get("HOME") or env.get("USERPROFILE") or "/nonexistent")
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    if sys.platform == "win32":
        local = Path(env.get("LOCALAPPDATA") or home)
        return [Path(env.get("WINDIR", "C:/Windows")) / "Fonts", local / "Microsoft/Windows/Fonts"]
    own = Path(env.get("XDG_DATA_HOME") or home / ".local/share") / "fonts"
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), own, home / ".fonts"]


def installed(places: Iterable[Path]) -> tuple[Typeface, ...]:
    """Every face below these folders, plain ones first. A file that is no font is passed over."""
    return _installed(tuple(places))


@cache
def _installed(places: tuple[Path, ...]) -> tuple[Typeface, ...]:
    faces: list[Typeface] = []
    for number, path in enumerate(_files(places)):
        if number >= FILES_MOST:
            break
        faces += read_typefaces(path)
    return tuple(sorted(faces, key=lambda face: face.plainness))


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        for folder, _, names in os.walk(place):
            for name in sorted(names):
                if Path(name).suffix.lower() in SUFFIXES:
                    yield Path(folder) / name


def read_typefaces(path: Path) -> list[Typeface]:
    """The faces of a file that have outlines; none for a file that is no font."""
    try:
        with path.open("rb") as file:
            return [Typeface(path, index, *ranges) for index, ranges in _faces(file)]
    except (OSError, struct.error, ValueError, IndexError):
        return []


def _faces(file: BinaryIO) -> Iterator[tuple[int, tuple[tuple[int, ...], tuple[int, ...]]]]:
    offsets = [0]
    if file.read(4) == b"ttcf":
        (count,) = struct.unpack(">4xI", file.read(8))
        offsets = list(struct.unpack(f">{min(count, 64)}I", file.read(4 * min(count, 64))))
    for index, offset in enumerate(offsets):
        file.seek(offset)
        (count,) = struct.unpack(">4xH6x", file.read(12))
        tables = {tag: (place, size) for tag, _, place, size in struct.iter_unpack(">4sIII", file.read(16 * count))}
        if tables.keys() & OUTLINES and not tables.keys() & COLOURS and b"cmap" in tables:
            place, size = tables[b"cmap"]
            file.seek(place)
            yield index, _merged(_characters(file.read(min(size, TABLE_MOST))))


def _characters(table: bytes) -> Iterator[tuple[int, int]]:
    """Ranges of characters that a cmap table names, of its richest part that is known here."""
    (count,) = struct.unpack_from(">2xH", table)
    parts: dict[int, int] = {}
    for platform, encoding, offset in struct.iter_unpack(">HHI", table[4 : 4 + 8 * count]):
        if platform == 0 or (platform == 3 and encoding in (1, 10)):
            parts[struct.unpack_from(">H", table, offset)[0]] = offset
    if 12 in parts:
        offset = parts[12]
        (groups,) = struct.unpack_from(">12xI", table, offset)
        for start, end, _ in struct.iter_unpack(">III", table[offset + 16 : offset + 16 + 12 * groups]):
            if start <= end <= 0x10FFFF:
                yield start, end
    elif 4 in parts:
        yield from _segments(table, parts[4])


def _segments(table: bytes, offset: int) -> Iterator[tuple[int, int]]:
    """Format 4. A segment that goes through the glyph array may have holes in it (glyph 0)."""
    (double,) = struct.unpack_from(">6xH", table, offset)
    count, at = double // 2, offset + 14
    ends = struct.unpack_from(f">{count}H", table, at)
    starts = struct.unpack_from(f">{count}H", table, at + double + 2)
    jumps = struct.unpack_from(f">{count}H", table, at + 3 * double + 2)
    for number, (start, end, jump) in enumerate(zip(starts, ends, jumps, strict=True)):
        if start > end or start == 0xFFFF:
            continue
        if jump == 0:
            yield start, end
            continue
        first = at + 3 * double + 2 + 2 * number + jump
        glyphs = struct.unpack_from(f">{end - start + 1}H", table, first)
        yield from ((start + place, start + place) for place, glyph in enumerate(glyphs) if glyph)


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(ranges):
        if ends and start <= ends[-1] + 1:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return tuple(starts), tuple(ends)
