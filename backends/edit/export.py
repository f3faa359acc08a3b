"""The film as a file: H.264, HEVC or AV1 in MP4, VP9 in WebM, ProRes in MOV; and as an animated picture (GIF, WebP)
of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from av.codec import codecs_available

from backends.edit.plan import Plan
from backends.edit.request import Codec, Format
from backends.edit.timeline import Frame
from backends.errors import Problem, VideoError
from backends.media.encode import ClipWriter
from backends.media.forms import AV1, HEVC, MOV, MP4, WEBM, Form
from backends.media.frames import Timed
from backends.media.sound import SoundFile
from backends.provider.protocol import Progress

FORMS: dict[Format, Form] = {"mp4": MP4, "webm": WEBM, "mov": MOV, "gif": MP4, "webp": MP4}
"""An animated picture is made of an MP4, which stays beside it: a job's clip can always be used again."""

CODECS: dict[Codec, Form] = {"h264": MP4, "hevc": HEVC, "av1": AV1}

UNSHOWN = "{} is not shown by every player: Chromium without a decoder for it plays the sound alone, and says nothing"
SELDOM_SHOWN = {"libx265": "HEVC", "prores_ks": "ProRes"}
"""By encoder, what browsers as a rule cannot decode."""


def about_players(form: Form) -> list[str]:
    """What to tell of where a film can be seen."""
    name = SELDOM_SHOWN.get(form.codec)
    return [] if name is None else [UNSHOWN.format(name)]


def form_of(form: Format, codec: Codec) -> Form:
    """How a film is written. VideoError("unsupported") where the encoder is not in this machine's build of FFmpeg."""
    chosen = CODECS[codec] if form == "mp4" else FORMS[form]
    if chosen.codec not in codecs_available:
        field, value = ("codec", codec) if form == "mp4" else ("format", form)
        text = f"{field} {value} cannot be written here: av has no {chosen.codec}; leave {field} out for H.264 in MP4"
        raise VideoError("unsupported", text, problems=[Problem(field, text)])
    return chosen


def write(form: Form, plan: Plan, frames: Iterator[Frame], sound: Path | None, dest: Path, progress: Progress) -> Path:
    """Encode the film's frames with the sound of a WAV file; where it is."""
    path = dest / f"clip{form.suffix}"
    heard = None if sound is None else SoundFile(sound)
    with ClipWriter(path, plan.width, plan.height, plan.fps, audio_from=heard, form=form) as writer:
        for picture in _counted(frames, plan.frames, progress):
            writer.write(picture.frame if isinstance(picture, Timed) else picture)
    return path


def _counted(pictures: Iterator[Frame], total: int, progress: Progress) -> Iterator[Frame]:
    for number, picture in enumerate(pictures):
        progress(0.1 + 0.88 * number / total, "making the film")
        yield picture


def animated(form: Format, clip: Path, dest: Path, progress: Progress) -> tuple[Path | None, list[str]]:
    """The clip as an animated picture where one is requested, and what to tell of it."""
    if form not in ("gif", "webp"):
        return None, []
    from backends.edit.animation import animation

    progress(0.99, f"making the {form}")
    return animation(form, clip, dest / f"film.{form}")
