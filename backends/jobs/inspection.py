"""What an inspection of a clip or still found, as text: facts, measures with units, and warnings."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from backends.errors import Next, VideoError
from backends.facts import MediaFacts
from backends.jobs.context import Context
from backends.jobs.files.artifacts import disk_errors
from backends.jobs.files.private import private_folder
from backends.jobs.measured import compared, in_words
from backends.jobs.order.entries import note_of
from backends.jobs.origin import of_job, of_open
from backends.jobs.store.stored_job import StoredJob
from backends.media.provenance import words
from backends.media_name import MediaName
from backends.provider.protocol import JsonObject


@dataclass(frozen=True)
class Look:
    """text: what was found, in words. sheet: its picture. facts: the result of the sandbox's `inspect`."""

    text: str
    sheet: Path
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class _Named:
    """What a name leads to. what: changes with the file's bytes. job: whose clip it is. name: of a file, as given."""

    path: Path
    what: str
    job: StoredJob | None = None
    note: str = ""
    name: str = ""


def look(context: Context, name: MediaName, principal: str, frames: int, against: MediaName | None = None) -> Look:
    """Inspect a file, or a finished job's clip or still. frames: how many the contact sheet of a clip shows. against:
    another clip to compare it with.

    VideoError("asset") when it may not be used, cannot be read, or is not finished.
    """
    with ExitStack() as stack:
        one = stack.enter_context(_named(context, name, principal))
        two = stack.enter_context(_named(context, against, principal)) if against else None
        folder = context.artifacts.root / "sheets"
        with disk_errors("writing a contact sheet"):
            private_folder(folder)
        what = f"{one.what} {frames}" + (f" {two.what}" if two else "")
        sheet = folder / f"{hashlib.sha256(what.encode()).hexdigest()[:20]}.jpg"
        found = context.sandbox.inspect(one.path, frames, sheet, two.path if two else None)
        notes = [each.note for each in (one, two) if each and each.note]
        origins = _origin(context, one)
        if two is not None:
            origins = [f"A: {line}" for line in origins] + [f"B: {line}" for line in _origin(context, two)]
        texts = [describe(found, one.job, two.job if two else None), *origins, *notes]
        return Look("\n".join(texts), sheet, found)


def _origin(context: Context, one: _Named) -> list[str]:
    """Its origin in one or two lines; nothing for a still that was just taken from a clip. An extra: what cannot be
    read is reported and fails no inspection."""
    if one.job is None and not one.name:
        return []
    try:
        found = of_job(context, one.job) if one.job is not None else of_open(context, one.path, one.name)
    except (VideoError, OSError) as error:
        return [f"provenance: not looked at: {error}"]
    return words.brief(found.facts)


@contextmanager
def _named(context: Context, name: MediaName, principal: str) -> Generator[_Named]:
    if name.kind == "path":
        with context.inputs.files.opened(name.value) as opened:
            yield _Named(opened.path, f"{name.value} {opened.changed_ns}", None, opened.note, name.value)
        return
    entry = context.inputs.clips.entry(name, principal, keep="look" if name.part == "clip" else "copy")
    if "path" not in entry:
        raise VideoError("asset", f"job {name.value} is not finished yet", next=Next("wait_for_job"))
    row = context.store.row("SELECT * FROM jobs WHERE id = ?", (name.value,)) if name.part == "clip" else None
    job = None if row is None else StoredJob.of(row)
    yield _Named(Path(str(entry["path"])), str(entry["sha256"]), job, "; ".join(note_of(entry)))


def describe(found: Mapping[str, Any], job: StoredJob | None, other: StoredJob | None = None) -> str:
    """A description in lines of text. found: the result of the sandbox's `inspect`. job, other: the jobs whose clips
    they are, if any."""
    facts = cast(MediaFacts, found["facts"])
    if facts.kind == "image":
        return "\n".join(
            [
                *_job(job),
                f"still image, {facts.mime}, {facts.width}x{facts.height} pixels, {facts.bytes} bytes",
                "the picture shows a grid: read box = [left, top, right, bottom], 0..1 from the top left",
            ]
        )
    measures = cast(JsonObject, found["measures"])
    if "against" not in found:
        lines = [*_job(job), _facts(facts, measures), *in_words(measures), *_sheet("sheet:", found)]
        return "\n".join([*lines, _warnings(measures)])
    against = cast("Mapping[str, Any]", found["against"])
    lines = [f"A: {line}" for line in (*_job(job), _facts(facts, measures), *in_words(measures))]
    lines.append(f"A: {_warnings(measures)}")
    others = cast(JsonObject, against["measures"])
    lines += [f"B: {line}" for line in (*_job(other), _facts(against["facts"], others), *in_words(others))]
    lines.append(f"B: {_warnings(others)}")
    lines += compared(measures, others, cast("Mapping[str, tuple[float, float]]", found["pair"]))
    return "\n".join([*lines, *_sheet("sheet, A above:", found), *_sheet("sheet, B below:", against)])


def _job(job: StoredJob | None) -> list[str]:
    if job is None:
        return []
    previs = "PREVIS (no generative model). " if job.engine == "previs" else ""
    return [f"{previs}job {job.id}, model {job.model}, task {job.task}"]


def _facts(facts: MediaFacts, measures: JsonObject) -> str:
    return (
        f"clip, {facts.mime} {facts.codec or ''}, {facts.width}x{facts.height} pixels, "
        f"{_number(measures.get('duration_s'))} s, {_number(measures.get('fps'))} fps, "
        f"{measures.get('frames')} frames, {'with' if facts.audio else 'no'} sound, {facts.bytes} bytes"
    )


def _sheet(which: str, found: Mapping[str, Any]) -> list[str]:
    times = cast("Sequence[float]", found.get("times", ()))
    return [f"{which} frames at {', '.join(f'{time:.2f}' for time in times)} s"] if times else []


def _warnings(measures: JsonObject) -> str:
    warnings = cast("Sequence[str]", measures.get("warnings") or ())
    return "warnings: " + ("; ".join(warnings) if warnings else "none")


def _number(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, int | float) else "unknown"
