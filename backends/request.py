"""VideoRequest and its parts: the one vocabulary of the whole program.

Media are named here, never carried (`backends.media_name`). References, LoRAs and camera moves have string forms, since
an agent writes those with fewer mistakes than objects.
Nothing here knows a model's limits (`backends.catalog.rules` does): only what no model could ever mean is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, JsonValue, ValidationError, model_validator

from backends.camera import CameraMove
from backends.problems import problems_of, refuse
from backends.regions import MotionRegion
from backends.values import MAX_DURATION_S, Number, Part, Share, TextPart, Usd
from backends.written import Verb, Written

Task = Literal["text_to_video", "image_to_video", "interpolate", "reference_to_video", "extend", "edit", "upscale"]
TASKS: tuple[Task, ...] = get_args(Task)
Work = Literal[Task, "finish"]
"""What a job may be: a model's task, or finishing clips on this machine (`backends.edit`)."""
Fit = Literal["crop", "pad", "blur", "refuse"]
Role = Literal["first", "middle", "last"]

MAX_PROMPT = 32_000
"""Characters; the longest prompt that any known model takes (OpenAI's Videos API)."""
MAX_STYLE = 500
"""Characters: a style is a few words, not a prompt."""

FREE_SIZE: tuple[Verb, ...] = ("generate_video", "image_to_video", "interpolate_keyframes")
"""A clip that is made longer keeps its length, shape and rate."""
OF_STILLS: tuple[Verb, ...] = ("image_to_video", "interpolate_keyframes")


class Reference(TextPart):
    """A picture or clip that the prompt names as `@tag` (a face, a product, a style)."""

    tag: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")
    media: str = Field(min_length=1, max_length=4096)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `tag=path-or-uri`."""
        tag, sep, media = text.partition("=")
        if not sep or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", tag) or not media:
            raise ValueError(
                f"reference {text[:80]!r} is not tag=path-or-uri; write for example hero=/pictures/hero.png "
                "and use @hero in the prompt"
            )
        return cls(tag=tag, media=media)

    def __str__(self) -> str:
        return f"{self.tag}={self.media}"


class Frame(Part):
    """A still that the clip must show.

    image: a media name. at_s: seconds from the start (left out: first at 0, last at the end, the others evenly
    spaced). prompt: what happens from this frame to the next. hold_s: how long the clip stays on it, from at_s on,
    before it goes on to the next. camera: moves over the still while it is held, their times from at_s on.
    """

    image: str = Field(min_length=1, max_length=4096)
    role: Role = "first"
    at_s: Annotated[Number, Field(ge=0, le=MAX_DURATION_S)] | None = None
    prompt: str = Field(default="", max_length=MAX_PROMPT)
    hold_s: Annotated[Number, Field(ge=0, le=MAX_DURATION_S)] = 0.0
    camera: tuple[CameraMove, ...] = Field(default=(), max_length=20)


class Lora(Part):
    """A LoRA file or hub id with its weight: `path-or-id[:weight]`."""

    name: str = Field(min_length=1, max_length=1024)
    weight: Annotated[Number, Field(ge=-4, le=4)] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if isinstance(value, str):
            name, sep, weight = value.rpartition(":")
            if sep and re.fullmatch(r"-?[0-9.]+", weight):
                return {"name": name, "weight": float(weight)}
            return {"name": value}
        return value

    def __str__(self) -> str:
        return f"{self.name}:{self.weight:g}"


ALWAYS_DIGESTED = frozenset(
    [
        "task",
        "model",
        "prompt",
        "negative_prompt",
        "duration_s",
        "aspect_ratio",
        "resolution",
        "fps",
        "seed",
        "audio",
        "frames",
        "references",
        "source_clip",
        "camera",
        "motion",
        "fit",
        "loop",
        "effect",
        "loras",
        "provider_options",
    ]
)
"""The fields of the first version: they enter a request's digest also where they are left out."""


class VideoRequest(Part):
    """What to make, in the field's own terms. One clip a request.

    Each field's description is what every front end shows of it; its `Written` says how they write it
    (`backends.vocabulary`). source_clip: what extend, edit and upscale start from. loop: the last frame runs into the
    first. fit: how an image whose ratio is not the clip's is put into it: crop, pad (black bars), blur (the whole image
    over a blurred copy of itself) or refuse. max_cost_usd: compared with the high estimate.
    """

    task: Annotated[Work, Field(description="kind of work")]
    model: Annotated[str, Field(description="a model's id or alias, or a family; default: chosen for you")] = Field(
        default="auto", min_length=1, max_length=200
    )
    prompt: Annotated[str, Field(description="what happens in the clip")] = Field(default="", max_length=MAX_PROMPT)
    negative_prompt: Annotated[
        str, Field(description="what must not be in the clip", max_length=MAX_PROMPT), Written("negative")
    ] = ""
    duration_s: Annotated[
        Annotated[Number, Field(gt=0, le=MAX_DURATION_S)] | None,
        Field(description="seconds of the clip"),
        Written("duration", also=("seconds", "length"), verbs=FREE_SIZE),
    ] = None
    aspect_ratio: Annotated[
        str | None,
        Field(description="aspect ratio, such as 16:9; default with an image: the legal ratio nearest to it"),
        Written("aspect", also=("ratio",), verbs=FREE_SIZE),
    ] = Field(default=None, pattern=r"^[1-9][0-9]{0,3}(\.[0-9]+)?:[1-9][0-9]{0,3}$")
    resolution: Annotated[
        str | None,
        Field(description="such as 720p or 1080p; default: the model's"),
        Written(verbs=FREE_SIZE),
    ] = Field(default=None, max_length=16)
    fps: Annotated[
        Annotated[Number, Field(gt=0, le=240)] | None, Field(description="frames a second"), Written(verbs=FREE_SIZE)
    ] = None
    seed: Annotated[Annotated[int, Field(strict=True, ge=0, lt=2**32)] | None, Field(description="0 to 4294967295")] = (
        None
    )
    audio: Annotated[
        bool | None, Field(description="with or without sound; default: the model's"), Written(also=("sound",))
    ] = Field(default=None, strict=True)
    frames: Annotated[
        tuple[Frame, ...], Field(description="images that the clip starts from or passes through", max_length=100)
    ] = ()
    references: Annotated[
        tuple[Reference, ...],
        Field(description="images or clips, each TAG=PATH, named @TAG in the prompt", max_length=50),
        Written("ref", "TAG=PATH", ("reference", "refs")),
    ] = ()
    source_clip: Annotated[str | None, Field(description="the clip that extend, edit and upscale start from")] = Field(
        default=None, min_length=1, max_length=4096
    )
    camera: Annotated[
        tuple[CameraMove, ...],
        Field(description="camera moves, such as dolly-in:0.4@0-2", max_length=20),
        Written(form="MOVE[:amount][@from-to]"),
    ] = ()
    motion: Annotated[
        tuple[MotionRegion, ...],
        Field(
            description='regions that move, or stay still, such as {"box": [0, 0, 0.5, 1], "direction": "up"}',
            max_length=20,
        ),
        Written(form="JSON", verbs=("image_to_video", "extend_clip")),
    ] = ()
    fit: Annotated[
        Fit | None,
        Field(
            description="what to do when the image's aspect ratio differs; default: crop, refused where more than a "
            "quarter would be lost"
        ),
        Written(verbs=OF_STILLS),
    ] = None
    focus: Annotated[
        Annotated[list[Share], Field(min_length=2, max_length=2)] | None,
        Field(description="the point that a crop keeps, 0 to 1 from the image's top left, such as 0.5,0.3"),
        Written(form="X,Y", verbs=OF_STILLS),
    ] = None
    style: Annotated[str, Field(description="the look, in words, such as 'watercolour'", max_length=MAX_STYLE)] = ""
    loop: Annotated[bool, Field(description="make the clip loop seamlessly", strict=True), Written(verbs=OF_STILLS)] = (
        False
    )
    effect: Annotated[str | None, Field(description="a model's named effect")] = Field(default=None, max_length=100)
    loras: Annotated[
        tuple[Lora, ...],
        Field(description="LoRA files or hub ids for local models, each with its weight", max_length=20),
        Written("lora", "NAME[:weight]"),
    ] = ()
    provider_options: Annotated[
        dict[str, JsonValue],
        Field(description="a model's own options, by name"),
        Written("option", "NAME=VALUE", ("options",)),
    ] = Field(default_factory=dict)
    max_cost_usd: Annotated[
        Usd | None,
        Field(description="refuse above this estimate in US dollars; 0: nothing that costs money"),
        Written("max-cost"),
    ] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        tags = [reference.tag for reference in self.references]
        if len(set(tags)) < len(tags):
            raise ValueError(f"references use a tag twice: {tags}")
        if len(json.dumps(self.provider_options)) > 20_000:
            raise ValueError("provider_options are larger than 20,000 characters of JSON")
        return self

    def media(self) -> dict[str, str]:
        """Every media name in the request, by the place it stands in ("frames[0].image", "source_clip")."""
        named = {f"frames[{i}].image": frame.image for i, frame in enumerate(self.frames)}
        named |= {f"references[{i}].media": reference.media for i, reference in enumerate(self.references)}
        named |= {f"motion[{i}].mask": region.mask for i, region in enumerate(self.motion) if region.mask}
        if self.source_clip:
            named["source_clip"] = self.source_clip
        return named

    def _unused_later(self) -> set[str]:
        """Fields of a later version that are not used. They don't enter the digest, so that a paid job is still found
        by the same request after an update."""
        return {name for name, unused in _later_fields().items() if getattr(self, name) == unused}

    def digest(self, inputs: Mapping[str, str] = {}) -> str:
        """sha256 of the request as given, with each media name, and each LoRA file's ("loras[0]"), replaced by its
        content's hash where `inputs` has it.

        max_cost_usd is left out: it limits the call, and is no part of what is requested.
        """
        return self.digests_as([self.model], inputs)[0]

    def digests_as(self, models: Iterable[str], inputs: Mapping[str, str] = {}) -> list[str]:
        """The digest that the request would have if it named each of these models, in their order."""
        body = self._digested(inputs)
        texts = (json.dumps({**body, "model": model}, sort_keys=True, separators=(",", ":")) for model in models)
        return [hashlib.sha256(text.encode()).hexdigest() for text in texts]

    def _digested(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        body = self.model_dump(mode="json", exclude={"max_cost_usd"} | self._unused_later())
        body["fit"] = body["fit"] or "crop"  # as a fit left out was written before that was possible
        body["media"] = {place: inputs.get(place, name) for place, name in self.media().items()}
        for frame in body["frames"]:
            del frame["image"]
            for name in ("hold_s", "camera"):
                if not frame[name]:
                    del frame[name]
        for reference in body["references"]:
            del reference["media"]
        for region in body["motion"]:
            region["mask"] = region["mask"] is not None
        body["source_clip"] = self.source_clip is not None
        for number, lora in enumerate(body["loras"]):
            lora["name"] = inputs.get(f"loras[{number}]", lora["name"])
        return body


@cache
def _later_fields() -> dict[str, Any]:
    """The fields that a later version added, with the value that each has where it isn't used."""
    fields = VideoRequest.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields if name not in ALWAYS_DIGESTED}


def build_request(**fields: Any) -> VideoRequest:
    """A VideoRequest from plain values, None meaning left out; every problem in one VideoError("invalid_request")."""
    try:
        return VideoRequest.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise refuse(problems_of(error)) from None
