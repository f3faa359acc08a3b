"""inspect_clip over MCP: notes while it looks, and two clips in one answer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.studio import Inspection
from mcp_server.tools import noting
from tests.patience import patient
from tests.rawclient import RawClient, home_env, text_of
from tests.samples import made

FOUND = Inspection("clip", Path("sheet.jpg"), b"", {})


@pytest.mark.anyio
async def test_a_long_look_is_told_while_it_lasts() -> None:
    told: list[tuple[float, str | None]] = []
    enough = threading.Event()

    async def report(progress: float, total: float | None = None, message: str | None = None) -> None:
        told.append((progress, message))
        if len(told) == 3:
            enough.set()

    def look() -> Inspection:
        assert enough.wait(patient(20))
        return FOUND

    assert await noting(report, look, 0.25) is FOUND
    assert told[:3] == [(n / 4, f"looking at the clip, {n / 4:g} s so far") for n in (1, 2, 3)]


@pytest.mark.anyio
async def test_a_look_that_fails_keeps_its_words() -> None:
    async def report(progress: float, total: float | None = None, message: str | None = None) -> None: ...

    def look() -> Inspection:
        raise VideoError("asset", "the file is no clip")

    with pytest.raises(VideoError, match="the file is no clip"):
        await noting(report, look)


def test_two_clips_are_compared_in_one_answer(tmp_path: Path) -> None:
    one, two = made("tone.mp4"), made("anamorphic.mp4")
    env = home_env(tmp_path, REELWRIGHT_INPUT_ROOTS=str(one.parent))
    with RawClient(env) as client:
        seen = client.call("inspect_clip", clip=str(one), against=str(two))
        assert [part["type"] for part in seen["content"]] == ["text", "image"] and "structuredContent" not in seen
        lines = text_of(seen).splitlines()
        assert lines[0].startswith("A: clip, video/mp4 h264, 64x48 pixels, 1 s, 12 fps, 12 frames, with sound, ")
        assert "B: clip, video/mp4 h264, 86x48 pixels, 1 s, 12 fps, 12 frames, no sound, " in text_of(seen)
        assert any(line.startswith("A / B: length 1.00 s both, size 64x48 / 86x48, rate ") for line in lines)
        assert any(line.startswith("first frames, A and B: ") and " of 255 apart: " in line for line in lines)
        assert lines[-1].startswith("contact sheet: ")
        told = client.refused("inspect_clip", clip=str(one), against="https://example.org/b.mp4")
        assert told.startswith("asset: inspect_clip looks at local files and jobs: save the clip first")
        assert "does not exist" in client.refused("inspect_clip", clip=str(one), against="gone.mp4")
