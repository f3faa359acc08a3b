"""Long clips are decoded in part and lose no verdict; two clips are compared in one look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backends.errors import VideoError
from backends.media.container import open_clip
from backends.media.encode import ClipWriter
from backends.media.measure import measure, watch
from backends.media.sandbox import Sandbox
from backends.media.sheet import contact_sheet
from backends.media.skim import decoded, plan
from tests.media.test_media_measures import grain, sliding
from tests.samples import made, photo, write_clip

SMALL = (320, 180)


def small(pictures: list[np.ndarray]) -> list[np.ndarray]:
    return [np.ascontiguousarray(picture[::2, ::2]) for picture in pictures]


def clip(path: Path, pictures: list[np.ndarray]) -> Path:
    with ClipWriter(path, *SMALL, 24) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s that move all the time, in groups of two seconds."""
    return clip(tmp_path_factory.mktemp("long") / "c.mp4", small(sliding(480, 0.15)))


def test_a_long_clip_is_decoded_in_part_and_its_sheet_is_the_same(long: Path, tmp_path: Path) -> None:
    with open_clip(long) as opened:
        planned = plan(opened, 8)
        seen = list(decoded(opened, planned))
    assert planned.frames == 480
    assert len(seen) == 480 - len(planned.skipped) < 0.6 * 480
    indexes = [one.index for one in seen]
    assert indexes == sorted(set(indexes)) and indexes[0] == 0 and indexes[-1] == 479
    with open_clip(long) as opened:
        shown = [frame.pts for frame in opened.container.decode(opened.video)]
    assert [one.frame.pts for one in seen] == [shown[index] for index in indexes]
    watched = watch(long, 8, 320)
    assert [shot.time for shot in watched.shots] == contact_sheet(long, tmp_path / "sheet.jpg", 8)
    assert watched.numbers["warnings"] == [] and watched.numbers["frozen_run"] == 0
    assert watched.numbers["frames"] == 480 and watched.numbers["constant_rate"] is True


def test_a_short_clip_is_decoded_whole() -> None:
    with open_clip(made("h264.mov")) as opened:
        assert plan(opened, 8).skipped == frozenset()


def test_faults_in_any_part_of_a_long_clip_are_found(tmp_path: Path) -> None:
    """A cut, a frozen second and a black stretch, each in the part of its group that would be left out."""
    frames = small(sliding(480, 0.15))
    frames[84:108] = [frames[84]] * 24
    frames[230:234] = [np.zeros_like(frames[0])] * 4
    frames[330:] = [np.ascontiguousarray(255 - frame) for frame in frames[330:]]
    numbers = measure(clip(tmp_path / "c.mp4", frames))
    assert numbers["black_frames"] == 4
    assert numbers["cuts"] == [230, 234, 330]
    assert abs(int(str(numbers["frozen_run"])) - 24) <= 1 and abs(int(str(numbers["frozen_from"])) - 84) <= 1


def test_a_long_black_or_frozen_clip_is_told_whole(tmp_path: Path) -> None:
    black = measure(clip(tmp_path / "black.mp4", [np.zeros((180, 320, 3), np.uint8)] * 300))
    assert black["black_frames"] == black["frames"] == black["frozen_run"] == 300
    noisy = clip(tmp_path / "noise.mp4", small([*grain(6, 0, 300)]))
    assert measure(noisy)["frozen_run"] == 300


def test_frames_that_lean_on_what_is_left_out_are_never_shown(tmp_path: Path) -> None:
    """Open groups, as HEVC encoders write them: the pictures after a keyframe need the group before."""
    pictures = small(sliding(300, 0.5))
    options = {"g": "48", "x265-params": "open-gop=1:log-level=none"}
    path = write_clip(tmp_path / "open.mp4", codec="libx265", pictures=pictures, options=options)
    with open_clip(path) as opened:
        seen = {one.index: one.frame for one in decoded(opened, plan(opened, 8))}
        assert not any(frame.is_corrupt for frame in seen.values())
    with open_clip(path) as opened:
        for index, frame in enumerate(opened.container.decode(opened.video)):
            if index in seen:
                assert np.array_equal(seen[index].to_ndarray(), frame.to_ndarray()), index


def test_two_clips_are_compared_on_one_sheet(tmp_path: Path) -> None:
    frames = small(sliding(48, 2))
    one, two = clip(tmp_path / "a.mp4", frames), clip(tmp_path / "b.mp4", frames[::-1])
    with Sandbox() as sandbox:
        found = sandbox.inspect(one, 4, tmp_path / "both.jpg", two)
        assert (tmp_path / "both.jpg").stat().st_size <= 150_000
        with Image.open(tmp_path / "both.jpg") as sheet:
            assert max(sheet.size) <= 1536
            alone = np.asarray(sheet.convert("L"))[: sheet.height // 2].mean()
            assert abs(alone - np.asarray(sheet.convert("L"))[sheet.height // 2 :].mean()) < 10, "both are shown"
        assert found["facts"].frames == found["against"]["facts"].frames == 48
        assert found["times"] == found["against"]["times"] and len(found["times"]) == 4
        assert found["pair"]["joint"][0] < 2, "b begins where a ends"
        assert found["pair"]["first"][0] > 10 and found["pair"]["first"][1] > 0.3
        same = sandbox.inspect(one, 4, tmp_path / "same.jpg", one)
        assert same["pair"]["first"] == same["pair"]["last"] == [0.0, 0.0]
        with pytest.raises(VideoError, match="against names an image, and a clip is compared with a clip"):
            sandbox.inspect(one, 4, tmp_path / "no.jpg", photo("coffee"))
        with pytest.raises(VideoError, match="an image has nothing to compare: against is for two clips"):
            sandbox.inspect(photo("coffee"), 4, tmp_path / "no.jpg", one)
