"""Which jobs others were made from: their clips must stay while those do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

Sources = Mapping[str, frozenset[str]]
"""By job, its `KeptJob.sources`."""


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
