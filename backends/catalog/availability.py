"""Which rows can be used now: an installed back end, and a credential that it finds in the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backends.backend import registry
from backends.catalog.row import Row


def availability(env: Mapping[str, str]) -> Callable[[Row], str | None]:
    """None for a row that can be used with that environment, else why not and what to set. Asked once a provider."""
    known: dict[str, str | None] = {}

    def why_not(row: Row) -> str | None:
        if row.provider not in known:
            known[row.provider] = _provider(row.provider, env)
        return known[row.provider] or _row(row, env)

    return why_not


def _provider(provider: str, env: Mapping[str, str]) -> str | None:
    registration = registry().get(provider)
    if registration is None:
        return f"no back end installed for '{provider}'"
    try:
        return registration.access(env).trouble or None
    except Exception as error:  # a plug-in may raise anything; the other models must stay usable
        return f"its back end fails: {type(error).__name__}: {error}"[:200]


def _row(row: Row, env: Mapping[str, str]) -> str | None:
    """What the back end lacks for this very model, such as its weights."""
    lacks = registry()[row.provider].lacks
    if lacks is None:
        return None
    try:
        return lacks(env, tuple({**row.wire, **mode.wire} for mode in row.modes), row.id)
    except Exception as error:
        return f"its back end fails: {type(error).__name__}: {error}"[:200]
