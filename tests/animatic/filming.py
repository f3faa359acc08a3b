"""Running the engine on real pictures, small and short."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import cv2
import numpy as np
from PIL import Image

from backends.animatic.engine import Animatic
from backends.facts import MediaFacts
from backends.media.frames import decode
from backends.media.images import check_image
from backends.media.probe import probe_clip
from backends.provider.protocol import Asset, JsonObject, Output, Prepared
from backends.request import Frame, VideoRequest

Picture = np.ndarray[Any, np.dtype[np.uint8]]

WIDE = (320, 180)


def asset(place: str, path: Path, sidecar: Mapping[str, Any] | None = None) -> Asset:
    """An input as the job engine hands it over; the sidecar has been through JSON, as it has in a job's row."""
    facts: MediaFacts = probe_clip(path) if path.suffix in (".mp4", ".mkv", ".mov") else check_image(path)
    return Asset(place, "0" * 64, path, facts, json.loads(json.dumps(dict(sidecar or {}))))


def prepared(
    task: str,
    size: tuple[int, int] = WIDE,
    *,
    images: Sequence[Path] = (),
    at_s: Sequence[float | None] | None = None,
    clip: Path | None = None,
    sidecar: Mapping[str, Any] | None = None,
    masks: Mapping[int, Path] | None = None,
    **fields: Any,
) -> Prepared:
    """A settled request with its inputs in place."""
    times = at_s if at_s is not None else [None] * len(images)
    fields.setdefault("frames", [Frame(image=str(p), at_s=t) for p, t in zip(images, times, strict=True)])
    fields.setdefault("duration_s", 1.0)
    if task != "extend":
        fields.setdefault("fps", 24)
    request = VideoRequest(task=task, model="animatic", source_clip=str(clip) if clip else None, **fields)
    assets = {f"frames[{i}].image": asset(f"frames[{i}].image", path) for i, path in enumerate(images)}
    assets |= {f"motion[{i}].mask": asset(f"motion[{i}].mask", path) for i, path in (masks or {}).items()}
    if clip:
        assets["source_clip"] = asset("source_clip", clip, sidecar)
    return Prepared(request, "animatic", *size, assets=assets)


@dataclass
class Film:
    """What a run left. steps: what progress was told."""

    output: Output
    steps: list[tuple[float, str]]

    @property
    def path(self) -> Path:
        return self.output.path

    @property
    def sidecar(self) -> JsonObject:
        return self.output.sidecar

    @property
    def facts(self) -> JsonObject:
        return self.output.facts

    @property
    def told(self) -> str:
        return "\n".join(self.output.notes)

    def frames(self) -> list[Picture]:
        return list(decode(self.path))


def film(request: Prepared, folder: Path) -> Film:
    """Run the engine in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    steps: list[tuple[float, str]] = []
    output = anyio.run(Animatic().run, request, folder, lambda done, phase: steps.append((done, phase)))
    return Film(output, steps)


def save(picture: Picture, path: Path) -> Path:
    Image.fromarray(picture).save(path)
    return path


def psnr(one: Picture, two: Picture) -> float:
    error = float(np.mean((one.astype(float) - two.astype(float)) ** 2))
    return 99.0 if error < 1e-9 else 10 * np.log10(255**2 / error)


def flow(before: Picture, after: Picture) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Dense motion from one frame to the next, pixels."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after)]
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return search.calc(grey[0], grey[1], np.zeros((*grey[0].shape, 2), np.float32))


def growth(field: np.ndarray[Any, np.dtype[np.float32]]) -> float:
    """How much a motion field enlarges the picture, per cent."""
    rows, columns = field.shape[:2]
    x, y = np.meshgrid(np.arange(columns) - columns / 2, np.arange(rows) - rows / 2)
    return float(100 * (field[..., 0] * x + field[..., 1] * y).sum() / (x * x + y * y).sum())
