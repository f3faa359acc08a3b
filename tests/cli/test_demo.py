"""The demonstration, end to end: the real server, a real SIGKILL, files that are what was asked."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from mcp_server.demo import STILLS
from mcp_server.demo.facts import Wanted, facts_of, misses
from tests.cli.shell import Shell
from tests.docs.stills import scene
from tests.fakes import tiny_clip

Make = Callable[..., Shell]


def test_the_demonstration_keeps_its_word(shell: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = shell(TMPDIR=str(tmp_path / "temporary"), OPENAI_API_KEY="sk-not-for-the-demonstration")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    ended = used.done("demo", "--output", tmp_path / "out", "--resolution", "360p", "--json")
    assert ended.json["ok"] is True
    facts = {
        clip["name"]: (clip["duration_s"], clip["frames"], clip["width"], clip["height"])
        for clip in ended.json["clips"]
    }
    assert facts == {"photo": (4, 96, 640, 360), "keyframes": (3, 72, 640, 360), "longer": (6, 144, 640, 360)}
    for clip in ended.json["clips"]:
        with av.open(clip["file"]) as container:
            assert sum(1 for _ in container.decode(video=0)) == clip["frames"]
        with Image.open(clip["sheet"]) as sheet:
            assert sheet.width > 300
    killed = ended.json["killed"]
    assert 0 < killed["progress"] < 1
    assert f"killed: the server, process {killed['pid']} (SIGKILL), while {killed['job_id']} was running" in ended.err
    assert f"arrived: {killed['job_id']}, which was at work when its client died" in ended.err
    assert not used.station.home.exists()  # the person's own home is left alone
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_photo_that_is_not_there_is_told(shell: Make, tmp_path: Path) -> None:
    ended = shell().run("demo", "--output", tmp_path / "out", "--photo", tmp_path / "nosuch.jpg", "--json")
    assert (ended.code, ended.json) == (
        1,
        {"ok": False, "reason": f"{tmp_path}/nosuch.jpg is not a file: --photo takes a picture"},
    )


def test_a_photo_that_is_no_picture_is_refused_by_the_server(shell: Make, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_text("this is text")
    ended = shell().run("demo", "--output", tmp_path / "out", "--photo", photo)
    assert ended.code == 1
    assert "the demonstration failed: image_to_video was refused: asset: image: " in ended.err


def test_a_file_that_is_not_what_was_asked_is_found_out() -> None:
    found = facts_of(tiny_clip())
    right = Wanted(found.duration_s, round(found.fps), found.width, found.height)
    assert misses(found, right) == []
    assert misses(found, Wanted(found.duration_s + 1, right.fps, 1280, 720)) == [
        f"seconds is {found.duration_s} instead of {found.duration_s + 1}",
        f"size is {found.width}x{found.height} instead of 1280x720",
        f"frames is {found.frames} instead of {found.frames + right.fps}",
    ]


def test_the_shipped_stills_are_small() -> None:
    for path in STILLS:
        assert path.stat().st_size < 300_000
        with Image.open(path) as still:
            assert still.size == (1600, 900)


@pytest.mark.slow
def test_the_drawing_still_makes_the_shipped_stills() -> None:
    with Image.open(STILLS[0]) as still:
        difference = ImageStat.Stat(ImageChops.difference(still.convert("RGB"), scene(0.0)))
    assert max(difference.mean) < 3  # of 255: what JPEG takes
