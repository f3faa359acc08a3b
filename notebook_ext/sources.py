"""The source of a view: a still or a clip of the user's, resolved as in a request, and made small enough to send."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.media.sandbox import Sandbox
from backends.media_name import MediaName
from backends.studio import Studio
from notebook_ext.media_names import media_name

BROWSERS_SHOW = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/avif"})
AS_IT_IS = 16 << 20
"""The most bytes of a still that goes to the page unchanged; larger ones, and types that browsers don't show, go as a
JPEG."""


@dataclass(frozen=True)
class Source:
    """name: as a request takes it. path: of the bytes, to read only. job: the id of the job it comes from."""

    name: str
    path: Path
    facts: MediaFacts
    job: str = ""

    @property
    def is_clip(self) -> bool:
        return self.facts.kind == "clip"


def source_of(value: object, studio: Studio, folder: Path) -> Source:
    """Anything that `media_name` takes, checked; pictures in memory are saved in `folder`/stills.

    VideoError("asset") for what cannot be read, an https address, and a job that has not finished.
    """
    text = media_name(value, folder)
    name = MediaName.parse(text)
    if name.kind == "url":
        raise VideoError("asset", f"{text[:120]} is not fetched for a view: save it to a file and give its path")
    if name.kind == "path":
        path = studio.context.inputs.files.checked_path(text)
        return Source(text, path, studio.context.sandbox.check(path))
    entry = studio.context.inputs.clips.entry(name, studio.who.sees)
    if "path" not in entry:
        raise VideoError("asset", f"job {name.value} is not finished yet: await it first")
    uri = text if text.startswith("video:") else f"video://jobs/{text}"
    return Source(uri, Path(entry["path"]), MediaFacts(**entry["facts"]), name.value)


def still_name(value: object, folder: Path) -> str:
    """The result of `media_name`; a job means its last frame, from which the next clip continues."""
    text = media_name(value, folder)
    name = MediaName.parse(text)
    return f"video://jobs/{name.value}/last_frame" if name.kind == "job" and name.part == "clip" else text


def page_bytes(source: Source, sandbox: Sandbox) -> bytes:
    """A still in a form that a browser shows; nothing is decoded in this process."""
    facts = source.facts
    if facts.mime in BROWSERS_SHOW and source.path.stat().st_size <= AS_IT_IS:
        return source.path.read_bytes()
    return small(source.path, sandbox)


def small(path: Path, sandbox: Sandbox, t: float | None = None) -> bytes:
    """A still, or a clip's frame at t seconds, as a JPEG of at most 640 pixels a side."""
    with tempfile.TemporaryDirectory(prefix="reelwright-") as scratch:
        picture = Path(scratch) / "small.jpg"
        sandbox.poster(path, picture, t)
        return picture.read_bytes()


def frame_png(clip: Path, part: Literal["last_frame", "frame"], t: float, sandbox: Sandbox) -> tuple[bytes, bytes]:
    """One exact frame of a clip: the PNG with every pixel, and a small JPEG of it."""
    with tempfile.TemporaryDirectory(prefix="reelwright-") as scratch:
        still = Path(scratch) / "frame.png"
        sandbox.still(clip, part, t, still)
        return still.read_bytes(), small(still, sandbox)
