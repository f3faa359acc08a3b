"""Words that a model knows (effects, option values): found whatever their capitals, and near misses."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

NEAR = 0.8
"""How alike two words must be (difflib's ratio) for one to be offered in place of the other."""


def same_word(asked: str, legal: Iterable[str]) -> str | None:
    """The legal word that differs at most in its capitals; None when there is none."""
    words = list(legal)
    if asked in words:
        return asked
    return next((word for word in words if word.casefold() == asked.casefold()), None)


def near_word(asked: str, legal: Iterable[str]) -> str | None:
    """The legal word that the asked one is most likely a slip of; None when none is near."""
    lower = {word.casefold(): word for word in legal}
    near = difflib.get_close_matches(asked.casefold(), lower, n=1, cutoff=NEAR)
    return lower[near[0]] if near else None
