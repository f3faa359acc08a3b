"""How two prompts differ, word by word."""

from __future__ import annotations

from difflib import SequenceMatcher

Piece = tuple[str, str]
"""A mark ("" = in both, "del" = only in the first, "ins" = only in the second) and the words."""


def prompt_diff(before: str, after: str) -> list[Piece]:
    """Pieces whose "" and "del" words make up `before`, and whose "" and "ins" words make up `after`; spaces are
    normalised."""
    old, new = before.split(), after.split()
    pieces: list[Piece] = []
    for how, start, end, begin, stop in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if how == "equal":
            pieces.append(("", " ".join(new[begin:stop])))
            continue
        for mark, words in (("del", old[start:end]), ("ins", new[begin:stop])):
            if words:
                pieces.append((mark, " ".join(words)))
    spaced = [part for piece in pieces for part in (("", " "), piece)]
    return spaced[1:]
