"""What the input of a place must be: a picture or clip, a sound, or a subtitle file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from backends.errors import Next, VideoError
from backends.provider.protocol import JsonObject

Kind = Literal["picture", "sound", "words"]
"""The kinds: a picture or clip, a sound file (or a clip's sound), a subtitle file."""


def kind_of(place: str) -> Kind:
    """The kind of the input of a place."""
    if place in ("narration", "music"):
        return "sound"
    return "words" if place == "captions" else "picture"


def check_kind(place: str, entry: Mapping[str, Any]) -> None:
    """Refuse a clip where a still belongs, or the reverse, before any other check."""
    facts: JsonObject = entry.get("facts") or {}
    kind = facts.get("kind")
    if kind is None or (place.startswith(("references", "clips")) and kind in ("image", "clip")):
        return
    if kind_of(place) == "sound":
        if not facts.get("audio"):
            raise VideoError("asset", "there is no sound in it: give a sound file, or a clip with sound")
        return
    if kind_of(place) == "words" and kind == "words":
        return
    if place == "source_clip" and kind != "clip":
        raise VideoError("asset", "this is an image, and a clip is needed", next=Next("image_to_video"))
    if kind in ("sound", "words"):
        raise VideoError("asset", "this is a sound or text file, and an image or clip is needed")
    if place != "source_clip" and kind != "image":
        raise VideoError(
            "asset", "this is a clip, and an image is needed: for a job's clip add /last_frame or /frame/SECONDS"
        )
