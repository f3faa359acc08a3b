"""All measurements, in order of worth: where the time ends, what is left out is what is missed least."""

from __future__ import annotations

from functools import partial

from tests.gpu import encoders, faults, peaks, switched, whole
from tests.gpu.stage import Measurement

PEAKS: tuple[tuple[str, str, float], ...] = (
    ("ltx-video-t2v", "resident", 8),
    ("wan2.1-t2v-1.3b", "resident", 12),
    ("wan2.2-ti2v-5b", "offload-tiled", 25),
    ("wan2.1-t2v-14b", "offload-fp8", 40),
    ("hunyuanvideo-t2v", "offload", 35),
    ("ltx-2-t2v", "offload-fp8", 35),
    ("wan2.1-t2v-1.3b", "group", 20),
    ("cogvideox-5b-t2v", "resident", 15),
    ("mochi-1-t2v", "offload-tiled", 30),
    ("hunyuanvideo-1.5-t2v", "offload-tiled", 30),
    ("wan2.2-ti2v-5b", "resident", 25),
    ("wan2.1-t2v-14b", "resident", 40),
    ("wan2.1-t2v-1.3b", "offload-tiled", 15),
    ("ltx-video-t2v", "offload-tiled", 10),
    ("cogvideox-5b-t2v", "offload-tiled", 20),
    ("hunyuanvideo-t2v", "resident-tiled", 30),
    ("ltx-2-t2v", "resident-tiled", 35),
    ("wan2.1-t2v-14b", "group", 60),
    ("wan2.2-ti2v-5b", "group", 40),
    ("ltx-video-t2v", "group", 15),
    ("mochi-1-t2v", "resident-tiled", 30),
    ("hunyuanvideo-1.5-t2v", "resident-tiled", 30),
    ("wan2.1-t2v-1.3b", "sequential", 30),
)
"""Variant, rung, and seconds that it may need: every family once, then the other rungs."""
FIRST = 10
"""So many of them before anything else."""


def measurements() -> list[Measurement]:
    every = [
        Measurement("peak", f"{name} {rung}", need, partial(peaks.peak, name=name, rung=rung))
        for name, rung, need in PEAKS
    ]
    speed = [
        Measurement("ours against bare", whole.MODEL, 40, whole.against_bare),
        Measurement("cold against warm", whole.MODEL, 60, whole.cold_and_warm),
        *(
            Measurement("encoder", name, 15, partial(encoders.text, name=name))
            for name in ("umt5-xxl", "t5-v1.1-xxl", "llama-3-8b", "gemma-3-12b")
        ),
        Measurement("image", "wan2.1-t2v-1.3b", 8, partial(encoders.image, name="wan2.1-t2v-1.3b")),
        Measurement("cancel", faults.MODEL, 10, faults.cancel),
        Measurement("out of memory", faults.MODEL, 10, faults.out_of_memory),
        Measurement("killed child", "a full card", 20, faults.killed),
        Measurement("two models", f"{whole.MODEL} and {whole.OTHER}", 25, whole.two_models),
    ]
    ratios = [
        *(Measurement("sdpa", word, 10, partial(switched.sdpa, word=word)) for word in switched.SDPA),
        *(
            Measurement("attention", word, 10, partial(switched.attention, word=word))
            for word in ("flash", "flash3", "sage", "xformers")
        ),
        *(
            Measurement("cache", word, 12, partial(switched.cache, word=word))
            for word in ("first_block", "taylorseer", "mag")
        ),
        Measurement("compile", switched.MODEL, 90, switched.compiled),
    ]
    return [*every[:FIRST], *speed, *ratios, *every[FIRST:]]
