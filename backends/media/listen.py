"""Listening to a file: its sound as 48 kHz stereo samples from an exact time on, whatever it is stored as."""

# PyAV's stubs leave the parameter of Packet open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from backends.media.sound_file import Sounding, open_sound

RATE = 48_000
PREROLL_S = 0.5
"""Decoding begins so long before the wanted time: the first packets after a seek are not yet true."""
SEEK_FROM_S = 20.0
"""Earlier times are reached by decoding: Matroska tells times in whole milliseconds, so that a seek may be 1 ms off."""
GAP_S = 0.06
"""Times of packets that differ by more than this from the samples counted are a gap, or a repetition; smaller
differences are the rounding of a container's clock."""

Wave = np.ndarray[Any, np.dtype[np.float32]]
"""Samples, 2 x n, -1..1 when nothing clips."""


class Listening:
    """The sound of a file from `from_s` on (seconds from a clip's first picture, or from a sound file's start).

    has_sound: False for a clip without a sound track (known once listened to). damaged_at_s: where the first packet
    was that could not be decoded, which is silence here; None when all of it is whole.
    """

    def __init__(self, path: Path, from_s: float = 0.0) -> None:
        self.path = path
        self.from_s = Fraction(from_s)
        self.has_sound = True
        self.damaged_at_s: float | None = None

    def blocks(self) -> Generator[Wave]:
        """Blocks of any length, without gaps, until the sound ends. Errors as for `open_sound`."""
        with open_sound(self.path) as sounding:
            if sounding is None:
                self.has_sound = False
                return
            seeked = self.from_s > SEEK_FROM_S and self._seek(sounding)
            yield from self._placed(sounding, seeked)

    def _seek(self, sounding: Sounding) -> bool:
        base = sounding.stream.time_base or Fraction(1, RATE)
        target = self.from_s - Fraction(PREROLL_S) + sounding.origin_s
        try:
            sounding.container.seek(int(target / base), stream=sounding.stream, backward=True)
        except FFmpegError:  # no index: all of it is decoded
            return False
        return True

    def _placed(self, sounding: Sounding, seeked: bool) -> Iterator[Wave]:
        """The decoded pieces laid one after the other from `from_s` on, with silence in the gaps."""
        at = 0  # samples given out
        for start, wave in self._pieces(sounding):
            if seeked and at == 0 and start > 0:  # the seek went too far
                sounding.container.seek(0, backward=True)
                yield from self._placed(sounding, seeked=False)
                return
            seeked = False
            if start > at:
                yield from _silence(start - at)
                at = start
            if (kept := wave[:, at - start :]).shape[1]:
                yield kept
                at += kept.shape[1]

    def _pieces(self, sounding: Sounding) -> Iterator[tuple[int, Wave]]:
        """Resampled pieces with their start in samples from `from_s` on."""
        clock = _Clock(sounding, sounding.origin_s + self.from_s)
        run = _Run(clock)
        for frame in self._frames(sounding):
            at, frame.pts = frame.pts, None
            if run.broken_by(frame, at):
                yield from run.rest()
                run = _Run(clock)
            yield from run.take(frame, at)
        yield from run.rest()

    def _frames(self, sounding: Sounding) -> Iterator[AudioFrame]:
        """Every frame that can be decoded."""
        packets, clock = sounding.container.demux(sounding.stream), _Clock(sounding, sounding.origin_s)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                self._damage(None)
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except FFmpegError:
                self._damage(None if packet.pts is None else clock.seconds(packet.pts))
                continue
            for frame in frames:
                assert isinstance(frame, AudioFrame)
                self._heard_s = clock.seconds(frame.pts or 0)
                yield frame

    _heard_s = 0.0

    def _damage(self, at_s: float | None) -> None:
        if self.damaged_at_s is None:
            self.damaged_at_s = max(0.0, self._heard_s if at_s is None else at_s)


class _Clock:
    """A track's own times as seconds and samples from an origin (seconds)."""

    def __init__(self, sounding: Sounding, origin_s: Fraction) -> None:
        self._base, self._origin_s = sounding.stream.time_base or Fraction(1, RATE), origin_s
        self._tick, self._zero = float(self._base), float(origin_s)

    def seconds(self, pts: int) -> float:
        return pts * self._tick - self._zero

    def samples(self, pts: int) -> int:
        """At RATE, exactly."""
        return round((pts * self._base - self._origin_s) * RATE)


class _Run:
    """A stretch of frames of one format that follow on each other, through one resampler. They are gathered, since each
    call of it takes longer than a packet's samples."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._resampler = AudioResampler("fltp", "stereo", RATE)
        self._gathered = AudioFifo()
        self._format: tuple[str, str, int] | None = None
        self._start_s = 0.0
        self._taken = 0  # samples at the source's rate
        self._next = 0  # where the next piece begins, in samples at RATE

    def broken_by(self, frame: AudioFrame, at: int | None) -> bool:
        """Whether a frame does not belong to this stretch. at: its own time."""
        if self._format is None:
            return False
        if self._format != _format(frame):
            return True
        expected = self._start_s + self._taken / frame.sample_rate
        return at is not None and abs(self._clock.seconds(at) - expected) > GAP_S

    def take(self, frame: AudioFrame, at: int | None) -> Iterator[tuple[int, Wave]]:
        """The pieces that are ready, each with its start in samples at RATE."""
        if self._format is None:
            self._format = _format(frame)
            if at is not None:
                self._start_s, self._next = self._clock.seconds(at), self._clock.samples(at)
        self._taken += frame.samples
        self._gathered.write(frame)
        if self._gathered.samples >= frame.sample_rate:
            yield from self._made_of(self._gathered.read())

    def rest(self) -> Iterator[tuple[int, Wave]]:
        """What is gathered, and what the resampler still holds."""
        if self._format is not None:
            if self._gathered.samples:
                yield from self._made_of(self._gathered.read())
            yield from self._made_of(None)

    def _made_of(self, frame: AudioFrame | None) -> Iterator[tuple[int, Wave]]:
        for resampled in self._resampler.resample(frame):
            wave = resampled.to_ndarray().astype(np.float32, copy=False)
            yield self._next, wave
            self._next += wave.shape[1]


def _format(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _silence(samples: int) -> Iterator[Wave]:
    while samples > 0:
        count = min(samples, RATE)
        yield np.zeros((2, count), np.float32)
        samples -= count
