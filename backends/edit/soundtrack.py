"""The film's sound: where each clip's own stands on it, and what is laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.edit.plan import Plan
from backends.edit.request import FinishRequest
from backends.edit.sound import CUT_FADE_S, Mixed, Part, mix, speak
from backends.facts import MediaFacts
from backends.provider.protocol import Progress

LOUDNESS = -16.0
"""LUFS: what platforms play at."""


def mixed(
    request: FinishRequest,
    plan: Plan,
    facts: Mapping[str, MediaFacts],
    files: Mapping[str, Path],
    dest: Path,
    env: Mapping[str, str],
    loudness: float | None,
    progress: Progress,
) -> Mixed:
    """Mix the film's sound into `dest`. env: where a speaking program is looked for. loudness: LUFS; None = as loud as
    it is."""
    parts = [] if request.mute else pieces(plan, facts, files)
    narration = files.get("narration")
    spoken = request.narration is not None and narration is None
    if spoken and request.narration is not None:
        narration = speak(request.narration, dest / "narration.wav", env)
    if not any(part.path for part in parts) and narration is None and "music" not in files:
        return Mixed(None, "none")
    return mix(
        parts,
        plan.duration_s,
        dest / "sound.wav",
        narration=narration,
        music=files.get("music"),
        loudness=loudness,
        mute=request.mute,
        spoken=spoken,
        progress=lambda done, phase: progress(0.1 * done, phase),
    )


def pieces(plan: Plan, facts: Mapping[str, MediaFacts], files: Mapping[str, Path]) -> list[Part]:
    """Each segment's own sound on the film, in order. A loop begins `loop` frames in, and its first ones come again
    at its end, under the last."""
    rate = float(plan.fps)
    fade = plan.fade / rate or CUT_FADE_S
    made: list[Part] = []
    last = len(plan.segments) - 1
    for number, one in enumerate(plan.segments):
        at, length = (one.start - plan.loop) / rate, one.frames / rate
        source_from = one.from_s
        fade_in, fade_out = (fade if number else CUT_FADE_S), (fade if number < last else CUT_FADE_S)
        if plan.loop and number == last:
            fade_out = plan.loop / rate
        if at < 0:
            source_from, length, at, fade_in = source_from - at * one.speed, length + at, 0.0, CUT_FADE_S
        path = files[one.place] if facts[one.place].audio and not one.still else None
        made.append(Part(path, source_from, source_from + length * one.speed, at, length, one.speed, fade_in, fade_out))
    if plan.loop:
        first, length = plan.segments[0], plan.loop / rate
        path = files[first.place] if facts[first.place].audio and not first.still else None
        start, end = plan.duration_s - length, first.from_s + length * first.speed
        made.append(Part(path, first.from_s, end, start, length, first.speed, length, CUT_FADE_S))
    return made
