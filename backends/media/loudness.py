"""How loud a clip's sound is: integrated loudness as broadcasters and platforms measure it (ITU-R BS.1770)."""

# PyAV's stubs leave the parameters of its filter graph open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import BlockingIOError, EOFError, FFmpegError
from av.filter import Graph

from backends.media.container import open_clip

SILENT = -69.0
"""LUFS: the gate leaves nothing below -70."""


def loudness(path: Path) -> float | None:
    """Integrated loudness of the first sound track in LUFS (platforms want -14 to -23); None when it is silent, is
    shorter than the 0.4 s that the measure needs, or cannot be decoded, which no picture suffers from."""
    with open_clip(path) as clip:
        streams = clip.container.streams.audio
        found = _measured(clip.container, streams[0]) if streams else None
    return None if found is None or found < SILENT else round(found, 1)


def _measured(container: InputContainer, stream: AudioStream) -> float | None:
    found: float | None = None
    if getattr(stream, "codec_context", None) is None:  # no decoder of that name
        return None
    with suppress(FFmpegError, ValueError):
        graph = Graph()
        source, sink = graph.add_abuffer(template=stream), graph.add("abuffersink")
        meter = graph.add("ebur128", "metadata=1")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        for frame in container.decode(stream):
            frame.pts = None
            graph.push(frame)
            found = _read(graph, found)
    return found


def _read(graph: Graph, found: float | None) -> float | None:
    """The figure so far: each frame that leaves the meter carries it."""
    with suppress(BlockingIOError, EOFError):
        while True:
            frame = graph.pull()
            if isinstance(frame, AudioFrame) and (figure := frame.metadata.get("lavfi.r128.I")):
                found = float(figure)
    return found
