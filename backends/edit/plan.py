"""From a FinishRequest and what is known of its media to a plan: which part of what stands where on the film.

Pure: no file is opened. Times are seconds; frames are whole frames of the film, counted exactly.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from backends.catalog.rules.shape import CROP_LIMIT, SAME_RATIO, even, lost
from backends.catalog.schema.span import lines_of, number_text, ratio_value
from backends.edit.request import FinishRequest
from backends.errors import Problem, VideoError, listing
from backends.facts import MediaFacts
from backends.media.rates import exact_rate
from backends.media_name import MediaName
from backends.request import Fit

HOLD_S = 3.0
"""Seconds for which an image is held where its name does not say it."""
FPS = Fraction(24)
"""A film of stills alone."""
STILL_LINES = 1080
"""The most lines of a film of stills without a requested resolution."""
LOOP_S = 0.5
"""Over so long the end of a loop runs into its beginning where no cross-fade is requested."""
END_TOLERANCE_S = 0.05
"""A part may be requested up to so far behind a clip's end without a word: players round."""
MOST_S = 3600.0
SIDES = (16, 8192)
BETWEEN = 1.2
"""From so many film frames for one of a clip's on, the frames between are made by motion."""
SAME_RATE = 0.001


@dataclass(frozen=True)
class Segment:
    """A clip's part or a held still on the film. start, frames: on the film (a cross-fade overlaps the one before).
    from_s, to_s: of the source. fps: the clip's own rate (None for a still). between: frames are made between the
    clip's own. whole, to_end: it is all of the clip, it ends where the clip does."""

    place: str
    still: bool
    from_s: float
    to_s: float
    speed: float
    start: int
    frames: int
    fps: float | None = None
    between: bool = False
    whole: bool = False
    to_end: bool = False


@dataclass(frozen=True)
class Plan:
    """fade: frames of each cross-fade. loop: frames over which the end runs into the beginning, 0 for no loop.
    frames: of the whole film. plain: nothing is requested that changes a picture, so that clips of one maker may be
    joined without re-encoding. notes: what the user should know."""

    segments: tuple[Segment, ...]
    width: int
    height: int
    fps: Fraction
    fade: int
    loop: int
    frames: int
    fit: Fit | None
    focus: tuple[float, float] | None
    plain: bool
    notes: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        return float(self.frames / self.fps)


def forecast(request: FinishRequest, facts: Mapping[str, MediaFacts], doubled: Collection[int] = ()) -> Plan | None:
    """The plan, None while something is not known yet (a clip that is still to be fetched or made)."""
    for number in range(len(request.clips)):
        known = facts.get(f"clips[{number}]")
        if known is None or not known.width or not known.height:
            return None
        if known.kind == "clip" and known.duration_s is None:
            return None
    return plan(request, facts, doubled)


def plan(request: FinishRequest, facts: Mapping[str, MediaFacts], doubled: Collection[int] = ()) -> Plan:
    """The plan. facts: of every place "clips[N]". doubled: the numbers of clips that begin with the last frame of the
    clip before; where the two meet at a cut, that frame is shown once. VideoError("invalid_request" or "asset") says
    what to change."""
    media = [facts[f"clips[{number}]"] for number in range(len(request.clips))]
    notes: list[str] = []
    fps = _rate(request, media, notes)
    width, height = _size(request, media, notes)
    _judge_shapes(request, media, width, height, notes)
    fade = _fade(request, fps, notes)
    cuts = _segments(request, media, fps, notes)
    if not fade:
        cuts = [
            _after_double(one, fps) if number in doubled and meets(cuts[number - 1], one) else one
            for number, one in enumerate(cuts)
        ]
    segments = _placed(request, cuts, fps)
    _judge_fade(request, segments, fade, fps)
    end = segments[-1].start + segments[-1].frames
    loop = _loop(request, segments, fade, fps, notes)
    if end - loop > MOST_S * fps:
        raise VideoError(
            "invalid_request", f"the film would last {float(end / fps):.0f} s; at most {MOST_S:.0f} s are made: cut it"
        )
    plain = (
        not loop
        and not fade
        and all(_is_plain(one, of, width, height, fps) for one, of in zip(segments, media, strict=True))
    )
    focus = None if request.focus is None else (request.focus[0], request.focus[1])
    return Plan(
        tuple(segments),
        width,
        height,
        fps,
        fade,
        loop,
        end - loop,
        request.fit,
        focus,
        plain,
        tuple(dict.fromkeys(notes)),
    )


def cut_ends(made: Plan, first: int, last: int) -> Plan:
    """A looping plan without so many frames at its beginning and its end, which then needs no blending."""
    segments = list(made.segments)
    segments[0] = _shorter(segments[0], made.fps, first, 0)
    segments[-1] = _shorter(segments[-1], made.fps, 0, last)
    placed = [replace(one, start=max(0, one.start - first)) for one in segments]
    return replace(made, segments=tuple(placed), loop=0, frames=made.frames + made.loop - first - last)


def _shorter(one: Segment, fps: Fraction, first: int, last: int) -> Segment:
    each = one.speed / float(fps)
    start, end = one.from_s + first * each, one.to_s - last * each
    return replace(one, from_s=start, to_s=end, frames=one.frames - first - last, whole=False)


def _rate(request: FinishRequest, media: list[MediaFacts], notes: list[str]) -> Fraction:
    own = next((one.fps for one in media if one.kind == "clip" and one.fps), None)
    fps = exact_rate(request.fps if request.fps is not None else own or FPS)
    if request.fps is None and fps > 120:
        notes.append(f"the first clip has {number_text(float(fps))} fps; the film has 60")
        return Fraction(60)
    return fps


def _size(request: FinishRequest, media: list[MediaFacts], notes: list[str]) -> tuple[int, int]:
    """Of the film: what is requested, else the first clip's own (of stills alone: the first one's, bounded)."""
    first = next((one for one in media if one.kind == "clip"), None)
    base = first or media[0]
    short = min(base.width, base.height)
    if first is None:
        short = min(short, STILL_LINES)
    ratio = base.ratio
    asked = request.resolution
    if asked is not None:
        lines = lines_of(asked)
        if lines is None:
            raise _wrong("resolution", f"resolution {asked[:16]!r} is no size: write 720p, 1080p, 4k or 1920x1080")
        short = lines
        sides = asked.strip().lower().replace("×", "x").split("x")
        if len(sides) == 2:
            ratio = int(sides[0]) / int(sides[1])
            if request.aspect_ratio is not None and abs(ratio / ratio_value(request.aspect_ratio) - 1) > SAME_RATIO:
                raise _wrong(
                    "resolution", f"resolution {asked} is not {request.aspect_ratio}: leave one of the two out"
                )
    if request.aspect_ratio is not None:
        ratio = ratio_value(request.aspect_ratio)
    elif asked is None and first is not None:
        return _legal(even(base.width), even(base.height))
    width, height = (short * ratio, short) if ratio >= 1 else (short, short / ratio)
    return _legal(even(width), even(height))


def _legal(width: int, height: int) -> tuple[int, int]:
    if min(width, height) < SIDES[0] or max(width, height) > SIDES[1]:
        raise _wrong(
            "resolution",
            f"the film would be {width}x{height}, and a side is {SIDES[0]} to {SIDES[1]} pixels: "
            "ask for another resolution",
        )
    return width, height


def _judge_shapes(request: FinishRequest, media: list[MediaFacts], width: int, height: int, notes: list[str]) -> None:
    """Every clip whose ratio is not the film's: refused, or noted how it is put in. So is every enlarged one."""
    refused: list[Problem] = []
    enlarged: list[str] = []
    for number, one in enumerate(media):
        place, loss = f"clips[{number}]", lost(one.ratio, width / height)
        whole = request.fit in ("pad", "blur") and loss > SAME_RATIO
        if request.fit == "refuse" and loss > SAME_RATIO:
            refused.append(
                Problem(place, f"{place} is {one.width}x{one.height}, not of the film's ratio ({width}x{height})")
            )
        elif request.fit is None and loss > CROP_LIMIT:
            refused.append(
                Problem(
                    place, f"{place}: a crop from {one.width}x{one.height} to {width}x{height} cuts {loss:.0%} away"
                )
            )
        elif whole:
            where = "over a blurred copy of itself" if request.fit == "blur" else "between black bars"
            notes.append(f"{place} ({one.width}x{one.height}) is shown whole, {where}")
        elif loss > SAME_RATIO:
            notes.append(f"{place} ({one.width}x{one.height}) is cropped: {loss:.0%} of it is cut away")
        scale = (min if whole else max)(width / one.width, height / one.height)
        if scale > 1.01:
            enlarged.append(f"{place} by {scale:.2g}")
    if refused:
        tip = (
            'use fit="blur" or fit="pad" to show them whole, fit="crop" (with focus=[x, y]) to crop them anyway, '
            "or another aspect_ratio"
        )
        raise VideoError(
            "asset", f"{listing('', refused)}: {tip}", problems=refused, lead="", aside=tip, nearest={"fit": "blur"}
        )
    if enlarged:
        notes.append(f"enlarged on this machine (Lanczos; no detail is added): {', '.join(enlarged)}")


def _segments(request: FinishRequest, media: list[MediaFacts], fps: Fraction, notes: list[str]) -> list[Segment]:
    """Each with its length on the film; where they start comes after."""
    made: list[Segment] = []
    for number, (text, facts) in enumerate(zip(request.clips, media, strict=True)):
        place, name = f"clips[{number}]", MediaName.parse(text)
        if facts.kind == "image":
            made.append(_held(place, name, fps, notes))
        else:
            made.append(_cut(place, name, facts, request, fps, notes))
    return made


def _held(place: str, name: MediaName, fps: Fraction, notes: list[str]) -> Segment:
    seconds = HOLD_S if name.to_s is None else name.to_s - (name.from_s or 0.0)
    if name.to_s is None:
        notes.append(f"{place} is an image and is held for {HOLD_S:g} s: #t=0,5 behind its name would hold it for 5 s")
    return Segment(place, True, 0.0, seconds, 1.0, 0, max(1, round(seconds * fps)))


def _cut(
    place: str, name: MediaName, facts: MediaFacts, request: FinishRequest, fps: Fraction, notes: list[str]
) -> Segment:
    length = facts.duration_s or 0.0
    start, end = name.from_s or 0.0, name.to_s if name.to_s is not None else length
    if start >= length - 1e-6:
        raise _wrong(place, f"{place} ends at {length:.3f} s, so nothing of it is left from {start:g} s on", "asset")
    if end > length + END_TOLERANCE_S:
        notes.append(f"{place} ends at {length:.3f} s: {name.fragment} takes it up to there")
    end = min(end, length)
    own = facts.fps
    same_rate = own is not None and abs(own / float(fps) - 1) < SAME_RATE
    whole = start == 0 and end == length
    if whole and same_rate and request.speed == 1 and facts.frames:
        frames = facts.frames
    else:
        frames = max(1, round((end - start) / request.speed * float(fps)))
    between = own is not None and float(fps) / (own * request.speed) >= BETWEEN
    if between and own is not None:
        notes.append(
            f"{place} has {number_text(own * request.speed)} frames a second of film: those between are made by motion"
        )
    elif not same_rate and own is not None:
        notes.append(
            f"{place} has {number_text(own)} fps: each frame of the film ({number_text(float(fps))} a second) "
            "shows its nearest one"
        )
    return Segment(place, False, start, end, request.speed, 0, frames, own, between, whole, end == length)


def meets(before: Segment, one: Segment) -> bool:
    """Whether the last frame of one clip and the first one of the next stand at their cut."""
    return before.to_end and not one.still and one.from_s == 0


def _after_double(one: Segment, fps: Fraction) -> Segment:
    """Without its first frame, as long as another is left. Its sound begins with the second one too."""
    if one.fps is None or one.frames < 2:
        return one
    start = 1 / one.fps
    left = round((one.to_s - start) / one.speed * float(fps))
    same_rate = one.speed == 1 and abs(one.fps / float(fps) - 1) < SAME_RATE
    return replace(one, from_s=start, frames=one.frames - 1 if same_rate else max(1, left), whole=False)


def _placed(request: FinishRequest, segments: list[Segment], fps: Fraction) -> list[Segment]:
    fade = round(request.crossfade_s * float(fps)) if len(segments) > 1 else 0
    placed: list[Segment] = []
    at = 0
    for one in segments:
        placed.append(replace(one, start=at))
        at += one.frames - fade
    return placed


def _fade(request: FinishRequest, fps: Fraction, notes: list[str]) -> int:
    if not request.crossfade_s:
        return 0
    if len(request.clips) == 1:
        if not request.loop:
            notes.append("crossfade_s has nothing to do: there is one clip alone")
        return 0
    return round(request.crossfade_s * float(fps))


def _judge_fade(request: FinishRequest, segments: list[Segment], fade: int, fps: Fraction) -> None:
    """Each clip must be longer than the cross-fades at its two ends together."""
    rooms = [one.frames // max(1, (number > 0) + (number < len(segments) - 1)) for number, one in enumerate(segments)]
    room = min(rooms)
    if fade <= room or len(segments) == 1:
        return
    tight = segments[rooms.index(room)]
    most = math.floor(float(room / fps) * 100) / 100
    text = (
        f"crossfade_s {request.crossfade_s:g} is too long for {tight.place}, which lasts "
        f"{float(tight.frames / fps):.2f} s: take at most {most:g}"
    )
    problem = Problem("crossfade_s", text)
    raise VideoError("invalid_request", text, problems=[problem], lead="", nearest={"crossfade_s": most})


def _loop(request: FinishRequest, segments: list[Segment], fade: int, fps: Fraction, notes: list[str]) -> int:
    if not request.loop:
        return 0
    end = segments[-1].start + segments[-1].frames
    wanted = round((request.crossfade_s or LOOP_S) * float(fps))
    most = min(end // 3, segments[0].frames - fade, segments[-1].frames - fade)
    if most < 1:
        raise _wrong("loop", "the first and the last clip are too short to run into each other: take longer ones")
    return min(wanted, most)


def _is_plain(one: Segment, facts: MediaFacts, width: int, height: int, fps: Fraction) -> bool:
    return (
        one.whole
        and one.speed == 1
        and (facts.width, facts.height) == (width, height)
        and facts.codec == "h264"
        and one.fps is not None
        and abs(one.fps / float(fps) - 1) < SAME_RATE
    )


def _wrong(field: str, text: str, kind: str = "invalid_request") -> VideoError:
    problem = Problem(field, text)
    if kind == "asset":
        return VideoError("asset", text, problems=[problem], lead="")
    return VideoError("invalid_request", text, problems=[problem], lead="")
