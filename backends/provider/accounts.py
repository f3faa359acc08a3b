"""Several keys of one provider that share its work: `[[account]]` in the data folder's config.toml.

Each has a variable of its own for its key. The provider's usual variable counts as one more account, `default`, unless
an entry names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import cast

from backends.errors import VideoError
from backends.provider.protocol import Access, Registration
from backends.provider.registry import registry
from backends.settings import read_config

DEFAULT = "default"
FIELDS = ("provider", "name", "key_variable", "share")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,79}")
SHARE_MOST = 1000.0


@dataclass(frozen=True)
class Account:
    """One entry. key_variable: the variable that holds its key. share: how much of the work it gets beside the others
    of its provider, 0 to 1000; 0 = no new job."""

    provider: str
    name: str
    key_variable: str
    share: float = 1.0


@dataclass(frozen=True)
class Keyed:
    """An account with its key: its lane, and the environment in which that is the provider's only key."""

    account: Account
    access: Access
    env: Mapping[str, str]


def accounts(home: Path) -> tuple[Account, ...]:
    """The entries as they are now. VideoError("storage") names one that cannot be meant."""
    path = home / "config.toml"
    try:
        seen = path.stat()
    except OSError:
        return ()
    return _read(home, seen.st_mtime_ns, seen.st_size, seen.st_ino)


@lru_cache(maxsize=8)
def _read(home: Path, *_stamp: int) -> tuple[Account, ...]:
    entries = read_config(home).get("account", [])
    if not isinstance(entries, list):
        raise _wrong("account", "tables that begin with [[account]]")
    found: list[Account] = []
    for number, entry in enumerate(cast("list[object]", entries), 1):
        account = _account(entry, f"[[account]] {number}")
        for other in found:
            if other.provider == account.provider and other.name == account.name:
                raise _wrong(f"[[account]] {number}, name", f"unlike {account.name!r}, which is there already")
            if other.provider == account.provider and other.key_variable == account.key_variable:
                legal = f"unlike {account.key_variable}, which is {other.name}'s already"
                raise _wrong(f"[[account]] {number}, key_variable", legal)
        found.append(account)
    return tuple(found)


def _account(entry: object, where: str) -> Account:
    if not isinstance(entry, dict):
        raise _wrong(where, f"a table with {', '.join(FIELDS)}")
    table = cast("dict[str, object]", entry)
    if unknown := [key for key in table if key not in FIELDS]:
        raise _wrong(f"{where}, {unknown[0]}", f"one of {', '.join(FIELDS)}")
    provider, name, variable = (table.get(field) for field in FIELDS[:3])
    shared = sorted(one for one, back_end in registry().items() if _can_share(back_end))
    if provider not in shared:
        raise _wrong(f"{where}, provider", f"one of {', '.join(shared)}")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise _wrong(f"{where}, name", "a word of letters, digits, dots and hyphens, such as studio-2")
    if not isinstance(variable, str) or not VARIABLE.fullmatch(variable):
        legal = "the name of a variable, such as RUNWAY_KEY_2, not the key itself"
        raise _wrong(f"{where}, key_variable", legal)
    share = table.get("share", 1)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= SHARE_MOST:
        raise _wrong(f"{where}, share", f"a number from 0 (no new job) to {SHARE_MOST:g}")
    return Account(str(provider), name, variable, float(share))


def _can_share(back_end: Registration) -> bool:
    """Servers of the user's own have keys of their own, and work on this machine has none."""
    return back_end.kind == "remote" and back_end.lanes is None and bool(back_end.keys)


def _wrong(where: str, legal: str) -> VideoError:
    return VideoError("storage", f"{where} in config.toml must be {legal}")


def with_usual_key(env: Mapping[str, str], entries: Iterable[Account]) -> dict[str, str]:
    """The environment; where the usual variable of a provider is not set, it holds the key of its first account."""
    found = dict(env)
    for entry in sorted(entries, key=lambda one: one.share == 0):
        keys = registry()[entry.provider].keys
        if (key := env.get(entry.key_variable)) and not any(found.get(name) for name in keys):
            found[keys[0]] = key
    return found


def keyed(env: Mapping[str, str], back_end: Registration, entries: Iterable[Account]) -> tuple[Keyed, ...]:
    """A provider's accounts whose keys are set, the usual one first where it is none of the entries. () = it has no
    entry: there is only the usual one. env: as `with_usual_key` gives it."""
    own = [entry for entry in entries if entry.provider == back_end.provider]
    found: dict[str, Keyed] = {}
    for entry in sorted(own, key=lambda one: one.key_variable in back_end.keys):  # which may hold the key of another
        if key := env.get(entry.key_variable):
            alone = {name: value for name, value in env.items() if name not in back_end.keys}
            alone[entry.key_variable if entry.key_variable in back_end.keys else back_end.keys[0]] = key
            access = replace(back_end.access(alone), account=entry.name)
            found.setdefault(access.lane, Keyed(entry, access, alone))
    usual = replace(back_end.access(env), account=DEFAULT)
    first = () if not own or usual.missing or usual.lane in found else (_usual(back_end, usual, env),)
    return (*first, *sorted(found.values(), key=lambda one: own.index(one.account)))


def _usual(back_end: Registration, access: Access, env: Mapping[str, str]) -> Keyed:
    return Keyed(Account(back_end.provider, DEFAULT, back_end.keys[0]), access, env)
