"""An extended clip is always the whole clip: where a service delivers only the added part, it is joined to its source
here. The service's own bytes are kept beside it, unchanged."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.jobs.context import Context
from backends.jobs.files.objects import Away
from backends.jobs.order.chain import JOINER
from backends.jobs.order.entries import assets_of
from backends.jobs.run.engines import Engines
from backends.jobs.run.place import EngineCrashed
from backends.jobs.store import codec
from backends.jobs.store.stored_job import StoredJob
from backends.provider.protocol import Asset


@dataclass(frozen=True)
class Whole:
    """clip: the file to keep as the clip. parts: what it was made from, to keep beside it. notes: for the user."""

    clip: Path
    parts: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def only_the_new_part(delivered: MediaFacts, source: MediaFacts, added_s: float) -> bool:
    """Whether the length matches the added seconds rather than source and added seconds together."""
    if delivered.duration_s is None or source.duration_s is None:
        return False
    return abs(delivered.duration_s - added_s) < abs(delivered.duration_s - (source.duration_s + added_s))


async def whole_clip(context: Context, engines: Engines, job: StoredJob, clip: Path) -> Whole:
    """The clip as it came, or joined to its source. When joining fails the part is kept, with a note. `Away` while the
    source is not on this machine and cannot be fetched."""
    inputs = assets_of(context.artifacts.places.entries(job.inputs))
    source = inputs.get("source_clip") if job.task == "extend" else None
    if source is None:
        return Whole(clip)
    gone: VideoError | None = None
    try:
        await to_thread.run_sync(context.artifacts.check_kept, source.path, source.sha256, "the source clip")
    except Away:
        raise
    except VideoError as error:
        gone = error
    facts = await to_thread.run_sync(context.sandbox.check, clip)
    if not only_the_new_part(facts, source.facts, job.prepared.request.duration_s or 0.0):
        return Whole(clip)
    try:
        if gone is not None:
            raise gone
        joined = await _join(context, engines, job, source, Asset("added[0]", "", clip, facts))
    except Away:
        raise
    except (VideoError, EngineCrashed) as error:
        return Whole(clip, (), (f"this is only the added part: it could not be joined to its source ({error})",))
    return Whole(joined, (clip,), ("the service delivered only the added part; it was joined to the clip here",))


async def _join(context: Context, engines: Engines, job: StoredJob, source: Asset, added: Asset) -> Path:
    dest = context.artifacts.spool(job.id) / "whole"
    shutil.rmtree(dest, ignore_errors=True)
    dest.mkdir(parents=True)
    ready = codec.with_assets(job.prepared, {"source_clip": source, "added[0]": added})
    async with engines.room("cpu"):
        output = await engines.run("cpu", JOINER, "", ready, dest, lambda done, phase: None)
    return output.path
