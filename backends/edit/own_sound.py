"""The clips' own sound, laid on the film's timeline."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backends.edit.stems import BLOCK, Stem
from backends.edit.tempo import tempo
from backends.errors import VideoError
from backends.media.listen import RATE, Listening, Wave

CUT_FADE_S = 0.03
"""At a cut: too short to be heard as a fade, long enough not to click."""
NOTES_MOST = 5
SOFT_END = RATE // 100
"""Samples over which a sound that ends before its picture does so."""


@dataclass(frozen=True)
class Part:
    """A piece of a clip's own sound on the film's timeline. All in seconds.

    path: the clip; None = nothing sounds here. source_from_s, source_to_s: the piece of the clip, from its first
    picture. at_s, length_s: where it lies in the film, and how long. speed: times faster than in the clip, at the
    same pitch. fade_in_s, fade_out_s: `CUT_FADE_S` at cuts, a cross-fade's length where two parts overlap, 0 where
    the sound goes on.
    """

    path: Path | None
    source_from_s: float
    source_to_s: float
    at_s: float
    length_s: float
    speed: float = 1.0
    fade_in_s: float = CUT_FADE_S
    fade_out_s: float = CUT_FADE_S


def lay(parts: Sequence[Part], samples: int, stem: Stem, progress: Callable[[float], None]) -> tuple[bool, list[str]]:
    """Write the parts' sound, `samples` long, to the stem. Whether any has a sound track, and what to tell."""
    waiting = sorted((_Player(part, number) for number, part in enumerate(parts, 1)), key=lambda one: one.start)
    players, playing = list(waiting), list[_Player]()
    for start in range(0, samples, BLOCK):
        stop = min(start + BLOCK, samples)
        while waiting and waiting[0].start < stop:
            playing.append(waiting.pop(0))
        block = np.zeros((2, stop - start), np.float32)
        for player in playing:
            player.add(block, start)
        playing = [player for player in playing if not player.done(stop)]
        stem.append(block)
        progress(stop / samples)
    return any(player.has_sound for player in players), _notes(players)


class _Player:
    """One part while it plays."""

    def __init__(self, part: Part, number: int) -> None:
        self.part, self.number = part, number
        self.start = round(part.at_s * RATE)
        self.length = max(0, round((part.at_s + part.length_s) * RATE) - self.start)
        self._listening = None if part.path is None else Listening(part.path, part.source_from_s)
        self._waves: Generator[Wave] = self._sound()
        self._left = np.zeros((2, 0), np.float32)
        self._at = 0

    unheard = ""
    """Why its sound cannot be decoded at all."""

    @property
    def has_sound(self) -> bool:
        return self._listening is not None and self._listening.has_sound and self._at > 0 and not self.unheard

    @property
    def damaged_at_s(self) -> float | None:
        """Where the clip's sound is damaged, if that is within the part."""
        at = None if self._listening is None else self._listening.damaged_at_s
        return at if at is not None and at < self.part.source_to_s else None

    def done(self, stop: int) -> bool:
        """Whether nothing of it lies after sample `stop` of the film; its file is closed then, and its samples go."""
        if self.start + self.length > stop:
            return False
        self._waves.close()
        self._left = np.zeros((2, 0), np.float32)
        return True

    def add(self, block: Wave, start: int) -> None:
        """Add what falls into a block that begins at sample `start` of the film."""
        first = max(0, self.start - start)
        count = min(block.shape[1] - first, self.length - self._at)
        if count > 0:
            wave = self._next(count)
            gain = self._gain(self._at, self._at + wave.shape[1])
            block[:, first : first + wave.shape[1]] += wave if gain is None else wave * gain
            self._at += count

    def _next(self, count: int) -> Wave:
        """The next samples, fewer when the sound has ended."""
        waves, have = [self._left], self._left.shape[1]
        try:
            while have < count and (wave := next(self._waves, None)) is not None:
                waves.append(wave)
                have += wave.shape[1]
        except VideoError as error:  # the pictures may be whole
            if error.kind != "asset":
                raise
            self.unheard = error.message
        whole = np.concatenate(waves, axis=1)
        self._left = whole[:, count:]
        return whole[:, :count]

    def _sound(self) -> Generator[Wave]:
        """All of the piece, at its speed."""
        if self._listening is not None and self.part.speed > 0:
            wanted = round((self.part.source_to_s - self.part.source_from_s) * RATE)
            yield from _ending_softly(tempo(_first(self._listening.blocks(), wanted), self.part.speed), self.length)

    def _gain(self, start: int, stop: int) -> Wave | None:
        """Of the part's samples from `start` to `stop`, None between its fades: it comes and goes along a quarter of a
        sine, so that of two parts that cross the power stays the same."""
        rising, falling = (round(seconds * RATE) for seconds in (self.part.fade_in_s, self.part.fade_out_s))
        if start >= rising and stop <= self.length - falling:
            return None
        at = np.arange(start, stop, dtype=np.float32) + 0.5
        gain = np.ones(stop - start, np.float32)
        for seconds, distance in ((self.part.fade_in_s, at), (self.part.fade_out_s, self.length - at)):
            if (samples := min(round(seconds * RATE), self.length)) > 0:
                gain *= np.sin(np.pi / 2 * np.clip(distance / samples, 0, 1))
        return gain[np.newaxis]


def _first(waves: Generator[Wave], samples: int) -> Generator[Wave]:
    """The first so many samples."""
    for wave in waves:
        if wave.shape[1] >= samples:
            yield wave[:, :samples]
            waves.close()
            return
        samples -= wave.shape[1]
        yield wave


def _ending_softly(waves: Iterable[Wave], wanted: int) -> Generator[Wave]:
    """The waves; when they end before `wanted` samples, their last ones fade."""
    held, given = np.zeros((2, 0), np.float32), 0
    for wave in waves:
        held = np.concatenate((held, wave), axis=1)
        if (ready := held.shape[1] - SOFT_END) > 0:
            yield held[:, :ready]
            held, given = held[:, ready:], given + ready
    if given + held.shape[1] < wanted and held.shape[1]:
        held = held * np.linspace(1, 0, held.shape[1], dtype=np.float32)
    yield held


def _notes(players: Sequence[_Player]) -> list[str]:
    notes = [
        f"the sound of clip {player.number} is damaged from {player.damaged_at_s:.1f} s on: what cannot be decoded "
        "is silent"
        for player in players
        if player.damaged_at_s is not None
    ]
    notes += [
        f"the sound of clip {player.number} is left out: {player.unheard}" for player in players if player.unheard
    ]
    clips = [player for player in players if player.part.path is not None and not player.unheard]
    silent = [str(player.number) for player in clips if not player.has_sound]
    if silent and len(silent) < len(clips):
        many = len(silent) > 1
        shown = ", ".join(silent[:10]) + (f" and {len(silent) - 10} more" if len(silent) > 10 else "")
        notes.append(f"clip{'s' * many} {shown} {'have' if many else 'has'} no sound: silence there")
    return notes if len(notes) <= NOTES_MOST else [*notes[:NOTES_MOST], f"and {len(notes) - NOTES_MOST} more clips"]
