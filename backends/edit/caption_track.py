"""Captions as a track of their own in an MP4 or MOV (3GPP timed text), which players switch on and off."""

# PyAV's stubs leave the parameter of Packet open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext

from backends.edit.cues import Cue
from backends.errors import VideoError
from backends.media.boxes import missing_bytes
from backends.media.diskspace import disk_full, is_full
from backends.media.rates import movie_clock

CLOCK = Fraction(1, 1000)
STYLE = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Sans,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""What the encoder's head of the track is made from: white, at the bottom, in the middle."""


def add(clip: Path, cues: Sequence[Cue]) -> None:
    """Put the cues into the clip, in order and none over another; its pictures and sound stay bit for bit as they are.
    VideoError("storage") when the disk is full; the clip is whole then as before."""
    made = clip.with_stem(f"{clip.stem}-captions")
    try:
        _write(clip, cues, made)
        if missing_bytes(made, "video/mp4"):
            raise disk_full(made)
        made.replace(clip)
    except (OSError, FFmpegError) as error:
        if is_full(error):
            raise disk_full(made) from None
        if isinstance(error, FFmpegError):
            raise VideoError("provider", f"the captions could not be put into the film ({error.strerror})") from None
        raise
    finally:
        made.unlink(missing_ok=True)


def _write(clip: Path, cues: Sequence[Cue], made: Path) -> None:
    container = clip.suffix.removeprefix(".")
    with av.open(f"file:{clip.absolute()}", "r", format=container) as source:
        options = {"movflags": "+faststart", "movie_timescale": str(_clock(source))}
        with av.open(f"file:{made.absolute()}", "w", format=container, options=options) as output:
            _fill(source, cues, output)
    with made.open("rb+") as file:
        os.fsync(file.fileno())


def _clock(source: InputContainer) -> int:
    rate = source.streams.video[0].average_rate
    return movie_clock(Fraction(rate)) if rate else CLOCK.denominator


def _fill(source: InputContainer, cues: Sequence[Cue], output: OutputContainer) -> None:
    copies = {stream.index: output.add_stream_from_template(stream) for stream in _media(source)}
    words = _track(output)
    waiting = list(cues)
    for packet in source.demux(*_media(source)):
        if packet.dts is None:
            continue
        while waiting and waiting[0].from_s <= packet.dts * packet.time_base:
            output.mux(_packet(waiting.pop(0), words))
        packet.stream = copies[packet.stream.index]
        output.mux(packet)
    for cue in waiting:
        output.mux(_packet(cue, words))


def _media(source: InputContainer) -> Iterator[Stream]:
    yield from source.streams.video
    yield from source.streams.audio


def _track(output: OutputContainer) -> Stream:
    track = output.add_stream("mov_text")
    context = track.codec_context
    assert isinstance(context, SubtitleCodecContext)
    context.subtitle_header = STYLE
    context.time_base = track.time_base = CLOCK
    context.open()
    return track


def _packet(cue: Cue, track: Stream) -> Packet[Stream]:
    """One sample: its length in two bytes, then its words in UTF-8."""
    words = cue.text.encode()
    packet = Packet(len(words).to_bytes(2, "big") + words)
    packet.pts = packet.dts = round(cue.from_s / CLOCK)
    packet.duration = round(cue.to_s / CLOCK) - packet.pts
    packet.time_base = CLOCK
    packet.stream = track
    return packet
