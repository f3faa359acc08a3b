"""Words that a model knows (effects, option values): found whatever their capitals."""

from __future__ import annotations

from collections.abc import Iterable


def same_word(asked: str, legal: Iterable[str]) -> str | None:
    """The legal word that differs at most in its capitals; None when there is none."""
    words = list(legal)
    if asked in words:
        return asked
    return next((word for word in words if word.casefold() == asked.casefold()), None)
