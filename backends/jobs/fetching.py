"""Fetching a finished job's files to this machine when another machine made them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.files import cache
from backends.jobs.files.artifacts import Artifacts
from backends.jobs.files.sharing import files_of
from backends.jobs.files.signed import copy_of, further_given_out, given_out, record_of
from backends.jobs.store.database import Row
from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import Job
from backends.media.hashing import is_intact


def bring(context: Context, result: Mapping[str, Any]) -> str:
    """Fetch the files of a job that users are given (the clip as published, its poster, its manifest, further files)
    where they are not here. Returns why that failed, else "". result: with paths.

    Does nothing where files are kept in the data folder only.
    """
    artifacts = context.artifacts
    if not artifacts.objects.where:
        return ""
    known = files_of(result)
    missing = [path for path in _wanted(artifacts, result) if path in known and not path.exists()]
    try:
        for path in missing:
            artifacts.check_kept(path, known[path], f"the kept file {path.name}")
    except VideoError as error:
        return f"its files are not here, and cannot be fetched now: {error.message}"
    if missing:
        cache.make_room(context.store, artifacts, context.cache_bytes)
    return ""


def bring_job(context: Context, job: StoredJob) -> str:
    """The same for a job that has succeeded; nothing for any other."""
    if job.state != "succeeded" or not context.artifacts.objects.where:
        return ""
    return bring(context, context.artifacts.places.result_of(job.row))


def _wanted(artifacts: Artifacts, result: Mapping[str, Any]) -> list[Path]:
    if "file" not in result or "cleared_at" in result:
        return []
    record = record_of(result)
    whole = Path(record["file"]) if record.get("embedded") else Path(result.get("export") or result["file"])
    poster = [Path(result["poster"])] if result.get("poster") else []
    manifest = [Path(record["file"])] if record and not record["embedded"] else []
    return [whole, *poster, *manifest, *map(Path, further_given_out(result))]


def bring_sources(context: Context, row: Row) -> None:
    """Fetch a job's inputs, and the signed copies of the clips that it was made from, where they are not here: another
    machine may have made them or started the job. What cannot be fetched stays missing, and the code that needs it
    reports that."""
    artifacts = context.artifacts
    if not artifacts.objects.where:
        return
    for entry in artifacts.places.inputs_of(row).values():
        if "sha256" in entry and "path" in entry:
            with suppress(VideoError):
                artifacts.check_kept(Path(entry["path"]), entry["sha256"], "an input")
        source = context.store.row("SELECT result FROM jobs WHERE id = ?", (entry.get("from_job", ""),))
        copy = copy_of(artifacts.places.result_of(source)) if source else None
        if copy is not None:
            with suppress(VideoError):
                artifacts.check_kept(*copy, "the signed copy of an input")


def here(context: Context, stored: StoredJob, job: Job, why: str) -> Job:
    """A finished job as shown on this machine, with only the files that are here. A published path of another machine
    is left out, since this machine's output folder may hold another clip of that name. why: the note about files that
    are not here."""
    if not context.artifacts.objects.where or stored.state != "succeeded" or job.file is None:
        return job
    result = context.artifacts.places.result_of(stored.row)
    kept, sha256 = given_out(result)
    file = next((path for path in (job.file, str(kept)) if is_intact(Path(path), sha256)), None)
    further = [path for path in job.files if path != job.file and Path(path).exists()]
    poster = job.poster if job.poster and Path(job.poster).exists() else None
    notes = [*job.notes, why] if why else job.notes
    files = [file, *further] if file else further
    return job.model_copy(update={"file": file, "files": files, "poster": poster, "notes": notes})
