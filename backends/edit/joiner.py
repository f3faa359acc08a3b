"""Joins the source clip and the clips that were made to follow it, at the source's size and rate."""

from __future__ import annotations

import re
from pathlib import Path

import anyio

from backends.errors import VideoError
from backends.media.join import join
from backends.provider.protocol import Asset, Output, Prepared, Progress

DEFAULT_FPS = 24.0


class Joiner:
    """LocalBackend over `media.join`: assets "source_clip" and "added[0]", "added[1]" ... in that order."""

    async def run(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        return await anyio.to_thread.run_sync(self._join, prepared, dest, progress)

    def _join(self, prepared: Prepared, dest: Path, progress: Progress) -> Output:
        assets = prepared.assets
        source = assets.get("source_clip")
        if source is None:
            raise VideoError("asset", "there is no clip to join to")
        added = sorted((place for place in assets if place.startswith("added[")), key=_number)
        clips = [source, *(assets[place] for place in added)]
        path = dest / "clip.mp4"
        width, height = source.facts.width // 2 * 2, source.facts.height // 2 * 2
        made = join([clip.path for clip in clips], path, width, height, source.facts.fps or DEFAULT_FPS, progress)
        facts = {"frames": sum(made.frames), "parts": list(made.frames), "doubles_left_out": made.dropped}
        return Output(path, facts=facts, notes=tuple(_notes(clips, made.dropped)))


def _number(place: str) -> int:
    found = re.search(r"\d+", place)
    return int(found[0]) if found else 0


def _notes(clips: list[Asset], dropped: int) -> list[str]:
    notes: list[str] = []
    sizes = {(clip.facts.width, clip.facts.height) for clip in clips}
    if len(sizes) > 1:
        notes.append("the new part has another size than the clip and was fitted to it")
    if dropped:
        notes.append("the new part began with the clip's last frame, which is shown once")
    return notes
