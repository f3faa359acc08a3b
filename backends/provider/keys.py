"""Credentials: the variables that the installed back ends read, from the environment or the 0600 key file."""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

from backends.errors import VideoError
from backends.folders import unquoted
from backends.provider import accounts
from backends.provider.protocol import Registration
from backends.provider.registry import registry
from backends.settings import Settings, read_toml

ANY = "*"
"""A name that ends so stands for all that begin with the rest: each server of the user's own has a key."""


class _Named(NamedTuple):
    """What the installed back ends name. begins: how the names for servers of the user's own begin."""

    back_ends: Mapping[str, Registration]
    keys: tuple[str, ...]
    begins: tuple[str, ...]
    addresses: tuple[str, ...]


_last: _Named | None = None


def _named() -> _Named:
    """Made once for a registry: every submit needs it."""
    global _last
    entries = registry()
    if _last is None or _last.back_ends is not entries:
        keys = [name for entry in entries.values() for name in entry.keys]
        _last = _Named(
            entries,
            _unique(name for name in keys if not name.endswith(ANY)),
            _unique(name.removesuffix(ANY) for name in keys if name.endswith(ANY)),
            _unique(entry.address for entry in entries.values() if entry.address),
        )
    return _last


def key_variables() -> tuple[str, ...]:
    """Every variable that a key file may hold: what the installed back ends name (`Registration.keys`)."""
    return _named().keys


def is_key(name: str) -> bool:
    """Whether a key file may hold a variable of that name: one that is named, or that begins as a back end says."""
    named = _named()
    return name in named.keys or (name.startswith(named.begins) and name not in named.addresses)


def address_variables() -> tuple[str, ...]:
    """Every variable that sets where a service is (`Registration.address`)."""
    return _named().addresses


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def stamp(settings: Settings) -> Hashable:
    """What changes whenever `load_keys` would read something else."""
    try:
        seen = settings.key_file.stat()
    except OSError:
        file = None
    else:
        file = (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino, seen.st_mode)
    return file, accounts.accounts(settings.home), id(registry())


def load_keys(settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """The environment with the key file's entries under it, and where each known variable was found.

    The environment wins; the quotes that docker's --env-file leaves around a value are taken off. A key file that
    others may read is refused: VideoError("auth") names the remedy.
    """
    env, named = dict(settings.env), _named()
    for name in (*named.keys, *named.addresses):
        if name in env:
            env[name] = unquoted(env[name])
    kept = _kept(settings)
    entries = accounts.accounts(settings.home)
    own = (entry.key_variable for entry in entries)
    begun = (name for name in (*env, *kept) if name.startswith(named.begins) and name not in named.addresses)
    variables = _unique((*named.keys, *own, *begun))
    found = {name: "environment" for name in variables if env.get(name)}
    for name in variables:
        if not env.get(name) and (text := kept.get(name)):
            env[name] = text
            found[name] = str(settings.key_file)
    return (accounts.with_usual_key(env, entries) if entries else env), found


def unread_keys(settings: Settings) -> list[str]:
    """Variables in the key file that no installed back end reads. VideoError as `load_keys`."""
    own = {entry.key_variable for entry in accounts.accounts(settings.home)}
    return sorted(name for name in _kept(settings) if not is_key(name) and name not in own)


def _kept(settings: Settings) -> dict[str, str]:
    path = settings.key_file
    try:
        mode = path.stat().st_mode
    except OSError:
        return {}
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise VideoError("auth", f"{path} can be read by others: run chmod 600 on it")
    return {name: str(text) for name, text in read_toml(path).items()}
