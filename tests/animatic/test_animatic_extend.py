"""extend: the whole clip, then frames that go on as it ended, without a jump, inventing nothing outside."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.animatic.camera import CameraPath
from backends.animatic.drift import moved, velocity
from backends.animatic.extend import extend_take
from backends.animatic.lens import homography, project, rim
from backends.animatic.onward import Onward
from backends.camera import CameraMove
from backends.errors import VideoError
from backends.media.probe import probe_clip
from backends.regions import MotionRegion
from tests.animatic.filming import Film, film, flow, growth, prepared, psnr
from tests.samples import bunny, photo, write_clip

ASPECT = 16 / 9


def shot(folder: Path, *camera: str, **fields: Any) -> Film:
    request = prepared("image_to_video", images=[photo("coffee")], camera=list(camera), duration_s=2.0, **fields)
    return film(request, folder / "shot")


def extended(source: Film, folder: Path, *camera: str, sidecar: bool = True, **fields: Any) -> Film:
    fields.setdefault("duration_s", 2.0)
    request = prepared(
        "extend", clip=source.path, sidecar=source.sidecar if sidecar else None, camera=list(camera), **fields
    )
    return film(request, folder)


def test_the_result_holds_the_whole_clip_and_the_asked_seconds(tmp_path: Path) -> None:
    source = shot(tmp_path, "pan-left:0.5")
    longer = extended(source, tmp_path / "longer", duration_s=1.5)
    before, after = source.frames(), longer.frames()
    assert len(after) == 48 + 36
    assert probe_clip(longer.path).fps == 24
    assert min(psnr(one, two) for one, two in zip(before, after, strict=False)) > 36
    assert longer.facts["source_frames"] == 48 and longer.facts["added_frames"] == 36
    assert psnr(after[48], before[-1]) > 25  # one step on, not a cut


@pytest.mark.parametrize("camera", [["dolly-in:0.8"], ["pan-left:0.6"], ["crane-up:0.6", "dolly-in:0.6"]])
def test_the_motion_goes_on_as_it_was_at_the_cut_and_comes_to_rest(camera: list[str], tmp_path: Path) -> None:
    longer = extended(shot(tmp_path, *camera), tmp_path / "longer")
    frames = longer.frames()
    before, after, end = (flow(frames[i], frames[i + 4]) for i in (42, 48, 91))
    assert after[..., 0].mean() == pytest.approx(before[..., 0].mean(), abs=0.35)
    assert after[..., 1].mean() == pytest.approx(before[..., 1].mean(), abs=0.35)
    if camera == ["dolly-in:0.8"]:
        assert growth(before) > 0.8
        assert growth(after) == pytest.approx(growth(before), rel=0.25)
    assert np.abs(end).mean() < 0.25 * np.abs(before).mean()
    assert "the camera continues the motion at the end of the clip, and eases out" in longer.told


def test_an_extended_clip_can_be_extended(tmp_path: Path) -> None:
    first = extended(shot(tmp_path, "pan-left:0.5"), tmp_path / "one", "dolly-in:0.8", duration_s=1.0)
    second = extended(first, tmp_path / "two", duration_s=1.0)
    frames = second.frames()
    assert len(frames) == 48 + 24 + 24
    assert "continues the motion" in second.told
    before, after = growth(flow(frames[66], frames[70])), growth(flow(frames[72], frames[76]))
    assert before > 1 and after == pytest.approx(before, rel=0.3)


def test_new_moves_take_over_while_the_old_motion_fades(tmp_path: Path) -> None:
    longer = extended(shot(tmp_path, "pan-left:0.6"), tmp_path / "longer", "crane-up:0.6", duration_s=3.0)
    frames = longer.frames()
    start, later = flow(frames[48], frames[50]), flow(frames[90], frames[92])
    assert start[..., 0].mean() > 0.3 and abs(later[..., 0].mean()) < 0.15
    assert later[..., 1].mean() > 0.3
    assert "the clip's own camera motion fades in 1.2 s while the new moves take over" in longer.told


def test_static_holds_the_last_frame_of_a_clip_at_rest(tmp_path: Path) -> None:
    take = extend_take(prepared("extend", clip=shot(tmp_path, "static").path, camera=["static"], duration_s=1.0))
    frames = [frame.copy() for frame in take.frames]
    assert all(np.array_equal(frame, frames[47]) for frame in frames[48:])


def test_a_clip_of_unknown_making_stands_still_and_is_told(tmp_path: Path) -> None:
    longer = extended(shot(tmp_path, "pan-left:0.5"), tmp_path / "longer", sidecar=False)
    frames = longer.frames()
    assert psnr(frames[48], frames[-1]) > 40 and abs(growth(flow(frames[48], frames[-1]))) < 0.1
    assert (
        "the clip's own camera path is not known: the picture stands still in the added part; "
        "camera=[...] moves over it"
    ) in longer.told


def test_a_clip_that_rests_goes_on_resting(tmp_path: Path) -> None:
    source = shot(tmp_path, "static")
    take = extend_take(prepared("extend", clip=source.path, sidecar=source.sidecar, duration_s=1.0))
    frames = [frame.copy() for frame in take.frames]
    assert all(np.array_equal(frame, frames[47]) for frame in frames[48:])
    assert take.notes == [
        "the clip ends at rest: the picture stands still in the added part; camera=[...] moves over it"
    ]


def test_a_clip_that_was_cut_since_is_not_continued_by_its_old_path(tmp_path: Path) -> None:
    source = shot(tmp_path, "pan-left:0.6")
    source.sidecar["frames"] = 60
    longer = extended(source, tmp_path / "longer")
    assert "the clip was changed since it was made, so its camera path is not continued" in longer.told
    assert "the picture stands still in the added part" in longer.told


def test_pull_outs_are_refused_with_what_works() -> None:
    with pytest.raises(VideoError) as caught:
        extend_take(prepared("extend", clip=bunny(), camera=["dolly-out:0.5", "pan-left:0.2"]))
    assert caught.value.kind == "unsupported"
    assert caught.value.message == (
        "an extension cannot do dolly-out:0.5: nothing lies beyond the edges of the last frame. Pull out in the first "
        "clip (image_to_video with dolly-out), or extend with dolly-in, pan, tilt, truck or crane"
    )


def test_sound_is_kept_and_the_added_part_is_silent(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "sound.mp4", audio="aac", audio_s=1.0)
    longer = film(prepared("extend", (64, 48), clip=clip, duration_s=1.0), tmp_path / "longer")
    facts = probe_clip(longer.path, count_frames=True)
    assert facts.audio and facts.frames == 24 and facts.fps == 12
    assert facts.duration_s == pytest.approx(2.0, abs=0.05)
    assert "the clip's own sound is kept; the added part is silent" in longer.told


@pytest.mark.parametrize(
    ("sound_s", "told"),
    [
        (1.6, "the clip's own sound is kept: it continues for 0.6 s of the added part, and the rest is silent"),
        (2.0, "the clip's own sound is kept: it continues under the whole added part"),
        (3.0, "the clip's own sound is kept: it continues under the whole added part, and is cut 1.0 s before its end"),
    ],
)
def test_sound_that_outlasts_the_picture_goes_on(sound_s: float, told: str, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "sound.mp4", audio="aac", audio_s=sound_s)
    longer = film(prepared("extend", (64, 48), clip=clip, duration_s=1.0), tmp_path / "longer")
    assert told in longer.told.splitlines() and "the added part is silent" not in longer.told
    assert probe_clip(longer.path).duration_s == pytest.approx(2.0, abs=0.05)


def test_the_highest_rate_that_is_kept_up_is_taken_and_no_frame_is_lost(tmp_path: Path) -> None:
    times = [Fraction(index, 30) for index in range(30)] + [1 + Fraction(index, 15) for index in range(45)]
    clip = write_clip(tmp_path / "phone.mp4", times=times, pictures=_ramp(75, 3))
    longer = film(prepared("extend", (64, 48), clip=clip, duration_s=1.0, camera=["static"]), tmp_path / "longer")
    assert "the clip's frame rate varies: all of it was brought to an even 30 fps" in longer.told
    levels = [float(frame.mean()) for frame in longer.frames()]
    assert len(levels) == pytest.approx(150, abs=1)
    assert levels[:30] == pytest.approx([3 * index for index in range(30)], abs=4), "each of the quick part's frames"
    assert levels[30:50] == pytest.approx([90 + 3 * (index // 2) for index in range(20)], abs=4), "each of these twice"


def test_a_burst_of_a_few_frames_is_no_rate(tmp_path: Path) -> None:
    times = [Fraction(index, 15) for index in range(20)] + [
        Fraction(20, 15) + Fraction(index, 60) for index in range(4)
    ]
    times += [Fraction(21, 15) + Fraction(index, 15) for index in range(1, 20)]
    clip = write_clip(tmp_path / "phone.mp4", times=times, pictures=_ramp(len(times), 4))
    longer = film(prepared("extend", (64, 48), clip=clip, duration_s=1.0, camera=["static"]), tmp_path / "longer")
    assert "all of it was brought to an even 15 fps" in longer.told


def test_a_varying_rate_is_brought_to_an_even_one_and_told(tmp_path: Path) -> None:
    times = [Fraction(t, 1000) for t in (0, 40, 80, 330, 370, 410, 700, 740, 780, 960)]
    clip = write_clip(tmp_path / "phone.mp4", times=times, pictures=_ramp(10))
    longer = film(prepared("extend", (64, 48), clip=clip, duration_s=1.0, camera=["static"]), tmp_path / "longer")
    assert "the clip's frame rate varies: all of it was brought to an even 25 fps" in longer.told
    rate, frames = float(Fraction(longer.facts["fps"])), longer.frames()
    levels = [float(frame.mean()) for frame in frames]
    assert levels[round(0.25 * rate)] == pytest.approx(40, abs=6)  # the third picture, held from 0.08 to 0.33 s
    assert levels[-1] == pytest.approx(180, abs=6)


def test_times_rounded_to_milliseconds_are_an_even_rate(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "even.mkv", pictures=_ramp(10))
    longer = film(prepared("extend", (64, 48), clip=clip, duration_s=1.0, camera=["static"]), tmp_path / "longer")
    assert "varies" not in longer.told
    levels = [float(frame.mean()) for frame in longer.frames()]
    assert len(levels) == 22
    assert levels[:10] == pytest.approx([20 * index for index in range(10)], abs=6)


def test_an_odd_sized_clip_loses_its_last_row_and_column(tmp_path: Path) -> None:
    pictures = [np.full((49, 65, 3), 90, np.uint8)] * 6
    clip = write_clip(tmp_path / "odd.mp4", pictures=pictures, pix_fmt="yuv444p")
    longer = film(prepared("extend", (64, 48), clip=clip, duration_s=1.0), tmp_path / "longer")
    assert longer.frames()[0].shape == (48, 64, 3)


def test_another_size_than_the_clips_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    with pytest.raises(VideoError, match="an extension keeps the clip's size, 64x48: it cannot be 320x180"):
        film(prepared("extend", clip=clip), tmp_path / "longer")
    assert not (tmp_path / "longer" / "clip.mp4").exists()


def test_a_storyboard_card_goes_on_with_its_timecode(tmp_path: Path) -> None:
    source = film(prepared("text_to_video", prompt="Dawn."), tmp_path / "card")
    longer = extended(source, tmp_path / "longer", duration_s=1.0)
    assert "the storyboard card continues, with its timecode" in longer.told
    whole = film(prepared("text_to_video", prompt="Dawn.", duration_s=2.0), tmp_path / "whole").frames()
    frames = longer.frames()
    assert len(frames) == 48
    assert psnr(frames[-1], whole[-1]) > 35
    again = extended(longer, tmp_path / "again", duration_s=1.0)
    assert len(again.frames()) == 72 and "the storyboard card continues" in again.told


STEAM = MotionRegion(box=[0.2, 0.2, 0.8, 0.8], direction="left", intensity=0.6)


def test_regions_of_the_clip_are_told_to_hold_still_unless_motion_names_them(tmp_path: Path) -> None:
    source = shot(tmp_path, motion=[STEAM])
    assert (
        "the motion regions of the clip hold still in the added part; motion=[...] keeps them moving"
        in extended(source, tmp_path / "x").told
    )


def test_motion_keeps_a_region_moving_and_nothing_else(tmp_path: Path) -> None:
    """The added part goes on at the speed that the clip ended with, and all outside the region stands still."""
    source = shot(tmp_path, motion=[STEAM])
    longer = extended(source, tmp_path / "longer", motion=[STEAM])
    frames = longer.frames()
    assert len(frames) == 96
    heart = np.s_[70:110, 120:200]
    before, after, end = (flow(frames[a], frames[b])[heart][..., 0].mean() for a, b in ((43, 47), (48, 52), (88, 92)))
    assert before < -0.3 and after == pytest.approx(before, rel=0.35), "no stop at the seam"
    assert end < -0.3, "and it moves to the end"
    still = [np.s_[:30, :], np.s_[150:, :]]
    assert all(psnr(frames[47][part], frames[-1][part]) > 38 for part in still)
    assert "hold still" not in longer.told and "all but the motion regions stands still" in longer.told
    assert longer.sidecar["regions"] == 1


def test_motion_starts_from_rest_where_nothing_moved_before(tmp_path: Path) -> None:
    longer = extended(shot(tmp_path, "static"), tmp_path / "longer", motion=[STEAM])
    frames = longer.frames()
    heart = np.s_[70:110, 120:200]
    start, later = (abs(flow(frames[a], frames[b])[heart][..., 0].mean()) for a, b in ((47, 50), (66, 69)))
    assert start < 0.3 < 0.6 < later


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pan-left", "tilt-up", "dolly-in", "truck-right", "orbit-left", "roll-cw", "handheld"]),
            st.floats(0, 1),
        ),
        max_size=3,
    ),
    st.sampled_from(["pan-right:1", "dolly-out:1", "roll-ccw:0.7", "crane-down:1", "static"]),
)
def test_no_extension_ever_sees_past_the_last_frame(moves: list[tuple[str, float]], old: str) -> None:
    """Not even when the clip itself was pulling out at its end."""
    ended = CameraPath((CameraMove.parse(old),), 2.0)
    speed = velocity(homography(ended.pose(0.96), ASPECT), homography(ended.pose(1.0), ASPECT), 0.04)
    new = CameraPath(tuple(CameraMove(move=move, amount=amount) for move, amount in moves), 2.0, 3, from_rest=True)
    onward = Onward(speed, new, 24, Fraction(12), ASPECT)
    try:
        views = [view for view in onward.views() if view is not None]
    except VideoError as error:
        assert len(moves) > 1 and "the camera moves together leave" in error.message
        return
    for view in views:
        assert np.abs(project(view, rim(ASPECT)) / [ASPECT, 1.0]).max() <= 1 + 1e-9
    if views and old.startswith("pan") and not moves:
        assert project(views[0], np.zeros((1, 2)))[0] == pytest.approx(
            project(np.linalg.inv(moved(speed, 1 / 12)), np.zeros((1, 2)))[0], abs=0.003
        )


@pytest.mark.parametrize("camera", [["handheld:1"], ["pan-right:0.5", "handheld:0.5"], ["crane-up:1"]])
def test_an_extension_never_lurches(camera: list[str]) -> None:
    """The window closes in no faster than a gentle zoom, however the camera shakes."""
    moves = tuple(CameraMove.parse(move) for move in camera)
    onward = Onward(None, CameraPath(moves, 4.0, 4, from_rest=True), 96, Fraction(24), ASPECT)
    views = [np.eye(3), *(view for view in onward.views() if view is not None)]
    widths = [np.ptp(project(view, rim(ASPECT))[:, 0]) for view in views]
    steps = np.abs(np.diff(np.log(widths)))
    assert steps.max() < 0.011  # 26 % a second
    assert widths[0] == pytest.approx(2 * ASPECT) and steps[0] < 0.003


def _ramp(count: int, step: int = 20) -> list[np.ndarray]:
    """Grey pictures so many levels apart."""
    return [np.full((48, 64, 3), step * index, np.uint8) for index in range(count)]
