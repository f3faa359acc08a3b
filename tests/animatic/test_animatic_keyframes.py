"""interpolate: every keyframe on its frame, real motion where there is one, an honest dissolve where there is none."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.animatic.keyframes import keyframes_take
from backends.animatic.morph import RELATED, Bridge
from backends.animatic.pacing import Beat, Pace, times_of
from backends.animatic.take import Take
from backends.errors import VideoError
from backends.media.fit import fit_image
from backends.media.images import load_image
from backends.media.measure import measure
from backends.request import Frame
from tests.animatic.filming import WIDE, Picture, film, flow, growth, prepared, psnr, save
from tests.samples import photo

NAMES = ("astronaut", "coffee", "rocket")


def wide(name: str) -> Picture:
    """The middle of a photo as 320x180."""
    image = load_image(photo(name))
    rows = round(image.shape[1] * 9 / 16)
    top = (image.shape[0] - rows) // 2
    return cv2.resize(image[top : top + rows], WIDE, interpolation=cv2.INTER_AREA)


def reframed(name: str, x: float, y: float, zoom: float) -> Picture:
    """The photo seen through a smaller window about (x, y) of it: a camera that went there."""
    image = load_image(photo(name))
    width = image.shape[1] / zoom
    matrix = np.array(
        [[width / 320, 0, x * image.shape[1] - width / 2], [0, width / 320, y * image.shape[0] - width * 9 / 32]]
    )
    return cv2.warpAffine(
        image, matrix, WIDE, flags=cv2.INTER_AREA | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )


def frames_of(take: Take) -> list[Picture]:
    return [np.array(frame) for frame in take.frames]


def interpolated(pictures: list[Picture], folder: Path, **fields: object) -> Take:
    paths = [save(picture, folder / f"{index}.png") for index, picture in enumerate(pictures)]
    return keyframes_take(prepared("interpolate", images=paths, **fields))


def test_every_keyframe_is_shown_exactly_on_its_frame(tmp_path: Path) -> None:
    pictures = [reframed("coffee", 0.5, 0.5, zoom) for zoom in (1.6, 1.8, 2.1)] + [wide("rocket")]
    take = interpolated(pictures, tmp_path, at_s=[0.0, 0.25, 1.0, 2.0], duration_s=2.0)
    frames = frames_of(take)
    assert len(frames) == take.count == 48
    for index, picture in zip((0, 6, 24, 47), pictures, strict=True):
        assert np.array_equal(frames[index], picture)
    assert take.facts["method_effective"] == "morph and dissolve"


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("coffee", (0.62, 0.55, 1.5)),
        ("astronaut", (0.45, 0.35, 2.6)),
        ("rocket", (0.4, 0.4, 1.4)),
        ("astronaut", (0.3, 0.4, 1.5)),
    ],
)
def test_between_related_framings_the_camera_really_travels(name: str, end: tuple[float, float, float]) -> None:
    """The truth is known: the middle frame is the photo from the framing half way (geometrically for the zoom)."""
    start = (0.5, 0.45, 1.5)
    bridge = Bridge.between(reframed(name, *start), reframed(name, *end))
    assert bridge.consistency > 0.85
    ratio = end[2] / start[2]
    along = 0.5 if ratio == 1 else (1 - ratio**-0.5) / (1 - 1 / ratio)
    middle = reframed(
        name, start[0] + (end[0] - start[0]) * along, start[1] + (end[1] - start[1]) * along, start[2] * ratio**0.5
    )
    shown, blend = bridge.at(0.5), cv2.addWeighted(bridge.a, 0.5, bridge.b, 0.5, 0)
    inner = np.s_[20:-20, 30:-30]
    assert psnr(shown[inner], middle[inner]) > 26
    assert psnr(shown[inner], middle[inner]) > psnr(blend[inner], middle[inner]) + 5


@pytest.mark.parametrize(("one", "two"), [(a, b) for a in NAMES for b in NAMES if a != b])
def test_unrelated_pictures_dissolve_and_say_so(one: str, two: str, tmp_path: Path) -> None:
    bridge = Bridge.between(wide(one), wide(two))
    assert bridge.consistency < 0.1 < RELATED
    assert np.array_equal(bridge.at(0.25), cv2.addWeighted(bridge.a, 0.75, bridge.b, 0.25, 0))


def test_a_mirrored_picture_is_not_taken_for_a_motion() -> None:
    assert not Bridge.between(wide("astronaut"), wide("astronaut")[:, ::-1].copy()).related


def test_a_dissolve_is_told_with_the_flow_that_agrees(tmp_path: Path) -> None:
    made = film(prepared("interpolate", images=[photo("coffee"), photo("rocket")]), tmp_path)
    assert made.facts["method_effective"] == "dissolve"
    assert made.facts["flow_consistency_pct"][0] < 10
    assert "from keyframe 0 to the next there is no common motion" in made.told
    assert "a plain dissolve was made, not a motion; a generative model can make the motion" in made.told
    assert "up to 16% of a keyframe was cut off to fit the clip" in made.told


def test_an_object_that_changes_before_a_still_ground_dissolves_in_place_and_is_told(tmp_path: Path) -> None:
    before, after = wide("astronaut"), wide("astronaut")
    after[60:130, 120:200] = wide("rocket")[60:130, 120:200]
    take = interpolated([before, after], tmp_path)
    frames = frames_of(take)
    assert take.facts["method_effective"] == "morph"
    assert RELATED < take.facts["flow_consistency_pct"][0] / 100 < 0.9
    assert any("has no motion that both pictures share, and dissolves in place" in note for note in take.notes)
    assert psnr(frames[12][:30], before[:30]) > 40  # the ground doesn't stir


def test_motion_is_even_and_rests_at_both_ends(tmp_path: Path) -> None:
    take = interpolated([reframed("coffee", 0.45, 0.5, 2.0), reframed("coffee", 0.55, 0.5, 2.0)], tmp_path)
    frames = frames_of(take)
    steps = [float(np.abs(after.astype(int) - before).mean()) for before, after in pairwise(frames)]
    assert steps[0] < 0.5 * max(steps) and steps[-1] < 0.5 * max(steps)
    assert max(steps) < 3 * np.median(steps)


def test_a_loop_comes_back_to_the_first_keyframe_without_a_seam(tmp_path: Path) -> None:
    pictures = [reframed("coffee", x, 0.5, 2.0) for x in (0.4, 0.5, 0.6)]
    paths = [save(picture, tmp_path / f"{index}.png") for index, picture in enumerate(pictures)]
    made = film(prepared("interpolate", images=paths, loop=True, duration_s=2.0), tmp_path)
    seam = measure(made.path)["loop_seam"]
    assert isinstance(seam, float) and seam < 1.5
    assert len(made.facts["flow_consistency_pct"]) == 3
    frames = made.frames()
    assert len(frames) == 48
    assert psnr(frames[16], pictures[1]) > 30 and psnr(frames[32], pictures[2]) > 30


def test_sixteen_keyframes_hold_two_pictures_at_a_time(tmp_path: Path) -> None:
    pictures = [reframed("coffee", 0.4 + 0.01 * index, 0.5, 2.0) for index in range(16)]
    take = interpolated(pictures, tmp_path, duration_s=2.0)
    assert len(frames_of(take)) == 48
    assert len(take.facts["flow_consistency_pct"]) == 15


@pytest.mark.parametrize(
    ("at_s", "loop", "times"),
    [
        ([None, None, None], False, [0, 1, 2]),
        ([None, 0.5, None, None], False, [0, 0.5, 1.25, 2]),
        ([0.5, None, 1.5], False, [0.5, 1.0, 1.5]),
        ([None, None, None, None], True, [0, 0.5, 1, 1.5]),
        ([None, 1.8], True, [0, 1.8]),
    ],
)
def test_times_left_out_lie_evenly_between_their_neighbours(
    at_s: list[float | None], loop: bool, times: list[float]
) -> None:
    assert times_of(at_s, 2.0, loop) == pytest.approx(times)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.booleans())
def test_the_pace_meets_every_mark_and_never_turns_back(gaps: list[int], loop: bool) -> None:
    marks = [0, *np.cumsum(gaps).tolist()]
    beats = [Beat(mark, mark) for mark in (marks[:-1] if loop and len(marks) > 2 else marks)]
    pace = Pace.of(beats, marks[-1], loop and len(marks) > 2)
    assert [pace.at(mark) for mark in marks] == list(range(len(marks)))
    assert all(after >= before for before, after in pairwise([pace.at(frame) for frame in range(marks[-1] + 1)]))


def test_keyframes_on_one_frame_are_refused_with_the_remedy() -> None:
    images = [photo("coffee"), photo("rocket"), photo("coffee")]
    with pytest.raises(VideoError) as caught:
        keyframes_take(prepared("interpolate", images=images, at_s=[0.0, 0.5, 0.51]))
    assert caught.value.message == (
        "frames[1] and frames[2] are shown at 0.5 and 0.51 s, which is the same frame or backwards: give rising at_s "
        "at least 0.0417 s apart"
    )
    with pytest.raises(VideoError, match=r"frames\[2\].at_s is 1: a loop needs time .* give at_s below 0.958"):
        keyframes_take(prepared("interpolate", images=images, at_s=[0.0, 0.5, 1.0], loop=True))


def test_prompts_are_told_to_be_unread(tmp_path: Path) -> None:
    take = keyframes_take(prepared("interpolate", images=[photo("coffee"), photo("rocket")], prompt="a storm comes"))
    assert take.notes == ["prompts are not followed: an animatic runs from keyframe to keyframe, nothing else"]


def test_keyframes_are_fitted_as_asked() -> None:
    take = keyframes_take(prepared("interpolate", images=[photo("coffee"), photo("rocket")], fit="pad"))
    still, _ = fit_image(load_image(photo("coffee")), *WIDE, "pad")
    assert np.array_equal(next(take.frames), still)


STORY = ("coffee", "astronaut", "rocket")


def story(*frames: dict[str, object], fit: str = "blur", size: tuple[int, int] = (180, 320), **fields: object) -> Take:
    named = [
        Frame.model_validate({"image": str(photo(name)), **frame}) for name, frame in zip(STORY, frames, strict=False)
    ]
    images = [photo(name) for name in STORY[: len(frames)]]
    return keyframes_take(prepared("interpolate", size, images=images, frames=named, fit=fit, **fields))


def test_a_held_keyframe_stands_still_before_the_next_comes() -> None:
    """Three stills of unlike shape, 1 s each, with half a second from one to the next."""
    take = story({"hold_s": 1}, {"hold_s": 1}, {"hold_s": 1}, duration_s=4.0)
    frames = frames_of(take)
    assert len(frames) == take.count == 96
    stills = [fit_image(load_image(photo(name)), 180, 320, "blur")[0] for name in STORY]
    for still, (start, end) in zip(stills, ((0, 24), (36, 60), (72, 95)), strict=True):
        assert all(np.array_equal(frame, still) for frame in frames[start : end + 1])
    assert not np.array_equal(frames[30], stills[0]) and not np.array_equal(frames[30], stills[1])
    assert take.facts["method_effective"] == "dissolve"


def test_a_hold_until_the_next_keyframe_is_a_cut() -> None:
    take = story({"hold_s": 1}, {"at_s": 1, "hold_s": 1}, duration_s=2.0, fit="crop", size=WIDE)
    frames = frames_of(take)
    stills = [fit_image(load_image(photo(name)), *WIDE, "crop")[0] for name in STORY[:2]]
    assert all(np.array_equal(frame, stills[0]) for frame in frames[:24])
    assert all(np.array_equal(frame, stills[1]) for frame in frames[24:])
    assert take.facts["method_effective"] == "cut" and not any("dissolve" in note for note in take.notes)


def test_a_camera_moves_over_a_held_keyframe_and_rests_for_the_way_to_the_next(tmp_path: Path) -> None:
    take = story({"hold_s": 2, "camera": ["dolly-in:1"]}, {"hold_s": 0.5}, duration_s=3.0, fit="crop", size=WIDE)
    frames = frames_of(take)
    assert psnr(frames[0], fit_image(load_image(photo("coffee")), *WIDE, "crop")[0]) > 35
    assert growth(flow(frames[20], frames[28])) > 2
    steps = [float(np.abs(after.astype(int) - before).mean()) for before, after in pairwise(frames[:49])]
    assert max(steps[-3:]) < 0.3 * max(steps), "it comes to rest before the dissolve"
    share = 0.5
    middle = np.clip((1 - share) * frames[48] + share * frames[60].astype(float), 0, 255)
    assert psnr(frames[54], middle.astype(np.uint8)) > 35, "the dissolve leaves from the last view of the hold"


def test_a_camera_over_the_last_keyframe_can_be_extended() -> None:
    take = story({"hold_s": 0.5}, {"hold_s": 1.5, "camera": ["pan-right:0.6"]}, duration_s=2.5, fit="crop", size=WIDE)
    frames_of(take)
    assert any(abs(value) > 0.01 for value in take.sidecar["velocity"])


def test_a_loop_of_held_keyframes_comes_back_to_the_first() -> None:
    take = story({"hold_s": 0.5}, {"hold_s": 0.5}, duration_s=2.0, fit="crop", size=WIDE, loop=True)
    frames = frames_of(take)
    assert len(take.facts["flow_consistency_pct"]) == 2
    assert all(np.array_equal(frame, frames[0]) for frame in frames[:13])
    assert psnr(frames[-1], frames[0]) > psnr(frames[-8], frames[0]) > psnr(frames[30], frames[0])


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30)), min_size=2, max_size=6), st.booleans())
def test_the_pace_stands_while_a_keyframe_is_held(ways: list[tuple[int, int]], loop: bool) -> None:
    beats: list[Beat] = []
    at = 0
    for way, hold in ways:
        beats.append(Beat(at, at + hold))
        at += hold + way
    pace = Pace.of(beats, at, loop)
    for number, beat in enumerate(beats):
        assert {pace.at(frame) for frame in range(beat.arrives, beat.leaves + 1)} == {number}
    shares = [pace.at(frame) for frame in range(at + 1)]
    assert all(after >= before - 1e-12 for before, after in pairwise(shares))
