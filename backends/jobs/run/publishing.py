"""Publishing a clip: it is signed last of all (`signing`), and the signed copy goes to the output folder."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from backends.errors import VideoError
from backends.jobs import clearing, fetching, preferences
from backends.jobs.context import Context, program_version
from backends.jobs.files import copies
from backends.jobs.files.artifacts import disk_errors
from backends.jobs.files.private import private_folder
from backends.jobs.files.signed import copy_of, given_out, record_of
from backends.jobs.order.entries import remember
from backends.jobs.run.signing import sign
from backends.jobs.store.database import Transaction
from backends.jobs.store.stored_job import StoredJob
from backends.media.hashing import is_intact
from backends.media.provenance.manifest import Made
from backends.provider.protocol import JsonObject

BESIDE = "this format cannot hold a manifest (C2PA): it is in {name} beside the clip: keep the two files together"


def leave(context: Context, job: StoredJob, result: JsonObject, joined: Sequence[Path] = ()) -> list[str]:
    """Sign the clip and copy it into the output folder; `result` gets `signed`, `source` and `published`. Returns notes
    for the user. joined: the delivered files of which the clip was joined."""
    notes = sign(context, job, result, joined)
    notes += publish(context, job, result)
    with suppress(VideoError, OSError, ArithmeticError):  # a warning ends no job
        notes += filter(None, [clearing.warning(context.store, context.artifacts, job.id)])
    return notes


def publish(context: Context, job: StoredJob, result: JsonObject) -> list[str]:
    label = job.label or f"{job.model.replace('/', '-')}-{job.id[4:10]}"
    clip, _ = given_out(result)
    try:
        target = context.artifacts.publish(clip, label, job.take, job.id)
    except VideoError as error:
        return [f"the clip is safe at {clip}, but not in the output folder: {error.message}"]
    result["published"] = str(target)
    return _publish_sidecar(context, result, target)


def try_certificate(context: Context, key: str, value: str) -> None:
    """Sign a sample with the certificate as that preference would set it. VideoError("auth") when clips could not be
    signed with it."""
    wish = preferences.signing(context.store)
    path = None if value == preferences.DEFAULTS[key] else Path(value)
    wish = replace(wish, certificate=path) if key == "sign_certificate" else replace(wish, key=path)
    if wish.certificate is None:
        return
    folder = context.artifacts.root / "looks"
    private_folder(folder)
    trial, manifest = folder / f"{secrets.token_hex(8)}.txt", folder / f"{secrets.token_hex(8)}.c2pa"
    made = Made("trial", "trial", program_version(), "none", "none", "none", "algorithmicMedia", "2026-01-01T00:00:00Z")
    try:
        trial.write_bytes(b"signed as a trial")
        context.sandbox.sign(trial, manifest, made, [], wish.keys(context.settings.signing))
    finally:
        trial.unlink(missing_ok=True)
        manifest.unlink(missing_ok=True)


def give_again(context: Context, job: StoredJob) -> str:
    """Publish a finished job's clip again; returns its path. An unchanged published copy is kept.

    VideoError("storage") when it cannot be written or the kept clip is gone.
    """
    result = context.artifacts.places.result_of(job.row)
    fetching.bring(context, result)
    if not given_out(result)[0].exists():
        raise VideoError("storage", f"its kept clip is gone from {Path(result['file']).parent}, and the job has ended")
    if not record_of(result) and "cleared_at" not in result:
        sign(context, job, result)
    published, sha256 = str(result.get("published") or ""), given_out(result)[1]
    if not (published and is_intact(Path(published), sha256)):
        result.pop("published", None)
        notes = publish(context, job, result)
        if "published" not in result:
            raise VideoError("storage", notes[0])

    kept = context.artifacts.places.result_to_row(result)

    def write(tx: Transaction) -> None:
        tx.run("UPDATE jobs SET result = ? WHERE id = ? AND state = 'succeeded'", (kept, job.id))
        remember_copy(tx, job.id, result)

    context.store.write(write)
    return str(result["published"])


def remember_copy(tx: Transaction, job: str, result: Mapping[str, Any]) -> None:
    """Remember the signed copy's hash: if it comes back as an input, by its published name, it is known as the job's
    clip."""
    if (copy := copy_of(result)) is not None and "export" not in result:
        known: JsonObject = {"facts": result["clip_facts"], "sidecar": result.get("sidecar") or {}}
        remember(tx, copy[1], {**known, "from_job": job, "original": result["sha256"]})


def _publish_sidecar(context: Context, result: JsonObject, target: Path) -> list[str]:
    signed = cast("JsonObject", result.get("signed") or {})
    if not signed or signed["embedded"]:
        return []
    beside = target.with_suffix(".c2pa")
    kept = Path(signed["file"])
    try:
        with disk_errors(f"copying the manifest into {target.parent}"):
            if copies.copy_new(kept, beside) or beside.read_bytes() == kept.read_bytes():
                signed["sidecar"] = str(beside)
                return [BESIDE.format(name=beside.name)]
    except VideoError as error:
        return [f"its manifest (C2PA) is safe at {kept}, but not beside the clip: {error.message}"]
    return [f"its manifest (C2PA) is at {kept}: another file is called {beside.name}"]
