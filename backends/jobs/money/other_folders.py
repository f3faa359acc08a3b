"""Other data folders of the same user that spend on the same account: each has its own limits, so a day's spending
limit counts once in each, unless they share a store. Every data folder leaves a small record, without secrets, where
all of them look."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import platformdirs

from backends.jobs.files.private import STORE
from backends.jobs.store import journal

VARIABLE = "REELWRIGHT_STATE"
"""Another folder for the records, instead of the user's own state folder."""


_seen: set[tuple[Path, Path, str, str]] = set()
"""The records that this process has found written: every paid submit asks."""


def _folder(env: Mapping[str, str]) -> Path:
    given = env.get(VARIABLE)
    return (Path(given) if given else platformdirs.user_state_path("reelwright")) / "homes"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class _Record:
    """lanes: hashes of those that it pays on. store: a hash of the store that it shares, "" for a file of its own."""

    home: Path
    lanes: frozenset[str]
    store: str

    @property
    def is_there(self) -> bool:
        """Whether it still has a store or, where the store is shared, a journal of what it has paid for."""
        return any((self.home / name).exists() for name in (STORE, journal.NAME))


def record(home: Path, lane: str, env: Mapping[str, str], shared: str = "") -> None:
    """Record that a data folder pays on a lane. Never fails: without a record there is only no warning.

    shared: which store, where several machines share it (`Store.shared`).
    """
    folder = _folder(env)
    path = folder / f"{_hash(str(home))}.json"
    if (folder, home, lane, shared) in _seen and path.exists():
        return
    known, store = _read(path), _hash(shared) if shared else ""
    lanes = known.lanes if known else frozenset[str]()
    if known and _hash(lane) in lanes and known.store == store:
        _seen.add((folder, home, lane, shared))
        return
    part = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        noted = {"home": str(home), "lanes": sorted(lanes | {_hash(lane)}), "store": store}
        part.write_text(json.dumps(noted), "utf-8")
        part.replace(path)


def sharing(home: Path, env: Mapping[str, str]) -> list[Path]:
    """Other existing data folders that have paid on a lane that this one pays on, and have their own limits."""
    own = _read(_folder(env) / f"{_hash(str(home))}.json")
    if own is None:
        return []
    found = [one for one in _others(home, env) if not own.store or one.store != own.store]
    return [one.home for one in found if one.lanes & own.lanes]


def others(home: Path, env: Mapping[str, str]) -> list[Path]:
    """Every other existing data folder of this user that has paid on any lane: two keys may belong to one account."""
    return [one.home for one in _others(home, env)]


def _others(home: Path, env: Mapping[str, str]) -> list[_Record]:
    found: list[_Record] = []
    with suppress(OSError):
        for path in sorted(_folder(env).glob("*.json")):
            other = _read(path)
            if other and other.home != home and other.is_there:
                found.append(other)
    return found


def _read(path: Path) -> _Record | None:
    try:
        content: object = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict):
        return None
    record = cast("dict[str, object]", content)
    lanes = record.get("lanes")
    if not isinstance(record.get("home"), str) or not isinstance(lanes, list):
        return None
    known = frozenset(str(lane) for lane in cast("list[object]", lanes))
    return _Record(Path(str(record["home"])), known, str(record.get("store") or ""))
