"""Arguments of the vocabulary as options of the command line: the typer parameter of each, and the value that it
means."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_type_hints

import typer

from backends.errors import VideoError
from backends.vocabulary import Argument, Kind

BARE = ("prompt", "clips")
"""Arguments that stand on the command line without an option's name."""


def keyframe(text: str) -> dict[str, object]:
    """PATH[@s][+s]: an image, the second at which the clip shows it, and for how many seconds it is held. Or the tools'
    object as JSON, with a camera of its own."""
    if text.startswith("{") and not Path(text).exists():
        value = from_json("frame", text)
        if not isinstance(value, dict):
            raise VideoError("invalid_request", f"frame: not an object: {text[:60]!r}")
        return cast("dict[str, object]", value)
    number = r"[0-9]+(?:\.[0-9]+)?"
    shape = re.fullmatch(rf"(.+?)(?:@({number}))?(?:\+({number}))?", text)
    if shape is None or Path(text).expanduser().exists():
        return {"image": text}
    frame: dict[str, object] = {"image": shape[1]}
    return frame | {name: float(shape[n]) for n, name in ((2, "at_s"), (3, "hold_s")) if shape[n] is not None}


def point(name: str, text: str) -> list[float]:
    """X,Y: both 0 to 1."""
    parts = text.split(",")
    try:
        found = [float(part) for part in parts]
    except ValueError:
        found = list[float]()
    if len(found) != 2:
        raise VideoError("invalid_request", f"{name} {text[:40]!r} is not X,Y: write for example 0.5,0.3")
    return found


def from_json(name: str, text: str) -> object:
    """The value of an option that is written as JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise VideoError("invalid_request", f"{name}: not JSON ({error}): {text[:60]!r}") from None


def regions(name: str, texts: list[str]) -> list[object]:
    """Regions: each option one region as JSON, or a list of them."""
    found: list[object] = []
    for text in texts:
        value = from_json(name, text)
        found += cast("list[object]", value) if isinstance(value, list) else [value]
    return found


def provider_options(texts: list[str]) -> dict[str, object]:
    """--option NAME=VALUE: the value as JSON where it is JSON, else as text."""
    found: dict[str, object] = {}
    for text in texts:
        name, sep, value = text.partition("=")
        if not sep or not name:
            raise VideoError("invalid_request", f"option {text[:60]!r} is not NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


HINTS: Mapping[Kind, object] = {
    "text": str | None,
    "number": float | None,
    "whole": int | None,
    "point": str | None,
    **dict.fromkeys(("list", "frames", "regions", "options"), list[str] | None),
}
"""The type that typer reads for an option of each kind. Flags and choices have their own."""


def meaning(argument: Argument, given: Any) -> object:
    """The value of an option; None when it is not given. VideoError when it is malformed."""
    if given is None or given in ([], ""):
        return None
    match argument.kind:
        case "frames":
            return [keyframe(text) for text in given]
        case "regions":
            return regions(argument.name, given)
        case "options":
            return provider_options(given)
        case "point":
            return point(argument.name, given)
        case "flag":
            return given or (None if argument.default is False else False)
        case _:
            return given


def meanings(arguments: Iterable[Argument], values: dict[str, Any]) -> dict[str, object]:
    """The values of the given options, by argument name; all are removed from `values`."""
    found = {one.name: meaning(one, values.pop(key(one))) for one in arguments if key(one) in values}
    return {name: value for name, value in found.items() if value is not None}


def key(argument: Argument) -> str:
    """The name under which typer passes an option."""
    return argument.option.replace("-", "_")


def parameter(argument: Argument) -> inspect.Parameter:
    """The parameter that typer reads: not given means None, while the help text may show a default."""
    default: Any = argument.default if argument.kind == "choice" or argument.name in BARE else None
    if argument.default is False:
        default = False
    if argument.required:
        default = inspect.Parameter.empty
    hint = Annotated[_hint(argument), _shown(argument)]
    return inspect.Parameter(key(argument), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _shown(argument: Argument) -> Any:
    """The description in the help text."""
    about = f"{argument.about[:1].upper()}{argument.about[1:]}"
    form = argument.written.form or None
    if argument.name in BARE:
        return typer.Argument(help=f"{about}.", metavar=form)
    if argument.kind in ("list", "frames", "regions", "options"):
        about = f"{about}; repeatable"
    names = [f"--{argument.option}"]
    if argument.kind == "flag" and argument.default is None:
        names = [f"--{argument.option}/--no-{argument.option}"]
    return typer.Option(*names, help=f"{about}.", metavar=form)


def _hint(argument: Argument) -> Any:
    if argument.kind == "choice":
        words: Any = Literal[argument.choices]  # pyright: ignore[reportInvalidTypeForm]  as data
        return words if argument.default else words | None
    if argument.kind == "flag":
        return bool if argument.default is False else bool | None
    return list[str] if argument.required and argument.kind == "list" else HINTS[argument.kind]


def taking(
    command: Callable[..., None], arguments: Iterable[Argument], meaning_of: Callable[[dict[str, Any]], object]
) -> Callable[..., None]:
    """Give a command these options before its own. meaning_of removes their values from a call's arguments; its result
    becomes the command's first argument."""
    shared = [parameter(one) for one in arguments]
    signature = inspect.signature(command)
    first = next(iter(signature.parameters))

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        from mcp_server.cli.opening import failures

        with failures(bool(values.get("as_json"))):
            given = meaning_of(values)
        command(given, **values)

    hints = get_type_hints(command, include_extras=True)
    own = (one for name, one in signature.parameters.items() if name != first)
    kept = [one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    parameters = [*shared, *kept]
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    wrapper.__dict__["__signature__"] = inspect.Signature(parameters)
    return wrapper
