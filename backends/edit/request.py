"""FinishRequest: what is to be made of finished clips and stills, as pure data with its bounds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from backends.media_name import MediaName
from backends.problems import problems_of, refuse
from backends.request import Fit
from backends.values import Number, Part, Share, Usd
from backends.written import Written

MOST_CLIPS = 50
MOST_LINES = 500
"""Captions, and titles, of one film."""
LINE = 500
"""Characters of one caption or title, its times included."""
MOST_WORDS = 5000
"""Characters of narration: about six minutes of speech."""

FIRST_VERSION = frozenset(
    [
        *("clips", "crossfade_s", "aspect_ratio", "resolution", "fps", "fit", "focus", "loop", "speed", "upscaler"),
        *("narration", "music", "mute", "loudness", "captions", "titles", "format"),
    ]
)
"""The fields that enter a film's digest also where they are left out; a later one enters only where it is used, so that
a film that is there is still found."""

Format = Literal["mp4", "webm", "gif", "webp", "mov"]
Codec = Literal["h264", "hevc", "av1"]
Name = Annotated[str, Field(min_length=1, max_length=4096)]
Line = Annotated[str, Field(min_length=1, max_length=LINE)]

SOUND_FILE = re.compile(r"\.(wav|mp3|m4a|aac|ogg|oga|opus|flac|mp4|mov|m4v|webm|mkv)$", re.IGNORECASE)
WORDS_FILE = re.compile(r"\.(srt|vtt)$", re.IGNORECASE)


class FinishRequest(Part):
    """One film of several clips and images.

    Each field's description is what every front end shows of it; its `Written` says how they write it
    (`backends.edit.vocabulary`). An image is held for 3 s where its name says nothing else. fit, focus: as in
    VideoRequest. speed: of the clips and their sound. codec: of an MP4 alone.
    """

    clips: Annotated[
        tuple[Name, ...],
        Field(
            description="clips and images in order: paths, https URLs or jobs, also unfinished ones; #t=FROM,TO "
            "takes a part, or says how long an image is held"
        ),
        Written(form="CLIP..."),
    ] = Field(min_length=1)
    crossfade_s: Annotated[
        Annotated[Number, Field(ge=0, le=10)],
        Field(description="seconds for which one clip fades into the next"),
        Written("crossfade", "SECONDS"),
    ] = 0.0
    aspect_ratio: Annotated[
        str | None,
        Field(description="aspect ratio, such as 9:16; default: the first clip's"),
        Written("aspect"),
    ] = Field(default=None, pattern=r"^[1-9][0-9]{0,3}(\.[0-9]+)?:[1-9][0-9]{0,3}$")
    resolution: Annotated[str | None, Field(description="such as 720p or 1080p; default: the first clip's")] = Field(
        default=None, max_length=16
    )
    fps: Annotated[
        Annotated[Number, Field(ge=1, le=120)] | None, Field(description="frames a second; default: the first clip's")
    ] = None
    fit: Annotated[Fit | None, Field(description="what to do when a clip's aspect ratio differs from the film's")] = (
        None
    )
    focus: Annotated[
        Annotated[list[Share], Field(min_length=2, max_length=2)] | None,
        Field(description="the point that a crop keeps, 0 to 1 from the image's top left, such as 0.5,0.3"),
        Written(form="X,Y"),
    ] = None
    loop: Annotated[bool, Field(description="make the film loop seamlessly", strict=True)] = False
    speed: Annotated[
        Annotated[Number, Field(ge=0.1, le=10)], Field(description="0.5 is slow motion, 2 is twice as fast")
    ] = 1.0
    upscaler: Annotated[
        str | None,
        Field(description="'local' (Lanczos), or a model that makes the finished film larger"),
    ] = Field(default=None, min_length=1, max_length=200)
    narration: Annotated[str | None, Field(description="words to speak, or a sound file")] = Field(
        default=None, min_length=1, max_length=MOST_WORDS
    )
    music: Annotated[Name | None, Field(description="a sound file, played under everything")] = None
    mute: Annotated[bool, Field(description="leave out the clips' own sound", strict=True)] = False
    loudness: Annotated[
        Annotated[Number, Field(ge=-40, le=-5)] | None,
        Field(description="loudness in LUFS; default where there is sound: -16"),
        Written(form="LUFS"),
    ] = None
    captions: Annotated[
        tuple[Line, ...],
        Field(description="lines FROM-TO TEXT, or one .srt or .vtt file", max_length=MOST_LINES),
        Written("caption", "'FROM-TO TEXT'"),
    ] = ()
    titles: Annotated[
        tuple[Line, ...],
        Field(description="lines FROM-TO TEXT", max_length=MOST_LINES),
        Written("title", "'FROM-TO TEXT'"),
    ] = ()
    format: Annotated[Format, Field(description="the file's format")] = "mp4"
    codec: Annotated[
        Codec, Field(description="of an mp4: hevc and av1 are smaller, and not every player knows them")
    ] = "h264"
    max_cost_usd: Annotated[
        Usd | None, Field(description="US dollars that a paid upscaler may cost"), Written("max-cost")
    ] = None

    @field_validator("clips")
    @classmethod
    def _not_too_many(cls, clips: tuple[str, ...]) -> tuple[str, ...]:
        if len(clips) > MOST_CLIPS:
            raise ValueError(
                f"{len(clips)} clips are more than one film takes ({MOST_CLIPS}): finish the first {MOST_CLIPS}, then "
                "finish again with that job and the rest"
            )
        return clips

    @model_validator(mode="after")
    def _codec_of_an_mp4(self) -> Self:
        if self.codec != "h264" and self.format != "mp4":
            raise ValueError(f"codec {self.codec} is for format mp4: leave codec out, or make it an mp4")
        return self

    @property
    def upscaling_model(self) -> str | None:
        """The model that makes the finished film larger, None where this machine does."""
        return None if self.upscaler in (None, "local") else self.upscaler

    @property
    def narration_file(self) -> str | None:
        """The sound file that the narration is, None where it is text to be spoken (or nothing)."""
        return self.narration if self.narration and _is_sound_name(self.narration) else None

    @property
    def captions_file(self) -> str | None:
        """The subtitle file that the captions are, None where they are lines (or nothing)."""
        if len(self.captions) == 1 and WORDS_FILE.search(self.captions[0]):
            return self.captions[0]
        return None

    def media(self) -> dict[str, str]:
        """Every media name, by the place it stands in ("clips[0]", "narration", "music", "captions")."""
        named = {f"clips[{number}]": name for number, name in enumerate(self.clips)}
        others = {"narration": self.narration_file, "music": self.music, "captions": self.captions_file}
        return named | {place: name for place, name in others.items() if name is not None}

    def digest(self, inputs: Mapping[str, str]) -> str:
        """sha256 of the request, with each media name replaced by its content's hash where `inputs` has it. A job's
        clip goes by the job, which is the same before the clip is there and after. max_cost_usd is left out."""
        body = self.model_dump(mode="json", exclude={"max_cost_usd", "clips", "music"})
        for name in body.keys() - FIRST_VERSION:
            if getattr(self, name) == FinishRequest.model_fields[name].get_default(call_default_factory=True):
                del body[name]
        names = {place: MediaName.parse(text) for place, text in self.media().items()}
        if self.narration_file:
            del body["narration"]
        if self.captions_file:
            del body["captions"]
        body["media"] = {
            place: f"{_identity(name, inputs.get(place, name.value))}{name.fragment}" for place, name in names.items()
        }
        return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _identity(name: MediaName, content: str) -> str:
    if name.kind != "job":
        return content
    return f"{name.value}/{name.part}" + (f"/{name.t:g}" if name.part == "frame" else "")


def _is_sound_name(text: str) -> bool:
    """Whether a narration names a sound file rather than being words to speak."""
    if "\n" in text or len(text) > 4096:
        return False
    name = text.strip()
    is_job = name.startswith("video://jobs/") or re.fullmatch(r"job_[a-z2-7]{26}", name)
    return bool(is_job or SOUND_FILE.search(name.partition("#t=")[0].partition("?")[0]))


def build_finish(**fields: Any) -> FinishRequest:
    """A FinishRequest from plain values, None meaning left out; every problem in one VideoError("invalid_request")."""
    try:
        return FinishRequest.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise refuse(problems_of(error)) from None
