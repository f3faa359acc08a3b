"""Putting bytes where every machine of a store finds them, before a row names them; and removing them from there.

A row may only name what is kept. So its writer first puts the bytes there (`share`), then checks in the row's own
transaction (`check`) whether a clean-up has begun or ended meanwhile, which may have removed them; if so, both steps
are repeated. The clean-up (`sweep`) records what it is going to remove in the same transaction in which it reads all
rows.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from backends.jobs.files.artifacts import Artifacts
from backends.jobs.files.objects import Stored
from backends.jobs.files.signed import record_of, records_of
from backends.jobs.store.database import Store, Transaction, to_json
from backends.provider.protocol import JsonObject

ID, SWEEP = "bucket_folder", "bucket_sweep"
"""Keys in the store's settings."""

BATCH = 200
SLICE = 20
"""How many objects are removed between two checks of the time."""

LEFT_S = 3600.0
"""Seconds after which an unfinished clean-up counts as killed; a running one stops removing after half of that."""

YOUNG_S = 86400.0
"""Seconds. Newer objects stay: the row that names them may not be written yet."""


class BlobGone(Exception):
    """A blob is gone: a refused call or a clean-up has removed it."""


@dataclass(frozen=True)
class Shared:
    """What was put there, and the number of the last clean-up before that."""

    hashes: frozenset[str] = frozenset()
    sweeps: int = 0


def folder_of(store: Store) -> str:
    """The store's folder in a bucket, chosen once in its life: 16 hex digits."""

    def write(tx: Transaction) -> str:
        tx.run(
            "INSERT INTO settings(key, value, at) VALUES (?, ?, ?) ON CONFLICT(key) DO NOTHING",
            (ID, secrets.token_hex(8), tx.now()),
        )
        row = tx.row("SELECT value FROM settings WHERE key = ?", (ID,))
        return str(row["value"]) if row else ""

    known = store.row("SELECT value FROM settings WHERE key = ?", (ID,))
    return str(known["value"]) if known else store.write(write, durable=True)


def share(store: Store, artifacts: Artifacts, files: Mapping[Path, str]) -> Shared:
    """Put files (path -> sha256) where every machine finds them. `Away` where that cannot be done now; does nothing
    where files lie in the data folder only."""
    if not artifacts.objects.where:
        return Shared()
    sweeps = int(_state(store)["sweeps"])
    for path, sha256 in files.items():
        artifacts.objects.put(path, sha256, soon=True)
    return Shared(frozenset(files.values()), sweeps)


def check(tx: Transaction, shared: Shared) -> None:
    """BlobGone when a clean-up may have removed what was shared. Call it in the transaction that writes the row."""
    if not shared.hashes:
        return
    state = _state(tx)
    if state["sweeps"] != shared.sweeps:
        raise BlobGone(str(state["sweeps"]))
    if tx.now() - state["at"] < LEFT_S and (going := shared.hashes.intersection(state["going"])):
        raise BlobGone(next(iter(going)))


def inputs_of(entries: Mapping[str, JsonObject]) -> dict[Path, str]:
    """The files of a job's resolved inputs, with their hashes."""
    found: dict[Path, str] = {}
    for entry in entries.values():
        source = cast("JsonObject", entry.get("still_of") or entry)
        if "sha256" in source and "path" in source:
            found[Path(source["path"])] = str(source["sha256"])
    return found


def files_of(result: Mapping[str, Any]) -> dict[Path, str]:
    """The files of a finished job, with their hashes, without those that were removed (`jobs clean`)."""
    if "file" not in result or "cleared_at" in result:
        return {}
    clip = Path(result["file"])
    kept = cast("Mapping[str, str]", result.get("kept") or {})  # earlier versions hashed only the clip
    found = {clip.parent / name: sha256 for name, sha256 in kept.items()}
    found[clip] = str(result["sha256"])
    for one in (record_of(result), *records_of(result)):
        if one:
            found[Path(one["file"])] = str(one["sha256"])
    return found


def sweep(
    store: Store, artifacts: Artifacts, needed: Callable[[Transaction], Collection[str]], found: Collection[Stored]
) -> int:
    """Remove those of `found` that nothing needs; returns the bytes freed. needed: the hashes that rows name, read in
    that transaction."""
    old = [one for one in found if store.now() - one.at > YOUNG_S]
    freed = 0
    for first in range(0, len(old), BATCH):
        batch = {one.sha256: one.bytes for one in old[first : first + BATCH]}
        begun = store.now()
        mine, going = store.write(lambda tx, batch=batch: _begin(tx, batch.keys() - set(needed(tx))), durable=True)
        names = sorted(going)
        for at in range(0, len(names), SLICE):
            if store.now() - begun >= LEFT_S / 2:
                break
            some = names[at : at + SLICE]
            artifacts.objects.delete(some)
            freed += sum(batch[one] for one in some)
        if going:
            store.write(lambda tx, mine=mine: _end(tx, mine), durable=True)
    return freed


def _begin(tx: Transaction, going: Collection[str]) -> tuple[int, Collection[str]]:
    """The clean-up's number and what it may remove: nothing while another one is running."""
    state = _state(tx)
    mine = int(state["sweeps"]) + 1
    if state["going"] and tx.now() - state["at"] < LEFT_S:
        return mine, ()
    if going:
        _put(tx, mine, going)
    return mine, going


def _end(tx: Transaction, mine: int) -> None:
    """Nothing where another clean-up has begun since, because this one counted as killed."""
    if int(_state(tx)["sweeps"]) == mine:
        _put(tx, mine + 1, ())


def _put(tx: Transaction, sweeps: int, going: Collection[str]) -> None:
    value = to_json({"sweeps": sweeps, "going": sorted(going), "at": tx.now()})
    tx.run(
        "INSERT INTO settings(key, value, at) VALUES (?, ?, ?) "
        "ON CONFLICT(key) DO UPDATE SET value = excluded.value, at = excluded.at",
        (SWEEP, value, tx.now()),
    )


def _state(source: Store | Transaction) -> JsonObject:
    row = source.row("SELECT value FROM settings WHERE key = ?", (SWEEP,))
    return json.loads(row["value"]) if row else {"sweeps": 0, "going": [], "at": 0.0}
