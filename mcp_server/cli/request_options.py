"""The options that mean a request, once for `estimate`, `make` and the rows of a batch."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args, get_type_hints

import typer

from backends.errors import VideoError, listing

if TYPE_CHECKING:
    from backends.request import VideoRequest

Prefer = Literal["quality", "cheapest", "fastest", "consistency", "motion"]
Where = Literal["any", "local"]
TaskName = Literal["text_to_video", "image_to_video", "interpolate", "reference_to_video", "extend", "edit", "upscale"]
FitName = Literal["crop", "pad", "blur", "refuse"]


@dataclass(frozen=True)
class Given:
    """What a person asked for, under the names that tools and batch columns use. Left out = not in `fields`."""

    fields: Mapping[str, object] = field(default_factory=dict[str, object])
    task: str | None = None
    prefer: Prefer = "quality"
    where: Where = "any"

    def request(self) -> VideoRequest:
        """The request. VideoError("invalid_request") with every problem, each under the option's field name."""
        from backends.request import refuse
        from backends.verbs import contradictions, request_of
        from mcp_server.asked import called

        if found := contradictions(self.fields):
            raise refuse(f"{name}: {sentence}" for name, sentence in found.items())
        try:
            request = request_of("estimate_cost", self.fields)
        except VideoError as error:
            raise refuse(problem.named(called(self.fields)) for problem in error.problems) from None
        if self.task is None:
            return request
        if self.task not in get_args(TaskName):
            raise refuse([f"task: one of {', '.join(get_args(TaskName))}, not {self.task[:40]!r}"])
        return request.model_copy(update={"task": self.task})

    @contextmanager
    def named(self) -> Generator[None]:
        """A VideoError inside calls each field by the name that the person wrote."""
        from mcp_server.asked import called

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


def focus_point(text: str) -> list[float]:
    """--focus X,Y: both 0 to 1."""
    parts = text.split(",")
    try:
        point = [float(part) for part in parts]
    except ValueError:
        point = []
    if len(point) != 2:
        raise VideoError("invalid_request", f"focus {text[:40]!r} is not X,Y: write for example 0.5,0.3")
    return point


def from_json(name: str, text: str) -> object:
    """The value of an option that is written as JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise VideoError("invalid_request", f"{name}: not JSON ({error}): {text[:60]!r}") from None


def regions(texts: list[str]) -> list[object]:
    """--motion: each a region as JSON, or a list of them."""
    found: list[object] = []
    for text in texts:
        value = from_json("motion", text)
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


def given_by_options(
    prompt: Annotated[str, typer.Argument(help="What happens in the clip.")] = "",
    model: Annotated[str | None, typer.Option(help="A model's id or alias. Default: chosen for you.")] = None,
    task: Annotated[TaskName | None, typer.Option(help="Task. Default: inferred from the inputs.")] = None,
    image: Annotated[str | None, typer.Option(help="The image that the clip starts from: a path or https URL.")] = None,
    frame: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH[@s][+s]", help="A keyframe, its time, how long it is held; repeatable."),
    ] = None,
    clip: Annotated[str | None, typer.Option(help="A clip to extend (with --add) or restyle: path, URL, job.")] = None,
    add: Annotated[float | None, typer.Option(help="Seconds to add to --clip.")] = None,
    ref: Annotated[list[str] | None, typer.Option(metavar="TAG=PATH", help="A reference, @TAG in the prompt.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds of the clip.")] = None,
    aspect: Annotated[str | None, typer.Option(help="Aspect ratio, such as 16:9.")] = None,
    resolution: Annotated[str | None, typer.Option(help="Such as 720p or 1080p.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second.")] = None,
    audio: Annotated[bool | None, typer.Option("--audio/--no-audio", help="With or without sound.")] = None,
    seed: Annotated[int | None, typer.Option(help="0 to 4294967295.")] = None,
    negative: Annotated[str, typer.Option(help="What must not be in the clip.")] = "",
    camera: Annotated[
        list[str] | None, typer.Option(metavar="MOVE[:amount][@from-to]", help="Such as dolly-in:0.4@0-2; repeatable.")
    ] = None,
    motion: Annotated[list[str] | None, typer.Option(metavar="JSON", help="A motion region; repeatable.")] = None,
    fit: Annotated[FitName | None, typer.Option(help="What to do when the image's aspect ratio differs.")] = None,
    focus: Annotated[str | None, typer.Option(metavar="X,Y", help="The point a crop keeps, such as 0.5,0.3.")] = None,
    style: Annotated[str | None, typer.Option(help="The look, in words, such as 'watercolour'.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Make the clip loop seamlessly.")] = False,
    effect: Annotated[str | None, typer.Option(help="A model's named effect.")] = None,
    lora: Annotated[list[str] | None, typer.Option(metavar="NAME[:weight]", help="A LoRA; repeatable.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A model's own option; repeatable.")
    ] = None,
    prefer: Annotated[Prefer, typer.Option(help="How to rank models when none is named.")] = "quality",
    where: Annotated[Where, typer.Option(help="any, or this machine alone.")] = "any",
) -> Given:
    """What the options mean. VideoError for one that is not written as it must be."""
    fields: dict[str, object] = {
        "prompt": prompt or None,
        "model": model,
        "image": image,
        "frames": [keyframe(text) for text in frame] if frame else None,
        "clip": clip,
        "add_s": add,
        "references": ref,
        "duration_s": duration,
        "aspect_ratio": aspect,
        "resolution": resolution,
        "fps": fps,
        "audio": audio,
        "seed": seed,
        "negative_prompt": negative or None,
        "camera": camera,
        "motion": regions(motion) if motion else None,
        "fit": fit,
        "focus": focus_point(focus) if focus else None,
        "style": style,
        "loop": loop or None,
        "effect": effect,
        "loras": lora,
        "provider_options": provider_options(option) if option else None,
    }
    kept = {name: value for name, value in fields.items() if value not in (None, [])}
    return Given(kept, task, prefer, where)


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all of these options: it gets their meaning as its first argument, `given`."""
    shared = inspect.signature(given_by_options).parameters
    own = [one for name, one in inspect.signature(command).parameters.items() if name != "given"]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        from mcp_server.cli.opening import failures

        with failures(bool(values.get("as_json"))):
            given = given_by_options(**{name: values.pop(name) for name in shared})
        command(given, **values)

    hints = get_type_hints(given_by_options, include_extras=True) | get_type_hints(command, include_extras=True)
    parameters = [
        one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY) for one in (*shared.values(), *own)
    ]
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    wrapper.__dict__["__signature__"] = inspect.Signature(parameters)
    return wrapper
