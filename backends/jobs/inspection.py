"""What a look at a clip or still found, in words: facts, measures, and what is conspicuous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from backends.backend import JsonObject
from backends.request import MediaFacts


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
