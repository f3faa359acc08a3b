"""File names for people, made of labels in any script."""

from __future__ import annotations

import unicodedata

STEM_BYTES = 60
"""Of a file name's first part: with take, number and suffix it stays far below the 255 bytes that file systems take."""


def stem_of(label: str) -> str:
    """A label as the beginning of a file name, "" when nothing of it can stand there.

    Letters, digits, marks and symbols of every script stay. White space, punctuation (path separators and what
    Windows forbids are among it), and what no one sees (controls, marks of direction) become a "-".
    """
    text = unicodedata.normalize("NFC", label)
    kept = "".join(character if _may_stand(character) else " " for character in text)
    stem = "-".join(kept.split()).encode()[:STEM_BYTES].decode(errors="ignore")
    return stem.strip("-.")


def _may_stand(character: str) -> bool:
    return character in "_.-" or unicodedata.category(character)[0] in "LMN" or unicodedata.category(character) == "So"
