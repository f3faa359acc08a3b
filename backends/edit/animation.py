"""A clip as an animated picture, small enough to be posted: GIF with a palette of its own, or WebP."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from backends.edit.reframe import scaled
from backends.media.frames import decode
from backends.media.pixels import Picture
from backends.media.probe import probe_clip

MOST_BYTES = 10_000_000
"""What most places take of a picture."""
MOST_SIDE = 640
FPS = {"gif": 12.5, "webp": 20.0}
"""Frames a second at most."""
TICK_MS = {"gif": 10, "webp": 1}
"""A frame's time is whole ones of these."""
TRIES = 5
LEAST_SIDE = 64
COLOURS = 256


def animation(form: Literal["gif", "webp"], clip: Path, dest: Path) -> tuple[Path, list[str]]:
    """Write the clip as an animated picture that repeats for ever, at most MOST_BYTES; what to tell of it. Where it
    would be larger it is made smaller, never shorter."""
    facts = probe_clip(clip)
    scale = min(1.0, MOST_SIDE / max(facts.width, facts.height))
    each_ms = round(1000 / min(FPS[form], facts.fps or FPS[form]) / TICK_MS[form]) * TICK_MS[form]
    width = height = 0
    for _ in range(TRIES):
        width, height = max(1, round(facts.width * scale)), max(1, round(facts.height * scale))
        _write(form, clip, dest, width, height, each_ms)
        size = dest.stat().st_size
        if size <= MOST_BYTES or max(width, height) <= LEAST_SIDE:
            break
        scale *= max(0.4, math.sqrt(MOST_BYTES / size) * 0.95)
    size = dest.stat().st_size
    told = f"{width}x{height} pixels, {1000 / each_ms:g} fps and {size / 1e6:.1f} MB"
    notes = [f"the {form} has {told}; the MP4 is in `files`"]
    if size > MOST_BYTES:
        notes.append(f"it is larger than {MOST_BYTES / 1e6:.0f} MB even so: take a part of the film")
    return dest, notes


def _write(form: Literal["gif", "webp"], clip: Path, dest: Path, width: int, height: int, each_ms: int) -> None:
    frames = (scaled(picture, width, height) for picture in decode(clip, fps=Fraction(1000, each_ms)))
    if form == "webp":
        images = (Image.fromarray(frame) for frame in frames)
        next(images).save(
            dest, "WEBP", save_all=True, append_images=images, duration=each_ms, loop=0, quality=75, method=2
        )
        return
    palette = _palette(scaled(picture, width, height) for picture in decode(clip, fps=Fraction(2)))
    drawn = (Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames)
    next(drawn).save(dest, "GIF", save_all=True, append_images=drawn, duration=each_ms, loop=0, optimize=False)


def _palette(pictures: Iterator[Picture]) -> Image.Image:
    """The colours of the whole clip: of at most 40 of its pictures, made small, side by side."""
    small = [scaled(picture, 80, 80) for picture in pictures]
    step = max(1, len(small) // 40)
    sheet = np.concatenate(small[::step], axis=1)
    return Image.fromarray(sheet).quantize(COLOURS, Image.Quantize.MEDIANCUT)
