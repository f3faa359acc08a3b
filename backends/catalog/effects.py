"""Effects by name: which other models have the one that a model lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backends.catalog.loader import Catalog
from backends.catalog.rules.words import same_word
from backends.catalog.schema.row import Row
from backends.request import VideoRequest


def elsewhere(request: VideoRequest, row: Row, catalog: Catalog) -> str:
    """Which models have the effect that was requested and that this row lacks, in words; "" when that is no matter."""
    if request.effect is None or _effects(row, request.effect):
        return ""
    found = [f"{other.id} has the effect {word}" for other, word in _others(catalog.rows, row, request.effect)]
    return f"{'; '.join(found[:3])}." if found else ""


def _effects(row: Row, asked: str) -> list[str]:
    return [word for mode in row.modes if (word := same_word(asked, mode.effects)) is not None]


def _others(rows: Iterable[Row], row: Row, asked: str) -> Sequence[tuple[Row, str]]:
    return [
        (other, words[0])
        for other in rows
        if other.id != row.id and other.state != "retired" and (words := _effects(other, asked))
    ]
