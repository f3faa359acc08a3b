"""Noticing a request that is already a job under another name for its model, such as first `auto` and then the chosen
model.

A job's key is made from the request as written, so the second request is a new, paid job: its notes say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from backends.catalog.schema.row import Row as ModelRow
from backends.jobs.store.database import Store


def note_of_like(
    store: Store, principal: str, row: ModelRow, named: str, keys_as: Callable[[Collection[str]], Collection[str]]
) -> str:
    """The note that names the job of the same model with the same request, "" when there is none.

    named: the model's name in the new request. keys_as: the request's keys if it named each of these models instead.
    """
    family = re.match("[a-z]*", row.family.lower())
    names = {"auto", row.id, row.name, *row.aliases, *([family[0]] if family and family[0] else [])} - {named}
    keys = sorted(set(keys_as(names)))
    marks = ", ".join("?" * len(keys))
    rows = store.rows(
        f"SELECT id, seq FROM jobs WHERE principal = ? AND matchable = 1 AND request_key IN ({marks}) AND model = ?",
        (principal, *keys, row.id),
    )
    if not rows:
        return ""
    found = max(rows, key=lambda one: one["seq"])
    return (
        f"like {found['id']}: that job made the same request of {row.id} by another name for the model; this is a new "
        "job, with a price of its own"
    )
