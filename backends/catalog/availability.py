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
        return known[row.provider]

    return why_not


def _provider(provider: str, env: Mapping[str, str]) -> str | None:
    registration = registry().get(provider)
    if registration is None:
        return f"no back end installed for '{provider}'"
    try:
        missing = registration.access(env).missing
    except Exception as error:  # a plug-in may raise anything; the other models must stay usable
        return f"its back end fails: {type(error).__name__}: {error}"[:200]
    return f"set {' or '.join(missing)}" if missing else None
