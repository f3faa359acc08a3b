"""`make --from FILE --join OUT`: a list of shots becomes one film, priced before anything is paid."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.cli.shell import Shell
from tests.fakes import FakeServer

Make = Callable[..., Shell]
FREE = "label,prompt,model,duration_s,aspect_ratio,resolution,fps,image,continue,camera\n"


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as clip:
        return [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]


def written(folder: Path, *rows: str) -> Path:
    path = folder / "shots.csv"
    path.write_text(FREE + "".join(f"{row}\n" for row in rows))
    return path


def test_shots_become_one_film_and_running_it_again_makes_only_what_changed(shell: Make) -> None:
    used = shell()
    Image.radial_gradient("L").resize((320, 180)).convert("RGB").save(used.folder / "still.png")
    first = "one,,animatic,1,16:9,360p,12,still.png,,dolly-in:0.5"
    path = written(used.folder, first, "two,,animatic,1,,,12,,yes,dolly-in:0.2")
    words = ["make", "--from", path, "--join", "film.mp4"]
    told = used.done(*words)
    assert told.lines[0] == "2 shots: 2 to make (animatic), free"
    assert re.fullmatch(r"film\.mp4: 1\.91\d+ s, 640x360, 12 fps", told.lines[-1]), told.lines[-1]
    film = frames(used.folder / "film.mp4")
    assert len(film) == 12 + 12 - 1
    assert len({hashlib.sha256(frame.tobytes()).digest() for frame in film}) == 23, "the seam is shown once"
    apart = np.abs(film[11].astype(int) - film[12]).mean()
    assert apart < 4, f"the second shot starts from the last frame of the first ({apart:.1f} levels apart)"
    rows = used.station.rows("SELECT id, task, label FROM jobs ORDER BY seq")
    assert [row["task"] for row in rows] == ["image_to_video", "image_to_video", "finish"]

    again = used.done(*words)
    assert again.lines[0] == "2 shots: nothing to make; 2 already made or under way, not paid again"
    assert len(used.station.rows("SELECT id FROM jobs")) == 3

    written(used.folder, first, "two,,animatic,1.5,,,12,,yes,dolly-in:0.2")
    changed = used.done(*words)
    assert changed.lines[0].startswith("2 shots: 1 to make (animatic), free; 1 already made")
    assert len(frames(used.folder / "film.mp4")) == 12 + 18 - 1
    assert len(used.station.rows("SELECT id FROM jobs")) == 5

    (used.folder / "film.mp4").write_bytes(b"somebody else's")
    assert "film.mp4 exists: --force replaces it" in used.refused(*words)
    assert used.done(*words, "--force").code == 0


def test_shots_that_cannot_be_one_film_are_told_before_a_cent_is_spent(
    shell: Make, serve: Callable[..., FakeServer]
) -> None:
    used = shell(serve())
    Image.radial_gradient("L").resize((300, 300)).convert("RGB").save(used.folder / "square.png")
    path = used.folder / "shots.csv"
    path.write_text(
        "prompt,model,duration_s,resolution,image,aspect_ratio\n"
        "a boat,paid/quick,4,180p,,\n,animatic,1,360p,square.png,1:1\n"
    )
    told = used.refused("make", "--from", path, "--join", "film.mp4", "--yes")
    assert "clips[1]" in told and "fit" in told
    assert used.station.rows("SELECT id FROM jobs") == []
    assert "--join joins the shots of --from" in used.refused("make", "a boat", "--join", "film.mp4")


def test_the_first_shot_has_nothing_to_go_on_from(shell: Make) -> None:
    used = shell()
    path = written(used.folder, "one,,animatic,1,16:9,360p,12,,yes,", "two,,animatic,1,,,12,still.png,yes,")
    told = used.refused("make", "--from", path)
    assert "line 2: continue: there is no shot before it" in told
    assert "line 3: continue starts from the shot before: leave image empty" in told
