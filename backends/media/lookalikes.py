"""Names that look the same: a user or an agent reads a file's name and types it again, and what macOS wrote there may
be other characters (a no-break space in a screenshot's time, an accent as a character of its own)."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SHOWN = 5


@dataclass(frozen=True)
class Lookalike:
    """For the first part of a path that is missing. names: all that look the same. parts: the path with the first of
    them in its place. how: in which way they look the same."""

    names: tuple[str, ...]
    parts: tuple[str, ...]
    how: str

    @property
    def several(self) -> str:
        shown = ", ".join(ascii(name) for name in self.names[:SHOWN])
        return f"several that look the same do; write one of them with its very characters: {shown}"


def lookalike(root: Path, parts: tuple[str, ...]) -> Lookalike | None:
    """What looks like the first missing part of a path below `root`, None when nothing does."""
    folder = root
    for number, part in enumerate(parts):
        if os.path.lexists(folder / part):
            folder /= part
            continue
        there = sorted(names_in(folder))
        for how, look in WAYS:
            if same := tuple(name for name in there if look(name) == look(part)):
                return Lookalike(same, (*parts[:number], same[0], *parts[number + 1 :]), how)
        return None
    return None


def names_in(folder: Path) -> list[str]:
    """The names in a folder, those of hidden files left out; none for a folder that cannot be read."""
    try:
        return [file.name for file in folder.iterdir() if not file.name.startswith(".")]
    except OSError:
        return []


EDITED = str.maketrans("\u2018\u2019\u02bc\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2212", "'''\"\"------")
"""What editors make of quotes and hyphens as they are typed."""


def _look(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).translate(EDITED).split())


def _look_in_any_case(name: str) -> str:
    return _look(name).casefold()


WAYS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("looks the same", _look),
    ("looks the same but for capitals", _look_in_any_case),
)
"""Tried in this order, which is also that of the words as text."""
