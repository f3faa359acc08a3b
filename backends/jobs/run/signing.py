"""The signed copies of what a job has made: of its clip, and of every further picture or clip that users are given.

What was made or delivered stays in the store byte for byte; a signed copy lies beside it, under a name that holds the
file's hash, so that a second run after a crash uses the same one. Signing is an extra: if it fails, the file is
published unsigned, and the job's notes say why.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from backends.errors import VideoError
from backends.jobs import fetching, preferences
from backends.jobs.context import Context, program_version
from backends.jobs.crashpoints import crash_point
from backends.jobs.files import copies
from backends.jobs.files.artifacts import disk_errors, fsync_folder
from backends.jobs.files.names import stem_of
from backends.jobs.files.signed import further_of, unsigned
from backends.jobs.run import sources
from backends.jobs.store.stored_job import StoredJob
from backends.media.hashing import sha256_now
from backends.media.magic import sniff
from backends.media.provenance.manifest import TRAINED, Made, Part, name_of
from backends.provider.protocol import JsonObject

OFF = "not signed: signing is turned off (reelwright config set sign on)"
SPARE = 16 << 20
"""Bytes of the disk that are left free."""
FURTHER_BESIDE = "further files that cannot hold a manifest (C2PA) have it in a file beside them: {names}"


@dataclass(frozen=True)
class _Pen:
    """What all files of one job are signed with."""

    context: Context
    made: Made
    parts: Sequence[Part]
    keys: Mapping[str, str]

    def sign(self, path: Path, sha256: str, made: Made, parts: Sequence[Part], beside: Path) -> JsonObject:
        """The record of the signed copy, new or existing: file, sha256, embedded, source. beside: the manifest's name
        where the file cannot hold it."""
        whole = path.with_name(f"signed-{sha256[:16]}{path.suffix}")
        for there in (whole, beside):
            if there.exists():
                embedded = there is whole
                return {"file": str(there), "sha256": sha256_now(there), "embedded": embedded, "source": made.source}
        part = copies.part_beside(path)
        try:
            with disk_errors("signing the clip"):
                _room(path)
                done = self.context.sandbox.sign(path, part, made, parts, self.keys)
                target = whole if done["embedded"] else beside
                copies.flush(part)
                part.chmod(copies.KEPT)
                found = sha256_now(part)
                copies.put_in_place(part, target)
                fsync_folder(target.parent)
        finally:
            copies.remove_kept(part)
        return {"file": str(target), "sha256": found, **done}


def sign(context: Context, job: StoredJob, result: JsonObject, joined: Sequence[Path] = ()) -> list[str]:
    """Make the signed copies, or use existing ones; `result` gets `signed` and `source`. Returns notes. joined: the
    delivered files of which the clip was joined."""
    clip, sha256 = unsigned(result)
    key = f"{job.id} {result['sha256']}"
    try:
        wish = preferences.signing(context.store)
        source = sources.of_job(context.store, job, joined=bool(joined))
        result["source"] = source
        if not wish.on:
            return [OFF]
        fetching.bring_sources(context, job.row)
        parts, parent = sources.parts_of(context.store, job, joined)
        made = _made(context, job, result, key, source, parent, wish.prompt)
        pen = _Pen(context, made, parts, wish.keys(context.settings.signing))
        signed = pen.sign(clip, sha256, made, parts, clip.with_name(f"signed-{sha256[:16]}.c2pa"))
    except Exception as error:  # any failure: the clip matters more than its signature
        return [f"not signed (C2PA): {_words(error)}"[:400]]
    result["signed"] = {**signed, "manifest": name_of(key)}
    result["source"] = signed["source"]
    notes = _sign_further(pen, job, result, joined)
    crash_point("after-signed")
    return notes


def _sign_further(pen: _Pen, job: StoredJob, result: JsonObject, joined: Sequence[Path]) -> list[str]:
    """The same for every further picture or clip; `result["signed"]` gets `files`. Returns notes."""
    notes: list[str] = []
    records: list[JsonObject] = []
    for number, path in enumerate(further_of(result), 1):
        try:
            if sniff(path).startswith(("video/", "image/")):
                records.append(_further(pen, job, result, path, number, part_of_it=path in joined))
        except Exception as error:
            notes.append(f"{path.name}, a further file, is not signed (C2PA): {_words(error)}"[:400])
    if records:
        result["signed"]["files"] = records
    if beside := [Path(one["file"]).name for one in records if not one["embedded"]]:
        notes.append(FURTHER_BESIDE.format(names=", ".join(beside)))
    return notes


def _further(pen: _Pen, job: StoredJob, result: JsonObject, path: Path, number: int, *, part_of_it: bool) -> JsonObject:
    """One further file. part_of_it: the clip was joined from it, so that it is what the service made by itself."""
    sha256 = str(result["kept"].get(path.name) or sha256_now(path))
    key = f"{job.id} {path.name} {sha256}"
    title = f"{Path(pen.made.title).stem}_{number}{path.suffix}"
    made, parts = replace(pen.made, key=key, title=title), pen.parts
    if part_of_it:
        made, parts = replace(made, source=TRAINED, parent=None), ()
    signed = pen.sign(path, sha256, made, parts, path.with_suffix(".c2pa"))
    return {**signed, "of": path.name, "manifest": name_of(key)}


def _words(error: Exception) -> str:
    return error.message if isinstance(error, VideoError) else f"{type(error).__name__}: {error}"


def _room(clip: Path) -> None:
    """There must be room for the signed copy and the published one: the clip matters more than its signature."""
    if shutil.disk_usage(clip.parent).free < 2 * clip.stat().st_size + SPARE:
        raise VideoError("storage", f"the disk is full: a signed copy of the clip has no room in {clip.parent}")


def _made(
    context: Context, job: StoredJob, result: JsonObject, key: str, source: str, parent: str | None, with_prompt: bool
) -> Made:
    stem = stem_of(job.label or job.model) or "clip"
    created = datetime.fromtimestamp(job.created_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Made(
        key=key,
        title=f"{stem}_take{job.take:02d}{unsigned(result)[0].suffix}",
        version=program_version(),
        model=job.model,
        provider=job.provider,
        task=job.task,
        source=cast("Any", source),
        when=created,
        seed=result.get("seed"),
        prompt=job.request.prompt,
        with_prompt=with_prompt,
        watermark=_watermark(context, job.model),
        parent=parent,
    )


def _watermark(context: Context, model: str) -> str:
    """The watermark by the catalogue; "" for none, or for a model that is no longer in it."""
    found = context.catalog.find(model)
    return "" if found is None or found.watermark == "none" else found.watermark
