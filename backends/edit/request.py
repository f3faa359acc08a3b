"""FinishRequest: what is to be made of finished clips and stills, as pure data with its bounds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from backends.request import Fit, MediaName, Number, Part, Share, Usd, problems_of, refuse

MOST_CLIPS = 50
MOST_LINES = 500
"""Captions, and titles, of one film."""
LINE = 500
"""Characters of one caption or title, its times included."""
MOST_WORDS = 5000
"""Characters of narration: about six minutes of speech."""

Format = Literal["mp4", "webm", "gif", "webp", "mov"]
Codec = Literal["h264", "hevc", "av1"]
Name = Annotated[str, Field(min_length=1, max_length=4096)]
Line = Annotated[str, Field(min_length=1, max_length=LINE)]

SOUND_FILE = re.compile(r"\.(wav|mp3|m4a|aac|ogg|oga|opus|flac|mp4|mov|m4v|webm|mkv)$", re.IGNORECASE)
WORDS_FILE = re.compile(r"\.(srt|vtt)$", re.IGNORECASE)


class FinishRequest(Part):
    """One film of several clips and stills.

    clips: 1 to 50 media names in their order; `#t=FROM,TO` takes a part of a clip, and says of a still for how long it
    is held (3 s without it). crossfade_s: 0..10, how long one runs into the next. aspect_ratio, resolution, fps: of the
    film (the first clip's own when left out). fit, focus: how a picture of another ratio is put into it, as in
    VideoRequest. loop: the end runs into the beginning. speed: 0.1..10, of the clips and their sound. upscaler: "local"
    (Lanczos, as resolution asks), or a model that makes the finished film larger, for max_cost_usd at most. narration:
    text to speak, or the name of a sound file. music: of a sound file. mute: none of the clips' own sound. loudness:
    LUFS, -40..-5 (-16 when left out). captions: each `FROM-TO TEXT`, or one .srt or .vtt file. titles: each
    `FROM-TO TEXT`. codec: of an MP4; HEVC and AV1 are smaller, and not every player knows them.
    """

    clips: tuple[Name, ...] = Field(min_length=1)
    crossfade_s: Annotated[Number, Field(ge=0, le=10)] = 0.0
    aspect_ratio: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,3}(\.[0-9]+)?:[1-9][0-9]{0,3}$")
    resolution: str | None = Field(default=None, max_length=16)
    fps: Annotated[Number, Field(ge=1, le=120)] | None = None
    fit: Fit | None = None
    focus: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = None
    loop: bool = Field(default=False, strict=True)
    speed: Annotated[Number, Field(ge=0.1, le=10)] = 1.0
    upscaler: str | None = Field(default=None, min_length=1, max_length=200)
    narration: str | None = Field(default=None, min_length=1, max_length=MOST_WORDS)
    music: Name | None = None
    mute: bool = Field(default=False, strict=True)
    loudness: Annotated[Number, Field(ge=-40, le=-5)] | None = None
    captions: tuple[Line, ...] = Field(default=(), max_length=MOST_LINES)
    titles: tuple[Line, ...] = Field(default=(), max_length=MOST_LINES)
    format: Format = "mp4"
    codec: Codec = "h264"
    max_cost_usd: Usd | None = None

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
        if self.codec == "h264":  # the digests of films that were made before there was a choice
            del body["codec"]
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
