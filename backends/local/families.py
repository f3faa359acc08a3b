"""Variants: what each pipeline of diffusers is and needs, as data (families.toml)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from backends.errors import VideoError

Inputs = Literal["none", "image", "first_last", "conditions", "video", "vace"]

FILE = Path(__file__).with_name("families.toml")


@dataclass(frozen=True)
class Variant:
    """One model and way of calling it; the keys are explained in families.toml. Parameters in billions, decoding in
    GiB."""

    id: str
    repo: str
    pipeline: str
    inputs: Inputs
    frames: str
    multiple: int
    steps: int
    guidance: float
    transformer_b: float
    encoders_b: float
    encoder_b: float
    vae_b: float
    width: int
    layers: int
    k: float
    space: int
    time: int
    patch: int
    words: int
    decode_gib: float
    decode_pixels: int
    tiled_gib: float
    dtype: str = "bfloat16"
    vae_dtype: str = "bfloat16"
    revision: str = "main"
    negative: bool = False
    sized: bool = True
    counted: bool = True
    cut: int = 0
    guided: bool = True
    rate: bool = False
    audio: bool = False
    experts: int = 1
    others_b: float = 0.0
    batch: int = 1
    decode_frames: int = 0
    tiled_frames: int = 0
    guessed: bool = False
    context_parallel: Literal["", "ulysses"] = ""
    heads: int = 0
    one_card: str = ""
    keep: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)

    def splits(self, cards: int) -> bool:
        """Whether so many cards can work on one clip together."""
        return cards == 1 or (bool(self.context_parallel) and self.heads % cards == 0)

    @property
    def download_gib(self) -> float:
        """About what a pull brings: all weights at two bytes a parameter."""
        return (self.transformer_b * self.experts + self.encoders_b + self.vae_b + self.others_b) * 2e9 / 2**30

    def dtypes(self, device: str, half: bool | None = None) -> dict[str, str]:
        """torch's names of the precisions that it is loaded in, by component. half: its own ones; None = on a card,
        since on a processor half precision is slower, not faster."""
        if not (device != "cpu" if half is None else half):
            return {"default": "float32", "vae": "float32"}
        return {"default": self.dtype, "vae": self.vae_dtype}

    def nearest_frames(self, count: int) -> int:
        """The legal number of frames nearest to `count` (at least two latent frames); of two equal, the larger."""
        step = frame_step(self.frames)
        return max(1, (count - 1 + step // 2) // step) * step + 1


def frame_step(rule: str) -> int:
    """4 of "4k+1": what the number of frames less one is a multiple of."""
    shape = re.fullmatch(r"([1-9][0-9]?)k\+1", rule)
    if shape is None:
        raise VideoError("storage", f"{FILE.name}: frames {rule!r} must be a rule such as 4k+1")
    return int(shape[1])


@cache
def variants() -> Mapping[str, Variant]:
    """Every variant by its id. VideoError("storage") names the key of a broken file."""
    rows = cast("list[dict[str, Any]]", tomllib.loads(FILE.read_text("utf-8"))["variant"])
    raw: dict[str, dict[str, Any]] = {}
    known = {entry.name for entry in fields(Variant)}
    for row in rows:
        base = raw[row["like"]] if "like" in row else {}
        raw[row["id"]] = {**base, **{key: value for key, value in row.items() if key != "like"}}
        if unknown := set(raw[row["id"]]) - known:
            raise VideoError("storage", f"{FILE.name}: {row['id']} has unknown keys {sorted(unknown)}")
    return {name: Variant(**row) for name, row in raw.items()}


def variant(name: str) -> Variant:
    """VideoError("unsupported") with the known ones for a name that is none (a row of the user's own)."""
    found = variants().get(name)
    if found is None:
        raise VideoError(
            "unsupported", f"wire.variant {name!r} of this catalogue row is unknown; known: {', '.join(variants())}"
        )
    return found
