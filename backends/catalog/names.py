"""Names of models: when two are one, which rows a wrong one may mean, and what is said of one that cannot be used.

What is said here offers nothing: only what was tried as a whole request is a remedy (see `remedy`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Protocol

from backends.catalog.price import usual_price
from backends.catalog.schema.row import Row
from backends.errors import Next, VideoError

GUESSED = 0.6
"""How like (0..1) a known name must be to an unknown one to be tried in its place."""
SHORTEST = 3
"""Letters of a word that names a part of a model's id."""


class Rows(Protocol):
    """What is read of a catalogue."""

    @property
    def rows(self) -> tuple[Row, ...]: ...

    def find(self, name: str) -> Row | None: ...


def normal(name: str) -> str:
    """A name without case, spaces, punctuation and the v of a version: "Gen-4 Turbo", "gen4_turbo" and "gen4 turbo" are
    one, and so are "kling-v2.5" and "Kling 2.5"."""
    return re.sub(r"[^a-z0-9/]+|(?<![a-z])v(?=[0-9])", "", name.lower())


def guesses(name: str, catalog: Rows) -> list[Row]:
    """The rows in use that a name which leads to none may mean, the likest first."""
    key = normal(name)
    words: dict[str, Row] = {}
    for row in catalog.rows:
        if row.state != "retired":
            for word in (row.id, row.name, *row.aliases):
                words.setdefault(normal(word), row)
    near = [words[word] for word in difflib.get_close_matches(key, words, n=8, cutoff=GUESSED)]
    if len(key) >= SHORTEST:
        near += [row for word, row in words.items() if key in word]
    return list({row.id: row for row in near}.values())


def unknown(name: str, rows: Sequence[Row]) -> VideoError:
    """What is said of a name that leads to no model. rows: those that it may mean, the likest first."""
    same = [row for row in rows if normal(row.name) == normal(name)]
    text = f"model {name[:80]!r} is unknown"
    if len(same) > 1:
        text = f"model {name[:80]!r} has several routes: {', '.join(row.id for row in same)}"
    elif rows:
        text += f"; names like it: {', '.join(row.id for row in rows[:3])}"
    return VideoError("not_found", f"{text}.", next=Next("list_models"))


def gone(catalog: Rows, row: Row, name: str) -> VideoError:
    """What is known of a retired name: since when and why, its successor with its price, and its alternatives."""
    since = f" since {row.retire_on.isoformat()}" if row.retire_on else ""
    said = f"{row.title} ({row.id})" if normal(name) != normal(row.id) else row.id
    text = f"{said} cannot be used{since}: {row.why_retired or 'the provider has shut it down'}."
    successor = catalog.find(row.successor) if row.successor else None
    if successor is not None:
        text += f" Its successor is {successor.title} ({successor.id}), {usual_price(successor)}."
    others = [other.id for name_ in row.alternatives if (other := catalog.find(name_)) and other is not successor]
    if others:
        text += f" Others: {', '.join(others)}."
    return VideoError("model_retired", text, next=Next("list_models"))
