"""Frames, references and the source clip of a request against a box."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from backends.catalog.rules.fitting import Fitting
from backends.catalog.rules.tags import unnamed
from backends.catalog.schema.span import number_text
from backends.request import Frame, Reference, Role

TIME = 1e-6
WRITTEN = 1e-3
"""Seconds by which a time may miss its service's grid: people write 0.333 for a third."""

SHORTEST_WAY_S = 0.1
"""The shortest way between two held stills where nobody says when they come. A cut is requested by its times."""
USUAL_WAY_S = 0.5
"""... and the one that is offered: a short dissolve."""


def judge_frames(fit: Fitting) -> None:
    """Count, roles, order, times and kinds of the stills; settles role and at_s of each."""
    request, rule = fit.request, fit.mode.frames
    frames, task = request.frames, request.task
    if not frames and rule.low:
        need = "a first frame" if rule.low == 1 else f"at least {rule.low} frames"
        fit.wrong("frames", f"frames: {task} needs {need}: give the image")
        return
    if frames and not rule.high:
        other = "image_to_video or interpolate" if task == "text_to_video" else "image_to_video"
        text = f"frames: {fit.row.id} takes none for {task}: leave them out, or use task {other}"
        fit.wrong("frames", text, {"frames": ()}, lacking=True)
        return
    if len(frames) < rule.low:
        fit.wrong("frames", f"frames: {task} needs at least {rule.low}, not {len(frames)}: give the missing images")
        return
    if len(frames) > rule.high:
        kept = frames[: rule.high] if rule.high == 1 else (*frames[: rule.high - 1], frames[-1])
        text = f"frames: {len(frames)} given; {fit.row.id} takes at most {rule.high} for {task}"
        fit.wrong("frames", text, {"frames": kept})
        return
    _judge_kinds(fit)
    if not _in_order(fit, frames):
        return
    _judge_prompts(fit)
    if not _judge_holds(fit):
        return
    if frames:
        settled = _settle_frames(fit)
        _judge_times(fit, settled)
        fit.settled["frames"] = settled


def _judge_kinds(fit: Fitting) -> None:
    rule = fit.mode.frames
    for number in range(len(fit.request.frames)):
        place = f"frames[{number}].image"
        facts = fit.inputs.get(place)
        if facts is None:
            continue
        if facts.kind != "image":
            fit.wrong(place, f"{place} is a clip: give an image, or video://jobs/JOB_ID/last_frame")
        elif rule.min_side and min(facts.width, facts.height) < rule.min_side:
            text = f"{place} is {facts.width}x{facts.height}: {fit.row.id} takes images of at least {rule.min_side} px"
            fit.wrong(place, f"{text} a side: give a larger one")


def _in_order(fit: Fitting, frames: Sequence[Frame]) -> bool:
    """First, middle ones, last: a role that stands elsewhere is a mistake ("first" is also what is meant by none)."""
    last = len(frames) - 1
    if last == 0 and frames[0].role == "last":
        text = f"frames: {fit.row.id} needs a first frame; a last frame alone is not enough"
        fit.wrong("frames", text, {"frames": (frames[0].model_copy(update={"role": "first"}),)})
        return False
    wrong = [i for i, frame in enumerate(frames) if frame.role not in ("first", _role(i, last)) and last > 0]
    times = [frame.at_s for frame in frames if frame.at_s is not None]
    if not wrong and times == sorted(times):
        return True
    if len(times) == len(frames):  # then they say the order, whatever the roles do
        order = sorted(range(len(frames)), key=times.__getitem__)
    else:
        order = sorted(range(len(frames)), key=lambda i: _place(frames[i], i, len(frames)))
    ordered = tuple(frames[i].model_copy(update={"role": _role(n, last)}) for n, i in enumerate(order))
    fit.wrong(
        "frames",
        "frames are out of order: the first frame first, the last one last, at_s rising",
        {"frames": ordered},
    )
    return False


def _role(number: int, last: int) -> Role:
    return "first" if number == 0 else "last" if number == last else "middle"


def _place(frame: Frame, number: int, count: int) -> tuple[float, float, int]:
    by_role = {"last": 2.0, "middle": 1.0}.get(frame.role, 0.0 if number == 0 else 1.0)
    return (by_role, frame.at_s if frame.at_s is not None else number / count, number)


def _judge_prompts(fit: Fitting) -> None:
    if fit.mode.frames.prompts or not any(frame.prompt for frame in fit.request.frames):
        return
    joined = " ".join([fit.request.prompt, *(frame.prompt for frame in fit.request.frames)]).strip()
    bare = tuple(frame.model_copy(update={"prompt": ""}) for frame in fit.request.frames)
    text = f"frames[].prompt: {fit.row.id} takes one prompt for the clip: put it all into prompt"
    fit.wrong("frames", text, {"frames": bare, "prompt": joined}, lacking=True)


def _judge_holds(fit: Fitting) -> bool:
    """A still that is held, and the camera over it while it is. False when its times mean nothing."""
    frames, holds, before = fit.request.frames, fit.mode.frames.holds, len(fit.problems)
    if not holds and any(frame.hold_s or frame.camera for frame in frames):
        name = "hold_s" if any(frame.hold_s for frame in frames) else "camera"
        what = "holds no keyframe" if name == "hold_s" else "moves no camera over a keyframe"
        bare = tuple(frame.model_copy(update={"hold_s": 0.0, "camera": ()}) for frame in frames)
        text = f"frames[].{name}: {fit.row.id} {what} for {fit.request.task}: leave it out, or take model=animatic"
        fit.wrong("frames", text, {"frames": bare}, lacking=True)
        return False
    for number, frame in enumerate(frames):
        late = max((move.to_s or 0.0 for move in frame.camera), default=0.0)
        place = f"frames[{number}].camera"
        if frame.camera and not frame.hold_s:
            fit.wrong("frames", f"{place}: it moves while the keyframe is held: give hold_s, the seconds of the hold")
        elif late > frame.hold_s + TIME:
            text = f"{place}: a move ends at {number_text(late)} s, the hold at {number_text(frame.hold_s)} s"
            longer = frame.model_copy(update={"hold_s": late})
            fit.wrong("frames", text, {"frames": (*frames[:number], longer, *frames[number + 1 :])})
    return len(fit.problems) == before


def _settle_frames(fit: Fitting) -> tuple[Frame, ...]:
    """Roles by order; times that were left out: first at 0, last at the end, the others evenly between neighbours."""
    frames, last = fit.request.frames, len(fit.request.frames) - 1
    duration = fit.settled.get("duration_s")
    if not isinstance(duration, int | float):
        return tuple(frame.model_copy(update={"role": _role(i, last)}) for i, frame in enumerate(frames))
    known: list[float | None] = [frame.at_s for frame in frames]
    holds = [frame.hold_s for frame in frames]
    if _runs_on(fit) or (len(frames) > 1 and known[-1] is None):
        known = [*known, float(duration)] if _runs_on(fit) else [*known[:-1], float(duration) - holds[-1]]
    known[0] = known[0] or 0.0
    times, grid_s = _filled(known, holds), fit.mode.frames.grid_s
    return tuple(
        frame.model_copy(
            update={
                "role": _role(i, last),
                "at_s": _even_time(times[i], grid_s) if frame.at_s is None else _on_grid(frame.at_s, grid_s),
            }
        )
        for i, frame in enumerate(frames)
    )


def _filled(known: list[float | None], holds: list[float]) -> list[float]:
    """Times in the gaps between known ones, so that the ways between the stills' holds are equally long; the first
    and the last are known."""
    times: list[float] = []
    for i, value in enumerate(known):
        if value is not None:
            times.append(value)
            continue
        after = next(j for j in range(i + 1, len(known)) if known[j] is not None)
        leaves = times[-1] + holds[i - 1]
        way = (known[after] or 0.0) - leaves - sum(holds[i:after])
        times.append(leaves + way / (after - i + 1))
    return times


def _even_time(at_s: float, grid_s: float) -> float:
    """A time that nobody chose, on the grid where the service has one."""
    return round(int(at_s / grid_s + 0.5) * grid_s if grid_s else at_s, 6)


def _on_grid(at_s: float, grid_s: float) -> float:
    """A chosen time; the grid's own where it is that time as people write it."""
    near = _even_time(at_s, grid_s)
    return near if abs(near - at_s) <= WRITTEN else at_s


def _runs_on(fit: Fitting) -> bool:
    """Whether the clip goes on from the last frame back to the first."""
    return fit.request.loop and fit.mode.loop == "native" and len(fit.request.frames) > 1


def _judge_times(fit: Fitting, frames: Sequence[Frame]) -> None:
    asked, rule = fit.request.frames, fit.mode.frames
    duration = fit.settled.get("duration_s")
    if not isinstance(duration, int | float):
        return
    times = [frame.at_s or 0.0 for frame in frames]
    if len(times) == 1 and not rule.timed and times[0] > TIME:
        text = f"frames[0].at_s {number_text(times[0])}: the clip starts with it: leave at_s out"
        fit.wrong("frames", text, {"frames": (asked[0].model_copy(update={"at_s": None}),)})
        return
    clear = tuple(frame.model_copy(update={"at_s": None}) for frame in asked)
    late = max(times)
    if late > duration + TIME:
        span = fit.mode.durations
        longer = span.nearest(late) if span else 0.0
        change: dict[str, object] = {"duration_s": longer} if longer >= late - TIME else {"frames": clear}
        text = f"frames: at_s {number_text(late)} lies beyond the clip's {number_text(duration)} s"
        fit.wrong("frames", text, change)
        return
    even = [frame.at_s or 0.0 for frame in _settle_frames(_without_times(fit, clear))]
    if not rule.timed and any(abs(a - b) > TIME for a, b in zip(times, even, strict=True)):
        text = f"frames[].at_s: {fit.row.id} takes no times: first at 0, last at the end; leave them out"
        fit.wrong("frames", text, {"frames": clear}, lacking=True)
        return
    if rule.timed and len(times) > 1:
        _judge_gaps(fit, times, float(duration), clear)


def _without_times(fit: Fitting, clear: tuple[Frame, ...]) -> Fitting:
    bare = Fitting(fit.request.model_copy(update={"frames": clear}), fit.row, fit.mode, fit.inputs)
    bare.settled["duration_s"] = fit.settled.get("duration_s")
    return bare


def _judge_gaps(fit: Fitting, times: list[float], duration: float, clear: tuple[Frame, ...]) -> None:
    fps, rule = fit.settled.get("fps"), fit.mode.frames
    gap = rule.gap_s or (1 / fps if isinstance(fps, int | float) else 0.0)
    bounds = [*times, duration] if _runs_on(fit) else list(times)
    if any(frame.hold_s for frame in fit.request.frames) and not _judge_held_times(fit, bounds, duration, clear):
        return
    if isinstance(fps, int | float) and not rule.gap_s:
        bounds[-1] = min(bounds[-1], duration if _runs_on(fit) else duration - 1 / fps)  # the last frame starts there
    if any(later - earlier < gap - TIME for earlier, later in pairwise(bounds)):
        runs_on = "; with loop the last one comes before the end" if _runs_on(fit) else ""
        text = f"frames: at_s must rise by at least {number_text(gap)} s from one to the next{runs_on}"
        span, needed = fit.mode.durations, gap * (len(bounds) - 1)
        change: dict[str, object] = {"frames": clear}
        if duration < needed - TIME and span is not None:
            longer = span.nearest(needed)
            change["duration_s"] = longer if longer >= needed - TIME else span.nearest(needed + span.step)
        fit.wrong("frames", text, change)
    elif rule.whole and times[0] > TIME:
        first = (fit.request.frames[0].model_copy(update={"at_s": 0.0}), *fit.request.frames[1:])
        fit.wrong("frames", f"frames[0].at_s {number_text(times[0])}: the clip starts with it, at 0", {"frames": first})
    elif rule.whole and abs(times[-1] - duration) > TIME:
        last = (*fit.request.frames[:-1], fit.request.frames[-1].model_copy(update={"at_s": None}))
        text = f"frames: the last at_s is {number_text(times[-1])} but the clip lasts {number_text(duration)} s"
        fit.wrong("frames", f"{text}: it ends with the last frame", {"frames": last})
    elif rule.grid_s and any(abs(time - _even_time(time, rule.grid_s)) > TIME for time in times):
        placed = tuple(
            frame.model_copy(update={"at_s": _even_time(time, rule.grid_s)})
            for frame, time in zip(fit.request.frames, times, strict=True)
        )
        text = f"frames[].at_s: {fit.row.id} takes multiples of {number_text(rule.grid_s)} s"
        fit.wrong("frames", text, {"frames": placed})


def _judge_held_times(fit: Fitting, bounds: list[float], duration: float, clear: tuple[Frame, ...]) -> bool:
    """Whether every hold ends before the next still comes (at the same moment: a cut) and before the clip ends."""
    frames = fit.request.frames
    held = sum(frame.hold_s for frame in frames)
    ways = len(frames) if _runs_on(fit) else len(frames) - 1
    if held + ways * SHORTEST_WAY_S > duration + TIME and all(frame.at_s is None for frame in frames[1:]):
        text = f"frames: the holds take {number_text(held)} s of the clip's {number_text(duration)} s, and the ways"
        text += f" between the images at least {number_text(SHORTEST_WAY_S)} s each: a longer clip, or shorter holds"
        span, needed = fit.mode.durations, held + ways * USUAL_WAY_S
        longer = span.nearest(needed) if span is not None else 0.0
        fit.wrong("frames", text, {"duration_s": longer} if longer >= held + ways * SHORTEST_WAY_S else None)
        return False
    ends = [*bounds[1:], duration] if not _runs_on(fit) else bounds[1:]
    for number, (frame, arrives, ends_by) in enumerate(zip(frames, bounds, ends, strict=False)):
        if arrives + frame.hold_s > ends_by + TIME:
            until = f"frames[{number}] is held until {number_text(arrives + frame.hold_s)} s"
            last = number == len(frames) - 1
            to_the_end = last and not _runs_on(fit)
            what = "the clip ends" if to_the_end else "the next keyframe comes"
            longer = fit.mode.durations.nearest(arrives + frame.hold_s) if to_the_end and fit.mode.durations else 0.0
            change = {"duration_s": longer} if longer >= arrives + frame.hold_s - TIME else {"frames": clear}
            fit.wrong("frames", f"{until}, {what} at {number_text(ends_by)} s: shorten hold_s", change)
            return False
    return True


def judge_references(fit: Fitting) -> None:
    given, rule = fit.request.references, fit.mode.references
    if given and not rule.high:
        text = f"references: {fit.row.id} takes none for {fit.request.task}"
        fit.wrong("references", text, {"references": ()}, lacking=True)
        return
    if len(given) < rule.low:
        fit.wrong("references", f"references: {fit.request.task} needs at least {rule.low}: give tag=path-or-uri")
        return
    _judge_reference_kinds(fit, given)
    if left := unnamed(fit.request):
        listed = ", ".join(f"@{tag}" for tag in left)
        fit.notes.append(f"the prompt does not name {listed}: the model gets it anyway")


def _judge_reference_kinds(fit: Fitting, given: Sequence[Reference]) -> None:
    rule = fit.mode.references
    kinds = [fit.inputs.get(f"references[{i}].media") for i in range(len(given))]
    left = {"image": rule.images, "clip": rule.clips}
    kept: list[Reference] = []
    for reference, facts in zip(given, kinds, strict=True):
        kind = facts.kind if facts else ("image" if rule.images else "clip")
        if left[kind] > 0 and len(kept) < rule.high:
            left[kind] -= 1
            kept.append(reference)
        if facts and facts.kind == "clip" and rule.clip_max_s and (facts.duration_s or 0) > rule.clip_max_s + 0.05:
            fit.wrong(
                "references",
                f"references: {reference.tag} lasts {number_text(facts.duration_s or 0)} s; the longest clip is "
                f"{number_text(rule.clip_max_s)} s: shorten it",
            )
    if len(kept) < len(given):
        takes = [f"{count} {word}" for count, word in ((rule.images, "images"), (rule.clips, "clips")) if count]
        text = f"references: {len(given)} given; {fit.row.id} takes at most {rule.high} ({', '.join(takes)})"
        fit.wrong("references", text, {"references": tuple(kept)})


def judge_source(fit: Fitting) -> None:
    """The clip that extend, edit and upscale start from."""
    request, clip, rule = fit.request, fit.clip, fit.mode.source
    needs = request.task in ("extend", "edit", "upscale")
    if needs and request.source_clip is None:
        fit.wrong("source_clip", f"source_clip: {request.task} needs a clip: give a path, a URL or a job id")
        return
    if not needs and request.source_clip is not None:
        text = f"source_clip: {request.task} takes none; extend, edit and upscale do"
        fit.wrong("source_clip", text, {"source_clip": None}, lacking=True)
        return
    if clip is None or request.source_clip is None:
        return
    if clip.kind != "clip":
        fit.wrong("source_clip", "source_clip is an image: give a clip")
    elif clip.duration_s is not None and rule.max_s and clip.duration_s > rule.max_s + 0.05:
        text = f"source_clip lasts {number_text(clip.duration_s)} s; {fit.row.id} takes at most"
        fit.wrong("source_clip", f"{text} {number_text(rule.max_s)} s: trim it")
    elif clip.duration_s is not None and clip.duration_s < rule.min_s - 0.05:
        text = f"source_clip lasts {number_text(clip.duration_s)} s; {fit.row.id} needs at least"
        fit.wrong("source_clip", f"{text} {number_text(rule.min_s)} s")
