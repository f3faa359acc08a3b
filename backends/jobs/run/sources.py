"""What a clip was made from, for its manifest: the files of its inputs, and its C2PA source type."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from backends.jobs.files.places import Places
from backends.jobs.files.signed import record_of
from backends.jobs.store.database import Store
from backends.jobs.store.stored_job import StoredJob
from backends.media.provenance.manifest import TRAINED, WITH_TRAINED, Part, SourceType

GOES_ON = frozenset({"extend", "edit", "upscale"})
"""Tasks whose clip continues or changes the source clip."""

_TITLES = {"source_clip": "source clip", "references": "reference", "frames": "keyframe", "added": "added part"}


def of_job(store: Store, job: StoredJob, *, joined: bool = False) -> SourceType:
    """The source type of a job's clip, by what made it and what it was made from. joined: it was joined from a
    delivered part and its source.

    A clip that a generative model made alone is trained media; where it continues something else it is a composite. An
    engine without a model makes algorithmic media, unless a model had a part in its inputs.
    """
    given = [_kind_of(store, str(entry.get("from_job") or entry.get("job") or "")) for entry in job.inputs.values()]
    if job.provider == "edit":
        return WITH_TRAINED if any(map(_trained, given)) else "composite"
    if job.engine == "previs":
        return WITH_TRAINED if any(map(_trained, given)) else "algorithmicMedia"
    if joined or (job.task in GOES_ON and any(kind != TRAINED for kind in given)):
        return WITH_TRAINED
    return TRAINED


def _trained(kind: str) -> bool:
    return kind in (TRAINED, WITH_TRAINED)


def _kind_of(store: Store, job: str) -> str:
    """The source type of an input that is a job's clip; "" for a user's file, of which nothing is known."""
    row = store.row("SELECT engine, result FROM jobs WHERE id = ?", (job,)) if job else None
    if row is None:
        return ""
    result = cast("Mapping[str, Any]", json.loads(row["result"] or "{}"))
    return str(result.get("source") or {"generative": TRAINED, "previs": "algorithmicMedia"}.get(row["engine"], ""))


def parts_of(store: Store, job: StoredJob, joined: Sequence[Path] = ()) -> tuple[list[Part], str | None]:
    """The ingredients, and the label of the one that the clip continues.

    A job's clip is named by its signed copy, so that its own manifest comes along.
    """
    entries = Places.of(store).entries(job.inputs)
    parts: list[Part] = []
    for number, (place, entry) in enumerate(entries.items()):
        if path := _file(store, entry):
            parts.append(Part(f"input{number}", _title(place), path))
    parts += [Part(f"delivered{number}", "added part", str(path)) for number, path in enumerate(joined)]
    goes_on = job.task in GOES_ON and "source_clip" in entries
    labels = [part.label for part in parts if part.title == _TITLES["source_clip"]]
    return parts, labels[0] if goes_on and labels else None


def _file(store: Store, entry: Mapping[str, Any]) -> str:
    job = entry.get("from_job") or entry.get("job")
    row = store.row("SELECT result FROM jobs WHERE id = ?", (job,)) if job else None
    if row is not None and row["result"]:
        signed = record_of(Places.of(store).result_of(row))
        if signed.get("embedded") and Path(str(signed["file"])).exists():
            return str(signed["file"])
    return str(entry.get("path") or "")


def _title(place: str) -> str:
    """The purpose of an input, in words: never its file's name or tag, which are private to the user."""
    known = next((title for start, title in _TITLES.items() if place.startswith(start)), "input")
    return known if known == _TITLES["source_clip"] else f"{known} {_number(place)}".strip()


def _number(place: str) -> str:
    inside = place.partition("[")[2].partition("]")[0]
    return str(int(inside) + 1) if inside.isdigit() else ""
