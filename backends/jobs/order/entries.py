"""Entries: the form of an input in a job's row, as JSON by its place in the request.

{"sha256", "path", "facts", "sidecar"}    resolved; the row omits the path (+ "original": of a signed copy, the
                                          hash of its clip; "from_job": the job that made it)
{"url"} | {"job", "part", "t"} | {"still_of", "part", "t"}    pending (+ "facts" as predicted)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from backends.facts import MediaFacts
from backends.jobs.files.sharing import BlobGone
from backends.jobs.order.lora_files import LoraFile
from backends.jobs.store import codec
from backends.jobs.store.database import Transaction, to_json
from backends.jobs.store.stored_job import StoredJob
from backends.provider.protocol import Asset, JsonObject

Keep = Literal["copy", "hash", "look"]
"""What happens to an input: it is copied into the store (for a job); only hashed (for a quote, which may find an
existing job); only inspected (for an estimate)."""


@dataclass(frozen=True)
class Resolved:
    """The inputs of one request. entries: as kept in the row. hashes: by place, what represents the content in the
    request's digest. facts: known or predicted, of each. needs: unfinished jobs to wait for. added: blobs that this
    call has put into the store. notes: about how files were found. loras: the request's LoRA files, by place. made_of:
    the revision of the model that the request names, "" for most."""

    entries: dict[str, JsonObject]
    hashes: dict[str, str]
    facts: dict[str, MediaFacts]
    needs: tuple[str, ...]
    added: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    loras: Mapping[str, LoraFile] = field(default_factory=dict[str, LoraFile])
    made_of: str = ""


def is_pending(entry: Mapping[str, Any]) -> bool:
    return "sha256" not in entry


def note_of(entry: JsonObject) -> list[str]:
    """The note for the user of a still, removed from its entry."""
    return [str(entry.pop("note"))] if "note" in entry else []


def content_of(entry: Mapping[str, Any], otherwise: str) -> str:
    """What represents an input's content in the request's digest: its hash; for a signed copy, the hash of the original
    clip."""
    return str(entry.get("original") or entry.get("sha256") or otherwise)


def check_there(entries: Mapping[str, JsonObject]) -> None:
    """BlobGone when an input's copy is missing. Call it in the transaction that writes the entries: `forget` also
    removes a blob in one transaction after reading all rows, so either it sees the row, or this call sees that the blob
    is gone."""
    for entry in entries.values():
        source: JsonObject = entry.get("still_of") or entry
        if not is_pending(source) and not Path(source["path"]).exists():
            raise BlobGone(source["sha256"])


def remember(tx: Transaction, sha256: str, record: JsonObject) -> None:
    """Keep the facts of a blob; a sidecar that is already known stays."""
    tx.run(
        "INSERT INTO blobs(sha256, facts, at) VALUES (?, ?, ?) "
        "ON CONFLICT(sha256) DO UPDATE SET facts = excluded.facts WHERE ? = 1",
        (sha256, to_json(record), time.time(), int(bool(record.get("sidecar")))),
    )


def assets_of(entries: Mapping[str, JsonObject]) -> dict[str, Asset]:
    """The resolved entries as assets, by place."""
    return {place: codec.asset_from_json(place, entry) for place, entry in entries.items() if not is_pending(entry)}


def source_seconds(job: StoredJob) -> float:
    """The length of the clip that a job extends; 0 when it is not known."""
    entry: JsonObject = job.inputs.get("source_clip", {})
    facts: JsonObject = entry.get("facts") or {}
    return float(facts.get("duration_s") or 0)
