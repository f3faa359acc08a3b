"""Signed clips for tests, and an independent look at them: the C2PA library itself, with its own defaults but for the
network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import c2pa

from backends.media.provenance.manifest import Made, Part
from backends.media.sandbox import Sandbox

MADE = Made(
    key="a fox, take 1",
    title="fox_take01.mp4",
    version="0.2.0",
    model="runway/gen4_turbo",
    provider="runway",
    task="text_to_video",
    source="trainedAlgorithmicMedia",
    when="2026-11-27T20:00:00Z",
    seed=7,
    prompt="a fox in the snow",
)


def signed(sandbox: Sandbox, folder: Path, clip: Path, name: str, parts: Sequence[Part] = (), **fields: Any) -> Path:
    """A signed copy of the clip, called `name` in the folder, by the folder's own certificate."""
    dest = folder / name
    made = replace(MADE, key=name, **fields)
    sandbox.sign(clip, dest, made, parts, {"folder": str(folder / "signing")})
    return dest


def looked_at(sandbox: Sandbox, path: Path, folder: Path, sidecar: Path | None = None) -> dict[str, Any]:
    """What our reader says, with the folder's own certificate trusted."""
    return sandbox.provenance(path, sidecar, [folder / "signing" / "root.pem"])


def independent(path: Path) -> dict[str, Any]:
    """The manifest store as the library gives it, without any setting of ours."""
    offline = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    with path.open("rb") as file, c2pa.Reader("video/mp4", file, context=c2pa.Context.from_dict(offline)) as reader:
        return json.loads(reader.json())


def flipped(path: Path, at: int, to: Path) -> Path:
    """A copy with the lowest bit of one byte turned over."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    to.write_bytes(bytes(data))
    return to


def boxes(path: Path) -> dict[str, tuple[int, int]]:
    """The boxes of an MP4 at its top level: where each begins, and its bytes."""
    data, at, found = path.read_bytes(), 0, {}
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found[data[at + 4 : at + 8].decode()] = (at, size)
        at += size
    return found
