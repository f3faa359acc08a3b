"""Music or an ambience under a film: looped where it is shorter, and gone when the film is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from backends.edit.stems import Stem
from backends.errors import Problem, VideoError
from backends.media.listen import RATE, Listening, Wave

LOOP_FADE_S = 2.0
"""The end crosses into the beginning for so long, or a quarter of the piece where that is less."""
END_FADE_S = 2.0
"""So long before the film's end it begins to fade, or a quarter of the film where that is less."""
START_FADE_S = 0.05
LEAST_S = 0.5


class Music:
    """A piece laid under a film of `samples` samples. stem: the piece, as much of it as the film needs."""

    def __init__(self, stem: Stem, samples: int) -> None:
        self._stem = stem
        self._film = samples
        whole = stem.sounding()
        self.looped = stem.samples < samples
        self._fade = round(min(LOOP_FADE_S * RATE, whole / 4)) if self.looped else 0
        self._period = whole - self._fade if self.looped else samples
        self.seconds = whole / RATE

    @property
    def times(self) -> int:
        """How often it begins."""
        return math.ceil(self._film / self._period)

    def read(self, start: int, stop: int) -> Wave:
        """The film's samples from `start` to `stop`, with every fade; silence outside the film."""
        out = np.zeros((2, stop - start), np.float32)
        at, last = max(0, start), min(stop, self._film)
        while at < last:
            place = at % self._period
            count = min(last - at, self._period - place)
            out[:, at - start : at - start + count] = self._turn(place, count, first=at < self._period)
            at += count
        places = np.arange(start, stop, dtype=np.float32) + 0.5
        end = min(END_FADE_S * RATE, self._film / 4)
        for distance, fade in ((places, START_FADE_S * RATE), (self._film - places, end)):
            out *= np.sin(np.pi / 2 * np.clip(distance / max(1.0, fade), 0, 1))
        return out

    def _turn(self, place: int, count: int, first: bool) -> Wave:
        """Samples of one time round, where it begins under the end of the time before."""
        wave = self._stem.read(place, place + count)
        crossing = min(count, self._fade - place)
        if not first and crossing > 0:
            angle = np.pi / 2 * (np.arange(place, place + crossing, dtype=np.float32) + 0.5) / self._fade
            tail = self._stem.read(self._period + place, self._period + place + crossing)
            wave[:, :crossing] = wave[:, :crossing] * np.sin(angle) + tail * np.cos(angle)
        return wave


def read_music(path: Path, samples: int, stem: Stem) -> tuple[Music, list[str]]:
    """Decode what a film of that many samples needs of a piece. VideoError("asset") when there is nothing to hear."""
    listening = Listening(path)
    blocks = listening.blocks()
    for wave in blocks:
        stem.append(wave[:, : samples - stem.samples])
        if stem.samples >= samples:
            break
    blocks.close()
    if not listening.has_sound or stem.sounding() < LEAST_S * RATE:
        what = "is silent or shorter than 0.5 s" if listening.has_sound else "has no sound track"
        text = f"music {what}: give a sound file with a longer piece"
        raise VideoError("asset", text, problems=[Problem("music", text)])
    music = Music(stem, samples)
    notes = [f"the music lasts {music.seconds:.1f} s and begins {music.times} times"] if music.looped else []
    if listening.damaged_at_s is not None:
        notes.append(f"the music is damaged from {listening.damaged_at_s:.1f} s on: what cannot be decoded is silent")
    return music, notes
