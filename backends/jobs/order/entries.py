"""Entries: how an input stands in a job's row, as JSON by the place it stands in.

{"sha256", "path", "facts", "sidecar"}                    resolved; the row leaves the path out (+ "original": the
                                                          hash of the clip that it is the signed copy of;
                                                          "from_job": the job that made it)
{"url"} | {"job", "part", "t"} | {"still_of", "part", "t"} (+ "facts" as predicted)   pending
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
"""What is done with an input: it is copied into the store (for a job); only its hash is taken (for a quote, which may
be the job that is there already); only its facts are found (for an estimate)."""


@dataclass(frozen=True)
class Resolved:
    """The inputs of one request. entries: as kept in the row. hashes: by place, what stands for the content in the
    request's digest. facts: what is known (or predicted) of each. needs: unfinished jobs to wait for. added: the blobs
    that this very look has put into the store. notes: what to tell of how files were found. loras: the files among the
    request's LoRAs, by place. made_of: the revision of the model that the request names, "" for most."""

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


def told_of(entry: JsonObject) -> list[str]:
    """What the user of a still should know of it, taken out of its entry."""
    return [str(entry.pop("note"))] if "note" in entry else []


def content_of(entry: Mapping[str, Any], otherwise: str) -> str:
    """What stands for an input's content in the request's digest: its hash, a signed copy's being its clip's."""
    return str(entry.get("original") or entry.get("sha256") or otherwise)


def check_there(entries: Mapping[str, JsonObject]) -> None:
    """BlobGone when an input's copy is not there. To be asked in the transaction that writes the entries: `forget`
    removes a blob in one too, after a look at all rows, so either that look sees the row or this one sees the gap."""
    for entry in entries.values():
        source: JsonObject = entry.get("still_of") or entry
        if not is_pending(source) and not Path(source["path"]).exists():
            raise BlobGone(source["sha256"])


def remember(tx: Transaction, sha256: str, record: JsonObject) -> None:
    """Keep what is known of a blob; a sidecar that is already known stays."""
    tx.run(
        "INSERT INTO blobs(sha256, facts, at) VALUES (?, ?, ?) "
        "ON CONFLICT(sha256) DO UPDATE SET facts = excluded.facts WHERE ? = 1",
        (sha256, to_json(record), time.time(), int(bool(record.get("sidecar")))),
    )


def assets_of(entries: Mapping[str, JsonObject]) -> dict[str, Asset]:
    """The resolved entries as assets, by place."""
    return {place: codec.asset_from_json(place, entry) for place, entry in entries.items() if not is_pending(entry)}


def source_seconds(job: StoredJob) -> float:
    """How long the clip is that a job extends; 0 when that is not known."""
    entry: JsonObject = job.inputs.get("source_clip", {})
    facts: JsonObject = entry.get("facts") or {}
    return float(facts.get("duration_s") or 0)
