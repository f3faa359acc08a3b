"""A clip's sound on its way into another: AAC is copied as it is, anything else is encoded again, as samples are."""

# PyAV's stubs leave the parameter of Packet open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import wave as wavefile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, Self, cast

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from backends.media.container import Clip, open_clip

AAC_FRAME = 1024  # samples in a packet of AAC-LC
RATE = 48_000
BIT_RATE = 192_000
AAC_OPTIONS = {"aac_coder": "fast"}
"""Of the two searches for quantizers the one that FFmpeg's documentation calls better, and much faster, above
64 kbit/s. (On a pure tone, which leaves most of the bits unused, it is the slower one.)"""


@dataclass(frozen=True)
class Samples:
    """Sound in memory. values: float, channels (1 or 2) x samples, -1..1 (cut there). rate: samples a second."""

    values: np.ndarray[Any, np.dtype[np.floating[Any]]]
    rate: int


@dataclass(frozen=True)
class SoundFile:
    """A WAV file that this program has written."""

    path: Path


class _Track(Protocol):
    def advance(self, until: Fraction) -> None: ...
    def finish(self, end: Fraction) -> None: ...


class ClipSound:
    """Feeds a clip's sound into a container as its pictures are written, so that neither stream waits for the other.

    Times are seconds from the source's first picture. Copied sound ends at most one packet (1024 samples) before the
    picture; no sound ever outlasts it.
    """

    def __init__(self, source: ExitStack, track: _Track) -> None:
        self._source = source
        self._track = track

    @classmethod
    def open(cls, source: Path | Samples | SoundFile, output: OutputContainer, codec: str = "aac") -> Self | None:
        """Add the sound's stream to `output`, before its first packet. None when the clip has no sound. codec: what
        it is encoded by; AAC that can be copied is."""
        with ExitStack() as stack:
            if isinstance(source, Samples):
                return cls(stack, _Encoded(*_of_samples(source), output, codec))
            if isinstance(source, SoundFile):
                wave = stack.enter_context(wavefile.open(str(source.path), "rb"))
                return cls(stack.pop_all(), _Encoded(_of_wave(wave), "stereo", output, codec))
            clip = stack.enter_context(open_clip(source))
            if not clip.container.streams.audio:
                return None
            stream = clip.container.streams.audio[0]
            if codec == "aac" and _copies(stream):
                return cls(stack.pop_all(), _Copied(clip, stream, output))
            return cls(stack.pop_all(), _Encoded(*_of_stream(clip, stream), output, codec))

    def advance(self, until: Fraction) -> None:
        """Write the sound that ends by `until` seconds."""
        self._track.advance(until)

    def finish(self, end: Fraction) -> None:
        """Write the rest up to `end` seconds, with silence where the source has ended."""
        self._track.finish(end)

    def close(self) -> None:
        self._source.close()


def _copies(stream: AudioStream) -> bool:
    """Plain AAC-LC in mono or stereo: its packets can be copied, and packets of silence can follow them."""
    context = stream.codec_context
    return (
        context.name == "aac"
        and context.profile == "LC"
        and context.frame_size == AAC_FRAME
        and context.layout.name in ("mono", "stereo")
        and bool(context.extradata)
    )


class _Copied:
    def __init__(self, clip: Clip, stream: AudioStream, output: OutputContainer) -> None:
        self._out = output
        self._rate = stream.codec_context.sample_rate
        self._layout = stream.codec_context.layout.name
        self._stream = output.add_stream_from_template(stream)
        self._packets = _timed_packets(clip, stream)
        self._waiting = next(self._packets, None)
        self._end = Fraction(0)
        self._base = stream.time_base or Fraction(1, self._rate)

    def advance(self, until: Fraction) -> None:
        length = Fraction(AAC_FRAME, self._rate)
        while self._waiting is not None and self._waiting[0] + length <= until:
            start, packet = self._waiting
            self._put(packet, start)
            self._waiting = next(self._packets, None)

    def finish(self, end: Fraction) -> None:
        length = Fraction(AAC_FRAME, self._rate)
        self.advance(end)
        if self._waiting is None and self._end + length <= end:
            silence = _silent_packet(self._rate, self._layout)
            while self._end + length <= end:
                packet = Packet(silence)
                packet.duration = round(length / self._base)
                self._put(packet, self._end)

    def _put(self, packet: Packet[Any], start: Fraction) -> None:
        packet.time_base = self._base
        packet.pts = packet.dts = round(start / self._base)
        packet.stream = self._stream
        self._out.mux(packet)
        self._end = start + Fraction(AAC_FRAME, self._rate)


def _timed_packets(clip: Clip, stream: AudioStream) -> Iterator[tuple[Fraction, Packet[AudioStream]]]:
    origin = clip.origin * clip.time_base
    for packet in clip.container.demux(stream):
        if packet.pts is not None and packet.size:
            yield packet.pts * packet.time_base - origin, packet


def _silent_packet(rate: int, layout: str) -> bytes:
    """One AAC-LC packet of digital silence."""
    context = AudioCodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = rate, layout, "fltp"
    context.open()
    channels = 1 if layout == "mono" else 2
    packets: list[bytes] = []
    for _ in range(4):
        frame = AudioFrame.from_ndarray(np.zeros((channels, AAC_FRAME), np.float32), "fltp", layout)
        frame.sample_rate = rate
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets[-1]


class _Encoded:
    """frames: resampled ones, with the start of each in samples from the first picture. layout: mono or stereo."""

    def __init__(
        self, frames: Iterator[tuple[int, AudioFrame]], layout: str, output: OutputContainer, codec: str
    ) -> None:
        self._out = output
        self._layout, self._channels = layout, 1 if layout == "mono" else 2
        options = AAC_OPTIONS if codec == "aac" else {}
        self._stream = cast(AudioStream, output.add_stream(codec, rate=RATE, options=options, layout=layout))
        self._stream.bit_rate = BIT_RATE
        self._fifo = AudioFifo()
        self._frames = frames
        self._taken = 0  # samples put into the fifo
        self._sent = 0  # samples given to the encoder
        self._ended = False

    def advance(self, until: Fraction) -> None:
        self._fill(int(until * RATE))
        self._drain(int(until * RATE))

    def finish(self, end: Fraction) -> None:
        samples = int(end * RATE)
        self._fill(samples)
        if self._taken < samples:
            self._silence(samples - self._taken)
        self._drain(samples)
        if (left := samples - self._sent) > 0 and (rest := self._fifo.read(left, partial=True)) is not None:
            self._send(rest)
        self._out.mux(self._stream.encode(None))

    def _fill(self, until: int) -> None:
        while self._taken < until and not self._ended:
            start, frame = next(self._frames, (0, None))
            if frame is None:
                self._ended = True
                return
            if self._taken == 0 and start > 0:  # the sound begins after the picture
                self._silence(start)
            elif self._taken == 0 and start < 0:
                frame = _without(frame, -start, self._layout)
                if frame is None:
                    continue
            self._put(frame)

    def _drain(self, until: int) -> None:
        ready = min(until, self._taken) - self._sent
        if ready >= AAC_FRAME and (frame := self._fifo.read(ready // AAC_FRAME * AAC_FRAME)) is not None:
            self._send(frame)

    def _silence(self, samples: int) -> None:
        while samples > 0:
            count = min(samples, RATE)
            self._put(AudioFrame.from_ndarray(np.zeros((self._channels, count), np.float32), "fltp", self._layout))
            samples -= count

    def _put(self, frame: AudioFrame) -> None:
        frame.sample_rate = RATE
        frame.pts = None
        self._fifo.write(frame)
        self._taken += frame.samples

    def _send(self, frame: AudioFrame) -> None:
        frame.pts = self._sent
        frame.time_base = Fraction(1, RATE)
        self._sent += frame.samples
        self._out.mux(self._stream.encode(frame))


def _of_stream(clip: Clip, stream: AudioStream) -> tuple[Iterator[tuple[int, AudioFrame]], str]:
    layout = "mono" if stream.codec_context.layout.name == "mono" else "stereo"
    return _timed_frames(clip, stream, AudioResampler("fltp", layout, RATE)), layout


def _of_samples(sound: Samples) -> tuple[Iterator[tuple[int, AudioFrame]], str]:
    values = np.ascontiguousarray(np.clip(sound.values, -1, 1), np.float32)
    layout = {1: "mono", 2: "stereo"}[len(values)]

    def frames() -> Iterator[tuple[int, AudioFrame]]:
        resampler, start = AudioResampler("fltp", layout, RATE), 0
        for first in range(0, values.shape[1], sound.rate):
            second = np.ascontiguousarray(values[:, first : first + sound.rate])
            frame = AudioFrame.from_ndarray(second, "fltp", layout)
            frame.sample_rate = sound.rate
            for resampled in resampler.resample(frame):
                yield start, resampled
                start += resampled.samples
        for resampled in resampler.resample(None):
            yield start, resampled
            start += resampled.samples

    return frames(), layout


def _of_wave(wave: wavefile.Wave_read) -> Iterator[tuple[int, AudioFrame]]:
    start = 0
    while data := wave.readframes(RATE):
        values = np.frombuffer(data, "<i2").reshape(-1, 2).T.astype(np.float32, "C") * np.float32(1 / 32768)
        frame = AudioFrame.from_ndarray(values, "fltp", "stereo")
        frame.sample_rate = RATE
        yield start, frame
        start += frame.samples


def _timed_frames(clip: Clip, stream: AudioStream, resampler: AudioResampler) -> Iterator[tuple[int, AudioFrame]]:
    """Resampled frames, with the start of each in samples from the first picture."""
    origin = clip.origin * clip.time_base
    start: int | None = None
    for frame in clip.container.decode(stream):
        if start is None:
            start = round(((frame.pts or 0) * (frame.time_base or Fraction(1, RATE)) - origin) * RATE)
        for resampled in resampler.resample(frame):
            yield start, resampled
            start += resampled.samples
    for resampled in resampler.resample(None):
        yield start or 0, resampled


def _without(frame: AudioFrame, samples: int, layout: str) -> AudioFrame | None:
    """The frame less its first samples, None when nothing is left."""
    if samples >= frame.samples:
        return None
    return AudioFrame.from_ndarray(np.ascontiguousarray(frame.to_ndarray()[:, samples:], np.float32), "fltp", layout)
