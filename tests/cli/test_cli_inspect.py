"""`inspect` at the terminal: the words and measures of the tool, two clips compared, the sheet where it is wanted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.cli.shell import Shell
from tests.samples import photo, quadrants, write_clip

Make = Callable[..., Shell]


def clips(shell: Shell) -> tuple[Path, Path]:
    """A second that moves, and the same with half of it again, backwards."""
    forth = [np.roll(quadrants(128, 96), 2 * i, 1) for i in range(12)]
    one = write_clip(shell.folder / "one.mp4", pictures=forth, audio="aac")
    return one, write_clip(shell.folder / "two.mp4", pictures=forth + forth[::-1][:6])


def test_a_clip_is_told_in_words_with_units(shell: Make) -> None:
    used = shell()
    clips(used)
    lines = used.done("inspect", "one.mp4").lines
    assert lines[0].startswith("clip, video/mp4 h264, 128x96 pixels, 1 s, 12 fps, 12 frames, with sound, ")
    assert lines[1].startswith("moves: ") and lines[1].endswith(" px a frame")
    assert lines[2].startswith("first/last frame: ") and " of 255 apart: " in lines[2]
    assert lines[3].startswith("sharpness ") and "(<1 soft), flicker " in lines[3] and "(>3 seen), of 255" in lines[3]
    assert lines[3].endswith(" LUFS") and "; loudness -8." in lines[3]
    assert lines[4].startswith("sheet: frames at 0.00, ")
    assert lines[-1].startswith("contact sheet: ") and Path(lines[-1].removeprefix("contact sheet: ")).exists()


def test_two_clips_are_compared(shell: Make) -> None:
    used = shell()
    clips(used)
    lines = used.done("inspect", "one.mp4", "--against", "two.mp4", "--sheet", used.folder / "both.jpg").lines
    assert "first frames, A and B: 0." in lines[-9] and lines[-9].endswith(" of 255 apart: alike")
    assert lines[-8].startswith("last frames, A and B: ")
    assert lines[-7].startswith("last of A, first of B: ")
    assert lines[-6].startswith("A / B: length 1.00 / 1.50 s, size 128x96 both, rate 12.00 fps both, loudness -8.")
    assert lines[-6].endswith(" LUFS / none (no sound)")
    assert lines[-3:-1] == [f"{which}: provenance: missing (no manifest)" for which in "AB"]
    assert lines[-1] == f"contact sheet: {used.folder / 'both.jpg'}"
    assert (used.folder / "both.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


def test_json_has_every_measure_of_both(shell: Make) -> None:
    used = shell()
    clips(used)
    found = used.done("inspect", "one.mp4", "--against", "two.mp4", "--json").json
    assert found["facts"]["width"] == 128 and found["against"]["facts"]["frames"] == 18
    assert found["measures"]["frozen_run"] == 0 and found["against"]["measures"]["lufs"] is None
    assert set(found["pair"]) == {"first", "last", "joint"}
    assert Path(found["sheet"]).exists()


def test_a_job_can_be_named_and_a_file_outside_is_refused(shell: Make) -> None:
    used = shell()
    clips(used)
    shutil.copy(photo("coffee"), used.folder / "cup.png")
    made = used.done(
        *("make", "--image", "cup.png", "--camera", "dolly-in:0.2"),
        *("--duration", "1", "--resolution", "360p", "--fps", "12", "--json"),
    )
    told = used.done("inspect", made.json["job_id"], "--against", "one.mp4").lines
    assert told[0] == f"A: PREVIS (no generative model). job {made.json['job_id']}, model animatic, task image_to_video"
    assert "is not in an allowed folder" in used.refused("inspect", "one.mp4", "--against", str(photo("rocket")))
    assert "does not exist" in used.refused("inspect", "none.mp4")


def test_a_sheet_that_cannot_be_written_is_told(shell: Make) -> None:
    used = shell()
    clips(used)
    assert "storage: " in used.refused("inspect", "one.mp4", "--sheet", used.folder / "no" / "sheet.jpg")
