"""Damaged files: whatever is done to one, the answer is facts or one VideoError, and the child lives on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.errors import OwnFault, VideoError
from backends.media.sandbox import Sandbox
from tests.samples import made, photo

SOURCES = [
    "tone.mp4",
    "h264.mov",
    "h264.mkv",
    "vp9.webm",
    "vp8.webm",
    "transparent.png",
    "palette.png",
    "oriented.jpg",
    "multi_picture.jpg",
    "still.webp",
    "still.gif",
    "still.tiff",
    "pages.tiff",
    "photo.avif",
    "profiled.png",
]
ROUNDS = 8


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One to four of: bytes flipped, a length field blown up, a piece cut out, doubled or filled with noise."""
    body = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body))
        size = rng.randint(1, max(1, len(body) // 8))
        match rng.randrange(5):
            case 0:
                body[at] ^= 1 << rng.randrange(8)
            case 1:
                body[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\1"])
            case 2:
                del body[at : at + size]
            case 3:
                body[at:at] = body[at : at + size]
            case _:
                body[at : at + size] = rng.randbytes(size)
        if not body:
            return b"\0"
    return bytes(body)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.mark.parametrize("name", SOURCES)
def test_damaged_files_are_answered_in_words(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    rng = random.Random(name)
    data = made(name).read_bytes()
    sandbox.check(photo("rocket"))
    pid = sandbox.pid
    for turn in range(ROUNDS):
        path = tmp_path / f"{turn}-{name}"
        path.write_bytes(damaged(data, rng))
        try:
            facts = sandbox.check(path)
            if facts.kind == "clip":
                sandbox.inspect(path, 3, tmp_path / "sheet.jpg")
                sandbox.still(path, "last_frame", 0, tmp_path / "last.png")
        except VideoError as error:
            assert not isinstance(error, OwnFault), error.message
            assert error.kind == "asset"
            assert len(error.message) < 600
    assert sandbox.pid == pid  # nothing crashed, hung or ran away
