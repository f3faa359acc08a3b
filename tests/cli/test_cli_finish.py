"""`finish`: clips and stills become one film where the person wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
from PIL import Image

from tests.cli.shell import Shell
from tests.media.signing import independent
from tests.samples import write_clip


def frames(path: Path) -> int:
    with av.open(str(path)) as clip:
        return sum(1 for _ in clip.decode(video=0))


def furnished(used: Shell) -> Shell:
    write_clip(used.folder / "one.mp4", audio="aac")
    write_clip(used.folder / "two.mp4")
    Image.linear_gradient("L").resize((64, 48)).save(used.folder / "end.png")
    return used


def test_a_film_is_made_told_and_written_where_it_is_wanted(shell: Callable[..., Shell]) -> None:
    used = furnished(shell())
    words = ["finish", "one.mp4", "two.mp4#t=0,0.5", "end.png#t=0,1", "--crossfade", "0.25", "--out", "film.mp4"]
    told = used.done(*words, "--label", "teaser")
    assert frames(used.folder / "film.mp4") == 12 + 6 + 12 - 2 * 3
    assert "written to film.mp4" in told.lines
    assert (used.station.output / "teaser_take01.mp4").read_bytes() == (used.folder / "film.mp4").read_bytes()
    before = (used.folder / "film.mp4").stat().st_mtime_ns
    assert "film.mp4 exists: --force replaces it" in used.refused(*words)
    assert (used.folder / "film.mp4").stat().st_mtime_ns == before
    again = used.done(*words, "--force", "--json").json
    assert again["state"] == "succeeded" and len(used.station.rows("SELECT id FROM jobs")) == 1


def test_the_suffix_says_the_format(shell: Callable[..., Shell]) -> None:
    used = furnished(shell())
    made = used.done("finish", "one.mp4", "--out", "small.gif", "--json").json
    with Image.open(used.folder / "small.gif") as picture:
        assert picture.format == "GIF" and picture.n_frames == 12  # type: ignore[attr-defined]
    assert made["file"].endswith(".gif") and made["files"][1].endswith(".mp4")
    assert independent(Path(made["files"][1]))["validation_state"] == "Valid", "the film that it was made of"
    assert "is not mp4" in used.refused("finish", "one.mp4", "--out", "small2.gif", "--format", "mp4")
    assert "its suffix is one of mp4, webm, gif" in used.refused("finish", "one.mp4", "--out", "film.avi")
    assert "there is no folder" in used.refused("finish", "one.mp4", "--out", "nowhere/film.mp4")


def test_what_is_wrong_is_told_by_the_options_that_were_written(shell: Callable[..., Shell]) -> None:
    used = furnished(shell())
    told = used.refused("finish", "one.mp4", "two.mp4", "--crossfade", "2")
    assert "--crossfade 2 is too long for clips[0], which lasts 1.00 s: take at most 1" in told
    assert "what works: --crossfade 1" in told
    late = used.refused("finish", "one.mp4", "--caption", "0-0.5 Hi", "--caption", "5-6 Late").strip()
    wrong = "--caption[1] begins at 5 s, and the film ends at 1 s: let it begin earlier"
    assert late == f"reelwright: invalid_request: {wrong}", "once, and by the option's name"
    assert "clips[1] ends at 1.000 s" in used.refused("finish", "one.mp4", "two.mp4#t=5,6")
