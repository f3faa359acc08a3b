"""The product's whole way to a clip, beside the shortest program that makes it; cold and warm; two models at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from backends.local.plan import RUNGS
from tests.gpu import meter
from tests.gpu.pipelines import arguments
from tests.gpu.stage import LeftOut, Stage

MODEL, OTHER = "ltx-video-t2v", "wan2.1-t2v-1.3b"


def against_bare(stage: Stage) -> dict[str, Any]:
    """Seconds of a clip, model loaded, by `generate` and `save` of the product and by `pipe(...)` and an encoder; they
    take turns, the fastest of each counts."""
    try:
        import av  # noqa: F401

        from backends.local.call import Call
        from backends.local.generate import generate, save
    except ImportError as error:
        raise LeftOut(f"needs PyAV, OpenCV and Pillow: {error}") from None
    shape, plan = stage.shapes[MODEL], RUNGS["resident"]
    width, height, frames = shape.size
    pipe = stage.ready(MODEL, plan)
    given = arguments(shape, stage.device, 2 if stage.tiny else 8)
    call = Call(given, (width, height), frames, Fraction(shape.fps))

    def ours() -> None:
        made = generate(pipe, call, plan, 7, stage.device, lambda share, text: None)
        save(made, call, stage.folder, lambda share, text: None)

    def bare() -> None:
        vars(pipe).pop("progress_bar", None)
        pipe.set_progress_bar_config(disable=True)
        with torch.inference_mode():
            made = pipe(**given, generator=torch.Generator("cpu").manual_seed(7), output_type="np").frames[0]
        _written(stage.folder / "bare.mp4", made, shape.fps)

    rounds = [(_seconds(ours), _seconds(bare)) for _ in range(2 if stage.tiny else 4)]
    best = [min(times) for times in zip(*rounds, strict=True)]
    return {"ours_s": best[0], "bare_s": best[1], "ratio": best[0] / best[1], "rounds": rounds}


def _seconds(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _written(path: Path, frames: Any, fps: int) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as output:
        video: Any = output.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast", "threads": "4"})
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray((frame * 255).round().astype(np.uint8), format="rgb24")
            output.mux(video.encode(picture))
        output.mux(video.encode(None))


def cold_and_warm(stage: Stage) -> dict[str, Any]:
    """The product's engine in a new process on a model's folder: seconds from its start to the first clip (imports,
    loading and all), and of the second. Everything lies in the system's page cache, so cold is not yet a cold disk."""
    try:
        from tests.gpu import folder
    except ImportError as error:
        raise LeftOut(f"needs the tokenizers package: {error}") from None
    with tempfile.TemporaryDirectory(dir=stage.folder) as place:
        model = folder.saved(stage.shapes[MODEL], Path(place) / "model", stage.device)
        meter.clear(stage.device)
        asked = folder.order(stage.shapes[MODEL], model, stage.device, 2 if stage.tiny else 8)
        if not stage.apart:
            return {"process": "same", **asyncio.run(folder.twice(asked))}
        return _in_new_process(json.dumps(asked), stage.clock.left_s)


def _in_new_process(order: str, left_s: float) -> dict[str, Any]:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu.folder", order], capture_output=True, text=True, timeout=left_s
    )
    whole_s = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(done.stderr[-600:])
    told = json.loads(done.stdout.splitlines()[-1])
    cold_s = whole_s - told["warm_s"]
    return {"process": "new", **told, "cold_s": cold_s, "ratio": cold_s / told["warm_s"]}


def two_models(stage: Stage) -> dict[str, Any]:
    """Two models on one card, each clip alone and both at once: at_once / (the one + the other) says what is won."""
    plan = RUNGS["resident"]
    pipes = {name: stage.ready(name, plan) for name in (MODEL, OTHER)}
    given = {name: arguments(stage.shapes[name], stage.device, 4) for name in pipes}

    def clip(name: str) -> None:
        vars(pipes[name]).pop("progress_bar", None)
        pipes[name].set_progress_bar_config(disable=True)
        with torch.inference_mode():
            pipes[name](**given[name], generator=torch.Generator("cpu").manual_seed(7), output_type="np")

    for name in pipes:
        clip(name)
    alone = [_seconds(lambda name=name: clip(name)) for name in pipes]
    meter.clear(stage.device)

    def both() -> None:
        threads = [threading.Thread(target=clip, args=(name,)) for name in pipes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    at_once = _seconds(both)
    told: dict[str, Any] = {"alone_s": alone, "at_once_s": at_once, "ratio": at_once / sum(alone)}
    if meter.on_card(stage.device):
        told["reserved_gib"] = torch.cuda.max_memory_reserved() / 2**30
    return told
