"""What a job was made from: the jobs whose clips were its inputs, the one that it is a step of, and its own steps."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, cast

from backends.jobs.store.database import Row

Sources = Mapping[str, frozenset[str]]
"""By job, what `made_from` says of it."""


def made_from(row: Row) -> frozenset[str]:
    """The ids of them; row: its `parent`, `inputs` and `needs`."""
    entries = cast("dict[str, dict[str, Any]]", json.loads(row["inputs"]))
    named = {str(entry[key]) for entry in entries.values() for key in ("from_job", "job") if entry.get(key)}
    inside = {str(entry["still_of"].get("from_job")) for entry in entries.values() if "still_of" in entry}
    return frozenset((named | inside | {str(row["parent"] or "")} | set(json.loads(row["needs"]))) - {""})


def without_ancestors(sources: Sources, going: Collection[str], staying: Collection[str]) -> frozenset[str]:
    """Those of `going` that none of `staying` was made from, at any remove."""
    found = set(going)
    open_ends = list(staying)
    while open_ends:
        for source in sources.get(open_ends.pop(), frozenset[str]()):
            if source in found:
                found.discard(source)
                open_ends.append(source)
    return frozenset(found)
