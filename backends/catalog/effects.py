"""Effects by name: which of a model's effects a word means, and which other models have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backends.catalog.loader import Catalog
from backends.catalog.rules.check import check
from backends.catalog.rules.checked import Checked
from backends.catalog.rules.words import same_word
from backends.catalog.schema.row import Row
from backends.errors import VideoError
from backends.request import MediaFacts, VideoRequest


def check_effect_too(request: VideoRequest, row: Row, inputs: Mapping[str, MediaFacts], catalog: Catalog) -> Checked:
    """As `rules.check`; where the row lacks the effect that was asked for, the error names the models that have it."""
    try:
        return check(request, row, inputs)
    except VideoError as error:
        if words := elsewhere(request, row, catalog):
            error.message = f"{error.message} {words}"
            error.args = (error.message,)
        raise


def elsewhere(request: VideoRequest, row: Row, catalog: Catalog) -> str:
    """Which models have the effect that was asked for and that this row lacks, in words; "" when that is no matter."""
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
