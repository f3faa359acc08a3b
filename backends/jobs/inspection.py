"""What a look at a clip or still found, in words: facts, measures, and what is conspicuous."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from backends.backend import JsonObject
from backends.errors import Next, VideoError
from backends.jobs.artifacts import disk_errors
from backends.jobs.context import Context
from backends.jobs.private import private_folder
from backends.request import MediaFacts, MediaName


@dataclass(frozen=True)
class Look:
    """text: what was found, in words. sheet: the picture of it. facts: as the sandbox's `inspect` gives them."""

    text: str
    sheet: Path
    facts: Mapping[str, Any]


def look(context: Context, name: MediaName, principal: str, frames: int) -> Look:
    """Look at a file or a finished job's clip or still. frames: how many the sheet of a clip shows.

    VideoError("asset") when it may not be used, cannot be read, or is not finished.
    """
    if name.kind == "path":
        with context.inputs.opened(name.value) as opened:
            return _look(context, opened.path, f"{name.value} {opened.changed_ns}", frames, None, opened.note)
    entry = context.inputs.job_entry(name, principal, keep="look" if name.part == "clip" else "copy")
    if "path" not in entry:
        raise VideoError("asset", f"job {name.value} is not finished yet", next=Next("wait_for_job"))
    row = context.store.row("SELECT * FROM jobs WHERE id = ?", (name.value,)) if name.part == "clip" else None
    return _look(context, Path(str(entry["path"])), str(entry["sha256"]), frames, row, "")


def _look(context: Context, path: Path, what: str, frames: int, row: Mapping[str, Any] | None, note: str) -> Look:
    folder = context.artifacts.root / "sheets"
    with disk_errors("writing a contact sheet"):
        private_folder(folder)
    sheet = folder / f"{hashlib.sha256(f'{what} {frames}'.encode()).hexdigest()[:20]}.jpg"
    found = context.sandbox.inspect(path, frames, sheet)
    text = describe(found, row)
    return Look(f"{text}\n{note}" if note else text, sheet, found)


def describe(found: Mapping[str, Any], row: Mapping[str, Any] | None) -> str:
    """Lines for a reader without eyes. found: as the sandbox's `inspect` gives it. row: the job, when it is one."""
    facts = cast(MediaFacts, found["facts"])
    lines: list[str] = []
    if row is not None:
        previs = "PREVIS (no generative model). " if row["engine"] == "previs" else ""
        lines.append(f"{previs}job {row['id']}, model {row['model']}, task {row['task']}")
    size = f"{facts.width}x{facts.height}"
    if facts.kind == "image":
        lines.append(f"still image, {facts.mime}, {size} pixels, {facts.bytes} bytes")
        lines.append("the picture shows a grid: read box = [left, top, right, bottom], 0..1 from the top left")
        return "\n".join(lines)
    measures = cast(JsonObject, found.get("measures", {}))
    frames = measures.get("frames", facts.frames)
    seconds = measures.get("duration_s", facts.duration_s)
    rate = measures.get("fps", facts.fps)
    lines.append(
        f"clip, {facts.mime} {facts.codec or ''}, {size} pixels, {_number(seconds)} s, {_number(rate)} fps, "
        f"{frames} frames, {'with' if facts.audio else 'no'} sound, {facts.bytes} bytes"
    )
    lines.append(_measured(measures))
    times = cast("Sequence[float]", found.get("times", ()))
    if times:
        lines.append("sheet shows the frames at " + ", ".join(f"{time:.2f}" for time in times) + " s")
    warnings = cast("Sequence[str]", measures.get("warnings") or ())
    lines.append("conspicuous: " + ("; ".join(warnings) if warnings else "nothing"))
    return "\n".join(lines)


def _number(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, int | float) else "unknown"


def _measured(measures: JsonObject) -> str:
    names = ("black_frames", "frozen_run", "cuts", "flicker", "loop_seam", "mean_flow_x", "mean_flow_y", "motion")
    shown = [f"{name} {_shown(measures[name])}" for name in names if measures.get(name) is not None]
    return "measured: " + ", ".join(shown)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[object]", value))) or "none"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
