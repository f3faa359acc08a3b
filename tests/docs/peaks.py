"""Published memory peaks beside the formula's: what the planner is held against, and the table of the documentation.

All figures that were found for these models are listed. One counts when it tells what a run took (and not the size of
a card that it runs on), the source gives model, size, frames, precision and what is offloaded, quantised and tiled (in
words, by the program printed with it, or by its defaults), and the planner can plan such a run. Whether it agrees with
the formula plays no part. "GB" of GPU memory are read as 2^30 bytes, which is what nvidia-smi counts in, and what the
programs of diffusers' documentation print as GB.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from backends.local.families import variant
from backends.local.memory import SPREAD, Plan, peak

NotCounted = Literal["", "a card's size", "weights in 32 bits", "settings not given"]


@dataclass(frozen=True)
class Published:
    """gb: as published. plan: the one of ours that stands for how it was run, None where it is not known. text: whether
    the text encoder is on the card. left_out: why it does not count, "" when it does."""

    what: str
    variant: str
    plan: Plan | None
    width: int
    height: int
    frames: int
    gb: float
    source: str
    text: bool = True
    left_out: NotCounted = ""

    @property
    def ours_gb(self) -> float | None:
        """The formula's figure, in the same unit."""
        if self.plan is None:
            return None
        kind = variant(self.variant)
        if not self.text:
            kind = replace(kind, encoders_b=0.0, encoder_b=0.0)
        return peak(kind, self.plan, self.width, self.height, self.frames).gib

    @property
    def ratio(self) -> float | None:
        return None if self.ours_gb is None else self.ours_gb / self.gb

    @property
    def counts(self) -> bool:
        return not self.left_out

    @property
    def within(self) -> bool:
        """Whether the range that the planner tells holds the published figure."""
        return self.ratio is not None and abs(self.ratio - 1) <= SPREAD


TILED = Plan("resident-tiled", tiling=True)
OFFLOAD = Plan("offload", offload="model")
TILED_OFFLOAD = Plan("offload-tiled", offload="model", tiling=True)
SEQUENTIAL = Plan("sequential", offload="sequential", tiling=True)
GROUP = Plan("group", offload="group")
FP8_GROUP = Plan("group", offload="group", quant="fp8")
INT8_OFFLOAD = Plan("offload", offload="model", quant="int8")
INT8_SEQUENTIAL = Plan("sequential", offload="sequential", quant="int8", tiling=True)
BIT4_OFFLOAD = Plan("offload-tiled", offload="model", quant="4bit", tiling=True)

HUNYUAN, COG_2B, COG_5B = "hunyuanvideo-t2v", "cogvideox-2b-t2v", "cogvideox-5b-t2v"
WAN_1B, WAN_14B, WAN_A14B = "wan2.1-t2v-1.3b", "wan2.1-t2v-14b", "wan2.2-t2v-a14b"
LTX, MOCHI = "ltx-video-t2v", "mochi-1-t2v"
WAN22 = "README of Wan-Video/Wan2.2"
TENCENT = "README of Tencent/HunyuanVideo (its program's defaults)"
ZAI = "README of zai-org/CogVideo (all savings on)"
WAN21 = "README of Wan-Video/Wan2.1 (text encoder on the processor)"
DOCS = "diffusers docs"

PUBLISHED: tuple[Published, ...] = (
    Published("HunyuanVideo 720p", HUNYUAN, TILED, 1280, 720, 129, 60, TENCENT),
    Published("HunyuanVideo 544p", HUNYUAN, TILED, 960, 544, 129, 45, TENCENT),
    Published("HunyuanVideo 4-bit, model offload, tiling", HUNYUAN, BIT4_OFFLOAD, 1280, 720, 61, 14, DOCS),
    Published("CogVideoX-2B, no offload", COG_2B, Plan(), 720, 480, 49, 33, DOCS),
    Published("CogVideoX-2B, model offload", COG_2B, OFFLOAD, 720, 480, 49, 19, DOCS),
    Published("CogVideoX-2B, model offload, tiling", COG_2B, TILED_OFFLOAD, 720, 480, 49, 11, DOCS),
    Published("CogVideoX-2B, sequential", COG_2B, SEQUENTIAL, 720, 480, 49, 4, f"{DOCS}: less than 4"),
    Published("CogVideoX-5B int8, model offload", COG_5B, INT8_OFFLOAD, 720, 480, 49, 16, DOCS),
    Published("CogVideoX-5B, sequential", COG_5B, SEQUENTIAL, 720, 480, 49, 5, ZAI),
    Published("CogVideoX-5B int8, sequential", COG_5B, INT8_SEQUENTIAL, 720, 480, 49, 4.4, ZAI),
    Published("Mochi 1, model offload, tiling", MOCHI, TILED_OFFLOAD, 848, 480, 85, 22, DOCS),
    Published("Wan 2.1 1.3B, model offload", WAN_1B, OFFLOAD, 832, 480, 81, 8.19, WAN21, text=False),
    Published("Wan 2.1 14B, group offload", WAN_14B, GROUP, 832, 480, 81, 13, DOCS),
    Published("LTX-Video 2B fp8, group offload", LTX, FP8_GROUP, 768, 512, 161, 10, DOCS),
    Published("Mochi 1 float32", MOCHI, None, 848, 480, 85, 42, DOCS, left_out="weights in 32 bits"),
    Published("Mochi 1 float32", MOCHI, None, 848, 480, 163, 70, DOCS, left_out="weights in 32 bits"),
    Published("HunyuanVideo", HUNYUAN, None, 1280, 720, 129, 80, "DiffSynth-Studio", left_out="a card's size"),
    Published("HunyuanVideo", HUNYUAN, None, 1280, 720, 129, 24, "DiffSynth-Studio", left_out="a card's size"),
    Published("Wan 2.2 A14B", WAN_A14B, None, 1280, 720, 81, 80, WAN22, left_out="a card's size"),
    Published("Wan 2.2 A14B fp8", WAN_A14B, None, 1280, 720, 81, 24, "the web", left_out="settings not given"),
)
"""No coefficient was fitted to these: parameters, k and the decoding come from the meta device."""


def markdown() -> str:
    lines = ["| run | published GB | formula GB | formula / published | source |", "|---|---|---|---|---|"]
    for one in PUBLISHED:
        ours, ratio = ("-", f"not counted: {one.left_out}") if one.ours_gb is None else (f"{one.ours_gb:.1f}", "")
        if one.ratio is not None:
            ratio = f"{one.ratio:.2f}" + ("" if one.within else ", outside")
        run = f"{one.what}, {one.width}x{one.height}, {one.frames} frames"
        lines.append(f"| {run} | {one.gb:g} | {ours} | {ratio} | {one.source} |")
    counted = [one for one in PUBLISHED if one.counts]
    within = sum(one.within for one in counted)
    return "\n".join([*lines, "", f"{within} of the {len(counted)} that count lie within 25 %."])
