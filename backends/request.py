"""VideoRequest and its parts: the one vocabulary of the whole program.

Media are named here, never carried: a path, an https URL, a job id or `video://jobs/ID[/last_frame|/frame/T]`;
`#t=FROM,TO` behind a clip's name takes that part of it (W3C Media Fragments, seconds).
Camera moves and references have string forms, since an agent writes those with fewer mistakes than objects.
Nothing here knows a model's limits (`backends.catalog.rules` does): only what no model could ever mean is refused.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import unquote, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from backends import spelling
from backends.errors import Problem, VideoError, listing
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
"""Characters: a style is named, not told."""
MAX_DURATION_S = 3600.0

FREE_SIZE: tuple[Verb, ...] = ("generate_video", "image_to_video", "interpolate_keyframes")
"""A clip that is made longer keeps its length, shape and rate."""
OF_STILLS: tuple[Verb, ...] = ("image_to_video", "interpolate_keyframes")

CAMERA_MOVES: dict[str, str] = {
    "pan-left": "turn left on the spot",
    "pan-right": "turn right on the spot",
    "tilt-up": "look up on the spot",
    "tilt-down": "look down on the spot",
    "dolly-in": "move towards the subject",
    "dolly-out": "move away from the subject",
    "truck-left": "slide left",
    "truck-right": "slide right",
    "crane-up": "rise",
    "crane-down": "sink",
    "orbit-left": "circle the subject to the left",
    "orbit-right": "circle the subject to the right",
    "roll-cw": "roll clockwise (Dutch)",
    "roll-ccw": "roll counter-clockwise (Dutch)",
    "zoom-in": "narrow the lens",
    "zoom-out": "widen the lens",
    "handheld": "small, seeded shake",
    "static": "locked off",
}
"""Every camera move, with what it means. amount 1 = a quarter of the frame, or 30 degrees."""

CAMERA_ALIASES = {
    "push-in": "dolly-in",
    "pull-out": "dolly-out",
    "pedestal-up": "crane-up",
    "pedestal-down": "crane-down",
    "dutch-cw": "roll-cw",
    "dutch-ccw": "roll-ccw",
    "dutch": "roll-cw",
}

DIRECTIONS: dict[str, tuple[float, float]] = {
    "up": (0.0, -1.0),
    "down": (0.0, 1.0),
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "up-left": (-0.7071, -0.7071),
    "up-right": (0.7071, -0.7071),
    "down-left": (-0.7071, 0.7071),
    "down-right": (0.7071, 0.7071),
}
"""Motion words as unit vectors, x to the right and y down."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
"""A place along a picture's width or height: 0 = left or top, 1 = right or bottom."""


def _money(value: object) -> object:
    """Decimal from what a caller writes; a float goes by its shortest text, so 0.1 is 0.1."""
    if isinstance(value, bool):
        raise ValueError("give an amount in US dollars, such as 2.50")
    if isinstance(value, int | float):
        return Decimal(str(value))
    return value


def plain_decimal(value: Decimal) -> str:
    """1E+1 is 10 and 1.50 is 1.5: one text for one amount, so that equal requests digest alike."""
    return format(value.normalize(), "f")


Usd = Annotated[
    Decimal,
    BeforeValidator(_money),
    Field(ge=0, allow_inf_nan=False),
    PlainSerializer(plain_decimal, return_type=str, when_used="json"),
]
"""US dollars."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reference(Part):
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

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if isinstance(value, str):
            return dict(cls.parse(value))
        return value


class CameraMove(Part):
    """One move of the camera: `MOVE[:amount][@from-to]`.

    amount: 0..1 (0.5 when left out); 1 = a quarter of the frame or 30 degrees. from_s, to_s: seconds (the whole
    clip when left out).
    """

    move: str
    amount: Annotated[Number, Field(ge=0, le=1)] = 0.5
    from_s: Annotated[Number, Field(ge=0, le=MAX_DURATION_S)] | None = None
    to_s: Annotated[Number, Field(ge=0, le=MAX_DURATION_S)] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the string form; a misspelt word is answered with the nearest one."""
        shape = re.fullmatch(
            r"\s*([A-Za-z][A-Za-z _-]*?)\s*(?::\s*([0-9.]+))?\s*(?:@\s*([0-9.]+)\s*-\s*([0-9.]+))?\s*",
            text,
        )
        if shape is None:
            raise ValueError(f"camera {text[:60]!r} is not MOVE[:amount][@from-to]; write for example dolly-in:0.4@0-2")
        word, amount, start, end = shape.groups()
        word = re.sub(r"[ _]+", "-", word.lower())
        word = CAMERA_ALIASES.get(word, word)
        if word not in CAMERA_MOVES:
            near = difflib.get_close_matches(word, [*CAMERA_MOVES, *CAMERA_ALIASES], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"camera move {word[:40]!r} is unknown: {hint}The moves are {', '.join(CAMERA_MOVES)}")
        values: dict[str, Any] = {"move": word}
        try:
            if amount is not None:
                values["amount"] = float(amount)
            if start is not None:
                values["from_s"], values["to_s"] = float(start), float(end)
        except ValueError:
            raise ValueError(
                f"camera {text[:60]!r}: amount and times are plain numbers, as in pan-left:0.3@0-2"
            ) from None
        if not 0 <= values.get("amount", 0.5) <= 1:
            raise ValueError(
                f"camera {text[:60]!r}: amount is 0 to 1 (1 = a quarter of the frame or 30 degrees), not {amount}"
            )
        if start is not None and values["to_s"] <= values["from_s"]:
            raise ValueError(f"camera {text[:60]!r}: the move must end after it starts (@from-to, in seconds)")
        return cls(**values)

    def __str__(self) -> str:
        span = "" if self.from_s is None else f"@{self.from_s:g}-{self.to_s:g}"
        return f"{self.move}:{self.amount:g}{span}"

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if isinstance(value, str):
            return dict(cls.parse(value))
        return value


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


class MotionRegion(Part):
    """A part of the picture that moves on its own (the motion brush), or is frozen.

    Exactly one of box = [left, top, right, bottom], polygon = [[x, y], ...] (both 0..1 from the top left) or
    mask = a media name (white moves). direction = [dx, dy] with y down, or a word (up, left, down-right ...).
    intensity 0..1: 1 = 10 % of the width over the clip. static=true freezes the region.
    """

    box: Annotated[list[Number], Field(min_length=4, max_length=4)] | None = None
    polygon: (
        Annotated[
            list[Annotated[list[Number], Field(min_length=2, max_length=2)]],
            Field(min_length=3, max_length=200),
        ]
        | None
    ) = None
    mask: str | None = Field(default=None, min_length=1, max_length=4096)
    direction: Annotated[list[Number], Field(min_length=2, max_length=2)] | str | None = None
    intensity: Annotated[Number, Field(ge=0, le=1)] = 0.5
    static: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        given = [name for name in ("box", "polygon", "mask") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a motion region takes exactly one of box, polygon or mask, not {given or 'none'}")
        if self.static and self.direction is not None:
            raise ValueError("a static region has no direction: leave one of the two out")
        if not self.static and self.direction is None:
            raise ValueError("a motion region needs a direction ([dx, dy] with y down, or a word) or static=true")
        if isinstance(self.direction, str) and self.direction not in DIRECTIONS:
            near = difflib.get_close_matches(self.direction, DIRECTIONS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(
                f"direction {self.direction[:40]!r} is unknown: {hint}The words are {', '.join(DIRECTIONS)}"
            )
        if isinstance(self.direction, list) and not any(self.direction):
            raise ValueError("direction [0, 0] points nowhere: use static=true to freeze the region")
        points = [self.box[:2], self.box[2:]] if self.box else self.polygon or []
        if any(value < 0 for point in points for value in point):
            raise ValueError("box and polygon values are 0..1 from the top left; a negative one is outside the picture")
        if self.box and (self.box[2] <= self.box[0] or self.box[3] <= self.box[1]):
            raise ValueError(f"box {self.box} is [left, top, right, bottom]: right > left and bottom > top")
        return self

    def vector(self) -> tuple[float, float]:
        """The direction as a unit vector (0, 0 for a static region)."""
        if self.direction is None:
            return (0.0, 0.0)
        if isinstance(self.direction, str):
            return DIRECTIONS[self.direction]
        length = math.hypot(*self.direction)
        return (self.direction[0] / length, self.direction[1] / length)


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

    Each field's description is what every front end tells of it; its `Written` says how they write it
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
        fields = VideoRequest.model_fields.items()
        later = {name: field for name, field in fields if name not in ALWAYS_DIGESTED}
        return {
            name for name, field in later.items() if getattr(self, name) == field.get_default(call_default_factory=True)
        }

    def digest(self, inputs: Mapping[str, str] = {}) -> str:
        """sha256 of the request as asked, with each media name, and each LoRA file's ("loras[0]"), replaced by its
        content's hash where `inputs` has it.

        max_cost_usd is left out: it is a limit on the asking, not a part of what is asked for.
        """
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
        return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class MediaName:
    """A parsed media name.

    kind: "path", "url" or "job". value: the path, the URL or the job id.
    part: "clip", "last_frame" or "frame" (with t in seconds); "clip" for paths and URLs.
    from_s, to_s: the part of the clip that `#t=FROM,TO` takes, None where it is not said; of a still that is held,
    to_s - from_s is for how long.
    """

    kind: Literal["path", "url", "job"]
    value: str
    part: Literal["clip", "last_frame", "frame"] = "clip"
    t: float = 0.0
    from_s: float | None = None
    to_s: float | None = None

    @property
    def is_part(self) -> bool:
        """Whether a part of the clip is meant."""
        return self.from_s is not None or self.to_s is not None

    @property
    def fragment(self) -> str:
        """What stands behind the name: "#t=1.5,4", or ""."""
        if not self.is_part:
            return ""
        end = "" if self.to_s is None else f",{self.to_s:g}"
        return f"#t={self.from_s or 0:g}{end}"

    @classmethod
    def parse(cls, text: str) -> MediaName:
        """From what a caller writes; a form that can never work is a VideoError("asset")."""
        bare, from_s, to_s = _without_fragment(text)
        return replace(cls._parse(bare), from_s=from_s, to_s=to_s)

    @classmethod
    def _parse(cls, text: str) -> MediaName:
        if re.fullmatch(JOB_ID_PATTERN, text):
            return cls("job", text)
        if text.startswith("video:"):
            shape = re.fullmatch(
                rf"video://jobs/({JOB_ID_PATTERN.strip('^$')})(?:/(last_frame|clip)|/frame/([0-9]+(?:\.[0-9]+)?))?",
                text,
            )
            if shape is None:
                raise VideoError(
                    "asset",
                    f"{text[:120]!r} names no clip: write video://jobs/JOB_ID, video://jobs/JOB_ID/last_frame or "
                    "video://jobs/JOB_ID/frame/SECONDS (list_jobs shows the ids)",
                )
            job, word, t = shape.groups()
            if t is not None:
                return cls("job", job, "frame", float(t))
            return cls("job", job, "last_frame" if word == "last_frame" else "clip")
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", text)
        if scheme is None or re.match(r"[A-Za-z]:[\\/]", text):
            if "\0" in text:
                raise VideoError("asset", "a path cannot hold a NUL character")
            return cls("path", text)
        if scheme[1].lower() == "https":
            if "@" in re.split(r"[/?#\\]", text[8:], maxsplit=1)[0]:  # a password must not even reach the store
                raise VideoError(
                    "asset", "an address with a user name or password in it is not fetched: leave them out"
                )
            return cls("url", text)
        if scheme[1].lower() == "file":
            return cls("path", _path_of(text))
        if scheme[1].lower() == "data":
            raise VideoError(
                "asset",
                "media are named, not carried: save the data to a file and give its path, or give an https URL",
            )
        raise VideoError(
            "asset",
            f"{scheme[1].lower()}: addresses are not fetched: give an https URL or the path of a local file",
        )


_TIME = r"(?:\d+:)?(?:\d+:)?\d+(?:\.\d+)?"
_FRAGMENT = re.compile(rf"#t=(?:npt:)?({_TIME})?s?(?:,({_TIME})s?)?$")


def _without_fragment(text: str) -> tuple[str, float | None, float | None]:
    """A media name without its #t=FROM,TO, and the two times in seconds. VideoError("asset") for times that are none:
    only a name that goes on as a file's does (`take#t=1.mov`) is left as it is."""
    start = text.rfind("#t=")
    if start < 0 or re.search(r"[/\\]|\.[A-Za-z]\w{1,4}$", text[start:]):
        return text, None, None
    found = _FRAGMENT.fullmatch(text[start:])
    if found is None or not any(found.groups()):
        raise VideoError(
            "asset", f"{text[start:][:40]!r} is no part of a clip: write #t=FROM,TO in seconds, as clip.mp4#t=1.5,4"
        )
    from_s, to_s = (None if part is None else _seconds(part) for part in found.groups())
    if to_s is not None and to_s <= (from_s or 0):
        raise VideoError("asset", f"{text[start:][:40]!r} ends before it begins: write #t=FROM,TO with TO after FROM")
    return text[:start], from_s, to_s


def _seconds(text: str) -> float:
    """1.5, 0:01.5 or 0:00:01.5 in seconds."""
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part)
    return total


def _path_of(text: str) -> str:
    """The path that a file: address of this machine names. VideoError("asset") for any other."""
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise VideoError(
            "asset",
            f"{text[:120]!r} names no file of this machine: write file:///FOLDER/NAME (with %20 for a space, %23 for "
            "#, %3F for ?), or the path itself",
        )
    try:
        path = unquote(parts.path, errors="strict")
    except UnicodeDecodeError:
        path = "\0"
    if "\0" in path:
        raise VideoError("asset", f"{text[:120]!r} holds letters that no path has: give the path itself")
    return path[1:] if re.match(r"/[A-Za-z]:/", path) else path


JOB_ID_PATTERN = r"^job_[a-z2-7]{26}$"
"""A job id: 130 random bits in base32, so that an id cannot be guessed."""


def problems_of(error: ValidationError) -> list[Problem]:
    """pydantic's findings, one plain sentence each: where, what is wrong, what came in (bounded), what to write."""
    found: list[Problem] = []
    for item in error.errors(include_url=False):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
        text = item["msg"].removeprefix("Value error, ")
        if better := spelling.corrected(place, item["input"]):
            text = better
        elif item["type"] == "extra_forbidden":
            text = "no such argument"
        elif item["type"] != "value_error":
            shown = repr(item["input"])
            text = f"{text[:1].lower()}{text[1:]}, not {shown[:60]}{'…' if len(shown) > 60 else ''}"
        found.append(Problem(place, f"{place}: {text}" if place else text))
    return list(dict.fromkeys(found))


def refuse(problems: Iterable[Problem | str]) -> VideoError:
    """One invalid_request that tells every problem at once."""
    listed = [one if isinstance(one, Problem) else Problem("", one) for one in problems]
    return VideoError("invalid_request", listing("", listed), problems=listed, lead="")


def build_request(**fields: Any) -> VideoRequest:
    """A VideoRequest from plain values, None meaning left out; every problem in one VideoError("invalid_request")."""
    try:
        return VideoRequest.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise refuse(problems_of(error)) from None
