"""image_to_video: exact clips, told defaults, and what a person should know of a crop."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from backends.animatic.still import still_take
from backends.errors import VideoError
from backends.media.fit import fit_image
from backends.media.images import load_image
from backends.media.measure import measure
from backends.media.probe import probe_clip
from backends.regions import MotionRegion
from tests.animatic.filming import WIDE, Picture, film, flow, prepared, save
from tests.samples import photo


def taken(frames: object) -> list[Picture]:
    """Every frame of a take before encoding (they may share one buffer)."""
    return [np.array(frame) for frame in frames]  # pyright: ignore[reportGeneralTypeIssues]


@pytest.mark.parametrize(
    ("size", "fps", "duration_s", "frames"),
    [
        ((320, 180), 24, 2.0, 48),
        ((180, 320), 23.976, 1.0, 24),
        ((240, 240), 8, 1.5, 12),
        ((320, 180), 60, 1.0, 60),
        ((214, 120), 29.97, 1.0, 30),
    ],
)
def test_a_clip_is_exactly_as_asked(
    size: tuple[int, int], fps: float, duration_s: float, frames: int, tmp_path: Path
) -> None:
    made = film(
        prepared("image_to_video", size, images=[photo("coffee")], fps=fps, duration_s=duration_s, fit="pad"), tmp_path
    )
    facts = probe_clip(made.path, count_frames=True)
    assert (facts.width, facts.height, facts.frames) == (*size, frames)
    assert facts.fps == pytest.approx(fps, abs=0.001)
    assert facts.codec == "h264" and not facts.audio
    assert made.facts["frames"] == frames == made.sidecar["frames"]
    assert Fraction(*made.sidecar["fps"]) == Fraction(made.facts["fps"])


def test_the_engine_adds_no_move_of_its_own() -> None:
    take = still_take(prepared("image_to_video", images=[photo("coffee")]))
    frames = taken(take.frames)
    assert all(np.array_equal(frame, frames[0]) for frame in frames)
    assert (take.phase, take.facts["method"]) == ("holding the image", "held still")
    assert not any("push-in" in note for note in take.notes)


def test_a_crop_around_a_focus_shows_that_part_of_the_photo_upright() -> None:
    """9:16 out of a 3:2 photo: 62 % of it is lost, and what stays is what was named."""
    tall = (180, 320)
    asked = prepared("image_to_video", tall, images=[photo("coffee")], camera=["static"], fit="crop", focus=[0.2, 0.5])
    take = still_take(asked)
    still, lost = fit_image(load_image(photo("coffee")), *tall, "crop", [0.2, 0.5])
    assert lost == pytest.approx(0.625)
    assert np.array_equal(next(take.frames), still)
    assert not np.array_equal(still, fit_image(load_image(photo("coffee")), *tall, "crop")[0])
    assert "62% of the image was cut off to fit 180x320" in take.notes
    with pytest.raises(VideoError, match="would cut away 62% of it"):
        still_take(prepared("image_to_video", tall, images=[photo("coffee")], camera=["static"]))


def test_motion_regions_lie_where_the_focus_has_put_the_photo() -> None:
    """A box about the left quarter's middle is in the middle of a clip that was cropped around it."""
    region = MotionRegion(box=[0.15, 0.3, 0.35, 0.7], direction="right", intensity=0.3)
    take = still_take(
        prepared("image_to_video", (180, 320), images=[photo("coffee")], motion=[region], fit="crop", focus=[0.25, 0.5])
    )
    frames = taken(take.frames)
    moved = np.abs(frames[-1].astype(int) - frames[0]).max(axis=2) > 0
    columns, rows = np.flatnonzero(moved.any(axis=0)), np.flatnonzero(moved.any(axis=1))
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(90, abs=4)
    assert rows[0] >= 90 and rows[-1] <= 230


def test_a_blurred_surround_stands_still_while_the_picture_moves_in_it() -> None:
    take = still_take(
        prepared("image_to_video", (180, 320), images=[photo("coffee")], camera=["pan-left:1"], fit="blur")
    )
    frames = taken(take.frames)
    around = fit_image(load_image(photo("coffee")), 180, 320, "blur")[0]
    for frame in frames:
        assert np.array_equal(frame[:100], around[:100]) and np.array_equal(frame[220:], around[220:])
    assert around[:100].mean() > 20
    assert not np.array_equal(frames[0][100:220], frames[-1][100:220])


def test_a_locked_camera_shows_the_fitted_still_untouched() -> None:
    take = still_take(prepared("image_to_video", images=[photo("coffee")], camera=["static"]))
    still, _ = fit_image(load_image(photo("coffee")), *WIDE, "crop")
    frames = taken(take.frames)
    assert len(frames) == 24 and all(np.array_equal(frame, still) for frame in frames)
    assert not any("push-in" in note for note in take.notes)


def test_motion_regions_alone_lock_the_camera() -> None:
    region = MotionRegion(box=[0.3, 0.3, 0.7, 0.7], direction="left")
    take = still_take(prepared("image_to_video", images=[photo("coffee")], motion=[region]))
    assert take.facts["method"] == "motion brush"
    assert not any("push-in" in note for note in take.notes)


def test_the_same_seed_shakes_alike_and_another_differently() -> None:
    def frames(seed: int) -> list[Picture]:
        return taken(
            still_take(prepared("image_to_video", images=[photo("coffee")], camera=["handheld:1"], seed=seed)).frames
        )

    one, again, other = frames(1), frames(1), frames(2)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one[1:], other[1:], strict=True))


def test_a_letterbox_stands_still_while_the_picture_moves_in_it() -> None:
    take = still_take(
        prepared("image_to_video", (180, 320), images=[photo("coffee")], camera=["pan-left:1"], fit="pad")
    )
    frames = taken(take.frames)
    for frame in frames:
        assert frame.shape == (320, 180, 3)
        assert frame[:100].max() == frame[220:].max() == 0
        assert frame[100:220].any(axis=2).mean() > 0.999
    assert not np.array_equal(frames[0], frames[-1])


def test_a_rim_of_the_still_never_shows(tmp_path: Path) -> None:
    """A picture framed in magenta: cropped in, the frame may be seen, but nothing else beyond it."""
    still = np.full((360, 640, 3), (255, 0, 255), np.uint8)
    path = save(still, tmp_path / "magenta.png")
    for camera in (["pan-left:1", "dolly-out:1"], ["roll-cw:1"], ["orbit-left:1", "handheld:1"], ["crane-up:1"]):
        for frame in still_take(prepared("image_to_video", images=[path], camera=camera)).frames:
            assert np.array_equal(frame, np.broadcast_to(np.uint8([255, 0, 255]), frame.shape))


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        (["roll-cw:1"], "43% of the width is cropped so that no border shows on the whole move"),
        (
            ["orbit-left:1"],
            "the orbit gets 15 degrees from facing a flat still: beyond 10 it looks",
        ),
    ],
)
def test_what_a_move_costs_is_told(camera: list[str], words: str) -> None:
    take = still_take(prepared("image_to_video", images=[photo("coffee")], camera=camera))
    assert any(words in note for note in take.notes)
    assert take.facts["crop_pct"] > 5


@pytest.mark.parametrize(
    ("camera", "left"),
    [(["pan-left:1"] * 9, "2[0-9]|1[0-9]|[0-9]"), (["orbit-left:1"] * 6, "0"), (["dolly-out:1"] * 9, "[0-9]+")],
)
def test_moves_that_add_up_to_nothing_left_are_refused_with_the_remedy(camera: list[str], left: str) -> None:
    words = (
        rf"the camera moves together leave ({left})% of the picture's width, and at least 25% is needed: "
        "use smaller amounts, or fewer moves the same way"
    )
    with pytest.raises(VideoError, match=words) as caught:
        still_take(prepared("image_to_video", images=[photo("coffee")], camera=camera))
    assert caught.value.kind == "unsupported"


def test_a_gentle_move_over_a_large_image_has_nothing_to_tell() -> None:
    take = still_take(prepared("image_to_video", images=[photo("rocket")], camera=["dolly-in:0.3"], fit="pad"))
    assert take.notes == []
    assert take.facts["upscale"] < 1


def test_enlarging_and_cropping_the_image_are_told() -> None:
    take = still_take(prepared("image_to_video", (1280, 720), images=[photo("coffee")], camera=["dolly-in:0.5"]))
    assert take.notes[:2] == [
        "16% of the image was cut off to fit 1280x720",
        "the image (600x400) is smaller than the clip and was enlarged 2.13x",
    ]
    assert take.notes[2].startswith("the closest view enlarges the image 2.5x and is soft")


def test_a_prompt_is_told_to_be_unread() -> None:
    take = still_take(prepared("image_to_video", images=[photo("coffee")], prompt="steam rises", camera=["static"]))
    assert any(note.startswith("the prompt is not followed") for note in take.notes)


@pytest.mark.parametrize(
    "fields",
    [
        {"camera": ["dolly-in:0.6"]},
        {"camera": ["pan-left:0.5", "handheld:0.6"], "seed": 3},
        {"motion": [MotionRegion(box=[0.1, 0.1, 0.8, 0.9], direction="up-left", intensity=0.8)]},
        {"camera": ["dolly-in:0.2"]},
    ],
)
def test_a_loop_has_no_seam_and_does_not_repeat_its_first_frame(fields: dict[str, object], tmp_path: Path) -> None:
    made = film(prepared("image_to_video", images=[photo("coffee")], duration_s=2.0, loop=True, **fields), tmp_path)
    measured = measure(made.path)
    assert measured["frames"] == 48
    assert isinstance(measured["loop_seam"], float) and measured["loop_seam"] < 1.5
    assert measured["frozen_run"] < 6  # type: ignore[operator]
    frames = made.frames()
    assert np.abs(frames[24].astype(int) - frames[0]).mean() > 1  # it does go somewhere


def test_a_move_with_times_keeps_to_them(tmp_path: Path) -> None:
    made = film(
        prepared("image_to_video", images=[photo("coffee")], duration_s=2.0, camera=["pan-left:0.8@0.5-1.5"]), tmp_path
    )
    frames = made.frames()
    assert np.abs(flow(frames[1], frames[10])[..., 0].mean()) < 0.1
    assert flow(frames[20], frames[24])[..., 0].mean() > 4
    assert np.abs(flow(frames[38], frames[47])[..., 0].mean()) < 0.1
