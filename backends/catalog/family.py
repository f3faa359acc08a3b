"""A family name: a word such as "veo" or "kling" that stands for several models.

It is no model, so it never means one of them in silence. An estimate lists the members; a start takes the best member
that can do the request and can be bought, and says which. Neither leaves the family.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from backends.catalog.loader import Catalog
from backends.catalog.names import normal
from backends.catalog.ranking import Ranking
from backends.catalog.schema.row import Row
from backends.errors import VideoError
from backends.request import VideoRequest

if TYPE_CHECKING:
    from backends.catalog.choice import Choice

SHORTEST = 3
"""Letters of a family name at least: "h" is no family because of "h3"."""


def members(catalog: Catalog, name: str) -> Catalog | None:
    """The rows that a name stands for when it is no single model's: None for a model's own name and for unknown ones.

    A family name is made of letters alone and begins the family, the bare id or an alias of a row ("veo", "gemini
    omni"); rows of the same model belong to it together. A bare name that several routes share ("kling 2.5 turbo pro")
    stands for those routes. Retired rows are never members.
    """
    if name == "auto" or catalog.find(name) is not None or normal(name) in catalog.broken_names:
        return None
    live = [row for row in catalog.rows if row.state != "retired"]
    found = _routes(live, name) or _family(live, name)
    return Catalog(found, catalog.broken) if found else None


def _routes(rows: list[Row], name: str) -> list[Row]:
    key = normal(name)
    found = [row for row in rows if normal(row.name) == key]
    return found if len(found) > 1 else []


def _family(rows: list[Row], name: str) -> list[Row]:
    words = re.findall(r"[a-z]+", name.lower())
    if len("".join(words)) < SHORTEST or not re.fullmatch(r"[A-Za-z \-]+", name.strip()):
        return []
    named = {row.family for row in rows if any(_begins(text, words) for text in (row.family, row.name, *row.aliases))}
    if not named:
        return []
    key = "".join(words)
    begun = {row.family for row in rows if any(_starts(text, key) for text in (row.family, row.name, *row.aliases))}
    return [row for row in rows if row.family in begun]


def _begins(text: str, words: list[str]) -> bool:
    """Whether a name's first words are these: "omni 1.2" begins with "omni", "pikaframes" not with "pika"."""
    return re.findall(r"[a-z]+", text.lower().rpartition("/")[2])[: len(words)] == words


def _starts(text: str, key: str) -> bool:
    return normal(text).rpartition("/")[2].startswith(key)


def choose_member(
    request: VideoRequest,
    family: Catalog,
    ranking: Ranking,
    pick: Callable[[VideoRequest, Catalog], Choice],
) -> Choice:
    """The member that `auto` would take if there were no other models, with a note that says so.

    ranking: of the members for this request. pick: chooses among the rows given. Where every member that fits and is
    available has an unknown price, the first of them is requested by name, since `auto` never takes one.
    VideoError as `choose` (`of_family` gives it the family's name).
    """
    name = request.model
    usable = [offer for offer in ranking.fits if offer.available]
    unpriced = usable and all(offer.estimate.usd_high is None for offer in usable)
    asked = request.model_copy(update={"model": usable[0].row.id if unpriced else "auto"})
    choice = pick(asked, family)
    listed = ", ".join(row.id for row in family.rows if row.id != choice.row.id)
    note = f"{name} is a family of models: {choice.row.id} was taken" + (f" (others: {listed})" if listed else "")
    return replace(choice, notes=(*choice.notes, note[:400]))


def of_family(error: VideoError, name: str, family: Catalog) -> VideoError:
    """The refusal of every member, with the family's name."""
    count = len(family.rows)
    lead = f"{name} is a family of {count} model{'s' if count != 1 else ''}: "
    return VideoError(
        error.kind,
        lead + error.message,
        problems=error.problems,
        next=error.next,
        lead=None if error.lead is None else lead + error.lead,
        aside=error.aside,
    )
