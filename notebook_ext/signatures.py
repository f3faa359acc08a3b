"""What `studio.generate_video?` and Shift+Tab show: real signatures, and every option with its unit and range.

Both are read from `backends.vocabulary`, so that a new field is shown too.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel

from backends import vocabulary
from backends.edit import vocabulary as film
from backends.edit.request import FinishRequest
from backends.request import VideoRequest
from notebook_ext.calls import FilmOptions, Options

C = TypeVar("C", bound=type)
VERBS = ("generate_video", "image_to_video", "interpolate_keyframes", "extend_clip")
FILM = "finish_clip"
"""The call whose options are a film's own."""
DEFAULTS: Mapping[str, object] = {
    "model": vocabulary.asked()["model"].default,
    **{one.name: one.default for one in vocabulary.terms().values() if one.default is not None},
    "max_cost_usd": 0,
}
"""Defaults; every other option defaults to the model's own (None)."""
UNITS: Mapping[str, str] = {"duration_s": "seconds", "fps": "frames a second", "max_cost_usd": "US dollars"}
FORMS: Mapping[str, str] = {
    "camera": 'moves such as "dolly-in:0.4@0-2" (MOVE[:amount][@from-to]), or a camera view',
    "motion": 'regions such as {"box": [0, 0, 0.5, 1], "direction": "up"}, or a brush view',
    "references": '{"tag": image}, or "TAG=PATH", each named @tag in the prompt',
    "loras": '"NAME[:weight]"',
    "focus": "[x, y], 0 to 1 from the image's top left",
}
EXAMPLES: Mapping[str, str] = {
    "generate_video": 'clip = await studio.generate_video("a fox in the snow", duration_s=5, max_cost_usd=1)',
    "image_to_video": 'clip = await studio.image_to_video("lake.png", "rain begins", camera=["dolly-in:0.3"])',
    "interpolate_keyframes": 'clip = await studio.interpolate_keyframes(["a.png", ("b.png", 2.5)], "day to night")',
    "finish_clip": 'film = await studio.finish_clip([clip, "logo.png#t=0,2"], crossfade_s=0.5, music="bed.wav")',
    "extend_clip": 'longer = await studio.extend_clip(clip, 4, "it walks on", max_cost_usd=1)',
}


def options_of(verb: str) -> tuple[str, ...]:
    """The options that apply to a starting call."""
    if verb == FILM:
        return tuple(FilmOptions.__annotations__)
    return tuple(
        name
        for name in Options.__annotations__
        if name in vocabulary.terms() or verb in vocabulary.asked()[name].written.verbs
    )


def default_of(verb: str, name: str) -> object:
    """An option's default; None: the model's own, or the first clip's."""
    if verb == FILM and name in film.asked() and name not in DEFAULTS:
        default = film.asked()[name].default
        return None if default == () else default
    return DEFAULTS.get(name)


def with_options(cls: C) -> C:
    """A class decorator: the starting calls show every option instead of `**options`."""
    for verb in (*VERBS, FILM):
        hints = typing.get_type_hints(FilmOptions if verb == FILM else Options)
        work: Any = getattr(cls, verb)
        own = [one for one in inspect.signature(work).parameters.values() if one.kind is not one.VAR_KEYWORD]
        given = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default_of(verb, name),
                annotation=hints[name] if default_of(verb, name) is not None else typing.Optional[hints[name]],  # noqa: UP045  a value, not an annotation
            )
            for name in options_of(verb)
            if all(name != one.name for one in own)
        ]
        work.__signature__ = inspect.Signature([*own, *given])
        work.__doc__ = f"{inspect.getdoc(work)}\n\n    {EXAMPLES[verb]}\n\nOptions:\n" + "\n".join(
            f"    {name}: {about(verb, name)}" for name in options_of(verb)
        )
    return cls


def about(verb: str, name: str) -> str:
    """An option in one line: its meaning, form, unit, range and default."""
    if name in vocabulary.terms():
        parts = [vocabulary.terms()[name].about]
    else:
        model, known = (FinishRequest, film.asked()) if verb == FILM else (VideoRequest, vocabulary.asked())
        unit = UNITS.get(name, "")
        described = known[name].about
        form = FORMS.get(name, "")
        parts = [described, "" if unit and unit in described else unit, form, *_range(_fields(model)[name])]
    default = default_of(verb, name)
    return "; ".join(filter(None, [*parts, f"default {default!r}" if default not in (None, "") else ""]))


@cache
def _fields(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema()["properties"]


def _range(field: Mapping[str, Any]) -> Iterator[str]:
    """ "above 0, at most 3600", "crop, pad, blur or refuse", "at most 20"."""
    one = next((part for part in field.get("anyOf", ()) if part.get("type") != "null"), field)
    if "enum" in one:
        *most, last = map(str, one["enum"])
        yield f"{', '.join(most)} or {last}"
    low = f"above {one['exclusiveMinimum']:g}" if "exclusiveMinimum" in one else ""
    low = f"{one['minimum']:g} or more" if "minimum" in one else low
    high = f"at most {one['maximum']:g}" if "maximum" in one else ""
    high = f"below {one['exclusiveMaximum']}" if "exclusiveMaximum" in one else high
    if low or high:
        yield ", ".join(filter(None, (low, high)))
    if one.get("type") == "string" and "maxLength" in one and one["maxLength"] > 300:
        yield f"at most {one['maxLength']} characters"
    if one.get("type") == "array" and "minItems" not in one and "maxItems" in one:
        yield f"at most {one['maxItems']}"
    if one.get("type") == "boolean":
        yield "True or False"
