"""Which jobs were made from which others: a clip must stay while a job made from it stays."""

from __future__ import annotations

from collections.abc import Collection, Mapping

Sources = Mapping[str, frozenset[str]]
"""By job id, its `KeptJob.sources`."""


def without_ancestors(sources: Sources, going: Collection[str], staying: Collection[str]) -> frozenset[str]:
    """Those of `going` from which nothing in `staying` was made, directly or through other jobs."""
    found = set(going)
    open_ends = list(staying)
    while open_ends:
        for source in sources.get(open_ends.pop(), frozenset[str]()):
            if source in found:
                found.discard(source)
                open_ends.append(source)
    return frozenset(found)
