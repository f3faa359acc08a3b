"""The contact sheet: a clip, or two beside each other, in one picture, for somebody who cannot play it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from backends.errors import VideoError
from backends.media.frames import frames_at
from backends.media.pixels import Picture
from backends.media.probe import probe_clip
from backends.media.rates import timecode
from backends.media.skim import spread
from backends.media.stills import label, save_jpeg

MAX_BYTES = 150_000
MAX_FRAMES = 32
SHEET_SIDE = 1536
"""Pixels of the longer side: models scale larger pictures down themselves."""
GAP = 6
BACKGROUND = (24, 24, 24)


@dataclass(frozen=True)
class Shot:
    """A frame kept as a picture. time: its start, seconds. index: its number in the clip."""

    time: float
    index: int
    picture: Picture


def contact_sheet(clip: Path, dest_jpg: Path, frames: int = 8, max_bytes: int = MAX_BYTES) -> list[float]:
    """Write a JPEG with `frames` (1..32) frames, evenly spaced from the first to the last, each with its time and
    frame number; the times, in seconds.

    A clip with fewer frames shows each once. VideoError("asset") when the clip cannot be decoded,
    VideoError("invalid_request") for another number of frames.
    """
    shots = shots_of(clip, frames)
    save_jpeg(sheet_of(shots), dest_jpg, max_bytes)
    return [shot.time for shot in shots]


def shots_of(clip: Path, frames: int) -> list[Shot]:
    """The evenly spaced frames of a contact sheet. Errors as for `contact_sheet`."""
    check_count(frames)
    facts = probe_clip(clip, count_frames=True)
    total, duration_s = facts.frames or 1, facts.duration_s or 0.0
    fps = total / duration_s if duration_s else 1.0
    wanted = spread(total, frames)
    shown_at = [(index + 0.5) / fps for index in wanted]
    pictures = frames_at(clip, shown_at, max_side=shot_side(len(wanted), facts.ratio))
    return [Shot(round(t, 6), wanted[place], picture) for place, (t, picture) in enumerate(pictures)]


def check_count(frames: int) -> None:
    if not 1 <= frames <= MAX_FRAMES:
        raise VideoError("invalid_request", f"a contact sheet has 1 to {MAX_FRAMES} frames, not {frames}")


def shot_side(count: int, ratio: float) -> int:
    """The longer side that `count` frames of that width to height need, so that they are sharp on the sheet."""
    return 2 * max(_cell(*_layout(count, ratio), ratio))


def sheet_of(shots: Sequence[Shot], title: str = "") -> Image.Image:
    """The picture of the frames. title: stands in the corner of the first one."""
    ratio = shots[0].picture.shape[1] / shots[0].picture.shape[0]
    columns, rows = _layout(len(shots), ratio)
    width, height = _cell(columns, rows, ratio)
    size = max(11, min(width, height) // 11)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for place, shot in enumerate(shots):
        left = GAP + place % columns * (width + GAP)
        top = GAP + place // columns * (height + GAP)
        sheet.paste(Image.fromarray(shot.picture).resize((width, height), Image.Resampling.LANCZOS), (left, top))
        label(draw, (left + size // 2, top + height - size // 2), timecode(shot.time), size, "lb")
        label(draw, (left + width - size // 2, top + height - size // 2), f"#{shot.index}", size, "rb")
    if title:
        label(draw, (GAP + size // 2, GAP + size // 2), title, size, "lt")
    return sheet


def pair_sheet(one: Sequence[Shot], two: Sequence[Shot]) -> Image.Image:
    """The frames of one clip above those of the other, marked A and B."""
    parts = [sheet_of(one, "A"), sheet_of(two, "B")]
    whole = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), BACKGROUND)
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    whole.thumbnail((SHEET_SIDE, SHEET_SIDE), Image.Resampling.LANCZOS)
    return whole


def _layout(count: int, ratio: float) -> tuple[int, int]:
    """Columns and rows whose sheet is nearest to 2.2:1, with the fewest empty places."""

    def badness(columns: int) -> float:
        rows = math.ceil(count / columns)
        return abs(math.log(columns * ratio / rows / 2.2)) + (columns * rows - count) * 0.8

    columns = min(range(1, count + 1), key=badness)
    return columns, math.ceil(count / columns)


def _cell(columns: int, rows: int, ratio: float) -> tuple[int, int]:
    width = (SHEET_SIDE - GAP) / columns - GAP
    height = (SHEET_SIDE - GAP) / rows - GAP
    return max(16, round(min(width, height * ratio))), max(16, round(min(height, width / ratio)))
