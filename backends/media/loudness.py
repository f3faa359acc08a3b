"""How loud a clip's sound is: integrated loudness as broadcasters and platforms measure it (ITU-R BS.1770)."""

# PyAV's stubs leave the parameters of its filter graph open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import BlockingIOError, EOFError, FFmpegError
from av.filter import Graph
from av.filter.context import FilterContext

from backends.media.container import open_clip

GATE = -70.0
"""LUFS below which a moment does not count (BS.1770-4)."""
RELATIVE_GATE = -10.0
"""LU below the mean of those that do, from which a moment does not count either."""
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
        _wire(graph, graph.add_abuffer(template=stream))
        for frame in container.decode(stream):
            frame.pts = None
            graph.push(frame)
            for figure in _figures(graph, "lavfi.r128.I"):
                found = figure
    return found


class Meter:
    """Integrated loudness of samples that come block by block. rate: samples a second, in stereo."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._graph = Graph()
        _wire(self._graph, self._graph.add_abuffer(sample_rate=rate, format="fltp", layout="stereo"))
        self._moments = array("d")  # LUFS of 0.4 s, every 0.1 s

    def feed(self, wave: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        """wave: 2 x n samples."""
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(wave), "fltp", "stereo")
        frame.sample_rate = self._rate
        self._graph.push(frame)
        self._moments.extend(_figures(self._graph, "lavfi.r128.M"))

    @property
    def lufs(self) -> float | None:
        """So far, not rounded; None for silence, and for less than 0.4 s."""
        return self.raised(0.0)

    def raised(self, gain_db: float) -> float | None:
        """What it would be with every sample that much louder."""
        moments = np.frombuffer(self._moments) + gain_db
        above = moments[moments >= GATE]
        if not above.size:
            return None
        above = above[above >= _mean(above) + RELATIVE_GATE]
        found = _mean(above)
        return None if found < SILENT else found


def _mean(lufs: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """The loudness of the mean power."""
    return float(10 * np.log10(np.mean(10 ** (lufs / 10))))


def _wire(graph: Graph, source: FilterContext) -> None:
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()


def _figures(graph: Graph, name: str) -> Iterator[float]:
    """A figure of each frame that has left the meter since the last look."""
    with suppress(BlockingIOError, EOFError):
        while True:
            frame = graph.pull()
            if isinstance(frame, AudioFrame) and (figure := frame.metadata.get(name)):
                yield float(figure)
