"""One picture that stands for a clip."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from backends.media.frames import frame_at, frames_at
from backends.media.images import load_image
from backends.media.magic import IMAGE_FORMATS, sniff
from backends.media.pixels import Picture
from backends.media.probe import probe_clip
from backends.media.stills import save_jpeg

DARK = 24
"""Mean level (0..255) below which a frame is taken for a fade from black."""


def poster(clip: Path, dest_jpg: Path, max_side: int = 640) -> None:
    """Write the poster of a clip, at most `max_side` pixels a side: its first frame, as players show it, unless that is
    dark; then the first light one of those at a quarter, a half and three quarters of the way.

    A still is its own poster. VideoError("asset") when the file cannot be decoded.
    """
    picture = load_image(clip) if sniff(clip) in IMAGE_FORMATS else _telling_frame(clip)
    image = Image.fromarray(picture)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    save_jpeg(image, dest_jpg)


def frame_poster(clip: Path, t: float, dest_jpg: Path, max_side: int = 640) -> None:
    """Write the frame shown at t seconds, at most `max_side` pixels a side: for a quick look, since it is scaled down
    before anything else is done with it. VideoError("asset") as for `frame_at`."""
    for _, picture in frames_at(clip, [t], max_side):
        save_jpeg(Image.fromarray(picture), dest_jpg)


def _telling_frame(clip: Path) -> Picture:
    first = frame_at(clip, 0.0)
    duration_s = probe_clip(clip).duration_s or 0.0
    if first.mean() >= DARK or duration_s <= 0:
        return first
    for _, picture in frames_at(clip, [duration_s * part for part in (0.25, 0.5, 0.75)]):
        if picture.mean() >= DARK:
            return picture
    return first
