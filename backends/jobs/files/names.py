"""File names made from labels in any script."""

from __future__ import annotations

import unicodedata

STEM_BYTES = 60
"""The longest first part of a file name, in bytes: with take, number and suffix it stays well below the file systems'
limit of 255."""


def stem_of(label: str) -> str:
    """A label as the beginning of a file name, "" when nothing of it is usable.

    Letters, digits, marks and symbols of every script stay. White space, punctuation (which includes path separators
    and what Windows forbids), and invisible characters (controls, direction marks) become a "-".
    """
    text = unicodedata.normalize("NFC", label)
    kept = "".join(character if _may_stand(character) else " " for character in text)
    stem = "-".join(kept.split()).encode()[:STEM_BYTES].decode(errors="ignore")
    return stem.strip("-.")


def _may_stand(character: str) -> bool:
    return character in "_.-" or unicodedata.category(character)[0] in "LMN" or unicodedata.category(character) == "So"
