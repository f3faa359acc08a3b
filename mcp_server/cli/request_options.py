"""The options of `estimate` and `make` that mean a request, made from the one list of names (`backends.vocabulary`)."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_type_hints

import typer

from backends import vocabulary
from backends.errors import VideoError, listing
from backends.request import TASKS, VideoRequest, refuse
from backends.terms import CHOOSING, DEFAULT_TERMS, Terms, build_terms
from backends.vocabulary import Argument, Kind

TOGETHER = "max_cost_usd"
"""Each command's own option: for one clip, or for all of them together."""
BARE = "prompt"
"""The one argument that is written without its option."""


@dataclass(frozen=True)
class Given:
    """What a person asked for, under the names of `backends.vocabulary`. Left out = not in `fields`."""

    fields: Mapping[str, object] = field(default_factory=dict[str, object])
    task: str | None = None
    terms: Terms = DEFAULT_TERMS

    def request(self) -> VideoRequest:
        """The request. VideoError("invalid_request") with every problem, each under the option's field name."""
        from backends.verbs import contradictions, request_of
        from mcp_server.problems import called

        if found := contradictions(self.fields):
            raise refuse(f"{name}: {sentence}" for name, sentence in found.items())
        try:
            request = request_of("estimate_cost", self.fields)
        except VideoError as error:
            raise refuse(problem.named(called(self.fields)) for problem in error.problems) from None
        if self.task is None:
            return request
        if self.task not in TASKS:
            raise refuse([f"task: one of {', '.join(TASKS)}, not {self.task[:40]!r}"])
        return request.model_copy(update={"task": self.task})

    @contextmanager
    def named(self) -> Generator[None]:
        """A VideoError inside calls each field by the name that the person wrote."""
        from mcp_server.problems import called

        try:
            yield
        except VideoError as error:
            names = called(self.fields)
            error.problems = tuple(problem.named(names) for problem in error.problems)
            error.nearest = {names.get(name, name): value for name, value in error.nearest.items()}
            if error.lead is not None:
                error.message = listing(error.lead, error.problems)
                error.message += f" {error.aside}" if error.aside else ""
            raise


def keyframe(text: str) -> dict[str, object]:
    """PATH[@s][+s]: a still, the second at which the clip shows it, and for how many it stands. Or the tools' object as
    JSON, with a camera of its own."""
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
    """Each a region as JSON, or a list of them."""
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
"""How an option of each kind is given. A flag, and a choice of words, have their own."""


def meaning(argument: Argument, given: Any) -> object:
    """What an option means; None for one that was left out. VideoError where it is not written as it must be."""
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


def offered() -> list[Argument]:
    """What is to be made, in the order of the help text: the words, the model, the task, then all else."""
    known = dict(vocabulary.asked())
    first = [known.pop(BARE), known.pop("model"), vocabulary.task()]
    return [*first, *(one for one in known.values() if one.name != TOGETHER)]


def given_by(values: dict[str, Any]) -> Given:
    """What a command's options mean; they are taken out of `values`."""
    fields = {one.name: meaning(one, values.pop(_key(one))) for one in offered()}
    task = cast("str | None", fields.pop("task"))
    named = {one.name: values.pop(_key(one)) for one in vocabulary.terms().values() if _key(one) in values}
    terms = build_terms(**named)
    return Given({name: value for name, value in fields.items() if value is not None}, task, terms)


def _key(argument: Argument) -> str:
    """The name under which typer hands an option on."""
    return argument.option.replace("-", "_")


def _parameter(argument: Argument) -> inspect.Parameter:
    about = f"{argument.about[:1].upper()}{argument.about[1:]}"
    hint = _hint(argument)
    if argument.kind in ("list", "frames", "regions", "options"):
        about = f"{about}; repeatable"
    if argument.name == BARE:
        said = typer.Argument(help=f"{about}.")
    else:
        names = [f"--{argument.option}"]
        if argument.kind == "flag" and argument.default is None:
            names = [f"--{argument.option}/--no-{argument.option}"]
        said = typer.Option(*names, help=f"{about}.", metavar=argument.written.form or None)
    default = argument.default if argument.kind == "choice" or argument.name == BARE else None
    if argument.default is False:
        default = False
    return inspect.Parameter(
        _key(argument), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, said]
    )


def _hint(argument: Argument) -> Any:
    if argument.kind == "choice":
        words: Any = Literal[argument.choices]  # pyright: ignore[reportInvalidTypeForm]  as data
        return words if argument.default else words | None
    if argument.kind == "flag":
        return bool if argument.default is False else bool | None
    return HINTS[argument.kind]


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what is to be made, and how a model is chosen for it: it gets their meaning
    as its first argument, `given`."""
    return _takes(command, [vocabulary.terms()[name] for name in CHOOSING])


def takes_order(command: Callable[..., None]) -> Callable[..., None]:
    """The same with all terms of an order."""
    return _takes(command, vocabulary.terms().values())


def _takes(command: Callable[..., None], terms: Iterable[Argument]) -> Callable[..., None]:
    shared = [_parameter(one) for one in (*offered(), *terms)]
    own = [one for name, one in inspect.signature(command).parameters.items() if name != "given"]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        from mcp_server.cli.opening import failures

        with failures(bool(values.get("as_json"))):
            given = given_by(values)
        command(given, **values)

    hints = get_type_hints(command, include_extras=True)
    kept = [one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    parameters = [*shared, *kept]
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    wrapper.__dict__["__signature__"] = inspect.Signature(parameters)
    return wrapper
