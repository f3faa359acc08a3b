"""Small clips whose every frame can be told, and a film made of them without a job."""

from __future__ import annotations

import os
import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from backends.edit.engine import finish
from backends.edit.request import build_finish
from backends.facts import MediaFacts
from backends.media.encode import ClipWriter
from backends.media.hear import check_sound
from backends.media.images import check_image
from backends.media.magic import CLIP_FORMATS, IMAGE_FORMATS, sniff
from backends.media.probe import probe_clip
from backends.media.sound import Samples
from backends.media_name import MediaName
from backends.provider.protocol import Asset, Output

SIZE = (96, 64)


def level(number: int, base: int = 20) -> int:
    """The grey of a clip's frame: rises by 3 a frame, so that a frame is known again after encoding."""
    return min(255, base + 3 * number)


def grey_clip(
    path: Path, frames: int, *, fps: Fraction | int = 24, base: int = 20, size: tuple[int, int] = SIZE, tone: float = 0
) -> Path:
    """Frame n is wholly of grey level(n, base). tone: Hz of its sound, 0 for none."""
    width, height = size
    sound = None
    if tone:
        at = np.arange(round(48_000 * frames / fps)) / 48_000
        sound = Samples(np.stack([0.2 * np.sin(2 * np.pi * tone * at)] * 2), 48_000)
    with ClipWriter(path, width, height, fps, audio_from=sound) as writer:
        for number in range(frames):
            writer.write(np.full((height, width, 3), level(number, base), np.uint8))
    return path


def tone_file(path: Path, seconds: float, hertz: float) -> Path:
    at = np.arange(int(48_000 * seconds)) / 48_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((np.sin(2 * np.pi * hertz * at) * 6000).astype("<i2").tobytes())
    return path


def facts_of(path: Path) -> MediaFacts:
    mime = sniff(path)
    if mime in IMAGE_FORMATS:
        return check_image(path)
    if mime in CLIP_FORMATS:
        return probe_clip(path)
    return check_sound(path) if mime else MediaFacts("words", "text/plain", 0, 0, 1)


def film(dest: Path, clips: Sequence[str | Path], going_on: Sequence[int] = (), **asked: Any) -> Output:
    """The film, made in a new folder below dest. going_on: see `finish`."""
    request = build_finish(clips=[str(clip) for clip in clips], **asked)
    assets = {}
    for place, text in request.media().items():
        path = Path(MediaName.parse(text).value)
        assets[place] = Asset(place, "", path, facts_of(path))
    folder = dest / f"film{len(list(dest.glob('film*')))}"
    folder.mkdir()
    return finish(request, assets, folder, dict(os.environ), lambda done, phase: None, going_on)


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as clip:
        return [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]


def greys(path: Path) -> list[int]:
    """The level of each frame's middle."""
    return [round(float(picture[20:-20, 20:-20].mean())) for picture in pictures(path)]


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        return [frame.pts * stream.time_base for frame in clip.decode(stream)]


def near(found: Sequence[int], wanted: Sequence[float], within: float = 1.5) -> bool:
    return len(found) == len(wanted) and all(abs(a - b) <= within for a, b in zip(found, wanted, strict=True))
