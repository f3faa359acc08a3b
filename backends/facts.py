"""What is known of a picture, a clip or a sound. Light to import: the process that decodes starts often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MediaFacts:
    """What is known of one input before it is used. Sizes in pixels, as displayed (rotation applied).

    kind: "image", "clip", "sound" (sound alone) or "words" (subtitles); the last two have no size. mime: by content,
    never by name. frames: exact count where it was counted.
    """

    kind: Literal["image", "clip", "sound", "words"]
    mime: str
    width: int
    height: int
    bytes: int
    duration_s: float | None = None
    fps: float | None = None
    frames: int | None = None
    audio: bool = False
    codec: str | None = None

    @property
    def ratio(self) -> float:
        return self.width / self.height
