"""A film's sound: the clips' own, a narration and music in one mix, as loud as it should be, as long as the film."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from backends.edit.ducking import Ducking
from backends.edit.gauge import Gauge
from backends.edit.loudness import GAIN_MOST_DB, Mastered, master
from backends.edit.music import Music, read_music
from backends.edit.own_sound import CUT_FADE_S, Part, lay
from backends.edit.speech import SCRATCH, read_narration, speak
from backends.edit.stems import Stem
from backends.media.diskspace import disk_full, is_full
from backends.media.listen import RATE, Wave

__all__ = ["CUT_FADE_S", "Mixed", "Part", "mix", "speak"]

Audio = Literal["native", "tts", "added", "silent", "none"]
Progress = Callable[[float, str], None]

BED_DB = -6.0
"""Music below what it lies under."""
MUSIC_DUCK_DB, OWN_DUCK_DB = 12.0, 8.0
"""So much further down while the narration speaks: the music, and the clips' own sound."""
LEVEL = -16.0
"""LUFS that the layers are brought to before they are mixed."""
FAR_LU = 0.5
"""A result farther from the loudness that was requested is noted."""
HEARD_DB = -80.0


@dataclass(frozen=True)
class Mixed:
    """What a mix became. path: a 48 kHz stereo 16-bit WAV; None when the film has no sound. audio: what is heard:
    the clips' own sound alone (native), a spoken text (tts), a file that was added (added), a track of silence
    (silent), or no track (none). lufs: integrated loudness; None below 0.4 s and for silence. peak_db: dBTP."""

    path: Path | None
    audio: Audio
    lufs: float | None = None
    peak_db: float | None = None
    notes: tuple[str, ...] = ()


def mix(
    parts: Sequence[Part],
    length_s: float,
    dest: Path,
    narration: Path | None = None,
    music: Path | None = None,
    loudness: float | None = -16.0,
    mute: bool = False,
    spoken: bool = False,
    progress: Progress = lambda done, phase: None,
) -> Mixed:
    """Mix a film's sound into `dest`, exactly round(length_s * 48000) samples.

    parts: in the film's order; they may overlap, and what none covers is silent. narration, music: sound files, or
    clips with sound. loudness: LUFS; None = every level as it is given. mute: leave out the clips' own sound.
    spoken: the narration was made by `speak`. No true peak is above -1.5 dBTP.
    VideoError("asset") for a file that cannot be heard, ("invalid_request") for a narration longer than the film,
    ("storage") when the disk is full.
    """
    samples = round(length_s * RATE)
    if samples <= 0:
        return Mixed(None, "none")
    try:
        with ExitStack() as stack:
            layers = _Layers(stack, dest.parent, samples, loudness is not None)
            if narration is not None:
                layers.add_narration(narration)
            if music is not None:
                layers.add_music(music)
            if not mute:
                layers.add_own(parts, lambda done: progress(0.6 * done, "laying the sound"))
            if layers.empty:
                return Mixed(None, "none", notes=tuple(layers.notes))
            layers.balance()
            made = master(
                layers.render,
                samples,
                loudness,
                dest,
                lambda done: progress(0.6 + 0.4 * done, "mixing the sound"),
                layers.gauge,
            )
    except OSError as error:
        dest.unlink(missing_ok=True)
        if is_full(error):
            raise disk_full(dest) from None
        raise
    notes = [*layers.notes, *_about_level(made, loudness)]
    if layers.narration is not None and spoken:
        notes.insert(0, SCRATCH)
    audio = _audio(made, narration is not None, music is not None, spoken)
    return Mixed(dest, audio, _rounded(made.lufs), _rounded(made.peak_db), tuple(notes))


@dataclass
class _Layers:
    """What is mixed. leveled: whether the layers are brought to one loudness first."""

    stack: ExitStack
    folder: Path
    samples: int
    leveled: bool
    own: Stem | None = None
    narration: Stem | None = None
    music: Music | None = None
    notes: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._music_stem: Stem | None = None
        self._ducking: Ducking | None = None
        self._gains = {"own": 1.0, "narration": 1.0, "music": 1.0}

    @property
    def empty(self) -> bool:
        return self.own is None and self.narration is None and self.music is None

    @property
    def gauge(self) -> Gauge | None:
        """Of the clips' own sound, where that is all there is."""
        alone = self.narration is None and self.music is None
        return self.own.gauge if self.own is not None and alone else None

    def _stem(self, gauge: Gauge | None = None) -> Stem:
        return self.stack.enter_context(Stem(self.folder, gauge))

    def add_narration(self, path: Path) -> None:
        stem = self._stem()
        self.notes += read_narration(path, self.samples, stem)
        self.narration = stem

    def add_music(self, path: Path) -> None:
        stem = self._stem()
        self.music, notes = read_music(path, self.samples, stem)
        self._music_stem = stem
        self.notes += notes

    def add_own(self, parts: Sequence[Part], progress: Callable[[float], None]) -> None:
        stem = self._stem(Gauge())
        sounding, notes = lay(parts, self.samples, stem, progress)
        self.notes += notes
        if sounding:
            self.own = stem

    def balance(self) -> None:
        """Find each layer's gain, and when the narration speaks."""
        voice = None if self.narration is None else self.narration.lufs()
        several = sum(layer is not None for layer in (self.own, self.narration, self.music)) > 1
        if self.leveled and several:
            own = None if self.own is None else self.own.lufs()
            music = None if self._music_stem is None else self._music_stem.lufs()
            self._gains = {"own": _to_level(own), "narration": _to_level(voice), "music": _to_level(music)}
            self._gains["music"] *= 10 ** (BED_DB / 20)
        if self.narration is not None:
            self._ducking = Ducking(self.narration, voice)

    def render(self, start: int, stop: int) -> Wave:
        """The mix from one sample of the film to another, before its last gain; silence outside the film."""
        if self.own is not None and self.gauge is not None:
            return self.own.read(start, stop)
        out = np.zeros((2, stop - start), np.float32)
        if self.own is not None:
            out += self.own.read(start, stop) * self._gain("own", start, stop, OWN_DUCK_DB)
        if self.music is not None:
            out += self.music.read(start, stop) * self._gain("music", start, stop, MUSIC_DUCK_DB)
        if self.narration is not None:
            out += self.narration.read(start, stop) * np.float32(self._gains["narration"])
        return out

    def _gain(self, layer: str, start: int, stop: int, depth_db: float) -> Wave | np.float32:
        gain = np.float32(self._gains[layer])
        return gain if self._ducking is None else self._ducking.gain(start, stop, depth_db) * gain


def _to_level(lufs: float | None) -> float:
    return 1.0 if lufs is None else 10 ** (min(LEVEL - lufs, GAIN_MOST_DB) / 20)


def _about_level(made: Mastered, target: float | None) -> list[str]:
    if target is None:
        return ["the sound is as loud as it was, but for its highest peaks"] if made.limited else []
    if made.lufs is None:
        return []
    if abs(made.lufs - target) <= FAR_LU:
        return []
    if not made.limited:
        why = f"it is so quiet that {GAIN_MOST_DB:.0f} dB more would raise nothing but its noise further"
    else:
        why = "its peaks are so far above the rest that it cannot be louder without clipping"
    return [f"the sound has {made.lufs:.1f} LUFS, not {target:g}: {why}"]


def _audio(made: Mastered, narrated: bool, scored: bool, spoken: bool) -> Audio:
    if made.peak_db < HEARD_DB:
        return "silent"
    if narrated and spoken:
        return "tts"
    return "added" if narrated or scored else "native"


def _rounded(figure: float | None) -> float | None:
    return None if figure is None or not math.isfinite(figure) else round(figure, 1)
