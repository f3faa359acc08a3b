"""The contact sheet: a clip in one picture, for somebody who cannot play it."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

from backends.errors import VideoError
from backends.media.frames import frames_at
from backends.media.probe import probe_clip
from backends.media.rates import timecode
from backends.media.skim import spread
from backends.media.stills import label, save_jpeg

MAX_BYTES = 150_000
MAX_FRAMES = 24
SHEET_SIDE = 1536
"""Pixels of the longer side: models scale larger pictures down themselves."""
GAP = 6
BACKGROUND = (24, 24, 24)


def contact_sheet(clip: Path, dest_jpg: Path, frames: int = 8, max_bytes: int = MAX_BYTES) -> list[float]:
    """Write a JPEG with `frames` (1..24) frames, evenly spaced from the first to the last, each with its time and
    frame number; the times, in seconds.

    A clip with fewer frames shows each once. VideoError("asset") when the clip cannot be decoded,
    VideoError("invalid_request") for another number of frames.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise VideoError("invalid_request", f"a contact sheet has 1 to {MAX_FRAMES} frames, not {frames}")
    facts = probe_clip(clip, count_frames=True)
    total, duration_s = facts.frames or 1, facts.duration_s or 0.0
    fps = total / duration_s if duration_s else 1.0
    wanted = spread(total, frames)
    columns, rows = _layout(len(wanted), facts.ratio)
    width, height = _cell(columns, rows, facts.ratio)
    size = max(11, min(width, height) // 11)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    times: list[float] = []
    shown_at = [(index + 0.5) / fps for index in wanted]
    for place, (t, picture) in enumerate(frames_at(clip, shown_at, max_side=2 * max(width, height))):
        left = GAP + place % columns * (width + GAP)
        top = GAP + place // columns * (height + GAP)
        sheet.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS), (left, top))
        label(draw, (left + size // 2, top + height - size // 2), timecode(t), size, "lb")
        label(draw, (left + width - size // 2, top + height - size // 2), f"#{wanted[place]}", size, "rb")
        times.append(round(t, 6))
    save_jpeg(sheet, dest_jpg, max_bytes)
    return times


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
