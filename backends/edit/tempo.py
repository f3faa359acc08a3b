"""Faster or slower sound at the same pitch."""

# PyAV's stubs leave the parameters of its filter graph open, which strict mode reports at every use.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain

import numpy as np
from av.audio.frame import AudioFrame
from av.error import BlockingIOError, EOFError
from av.filter import Graph

from backends.media.listen import RATE, Wave

LEAST, MOST = 0.5, 2.0
"""What one filter does well; further tempos go through several."""
LEAD_S = 0.015
"""Each filter gives its sound so much early, in the time of what it is given (measured with bursts, 0.5 to 2 times)."""


def tempo(blocks: Iterable[Wave], speed: float) -> Iterator[Wave]:
    """The blocks `speed` times as fast; 1 leaves every sample as it is."""
    if speed == 1:
        yield from blocks
        return
    graph = Graph()
    last = source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout="stereo")
    for factor in _factors(speed):
        step = graph.add("atempo", f"{factor:.9f}")
        last.link_to(step)
        last = step
    planar, sink = graph.add("aformat", "sample_fmts=fltp"), graph.add("abuffersink")
    last.link_to(planar)
    planar.link_to(sink)
    graph.configure()
    for block in chain((_late(speed),), blocks):
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block, np.float32), "fltp", "stereo")
        frame.sample_rate = RATE
        source.push(frame)
        yield from _ready(graph)
    source.push(None)
    yield from _ready(graph)


def _late(speed: float) -> Wave:
    """The silence that makes up for the filters' lead."""
    lead, reached = 0.0, 1.0
    for factor in _factors(speed):
        lead += LEAD_S * reached
        reached *= factor
    return np.zeros((2, round(lead * RATE)), np.float32)


def _factors(speed: float) -> Iterator[float]:
    while not LEAST <= speed <= MOST:
        factor = MOST if speed > MOST else LEAST
        yield factor
        speed /= factor
    yield speed


def _ready(graph: Graph) -> Iterator[Wave]:
    with suppress(BlockingIOError, EOFError):
        while True:
            frame = graph.pull()
            assert isinstance(frame, AudioFrame)
            yield frame.to_ndarray().astype(np.float32, copy=False)
