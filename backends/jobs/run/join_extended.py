"""An extended clip is always the whole clip: a service that delivers only the added part has it joined to its source
here. The service's own bytes are kept beside it, untouched."""

from __future__ import annotations

import json
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
from backends.jobs.store.database import Row
from backends.provider.protocol import Asset, Prepared


@dataclass(frozen=True)
class Whole:
    """clip: what to keep as the clip. parts: what it was made from, to keep beside it. notes: told to the person."""

    clip: Path
    parts: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def only_the_new_part(delivered: MediaFacts, source: MediaFacts, added_s: float) -> bool:
    """Whether the length says "the added seconds" rather than "the source and the added seconds"."""
    if delivered.duration_s is None or source.duration_s is None:
        return False
    return abs(delivered.duration_s - added_s) < abs(delivered.duration_s - (source.duration_s + added_s))


async def whole_clip(context: Context, engines: Engines, row: Row, clip: Path) -> Whole:
    """The clip as it came, or joined to its source. A join that fails loses nothing: the part is kept and told of.
    `Away` while the source is not on this machine and cannot be fetched."""
    source = assets_of(context.artifacts.places.inputs_of(row)).get("source_clip") if row["task"] == "extend" else None
    if source is None:
        return Whole(clip)
    gone: VideoError | None = None
    try:
        await to_thread.run_sync(context.artifacts.check_kept, source.path, source.sha256, "the source clip")
    except Away:
        raise
    except VideoError as error:
        gone = error
    prepared = codec.prepared_from_json(json.loads(row["prepared"]))
    facts = await to_thread.run_sync(context.sandbox.check, clip)
    if not only_the_new_part(facts, source.facts, prepared.request.duration_s or 0.0):
        return Whole(clip)
    try:
        if gone is not None:
            raise gone
        joined = await _join(context, engines, row, prepared, source, Asset("added[0]", "", clip, facts))
    except Away:
        raise
    except (VideoError, EngineCrashed) as error:
        return Whole(clip, (), (f"this is the added part alone: it could not be joined to its source ({error})",))
    return Whole(joined, (clip,), ("the service delivered the added part alone; it was joined to the clip here",))


async def _join(context: Context, engines: Engines, row: Row, prepared: Prepared, source: Asset, added: Asset) -> Path:
    dest = context.artifacts.spool(row["id"]) / "whole"
    shutil.rmtree(dest, ignore_errors=True)
    dest.mkdir(parents=True)
    ready = codec.with_assets(prepared, {"source_clip": source, "added[0]": added})
    async with engines.room("cpu"):
        output = await engines.run("cpu", JOINER, "", ready, dest, lambda done, phase: None)
    return output.path
