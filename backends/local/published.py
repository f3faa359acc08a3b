"""Published memory peaks beside the formula's: what the planner is held against, and the table of the documentation."""

from __future__ import annotations

from dataclasses import dataclass

from backends.local.families import variant
from backends.local.memory import GIB, Plan, peak


@dataclass(frozen=True)
class Published:
    """gb: as published (1 GB = 1e9 bytes assumed). plan: the one of ours that stands for how it was run."""

    what: str
    variant: str
    plan: Plan
    width: int
    height: int
    frames: int
    gb: float
    source: str

    @property
    def ours_gb(self) -> float:
        return peak(variant(self.variant), self.plan, self.width, self.height, self.frames).gib * GIB / 1e9

    @property
    def ratio(self) -> float:
        return self.ours_gb / self.gb


TILED = Plan("resident-tiled", tiling=True)
OFFLOAD = Plan("offload", offload="model")
TILED_OFFLOAD = Plan("offload-tiled", offload="model", tiling=True)
SEQUENTIAL = Plan("sequential", offload="sequential", tiling=True)
GROUP = Plan("group", offload="group")

PUBLISHED: tuple[Published, ...] = (
    Published("HunyuanVideo 720p", "hunyuanvideo-t2v", TILED, 1280, 720, 129, 60, "model card"),
    Published("HunyuanVideo 544p", "hunyuanvideo-t2v", TILED, 960, 544, 129, 45, "model card"),
    Published("CogVideoX-5B, model offload", "cogvideox-5b-t2v", OFFLOAD, 720, 480, 49, 19, "diffusers docs"),
    Published("CogVideoX-5B, no offload", "cogvideox-5b-t2v", Plan(), 720, 480, 49, 33, "diffusers docs"),
    Published("CogVideoX-5B, offload, tiling", "cogvideox-5b-t2v", TILED_OFFLOAD, 720, 480, 49, 11, "diffusers docs"),
    Published("CogVideoX-5B, sequential", "cogvideox-5b-t2v", SEQUENTIAL, 720, 480, 49, 5, "model card: from 5 GB"),
    Published("Mochi 1 bf16, offload", "mochi-1-t2v", TILED_OFFLOAD, 848, 480, 85, 22, "diffusers docs"),
    Published("Wan 2.1 1.3B", "wan2.1-t2v-1.3b", GROUP, 832, 480, 81, 8.19, "model card, encoder off the card"),
    Published("Wan 2.1 14B, group offload", "wan2.1-t2v-14b", GROUP, 832, 480, 81, 13, "diffusers docs"),
    Published("Wan 2.2 A14B, resident", "wan2.2-t2v-a14b", Plan(), 1280, 720, 81, 80, "model card"),
)
"""Ten figures, one a row; k and the decoding were measured on the meta device and not fitted to these."""


def markdown() -> str:
    lines = ["| run | published GB | formula GB | formula / published | source |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.what}, {one.width}x{one.height}, {one.frames} frames | {one.gb:g} | {one.ours_gb:.1f} | "
        f"{one.ratio:.2f} | {one.source} |"
        for one in PUBLISHED
    ]
    return "\n".join(lines)
