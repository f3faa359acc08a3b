"""Animatic: the engine that makes a take's frames and writes the clip."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import anyio.lowlevel
import av
import cv2
import numpy as np

from backends.animatic.card import card_take
from backends.animatic.extend import extend_take
from backends.animatic.keyframes import keyframes_take
from backends.animatic.still import still_take
from backends.animatic.take import Take
from backends.errors import VideoError
from backends.media.encode import ClipWriter
from backends.provider.protocol import JsonObject, Output, Prepared, Progress

SCHEMA = 1
"""The sidecar's version."""
CV_THREADS = 1
"""Fixed, whatever the machine has: DIS splits its work by threads, and its result depends on the split. The encoder
keeps the other cores busy; a second thread here gained nothing and cost a fifth more CPU time."""
BREATH = 4
"""Frames between two looks at whether the run was cancelled."""

_TAKES: dict[str, Callable[[Prepared], Take]] = {
    "text_to_video": card_take,
    "image_to_video": still_take,
    "interpolate": keyframes_take,
    "extend": extend_take,
}


class Animatic:
    """The previsualisation engine: same request and inputs, same decoded frames."""

    async def run(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        """Write `dest/clip.mp4`. Frames stream into the encoder: memory does not grow with the duration.

        VideoError("unsupported") for a task that it doesn't serve; errors of reading and writing pass through.
        """
        cv2.setNumThreads(CV_THREADS)
        started = time.monotonic()
        task = prepared.request.task
        if task not in _TAKES:
            raise VideoError("unsupported", f"the animatic doesn't do {task}; it does {', '.join(_TAKES)}")
        progress(0.0, "reading the inputs")
        take = _TAKES[task](prepared)
        path = dest / "clip.mp4"
        made = await self._write(take, prepared, path, progress)
        if made != take.count:
            raise VideoError("provider", f"the animatic made {made} frames instead of {take.count}: please report it")
        progress(1.0, "done")
        return Output(
            path=path,
            seed=prepared.request.seed or 0,
            sidecar=_sidecar(take, prepared),
            facts=_facts(take, time.monotonic() - started),
            notes=tuple(take.notes),
        )

    async def _write(self, take: Take, prepared: Prepared, path: Path, progress: Progress) -> int:
        made = 0
        with ClipWriter(path, prepared.width, prepared.height, take.rate, audio_from=take.audio_from) as writer:
            for frame in take.frames:
                writer.write(frame)
                made += 1
                progress(0.99 * made / take.count, take.phase)
                if made % BREATH == 0:
                    await anyio.lowlevel.checkpoint()
        return made


def _sidecar(take: Take, prepared: Prepared) -> JsonObject:
    return {
        "engine": "animatic",
        "schema": SCHEMA,
        "frames": take.count,
        "fps": [take.rate.numerator, take.rate.denominator],
        "size": [prepared.width, prepared.height],
        "seed": prepared.request.seed or 0,
        **take.sidecar,
    }


def _facts(take: Take, seconds: float) -> JsonObject:
    return {
        "frames": take.count,
        "fps": str(take.rate),
        **take.facts,
        "seconds": round(seconds, 2),
        "versions": {"av": av.__version__, "cv2": cv2.__version__, "numpy": np.__version__},
    }
