"""Fitting: one request held against one box; what is wrong with it, and what is settled when nothing is.

The judges are `shape` (size, ratio, crop), `media` (frames, references, source clip) and `controls` (camera,
motion, loop, effect, options); this file holds their common ground and the plain fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backends.catalog.schema.row import Mode, Row
from backends.catalog.schema.span import number_text
from backends.facts import MediaFacts
from backends.request import VideoRequest


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. field: the argument. change: the arguments that fix it (None = leave it out);
    no change at all = only the asker can fix it. lacking: the model has no such thing."""

    field: str
    text: str
    change: Mapping[str, object] | None = None
    lacking: bool = False


@dataclass
class Fitting:
    """The state of one attempt. settled: what a legal request gets. seconds: length that is billed."""

    request: VideoRequest
    row: Row
    mode: Mode
    inputs: Mapping[str, MediaFacts]
    problems: list[Problem] = field(default_factory=list[Problem])
    settled: dict[str, object] = field(default_factory=dict[str, object])
    notes: list[str] = field(default_factory=list[str])
    width: int = 0
    height: int = 0
    size_wire: str = ""
    crop_loss: float = 0.0
    seconds: float | None = None

    def wrong(self, name: str, text: str, change: Mapping[str, object] | None = None, *, lacking: bool = False) -> None:
        self.problems.append(Problem(name, text, change, lacking))

    @property
    def clip(self) -> MediaFacts | None:
        """The source clip's facts, where known."""
        return self.inputs.get("source_clip")

    @property
    def picture(self) -> MediaFacts | None:
        """The first frame's facts, where known."""
        facts = self.inputs.get("frames[0].image")
        return facts if self.request.frames else None


def prompt_length(text: str, utf16: bool) -> int:
    """Characters, or UTF-16 code units where the service counts those."""
    return len(text.encode("utf-16-le")) // 2 if utf16 else len(text)


def judge_prompt(fit: Fitting) -> None:
    """The prompt as requested; `controls` adds camera words later and checks the sum."""
    request, mode = fit.request, fit.mode
    if mode.prompt_required and not request.prompt.strip():
        fit.wrong("prompt", f"prompt: {fit.row.id} needs one for {request.task}: say what should be seen")
    if request.prompt.strip() and not mode.prompt_followed:
        fit.notes.append(f"{fit.row.id} does not follow the prompt for {request.task}")
    if request.negative_prompt:
        length = prompt_length(request.negative_prompt, mode.prompt_utf16)
        if not mode.negative_max:
            fit.wrong(
                "negative_prompt",
                f"negative_prompt: {fit.row.id} has none; say in the prompt what should be seen instead",
                {"negative_prompt": ""},
                lacking=True,
            )
        elif length > mode.negative_max:
            fit.wrong("negative_prompt", f"negative_prompt: {length} characters; the most is {mode.negative_max}")


def judge_prompt_length(fit: Fitting, prompt: str) -> None:
    length = prompt_length(prompt, fit.mode.prompt_utf16)
    if length and not fit.mode.prompt_max:
        text = f"prompt: {fit.row.id} takes none for {fit.request.task}: leave it out"
        fit.wrong("prompt", text, {"prompt": ""}, lacking=True)
    elif length > fit.mode.prompt_max:
        unit = "UTF-16 units" if fit.mode.prompt_utf16 else "characters"
        more = "" if prompt == fit.request.prompt else " with the words of style and camera"
        fit.wrong("prompt", f"prompt: {length} {unit}{more}; the most is {fit.mode.prompt_max}: shorten it")


def judge_duration(fit: Fitting) -> None:
    """duration_s, settled and billed; for extend the seconds to add."""
    request, span, clip = fit.request, fit.mode.durations, fit.clip
    if span is None:
        known = clip.duration_s if clip else None
        if request.duration_s is not None and (known is None or abs(request.duration_s - known) > 0.05):
            why = "" if known is None else f" ({number_text(known)} s)"
            fit.wrong(
                "duration_s",
                f"duration_s: the clip keeps the length of its source{why}: leave it out",
                {"duration_s": None},
                lacking=True,
            )
        fit.seconds = fit.settled["duration_s"] = known
        return
    asked = request.duration_s if request.duration_s is not None else _implied_duration(fit)
    duration = span.default if asked is None else asked
    what = "seconds to add" if request.task == "extend" else "seconds"
    if not span.holds(duration):
        nearest = span.nearest(duration)
        fit.wrong(
            "duration_s",
            f"duration_s {number_text(duration)}: {fit.row.id} takes {span} {what}",
            {"duration_s": nearest},
        )
    if request.task == "extend" and clip is not None and clip.duration_s is not None:
        _judge_total(fit, clip.duration_s, duration)
    fit.settled["duration_s"] = duration
    before = 0.0 if request.task != "extend" else clip.duration_s if clip is not None else None
    total = None if before is None else before + duration
    fit.seconds = total if fit.mode.price.bills == "total" else duration


def _implied_duration(fit: Fitting) -> float | None:
    """Timed keyframes say how long the clip is: the last one ends it (unless it runs on to the first)."""
    frames = fit.request.frames
    if fit.mode.frames.timed and len(frames) > 1 and not fit.request.loop:
        last = frames[-1]
        return None if last.at_s is None else last.at_s + last.hold_s
    return None


def _judge_total(fit: Fitting, before: float, added: float) -> None:
    limit, span = fit.mode.source.total_max_s, fit.mode.durations
    if not limit or span is None or before + added <= limit + 0.05:
        return
    room = limit - before
    legal = [value for value in span.values if value <= room]
    if span.values:
        nearest = max(legal, default=None)
    elif room >= span.low:
        steps = int((room - span.low) / span.step + 1e-9) if span.step else 0
        nearest = span.low + steps * span.step if span.step else room
    else:
        nearest = None
    text = (
        f"duration_s {number_text(added)}: the clip is {number_text(before)} s and {fit.row.id} makes at most "
        f"{number_text(limit)} s in all"
    )
    if nearest is None:
        fit.wrong("duration_s", f"{text}, so nothing can be added: extend a shorter clip", lacking=True)
    else:
        fit.wrong("duration_s", text, {"duration_s": round(min(nearest, span.largest), 3)})


def judge_fps(fit: Fitting) -> None:
    request, span = fit.request, fit.mode.fps
    if fit.mode.fps_times:
        _judge_times(fit, fit.mode.fps_times)
        return
    same = request.task == "extend" and fit.mode.sizes[0].rule == "same"
    follows = same or (span is None and request.task in ("extend", "edit", "upscale"))
    if follows:
        own = fit.clip.fps if fit.clip else None
        if request.fps is not None and (own is None or abs(request.fps - own) > 0.01):
            why = "" if own is None else f" ({number_text(own)})"
            fit.wrong("fps", f"fps: it comes from the source clip{why}: leave it out", {"fps": None}, lacking=True)
        fit.settled["fps"] = own
        return
    if span is None:
        if request.fps is not None:
            fit.wrong("fps", f"fps: {fit.row.id} does not let you set it: leave it out", {"fps": None}, lacking=True)
        return
    fps = span.default if request.fps is None else request.fps
    if not span.holds(fps):
        fit.wrong(
            "fps",
            f"fps {number_text(fps)}: {fit.row.id} makes {span} frames a second",
            {"fps": span.nearest(fps)},
        )
    fit.settled["fps"] = fps


def _judge_times(fit: Fitting, most: int) -> None:
    """A whole number of times the source's frame rate, which has to be requested: new frames between its own."""
    own, asked = fit.clip.fps if fit.clip else None, fit.request.fps
    fit.settled["fps"] = asked
    shown = f" {number_text(own)}" if own else ""
    nearest = round(own * max(2, min(most, round((asked or 0) / own))), 3) if own else None
    if asked is None or (nearest is not None and abs(asked - nearest) > 0.01):
        said = "say fps" if asked is None else f"fps {number_text(asked)}"
        text = f"{said}: {fit.row.id} makes 2 to {most} times the source clip's{shown}"
        fit.wrong("fps", text, None if nearest is None else {"fps": nearest})


def judge_audio(fit: Fitting) -> None:
    asked, how, name = fit.request.audio, fit.mode.audio, fit.row.id
    if how == "source":
        own = fit.clip.audio if fit.clip else None
        if asked is not None and own is not None and asked is not own:
            has = "has sound, which is kept" if own else "has no sound, and none is made"
            fit.wrong("audio", f"audio={str(asked).lower()}: the source clip {has}", {"audio": None}, lacking=True)
        fit.settled["audio"] = own
        return
    if how == "never" and asked:
        fit.wrong("audio", f"audio=true: {name} makes no sound", {"audio": False}, lacking=True)
    if how == "always" and asked is False:
        fit.wrong("audio", f"audio=false: {name} always makes sound", {"audio": True}, lacking=True)
    if how == "unknown":
        if asked is not None:
            text = f"audio: {name} has no switch for it and does not say whether it makes sound: leave it out"
            fit.wrong("audio", text, {"audio": None}, lacking=True)
        return
    settled = {"never": False, "always": True}.get(how, fit.mode.audio_default if asked is None else asked)
    fit.settled["audio"] = settled


def judge_seed(fit: Fitting) -> None:
    seed, mode = fit.request.seed, fit.mode
    if seed is not None and not mode.seed:
        fit.wrong(
            "seed", f"seed: {fit.row.id} has no seed, so clips differ: leave it out", {"seed": None}, lacking=True
        )
    elif seed is not None and seed > mode.seed_max:
        fit.wrong("seed", f"seed {seed}: the largest is {mode.seed_max}", {"seed": mode.seed_max})
    elif seed is None and mode.seed_default is not None:
        fit.settled["seed"] = mode.seed_default
