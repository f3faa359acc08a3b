"""The prompt and the workflow that ComfyUI writes into an MP4, taken out before the clip leaves: they name files,
models and words that were not meant for whoever gets the clip.

The boxes that hold them (`meta` and `udta` of `moov` and its tracks, ISO/IEC 14496-12) become empty `free` boxes of the
same size, in place: no other byte of the file moves, and none is decoded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

KEEP = "COMFYUI_KEEP_WORKFLOW"
"""Set to 1, the workflow stays in the clip."""

NESTED = frozenset({b"moov", b"trak", b"mdia", b"minf"})
TAGS = frozenset({b"meta", b"udta"})
MOST = 10_000
"""Boxes that are looked at."""


def blank(clip: Path, env: Mapping[str, str]) -> str:
    """Take them out; what to tell the user, "" when there is nothing to tell."""
    if env.get(KEEP, "").strip() in ("1", "true", "yes"):
        return ""
    with clip.open("r+b") as file:
        found = list(_tags(file, 0, os.fstat(file.fileno()).st_size, [MOST]))
        for at, head, size in found:
            file.seek(at + head)
            left = size - head
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 16)))
            file.seek(at + 4)
            file.write(b"free")
        file.flush()
        os.fsync(file.fileno())
    return (
        f"the prompt and the workflow that ComfyUI wrote into the clip were taken out ({KEEP}=1 keeps them)"
        if found
        else ""
    )


def _tags(file: BinaryIO, start: int, end: int, left: list[int]) -> Iterator[tuple[int, int, int]]:
    """(place, bytes of its head, whole size) of every box of tags between two places."""
    at = start
    while at + 8 <= end and left[0] > 0:
        left[0] -= 1
        file.seek(at)
        head = file.read(16)
        size, kind, width = int.from_bytes(head[:4]), head[4:8], 8
        if size == 1 and len(head) == 16:
            size, width = int.from_bytes(head[8:16]), 16
        if size < width or at + size > end:
            return  # to the end of the file, or no box: the demuxer judges
        if kind in TAGS:
            yield at, width, size
        elif kind in NESTED:
            yield from _tags(file, at + width, at + size, left)
        at += size
