"""Whether a clip's file is whole, and shown as it is stored, by its own structure, without decoding anything.

A download that broke off often still opens and shows its first seconds; the container's sizes tell at once.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

MAX_BOXES = 100_000  # a fragmented clip has two a fragment


def missing_bytes(path: Path, mime: str) -> int:
    """How many bytes the file is short of what its container announces; 0 when it is whole or doesn't say."""
    size = path.stat().st_size
    with path.open("rb") as file:
        end = _mp4_end(file, size) if mime in ("video/mp4", "video/quicktime") else _matroska_end(file)
    return max(0, end - size)


def _mp4_end(file: BinaryIO, size: int) -> int:
    """Where the last top-level box ends (ISO/IEC 14496-12, 4.2: size, type, 64-bit size when size is 1)."""
    at = 0
    for _ in range(MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return at
        length: int = struct.unpack(">I", head[:4])[0]
        if length == 0:  # to the end of the file
            return size
        if length == 1:
            if len(head) < 16:
                return at + 16
            length = struct.unpack(">Q", head[8:16])[0]
        if length < 8:
            return at  # not a box: the demuxer judges
        at += length
        if at >= size:
            return at
    return at


def is_turned(path: Path) -> bool:
    """Whether an MP4 or MOV is shown turned, mirrored or scaled: any matrix of it is more than a shift (14496-12, 8.2.2
    and 8.3.2)."""
    with path.open("rb") as file:
        return any(_turns(file, *box) for box in _boxes(file, 0, path.stat().st_size, (b"moov", b"trak")))


def _boxes(file: BinaryIO, start: int, end: int, within: Sequence[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Type, start of the content and end of each box; those within boxes of the first type, and in those within the
    next, too."""
    at = start
    for _ in range(MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind, content = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if length == 1:
            length, content = int.from_bytes(head[8:16], "big"), at + 16
        stop = end if length == 0 else at + length
        if stop < content or stop > end:
            return
        yield kind, content, stop
        if within and kind == within[0]:
            yield from _boxes(file, content, stop, within[1:])
        at = stop


def _turns(file: BinaryIO, kind: bytes, content: int, stop: int) -> bool:
    """Whether a header's matrix turns, mirrors or scales."""
    if kind not in (b"mvhd", b"tkhd"):
        return False
    file.seek(content)
    data = file.read(min(stop - content, 128))
    at = (36 if kind == b"mvhd" else 40) + 12 * (data[:1] == b"\1")
    matrix = data[at : at + 36]
    return len(matrix) == 36 and struct.unpack(">2I4x2I16x", matrix) != (1 << 16, 0, 0, 1 << 16)


def _matroska_end(file: BinaryIO) -> int:
    """Where the Segment ends (RFC 8794 variable-size integers), 0 when it is of unknown size (a live recording)."""
    if file.read(4) != b"\x1a\x45\xdf\xa3" or (length := _vint(file)) is None:
        return 0
    file.seek(length, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67" or (length := _vint(file)) is None:
        return 0
    return file.tell() + length


def _vint(file: BinaryIO) -> int | None:
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    value = int.from_bytes(bytes([first[0] & ((1 << (8 - width)) - 1)]) + rest, "big")
    return None if value == (1 << (7 * width)) - 1 else value
