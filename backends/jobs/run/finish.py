"""The last step of every job: look at the clip, keep it, link it for people, book the money, say so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.jobs import records
from backends.jobs.context import Context
from backends.jobs.crashpoints import crash_point
from backends.jobs.files import cache, sharing
from backends.jobs.files.objects import Away
from backends.jobs.files.sharing import BlobGone, Shared
from backends.jobs.money import settle
from backends.jobs.order.entries import remember
from backends.jobs.records import Hold
from backends.jobs.run.comparison import Comparison, compare
from backends.jobs.run.leaving import leave, remember_copy
from backends.jobs.run.signing import sign
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Transaction
from backends.media.hashing import sha256_now
from backends.provider.protocol import JsonObject

KEPT_HERE = "the clip is kept here, and is put into the bucket later"
"""How the phase begins of a job that waits for the bucket alone."""


def finish(
    context: Context,
    hold: Hold,
    row: Row,
    clip: Path,
    *,
    extras: Sequence[Path] = (),
    joined: int = 0,
    further_clips: int = 0,
    export: Path | None = None,
    sidecar: JsonObject | None = None,
    facts: Mapping[str, object] | None = None,
    seed: int | None = None,
    notes: Sequence[str] = (),
    cost_usd: Decimal | None = None,
) -> None:
    """Blocking: call it on a thread. A clip that cannot be read is VideoError("asset" or "provider"), its bytes are
    kept; OwnFault when it is this program that cannot read it; `Away` when all is done but the bucket has not taken the
    files. joined: how many of the extras, the first ones, are what
    the clip was joined from. further_clips: how many of the extras are clips that a
    service has delivered beside the one that was asked for. export: what people get instead of the clip.

    Files are committed before the row says so: a kill between the two makes this run again with the same outcome.
    """
    job, artifacts = str(row["id"]), context.artifacts
    folder = artifacts.job(job)
    if not clip.exists() and (folder / f"clip{clip.suffix}").exists():
        clip = folder / f"clip{clip.suffix}"
    clip_facts = context.sandbox.check(clip)
    if clip_facts.kind != "clip":
        raise VideoError("provider", f"what came back is no video ({clip_facts.mime}); it is kept at {clip}")
    told = list(notes)
    files = {f"clip{clip.suffix}": clip}
    poster = artifacts.spool(job) / "poster.jpg"
    try:
        context.sandbox.poster(clip, poster)
        files["poster.jpg"] = poster
    except VideoError as error:  # an extra: the clip is here, and can be read
        if error.kind == "storage":
            raise
        told.append(f"no poster could be made of it: {error.message}")
    sha256 = sha256_now(clip)
    files |= {f"extra{number}{path.suffix}": path for number, path in enumerate(extras, 1)}
    if export is not None:
        files[f"export{export.suffix}"] = export
    prepared = json.loads(row["prepared"])
    result: JsonObject = {
        "sha256": sha256,
        "clip_facts": codec.facts_to_json(clip_facts),
        "sidecar": sidecar or {},
        "facts": dict(facts or {}),
        "seed": seed if seed is not None else prepared["request"]["seed"],
    }
    meta = {
        "job": job,
        "model": row["model"],
        "request": prepared["request"],
        "created_at": row["created_at"],
        **result,
    }
    placed = artifacts.commit(job, files, meta)
    result["file"] = str(placed[f"clip{clip.suffix}"])
    if "poster.jpg" in placed:
        result["poster"] = str(placed["poster.jpg"])
    there = [path for path in (*placed.values(), folder / "meta.json") if path.exists()]
    hashes = {f"clip{clip.suffix}": sha256}
    result["kept"] = {path.name: hashes.get(path.name) or sha256_now(path) for path in there}
    result["extras"] = [str(path) for name, path in placed.items() if name.startswith("extra")]
    compared = _compared(context, row, clip_facts, further_clips)
    if compared.asked:
        result["asked"] = compared.asked
    told += compared.notes
    if export is not None:
        result["export"] = str(placed[f"export{export.suffix}"])
    parts = [Path(path) for path in result["extras"][:joined]]
    told += (leave if row["parent"] is None else sign)(context, row, result, parts)
    kept = artifacts.places.result_to_row(result)
    shared = _shared(context, result)
    crash_point("before-succeeded")

    def write(tx: Transaction) -> None:
        sharing.check(tx, shared)
        blob: JsonObject = {"facts": result["clip_facts"], "sidecar": result["sidecar"], "from_job": job}
        remember(tx, sha256, blob)
        remember_copy(tx, job, result)
        records.note(tx, job, *told)
        settle.succeed(tx, hold, row, cost_usd, differs=compared.difference, result=kept)

    try:
        context.store.write(write, durable=True)
    except BlobGone:
        raise Away(f"{KEPT_HERE}: the bucket is being cleaned up") from None
    artifacts.clear_spool(job)
    cache.make_room(context.store, artifacts, context.cache_bytes)


def _shared(context: Context, result: JsonObject) -> Shared:
    """Put the files where every machine finds them. `Away` where that cannot be done now: they lie on this disk, and
    the job is finished when they can be put there."""
    try:
        return sharing.share(context.store, context.artifacts, sharing.files_of(result))
    except Away as error:
        raise Away(f"{KEPT_HERE}: {error.message}") from None


def _compared(context: Context, row: Row, came: MediaFacts, further_clips: int) -> Comparison:
    """A comparison is an extra: whatever goes wrong in it, the clip is delivered."""
    try:
        return compare(row, came, context.catalog.find(row["model"]), further_clips)
    except (VideoError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        return Comparison(notes=(f"what came could not be compared with what was asked ({type(error).__name__})",))
