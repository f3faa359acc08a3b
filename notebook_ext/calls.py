"""Turning a call in a cell into a request, and a request into the call that repeats it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from backends import vocabulary
from backends.camera import CameraMove
from backends.edit import vocabulary as film
from backends.edit.request import Codec, FinishRequest, Format
from backends.problems import refuse
from backends.request import Fit, VideoRequest
from backends.terms import Prefer, Terms, Where
from backends.values import plain_decimal
from backends.verbs import contradictions, finish_of, keyframe_order, request_of, terms_of
from notebook_ext.media_names import media_name

if TYPE_CHECKING:
    from backends.jobs.detail import Detail
    from backends.jobs.views import Job


class Options(TypedDict, total=False):
    """The options of every starting call, for editors and type checkers: the names of `backends.vocabulary`.

    duration_s, at_s: seconds; max_cost_usd: US dollars, 0 unless given, so that nothing is bought by accident; take: 2,
    3 ... for another attempt at the same request.
    """

    model: str
    duration_s: float
    aspect_ratio: str
    resolution: str
    fps: float
    audio: bool
    seed: int
    negative_prompt: str
    references: object
    camera: object
    effect: str
    loras: Iterable[str]
    motion: object
    loop: bool
    fit: str
    focus: Sequence[float]
    style: str
    provider_options: Mapping[str, Any]
    prefer: Prefer
    where: Where
    max_cost_usd: float | str | Decimal
    take: int
    request_key: str
    label: str


class FilmOptions(TypedDict, total=False):
    """The options of finish_clip beside its clips: the names of `backends.edit.vocabulary`."""

    crossfade_s: float
    aspect_ratio: str
    resolution: str
    fps: float
    fit: Fit
    focus: Sequence[float]
    loop: bool
    speed: float
    upscaler: str
    narration: object
    music: object
    mute: bool
    loudness: float
    captions: str | Sequence[str]
    titles: str | Sequence[str]
    format: Format
    codec: Codec
    max_cost_usd: float | str | Decimal
    take: int
    request_key: str
    label: str


VERBS = {
    "text_to_video": "generate_video",
    "reference_to_video": "generate_video",
    "edit": "generate_video",
    "image_to_video": "image_to_video",
    "interpolate": "interpolate_keyframes",
    "extend": "extend_clip",
}


def asked(verb: str, given: Mapping[str, Any], folder: Path, *, cap: Decimal | None) -> tuple[VideoRequest, Terms]:
    """The request and the terms of a call; pictures and arrays among its media are saved in `folder`.

    cap: max_cost_usd where the call gives none. VideoError("invalid_request") lists every problem.
    """
    known = vocabulary.known()
    problems = [_unknown(name, known) for name in given if name not in known]
    fields = {name: value for name, value in given.items() if value is not None and name in known}
    terms = {name: fields.pop(name) for name in Terms.model_fields if name in fields}
    problems += _unset(fields)
    fields = _named(fields, folder)
    problems += [f"{place}: {told}" for place, told in contradictions(fields).items()]
    if "frames" in fields:
        problems += [f"{place}: {told}" for place, told in keyframe_order(fields["frames"]).items()]
    if problems:
        raise refuse(problems)
    if cap is not None:
        fields.setdefault("max_cost_usd", cap)
    return request_of(verb, fields), terms_of(terms)


def film_asked(clips: object, given: Mapping[str, Any], folder: Path, *, cap: Decimal) -> tuple[FinishRequest, Terms]:
    """The film and the terms of a call of finish_clip; pictures among its clips are saved in `folder`.

    cap: max_cost_usd where the call gives none. VideoError("invalid_request") lists every problem.
    """
    known = film.known()
    if unknown := [_unknown(name, known) for name in given if name not in known]:
        raise refuse(unknown)
    fields: dict[str, Any] = {"max_cost_usd": cap} | {name: value for name, value in given.items() if value is not None}
    names = [clips] if isinstance(clips, str | Mapping) or not isinstance(clips, Sequence) else clips
    fields["clips"] = [media_name(clip, folder) for clip in names]
    for place in ("narration", "music"):
        if place in fields:
            fields[place] = media_name(fields[place], folder)
    for name in ("captions", "titles", "focus"):
        if name in fields:
            fields[name] = [fields[name]] if isinstance(fields[name], str) else list(fields[name])
    return finish_of(fields), terms_of(fields)


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"{name}: no such argument" + (f"; did you mean {near[0]}?" if near else "")


def _unset(fields: Mapping[str, Any]) -> list[str]:
    """Refuse views in which nothing is set: such a view does not mean "no camera". `()` means that."""
    told = ((name, getattr(fields.get(name), "nothing_set", "")) for name in ("frames", "camera", "motion"))
    return [f"{name}: {why}" for name, why in told if why]


def _named(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Media as names, controls as the plain values that the vocabulary reads; a view is replaced by what was set in
    it."""
    named = dict(fields)
    for place in ("image", "clip"):
        if place in named:
            named[place] = media_name(named[place], folder)
    if "frames" in named:
        named["frames"] = [_frame(frame, folder) for frame in getattr(named["frames"], "frames", named["frames"])]
    for name, part in (("camera", "moves"), ("motion", "motion")):
        if name in named:
            value = getattr(named[name], part, named[name])
            named[name] = [_plain(one) for one in ([value] if isinstance(value, str | Mapping) else value)]
    if "focus" in named:
        named["focus"] = list(named["focus"])
    if "references" in named:
        given = named["references"]
        pairs = given.items() if isinstance(given, Mapping) else None
        named["references"] = (
            [{"tag": tag, "media": media_name(media, folder)} for tag, media in pairs]
            if pairs is not None
            else [_plain(one) for one in given]
        )
    return named


def _frame(frame: object, folder: Path) -> dict[str, Any]:
    """A keyframe from a Frame, a mapping, (image, at_s), or an image alone."""
    plain = _plain(frame)
    if isinstance(plain, tuple) and len(plain) == 2:
        plain = {"image": plain[0], "at_s": plain[1]}
    if not isinstance(plain, Mapping):
        plain = {"image": plain}
    values = {name: value for name, value in plain.items() if value is not None and name != "role"}
    return values | ({"image": media_name(values["image"], folder)} if "image" in values else {})


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else value


def call_of(view: Job, detail: Detail) -> str:
    """The Python call that asks for a job's request again."""
    if detail.film is not None:
        return film_code(detail.film, view.label, view.take)
    return as_code(detail.asked, view.label, view.take)


def as_code(request: VideoRequest, label: str = "", take: int = 1) -> str:
    """The Python call that makes this request again."""
    verb = VERBS.get(request.task, "make")
    first: list[str] = []
    named: dict[str, Any] = {}
    if request.task == "image_to_video" and request.frames:
        first.append(repr(request.frames[0].image))
    elif request.task == "interpolate":
        first.append(repr([_short(frame.model_dump(exclude_none=True)) for frame in request.frames]))
    elif request.task == "extend":
        first += [repr(request.source_clip), f"{request.duration_s:g}" if request.duration_s else "None"]
    elif request.source_clip:
        named["clip"] = request.source_clip
    if request.prompt:
        first.append(repr(request.prompt))
    skipped = {"task", "prompt", "frames", "source_clip", "max_cost_usd"} | (
        {"duration_s"} if request.task == "extend" else set()
    )
    defaults = VideoRequest(task=request.task)
    for name in VideoRequest.model_fields:
        value = getattr(request, name)
        if name in skipped or value == getattr(defaults, name):
            continue
        if vocabulary.asked()[name].kind == "list":
            value = [str(part) for part in value]
        elif vocabulary.asked()[name].kind == "regions":
            value = [region.model_dump(exclude_defaults=True) for region in value]
        named[name] = value
    if request.max_cost_usd:
        named["max_cost_usd"] = float(plain_decimal(request.max_cost_usd))
    named |= {name: value for name, value in (("label", label), ("take", take if take > 1 else 0)) if value}
    return f"studio.{verb}({', '.join([*first, *(f'{name}={_code(value)}' for name, value in named.items())])})"


def film_code(finish: FinishRequest, label: str = "", take: int = 1) -> str:
    """The Python call that requests this film again."""
    named = finish.model_dump(mode="json", exclude={"clips", "max_cost_usd"}, exclude_defaults=True)
    if finish.max_cost_usd:
        named["max_cost_usd"] = float(plain_decimal(finish.max_cost_usd))
    named |= {name: value for name, value in (("label", label), ("take", take if take > 1 else 0)) if value}
    words = [repr(list(finish.clips)), *(f"{name}={value!r}" for name, value in named.items())]
    return f"studio.finish_clip({', '.join(words)})"


def _short(frame: dict[str, Any]) -> dict[str, Any]:
    """A keyframe's set fields, its camera in the string form."""
    short = {name: value for name, value in frame.items() if name != "role" and value not in ("", 0.0, ())}
    if "at_s" in frame:
        short["at_s"] = frame["at_s"]
    return short | ({"camera": [str(CameraMove(**move)) for move in short["camera"]]} if "camera" in short else {})


def _code(value: Any) -> str:
    return repr(json.loads(json.dumps(value))) if isinstance(value, dict) else repr(value)
