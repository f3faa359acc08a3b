"""Several clips as one: same size, rate and colour, sound joined, encoded once.

A stream copy is only exact when codec, size, rate, pixel format and time base agree, which clips of different makers
never do; so everything is decoded and encoded once more by the one encoder.
"""

# PyAV's stubs leave the parameter of Packet open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame

from backends.media.container import open_clip
from backends.media.encode import ClipWriter
from backends.media.fit import fit_image
from backends.media.frames import decode
from backends.media.listen import RATE, Listening
from backends.media.pixels import Picture
from backends.media.rates import exact_rate, movie_clock

FADE_S = 0.02
"""Both sides of a join fade over so long, so that the cut does not click."""

SAME_LEVELS = 6.0
"""Mean difference (of 255) up to which a clip's first frame is taken for the last one before it, and left out."""

Samples = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Joined:
    """frames: of each part, as they stand in the result. dropped: first frames left out as doubles. audio: any."""

    frames: tuple[int, ...]
    dropped: int
    audio: bool


def join(
    parts: Sequence[Path],
    dest: Path,
    width: int,
    height: int,
    fps: Fraction | float,
    progress: Callable[[float, str], None] = lambda done, phase: None,
) -> Joined:
    """Write `parts` one after the other to `dest`. Sizes are cropped to width x height; sound where any part has it."""
    rate = exact_rate(fps)
    silent = dest.with_suffix(".silent.mp4")
    counts: list[int] = []
    doubles: list[int] = []
    last: Picture | None = None
    with ClipWriter(silent, width, height, rate) as writer:
        for number, part in enumerate(parts):
            count = doubled = 0
            for index, picture in enumerate(decode(part, fps=rate)):
                frame = _sized(picture, width, height)
                if index == 0 and last is not None and _same(last, frame):
                    doubled = 1
                    continue
                writer.write(frame)
                last = frame
                count += 1
            counts.append(count)
            doubles.append(doubled)
            progress((number + 1) / len(parts), "joining")
    sounding = [_has_sound(part) for part in parts]
    if not any(sounding):
        silent.replace(dest)
        return Joined(tuple(counts), sum(doubles), False)
    pieces = [
        _piece(part if has else None, Fraction(doubled) / rate, Fraction(count) / rate)
        for part, has, doubled, count in zip(parts, sounding, doubles, counts, strict=True)
    ]
    _mux(silent, np.concatenate(pieces, axis=1), dest, rate)
    silent.unlink()
    return Joined(tuple(counts), sum(doubles), True)


def _sized(picture: Picture, width: int, height: int) -> Picture:
    if picture.shape[:2] == (height, width):
        return picture
    ratio = (picture.shape[1] / picture.shape[0]) / (width / height)
    return fit_image(picture, width, height, "crop" if 0.76 < ratio < 1.32 else "pad")[0]


def _same(one: Picture, other: Picture) -> bool:
    return float(np.abs(one[::4, ::4].astype(np.int16) - other[::4, ::4]).mean()) <= SAME_LEVELS


def _has_sound(part: Path) -> bool:
    with open_clip(part) as clip:
        return bool(clip.container.streams.audio)


def _piece(part: Path | None, from_s: Fraction, seconds: Fraction) -> Samples:
    """A part's sound from its first picture that is shown on, as stereo float32 samples (2 x n), cut or padded to its
    pictures, faded at both ends."""
    length = int(seconds * RATE)
    piece = np.zeros((2, length), np.float32)
    if part is None:
        return piece
    at = 0
    for samples in Listening(part, float(from_s)).blocks():
        take = min(samples.shape[1], length - at)
        if take <= 0:
            break
        piece[:, at : at + take] = samples[:, :take]
        at += take
    fade = min(int(FADE_S * RATE), at // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        piece[:, :fade] *= ramp
        piece[:, at - fade : at] *= ramp[::-1]
    return piece


def _mux(pictures: Path, samples: Samples, dest: Path, rate: Fraction) -> None:
    """The silent clip's packets as they are, with the samples as AAC beside them."""
    options = {"movflags": "+faststart", "movie_timescale": str(movie_clock(rate))}
    with (
        av.open(f"file:{pictures}", "r", format="mp4") as source,
        av.open(f"file:{dest}", "w", format="mp4", options=options) as output,
    ):
        video = source.streams.video[0]
        copied = output.add_stream_from_template(video)
        sound = output.add_stream("aac", rate=RATE)
        sound.layout = "stereo"
        sound.bit_rate = 192_000
        step = 1024
        at = 0

        def feed(until: float) -> None:
            nonlocal at
            while at < samples.shape[1] and at / RATE <= until:
                frame = AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples[:, at : at + step]), format="fltp", layout="stereo"
                )
                frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
                output.mux(sound.encode(frame))
                at += step

        for packet in source.demux(video):
            if packet.dts is None:
                continue
            feed(float(packet.dts * video.time_base) if video.time_base else 0.0)
            packet.stream = copied
            output.mux(packet)
        feed(samples.shape[1] / RATE + 1)
        output.mux(sound.encode(None))
