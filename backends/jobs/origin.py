"""Where a file comes from: its manifest (C2PA), compared with what this data folder knows of its own clips.

A manifest covers most of a file's bytes, not all (not its own padding and a few header bytes). A clip that was signed
here is known byte for byte, so any changed byte is found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backends.errors import Next, VideoError
from backends.jobs import archive, fetching, preferences
from backends.jobs.context import Context
from backends.jobs.files.signed import given_out, record_of, under
from backends.jobs.store.database import Row, Store
from backends.jobs.store.stored_job import StoredJob
from backends.media.hashing import is_intact, sha256_now
from backends.media.provenance import ROOT, words
from backends.media_name import MediaName

CHANGED = "file.changed"
"""The fault of a clip of ours whose bytes differ from those that were signed."""


@dataclass(frozen=True)
class Origin:
    """text: what was found, in words. facts: the record of `reading.read`, with `job` where the file is a job's
    clip."""

    text: str
    facts: Mapping[str, Any]

    @property
    def is_whole(self) -> bool:
        """Signed, and neither it nor anything that it was made from was changed."""
        return self.facts["state"] in ("trusted", "valid") and not words.tampered_parts(self.facts)


def origin_of(context: Context, name: MediaName, principal: str) -> Origin:
    """What a file, or a finished job's clip, claims about its origin. VideoError("asset") when it may not be used, or
    the job is not finished."""
    if name.kind == "url":
        raise VideoError("asset", "provenance looks at local files and jobs: save the clip first and give its path")
    if name.kind == "path":
        return _of_file(context, name.value)
    job = archive.stored_job(context.store, name.value, principal)
    if job is None:
        raise VideoError("not_found", f"there is no job {name.value[:80]}", next=Next("list_jobs"))
    if job.state != "succeeded":
        raise VideoError("asset", f"job {name.value} is {job.state}: it has no clip", next=Next("wait_for_job"))
    return of_job(context, job)


def of_job(context: Context, job: StoredJob) -> Origin:
    """The same for the clip that a finished job has given out: the published one while it exists."""
    result = context.artifacts.places.result_of(job.row)
    published = Path(str(result.get("published") or ""))
    fetching.bring(context, result)
    path = published if published.is_file() and _is_ours(context, published, result) else given_out(result)[0]
    if not path.is_file():
        raise VideoError("asset", f"the clip of job {job.id} is gone from {path.parent}")
    found = _read(context, path, _sidecar_of(result))
    if record_of(result).get("embedded") and sha256_now(path) != record_of(result)["sha256"]:
        found = _changed(found)
    return _origin({**found, "job": job.id})


def _is_ours(context: Context, published: Path, result: Mapping[str, Any]) -> bool:
    """Where machines share a bucket: whether a published file is this machine's copy, and not another file of that
    name."""
    return not context.artifacts.objects.where or is_intact(published, given_out(result)[1])


def _of_file(context: Context, text: str) -> Origin:
    with context.inputs.files.opened(text) as opened:
        found = of_open(context, opened.path, text)
        return replace(found, text=f"{found.text}\n{opened.note}") if opened.note else found


def of_open(context: Context, path: Path, text: str) -> Origin:
    """The same for an open file of the user's. path: leads to it; text: its name as given, beside which a manifest may
    lie."""
    with ExitStack() as stack:
        sidecar = None
        with suppress(VideoError):
            beside = str(Path(text).with_suffix(".c2pa"))
            sidecar = stack.enter_context(context.inputs.files.opened(beside)).path
        found = _read(context, path, sidecar)
        job = _signer_of(context.store, str(found.get("manifest") or ""))
        if job is not None:
            found["job"] = job["id"]
            record = under(json.loads(job["result"]), str(found["manifest"]))
            if record.get("embedded") and sha256_now(path) != record["sha256"]:
                found = _changed(found)
        moved = _published_there(context, text) if found["state"] == "missing" else ""
        return _origin(found, *([moved] if moved else []))


def _read(context: Context, path: Path, sidecar: Path | None) -> dict[str, Any]:
    certificate = preferences.signing(context.store).certificate
    anchors = [context.settings.signing / ROOT, *([certificate] if certificate else [])]
    return context.sandbox.provenance(path, sidecar, anchors)


def _sidecar_of(result: Mapping[str, Any]) -> Path | None:
    record = record_of(result)
    if not record or record["embedded"]:
        return None
    beside = Path(str(record.get("sidecar") or ""))
    return beside if beside.is_file() else Path(str(record["file"]))


def _signer_of(store: Store, manifest: str) -> Row | None:
    """The job whose clip was signed under that manifest's name."""
    if not manifest:
        return None
    return store.row(
        "SELECT id, result FROM jobs WHERE state = 'succeeded' AND instr(result, ?) > 0 ORDER BY seq DESC LIMIT 1",
        (f'"manifest":"{manifest}"',),
    )


def _changed(found: dict[str, Any]) -> dict[str, Any]:
    """Whether one of our clips differs, in any byte, from what was signed."""
    faults = [*found.get("faults", ()), CHANGED]
    return {**found, "state": "tampered", "faults": list(dict.fromkeys(faults))}


def _published_there(context: Context, text: str) -> str:
    """The note for a file without a manifest at a path where a signed clip was put; "" for any other."""
    with suppress(VideoError):
        path = context.inputs.files.checked_path(text)
        names = (str(path), context.artifacts.places.outside(path))  # the forms of earlier versions and of this one
        row = context.store.row(
            "SELECT id, result FROM jobs WHERE state = 'succeeded' AND (instr(result, ?) > 0 OR instr(result, ?) > 0) "
            "ORDER BY seq DESC LIMIT 1",
            [f'"published":{json.dumps(name)}' for name in names],
        )
        if row is not None and record_of(json.loads(row["result"])).get("embedded"):
            return f"the signed clip of job {row['id']} was put there: it was changed or replaced since"
    return ""


def _origin(found: Mapping[str, Any], *notes: str) -> Origin:
    texts = words.lines(found)
    if "job" in found:
        texts.append(f"it is the clip of job {found['job']}")
    return Origin("\n".join([*texts, *notes]), found)
