"""Other data folders of the same user that spend on the same account: each has its own limits, so a day's spending
limit counts once in each. Every data folder leaves a small record, without secrets, where all of them look."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

import platformdirs

VARIABLE = "REELWRIGHT_STATE"
"""Another folder for the records, instead of the user's own state folder."""


_seen: set[tuple[Path, Path, str]] = set()
"""The records that this process has found written: every paid submit asks."""


def _folder(env: Mapping[str, str]) -> Path:
    given = env.get(VARIABLE)
    return (Path(given) if given else platformdirs.user_state_path("reelwright")) / "homes"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def record(home: Path, lane: str, env: Mapping[str, str]) -> None:
    """Record that a data folder pays on a lane. Never fails: without a record there is only no warning."""
    folder = _folder(env)
    if (folder, home, lane) in _seen:
        return
    path = folder / f"{_hash(str(home))}.json"
    known = _read(path)
    lanes = known[1] if known else []
    if _hash(lane) in lanes:
        _seen.add((folder, home, lane))
        return
    part = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_text(json.dumps({"home": str(home), "lanes": [*lanes, _hash(lane)]}), "utf-8")
        part.replace(path)


def sharing(home: Path, env: Mapping[str, str]) -> list[Path]:
    """Other existing data folders that have paid on a lane that this one pays on."""
    own = _read(_folder(env) / f"{_hash(str(home))}.json")
    return [] if own is None else [path for path, lanes in _others(home, env) if set(lanes) & set(own[1])]


def others(home: Path, env: Mapping[str, str]) -> list[Path]:
    """Every other existing data folder of this user that has paid on any lane: two keys may belong to one account."""
    return [path for path, _ in _others(home, env)]


def _others(home: Path, env: Mapping[str, str]) -> list[tuple[Path, list[str]]]:
    found: list[tuple[Path, list[str]]] = []
    with suppress(OSError):
        for path in sorted(_folder(env).glob("*.json")):
            other = _read(path)
            if other and other[0] != home and (other[0] / "reelwright.db").exists():
                found.append(other)
    return found


def _read(path: Path) -> tuple[Path, list[str]] | None:
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
    return Path(str(record["home"])), [str(lane) for lane in cast("list[object]", lanes)]
