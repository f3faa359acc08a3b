"""The last step of every job: check the clip, keep it, publish it, book the money, record the end."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.jobs import records
from backends.jobs.context import Context
from backends.jobs.crashpoints import crash_point
from backends.jobs.files import cache, sharing
from backends.jobs.files.objects import KEPT_HERE, Away
from backends.jobs.files.sharing import BlobGone
from backends.jobs.money import settle
from backends.jobs.order.entries import remember
from backends.jobs.records import Hold
from backends.jobs.run.arrived import kept_as
from backends.jobs.run.comparison import Comparison, compare
from backends.jobs.run.publishing import leave, remember_copy
from backends.jobs.run.signing import sign
from backends.jobs.store import codec
from backends.jobs.store.database import Row, Transaction
from backends.jobs.store.stored_job import StoredJob
from backends.media.hashing import is_intact, sha256_now
from backends.provider.protocol import JsonObject

PLACED = {"file": "clip", "poster": "poster", "export": "export"}
"""The keys in a result for files of which a job has at most one."""


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
    """Blocking: call it on a thread. A clip that cannot be read is VideoError("asset" or "provider"), and its bytes are
    kept; OwnFault when this program is what fails to read it; `Away` when all is done except that the bucket has not
    taken the files. joined: how many of the extras, the first ones, are parts of which the clip was joined.
    further_clips: how many of the extras are clips that a service delivered beside the requested one. export: what the
    user gets instead of the clip.

    A clip that waited for the bucket is uploaded first: nothing is decoded again while the bucket is away. Files are
    committed before the row says so: a kill between the two makes this run again with the same result.
    """
    job, artifacts = str(row["id"]), context.artifacts
    folder = artifacts.job(job)
    if not clip.exists() and (folder / f"clip{clip.suffix}").exists():
        clip = folder / f"clip{clip.suffix}"
    _put_first(context, folder, clip)
    clip_facts = context.sandbox.check(clip)
    if clip_facts.kind != "clip":
        raise VideoError("provider", f"what was delivered is not a video ({clip_facts.mime}); it is kept at {clip}")
    poster, why = _poster(context, job, clip)
    texts = [*notes, *why]
    sha256 = sha256_now(clip)
    request = json.loads(row["prepared"])["request"]
    result: JsonObject = {
        "sha256": sha256,
        "clip_facts": codec.facts_to_json(clip_facts),
        "sidecar": sidecar or {},
        "facts": dict(facts or {}),
        "seed": seed if seed is not None else request["seed"],
    }
    meta = {"job": job, "model": row["model"], "request": request, "created_at": row["created_at"], **result}
    placed = artifacts.commit(job, _named(clip, poster, extras, export), meta)
    result |= _places(placed, folder / "meta.json", sha256)
    compared = _compared(context, row, clip_facts, further_clips)
    if compared.asked:
        result["asked"] = compared.asked
    texts += compared.notes
    parts = [Path(path) for path in result["extras"][:joined]]
    stored = StoredJob.of(row)
    texts += (leave if stored.parent is None else sign)(context, stored, result, parts)
    _record(context, hold, row, result, texts, cost_usd, compared.difference)
    artifacts.clear_spool(job)
    cache.make_room(context.store, artifacts, context.cache_bytes)


def _record(
    context: Context,
    hold: Hold,
    row: Row,
    result: JsonObject,
    notes: Sequence[str],
    cost_usd: Decimal | None,
    differs: str,
) -> None:
    """End the job in its row, once its files are where every machine finds them. `Away` while they cannot be."""
    job, kept = str(row["id"]), context.artifacts.places.result_to_row(result)
    with _kept_here():
        shared = sharing.share(context.store, context.artifacts, sharing.files_of(result))
    crash_point("before-succeeded")

    def write(tx: Transaction) -> None:
        sharing.check(tx, shared)
        blob: JsonObject = {"facts": result["clip_facts"], "sidecar": result["sidecar"], "from_job": job}
        remember(tx, result["sha256"], blob)
        remember_copy(tx, job, result)
        records.note(tx, job, *notes)
        settle.succeed(tx, hold, row, cost_usd, differs=differs, result=kept)

    try:
        context.store.write(write, durable=True)
    except BlobGone:
        raise Away(f"{KEPT_HERE}: the bucket is being cleaned up") from None


def _put_first(context: Context, folder: Path, clip: Path) -> None:
    """Upload a clip that was kept before, where that has not been done."""
    meta = folder / "meta.json"
    if not context.artifacts.objects.where or clip.parent != folder or not meta.exists():
        return
    sha256 = str(json.loads(meta.read_text("utf-8"))["sha256"])
    if not is_intact(clip, sha256):
        return
    with _kept_here():
        context.artifacts.objects.put(clip, sha256)


@contextmanager
def _kept_here() -> Generator[None]:
    """Around uploading files: where that fails now, they stay on this disk, and the job is finished when they can be
    uploaded."""
    try:
        yield
    except Away as error:
        raise Away(f"{KEPT_HERE}: {error.message}") from None


def _poster(context: Context, job: str, clip: Path) -> tuple[Path | None, tuple[str, ...]]:
    """The poster, or why there is none: an extra, since the clip is here and readable."""
    poster = context.artifacts.spool(job) / "poster.jpg"
    try:
        context.sandbox.poster(clip, poster)
    except VideoError as error:
        if error.kind == "storage":
            raise
        return None, (f"no poster could be made: {error.message}",)
    return poster, ()


def _named(clip: Path, poster: Path | None, extras: Sequence[Path], export: Path | None) -> dict[str, Path]:
    """The files to keep, by their names in the job's folder."""
    files = kept_as(clip, extras)
    if poster is not None:
        files["poster.jpg"] = poster
    if export is not None:
        files[f"export{export.suffix}"] = export
    return files


def _places(placed: Mapping[str, Path], meta: Path, sha256: str) -> JsonObject:
    """The paths of the kept files, and their hashes. sha256: of the clip."""
    by_stem = {path.stem: path for path in placed.values()}
    found: JsonObject = {name: str(by_stem[stem]) for name, stem in PLACED.items() if stem in by_stem}
    there = [path for path in (*placed.values(), meta) if path.exists()]
    found["kept"] = {path.name: sha256 if path.stem == "clip" else sha256_now(path) for path in there}
    found["extras"] = [str(path) for name, path in placed.items() if name.startswith("extra")]
    return found


def _compared(context: Context, row: Row, came: MediaFacts, further_clips: int) -> Comparison:
    """The comparison is an extra: if it fails, the clip is delivered all the same."""
    try:
        return compare(StoredJob.of(row), came, context.catalog.find(row["model"]), further_clips)
    except (VideoError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        return Comparison(notes=(f"the clip could not be compared with the request ({type(error).__name__})",))
