"""A real, tiny MP4 for fakes to hand out."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def tiny_clip(width: int = 320, height: int = 180, seconds: float = 4.0, fps: int = 24, *, audio: bool = False) -> Path:
    """An H.264 MP4 (with silent AAC where `audio`), index first, made once a process; a slowly changing grey."""
    import av  # here, so that a benchmark's driver that brings its own clip never loads it
    import numpy as np

    folder = Path(tempfile.mkdtemp(prefix="clip-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / f"{width}x{height}-{seconds:g}s-{fps}{'-audio' if audio else ''}.mp4"
    frames = round(seconds * fps)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        video = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "40"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            grey = np.full((height, width, 3), 64 + 128 * index // frames, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        out.mux(video.encode())
        if audio:
            sound = out.add_stream("aac", rate=48_000, layout="mono")
            total = round(seconds * 48_000)
            for start in range(0, total, 1024):
                silence = np.zeros((1, min(1024, total - start)), np.float32)
                frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 48_000, start
                out.mux(sound.encode(frame))
            out.mux(sound.encode())
    return path
