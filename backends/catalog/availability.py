"""Which rows can be used now: an installed back end, and a credential that it finds in the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from backends.catalog.schema.row import Row
from backends.provider.protocol import Access
from backends.provider.registry import registry


@dataclass(frozen=True)
class Why:
    """Why a row cannot be used now.

    kind: "auth" where a credential is missing (then `variables` are those to set), "unsupported" where this machine or
    installation lacks something. text: the reason and its remedy. installable: whether the user can do anything about
    it here; a back end that is not part of the installation is not offered.
    """

    kind: Literal["auth", "unsupported"]
    text: str
    variables: tuple[str, ...] = ()
    installable: bool = True

    def __str__(self) -> str:
        return self.text


Available = Callable[[Row], Why | None]
"""None when a row can be used now, else why not."""


def availability(env: Mapping[str, str]) -> Available:
    """What can be used with that environment. Each provider is checked once."""
    known: dict[str, Why | None] = {}

    def why_not(row: Row) -> Why | None:
        if row.provider not in known:
            known[row.provider] = _provider(row.provider, env)
        return known[row.provider] or _row(row, env)

    return why_not


def _provider(provider: str, env: Mapping[str, str]) -> Why | None:
    registration = registry().get(provider)
    if registration is None:
        return Why("unsupported", f"no back end installed for '{provider}'", installable=False)
    try:
        return _of(registration.access(env))
    except Exception as error:  # a plug-in may raise anything; the other models must stay usable
        return _failing(error)


def _of(access: Access) -> Why | None:
    """A missing credential comes first: without it nothing else of the service matters."""
    if not access.trouble:
        return None
    return Why("auth" if access.missing else "unsupported", access.trouble, access.missing)


def _row(row: Row, env: Mapping[str, str]) -> Why | None:
    """What the back end lacks for this very model, such as its weights."""
    lacks = registry()[row.provider].lacks
    if lacks is None:
        return None
    try:
        lacking = lacks(env, tuple({**row.wire, **mode.wire} for mode in row.modes), row.id)
    except Exception as error:
        return _failing(error)
    return Why("unsupported", lacking) if lacking else None


def _failing(error: Exception) -> Why:
    return Why("unsupported", f"its back end fails: {type(error).__name__}: {error}"[:200])
