"""The one list of names: every argument of a request for a clip, read from `VideoRequest` and `Terms`.

Tool schemas, options of the command line, columns of a table of shots, keywords in a notebook and the pages of the
documentation are made by walking it. A new field of either model is in all of them.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from backends.regions import MotionRegion
from backends.request import TASKS, Frame, VideoRequest
from backends.terms import Terms
from backends.written import AS_IT_IS, Written

Kind = Literal["text", "number", "whole", "flag", "choice", "list", "point", "frames", "regions", "options"]
"""How a value is given: list = several texts (moves, references), point = two numbers, frames = keyframes, regions =
motion regions, options = a table whose names are a model's own."""


@dataclass(frozen=True)
class Argument:
    """One name. about: what it means, in a phrase. choices: the legal words of a "choice". default: what it is when it
    is left out; None where the model's own holds. required: there is no call without it."""

    name: str
    kind: Kind
    about: str
    written: Written = AS_IT_IS
    choices: tuple[str, ...] = ()
    default: object = None
    required: bool = False

    @property
    def option(self) -> str:
        """Its option on the command line, without the dashes before it."""
        return self.written.option or self.name.replace("_", "-")


SOURCES = (
    Argument(
        "image",
        "text",
        "the image that the clip starts from: a path or https URL",
        Written(verbs=("image_to_video",)),
    ),
    Argument(
        "frames",
        "frames",
        "keyframes in order, with their times and for how long each is held",
        Written("frame", "PATH[@s][+s]", ("keyframes",), ("interpolate_keyframes",)),
    ),
    Argument(
        "clip",
        "text",
        "a clip to extend or restyle: a path, URL or job",
        Written(verbs=("generate_video", "extend_clip")),
    ),
    Argument("add_s", "number", "seconds to add to the clip", Written("add", verbs=("extend_clip",))),
)
"""What a clip is made from, as people name it: a request holds image and frames as `frames`, clip as `source_clip`,
add_s as `duration_s`."""
OWN_NAMES = ("task", "frames", "source_clip")
"""Fields of a request that follow from the call and its sources."""


@cache
def asked() -> Mapping[str, Argument]:
    """What says what is to be made: the sources, then the fields that a request holds under the same name."""
    fields = (one for one in read(VideoRequest) if one.name not in OWN_NAMES)
    return {one.name: one for one in (*SOURCES, *fields)}


@cache
def terms() -> Mapping[str, Argument]:
    """What says how it is ordered."""
    return {one.name: one for one in read(Terms)}


@cache
def task() -> Argument:
    """The kind of work, where it is given by hand: one that a model does."""
    about = VideoRequest.model_fields["task"].description
    return Argument("task", "choice", f"{about}; default: inferred from the inputs", choices=TASKS)


def known() -> frozenset[str]:
    """Every name that a starting call takes."""
    return frozenset({*asked(), *terms()})


def read(model: type[BaseModel]) -> Iterator[Argument]:
    """The fields of a model as arguments, in its order."""
    for name, field in model.model_fields.items():
        written = next((one for one in field.metadata if isinstance(one, Written)), AS_IT_IS)
        default: object = None if field.is_required() else field.get_default(call_default_factory=True)
        hint = _bare(field.annotation)
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        yield Argument(name, _kind(name, hint), _about(name, field), written, choices, default, field.is_required())


def _about(name: str, field: FieldInfo) -> str:
    if not field.description:
        raise TypeError(f"field {name} has no description")
    return field.description


def _bare(hint: object) -> object:
    """A type without what `Annotated` adds and without None."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        (one,) = [one for one in get_args(hint) if one is not type(None)]
        return _bare(one)
    return hint


_PLAIN: Mapping[object, Kind] = {str: "text", float: "number", Decimal: "number", int: "whole", bool: "flag"}
_LISTED: Mapping[object, Kind] = {float: "point", Frame: "frames", MotionRegion: "regions"}


def _kind(name: str, hint: object) -> Kind:
    origin = cast(Any, get_origin(hint))
    if origin is Literal:
        return "choice"
    if origin is dict:
        return "options"
    if origin in (tuple, list):
        return _LISTED.get(_bare(get_args(hint)[0]), "list")
    if hint not in _PLAIN:
        raise TypeError(f"field {name}: no front end knows how to ask for {hint}")
    return _PLAIN[hint]
