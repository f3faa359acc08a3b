"""Which frame of which clip stands where on a film: counted, and known again by its grey."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from backends.errors import VideoError
from backends.media.frames import timed
from tests.edit.making import film, grey_clip, greys, level, near, pictures, times
from tests.samples import write_clip


def test_clips_stand_one_after_the_other_at_exact_times(tmp_path: Path) -> None:
    one, two = grey_clip(tmp_path / "a.mp4", 10), grey_clip(tmp_path / "b.mp4", 7, base=120)
    made = film(tmp_path, [one, two, one])
    assert near(
        greys(made.path),
        [level(n) for n in range(10)] + [level(n, 120) for n in range(7)] + [level(n) for n in range(10)],
    )
    assert times(made.path) == [Fraction(n, 24) for n in range(27)]
    assert made.facts["copied"] and made.facts["frames"] == 27, "clips of one maker are not encoded anew"


def test_a_copied_film_is_bit_for_bit_its_clips(tmp_path: Path) -> None:
    one, two = grey_clip(tmp_path / "a.mp4", 60), grey_clip(tmp_path / "b.mp4", 50, base=40)
    made = film(tmp_path, [two, one])
    wanted = pictures(two) + pictures(one)
    assert all((a == b).all() for a, b in zip(pictures(made.path), wanted, strict=True))
    assert any("without re-encoding" in note for note in made.notes)


def test_a_frame_that_stands_on_both_sides_of_a_cut_is_shown_once(tmp_path: Path) -> None:
    one, two = grey_clip(tmp_path / "a.mp4", 10), grey_clip(tmp_path / "b.mp4", 7, base=level(9))
    three = grey_clip(tmp_path / "c.mp4", 5, base=level(6, level(9)))
    made = film(tmp_path, [one, two, three], going_on=[1, 2])
    assert near(greys(made.path), [level(n) for n in range(10 + 6 + 4)])
    shown = [hashlib.sha256(picture.tobytes()).digest() for picture in pictures(made.path)]
    assert len(set(shown)) == len(shown) == 20, "no frame comes twice"
    assert times(made.path) == [Fraction(n, 24) for n in range(20)]
    told = "begun with the last frame of the clip before, which is shown once: clips[1], clips[2]"
    assert told in made.notes and made.facts["parts"] == [10, 6, 4]


def test_a_frame_is_left_out_only_where_it_is_the_same_one(tmp_path: Path) -> None:
    one, moved_on = grey_clip(tmp_path / "a.mp4", 10), grey_clip(tmp_path / "b.mp4", 7, base=level(12))
    same = grey_clip(tmp_path / "c.mp4", 7, base=level(9))
    for clips, going_on, asked, frames in (
        ([one, moved_on], [1], {}, 17),  # the service has gone on at once
        ([one, same], [], {}, 17),  # a still scene, cut in two: no model was asked to go on
        ([one, same], [1], {"crossfade_s": 0.125}, 14),  # one runs into the other: nothing stands still
        ([f"{one}#t=0,0.25", same], [1], {}, 13),  # its last frame is not on the film
        ([one, f"{same}#t=0.125,0.25"], [1], {}, 13),
    ):
        made = film(tmp_path, clips, going_on, **asked)
        assert len(pictures(made.path)) == frames, (clips, going_on, asked)
        assert not any("shown once" in note for note in made.notes)


def test_a_part_is_taken_to_the_frame(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 48)
    made = film(tmp_path, [f"{clip}#t=0.5,1"])
    assert near(greys(made.path), [level(n) for n in range(12, 24)])
    late = film(tmp_path, [f"{clip}#t=1.5,9"])
    assert near(greys(late.path), [level(n) for n in range(36, 48)])
    assert "clips[0] ends at 2.000 s: #t=1.5,9 takes it up to there" in late.notes
    with pytest.raises(VideoError, match=r"clips\[0\] ends at 2.000 s, so nothing of it is left from 3 s on"):
        film(tmp_path, [f"{clip}#t=3,4"])


def test_a_cross_fade_overlaps_exactly_its_frames(tmp_path: Path) -> None:
    one, two = grey_clip(tmp_path / "a.mp4", 12, base=0), grey_clip(tmp_path / "b.mp4", 12, base=120)
    made = film(tmp_path, [one, two], crossfade_s=0.25)
    found = greys(made.path)
    assert len(found) == 12 + 12 - 6
    for step in range(1, 7):
        share = step / 7
        wanted = level(5 + step, 0) * (1 - share) + level(step - 1, 120) * share
        assert abs(found[5 + step] - wanted) <= 2
    with pytest.raises(VideoError, match=r"too long for clips\[1\], which lasts 0.50 s: take at most 0.25") as told:
        film(tmp_path, [one, two, one], crossfade_s=0.5)
    assert told.value.nearest == {"crossfade_s": 0.25}


def test_stills_are_held_for_as_long_as_they_say(tmp_path: Path) -> None:
    Image.new("RGB", (96, 64), (200, 200, 200)).save(tmp_path / "end.png")
    clip = grey_clip(tmp_path / "a.mp4", 6)
    made = film(tmp_path, [clip, f"{tmp_path}/end.png#t=0,0.5", f"{tmp_path}/end.png"])
    assert len(greys(made.path)) == 6 + 12 + 72
    assert any("is held for 3 s" in note for note in made.notes)


def test_faster_and_slower_clips_show_the_moments_that_they_should(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 24)
    fast = film(tmp_path, [clip], speed=2)
    assert near(greys(fast.path), [level(2 * n + 1) for n in range(12)], 4.1)
    slow = film(tmp_path, [clip], speed=0.5)
    found = greys(slow.path)
    assert len(found) == 48 and all(a <= b + 1 for a, b in pairwise(found))
    assert any("made by motion" in note for note in slow.notes)


def test_another_rate_is_made_and_told(tmp_path: Path) -> None:
    one, two = grey_clip(tmp_path / "a.mp4", 24), grey_clip(tmp_path / "b.mp4", 30, fps=30, base=100)
    made = film(tmp_path, [one, two])
    assert times(made.path) == [Fraction(n, 24) for n in range(48)]
    assert any("clips[1] has 30 fps" in note for note in made.notes)
    doubled = film(tmp_path, [one], fps=48)
    found = greys(doubled.path)
    assert len(found) == 48 and times(doubled.path)[1] == Fraction(1, 48)
    assert near(found[::2], [level(n) for n in range(24)], 2)


def test_the_frames_of_a_variable_rate_stand_at_their_own_times(tmp_path: Path) -> None:
    moments = [Fraction(0), Fraction(1, 10), Fraction(1, 2), Fraction(6, 10), Fraction(9, 10), Fraction(1)]
    shades = [np.full((64, 96, 3), 20 + 40 * n, np.uint8) for n in range(6)]
    clip = write_clip(tmp_path / "v.mp4", pictures=shades, times=moments)
    made = film(tmp_path, [clip], fps=6)
    assert near(greys(made.path)[:6], [20, 60, 60, 100, 140, 180], 3)


def test_a_picture_that_stands_is_held_and_not_drawn_into_the_next_for_seconds(tmp_path: Path) -> None:
    """A recording of a screen has frames only where something changes."""
    moments = [Fraction(0), Fraction(1, 8), Fraction(2, 8), Fraction(3), Fraction(25, 8)]
    shades = [np.full((64, 96, 3), 40 * (n + 1), np.uint8) for n in range(5)]
    clip = write_clip(tmp_path / "screen.mp4", pictures=shades, times=moments, options={"bf": "0"})
    made = film(tmp_path, [clip], fps=16)
    found = greys(made.path)
    assert near(found[4:36], [120] * 32, 2), "from 0.25 s to shortly before 3 s"
    assert abs(found[48] - 160) <= 2 and found[36:49] == sorted(found[36:49]), "then it moves on"


def test_a_loop_ends_where_it_begins(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 40, base=20)
    made = film(tmp_path, [clip], loop=True)
    found = greys(made.path)
    assert len(found) == 40 - 12
    assert near(found[:16], [level(n) for n in range(12, 28)], 2)
    assert abs(found[-1] - level(11)) < abs(found[-1] - level(39)), "the end has become what leads to the beginning"


def test_what_loops_already_is_left_as_it_is(tmp_path: Path) -> None:
    wheel = [np.roll(np.tile(np.linspace(0, 255, 96), (64, 1)), 4 * n, 1) for n in range(24)]
    turning = [np.repeat(np.abs(one - 128)[..., None] + 60, 3, 2).astype(np.uint8) for one in wheel]
    clip = write_clip(tmp_path / "w.mp4", pictures=turning)
    made = film(tmp_path, [clip], loop=True)
    assert len(pictures(made.path)) == 24 and any("already" in note for note in made.notes)


def waves(path: Path, steps: Sequence[int]) -> Path:
    """A pattern that stands at 4 pixels a step, and is at its beginning again every 24 steps."""
    wheel = np.abs(np.tile(np.linspace(0, 255, 96), (64, 1)) - 128) + 60
    turned = [np.repeat(np.roll(wheel, 4 * step, 1)[..., None], 3, 2).astype(np.uint8) for step in steps]
    return write_clip(path, pictures=turned)


def test_a_loop_is_cut_where_the_motion_comes_round(tmp_path: Path) -> None:
    made = film(tmp_path, [waves(tmp_path / "w.mp4", range(33))], loop=True)
    shown = [picture.astype(int) for picture in pictures(made.path)]
    assert len(shown) == 24, made.notes
    steps = [float(np.abs(a - b).mean()) for a, b in pairwise([*shown, shown[0]])]
    assert steps[-1] == pytest.approx(np.median(steps), rel=0.2), "the seam is a step like any other"
    assert any("loops by a cut" in note and "nothing is blended" in note for note in made.notes)


def test_a_motion_that_turns_back_is_not_cut_but_blended(tmp_path: Path) -> None:
    there_and_back = [*range(17), *range(15, 2, -1)]
    made = film(tmp_path, [waves(tmp_path / "w.mp4", there_and_back)], loop=True)
    assert len(pictures(made.path)) == 30 - 6 and not any("a cut" in note for note in made.notes), made.notes


def test_a_clip_of_a_variable_rate_alone_is_encoded_anew(tmp_path: Path) -> None:
    """As a phone records it: nothing is asked of it, and its packets cannot stand at a constant rate."""
    moments = [Fraction(number, 30) + Fraction(number * 7 % 5, 1000) for number in range(24)]
    shades = [np.full((64, 96, 3), level(number), np.uint8) for number in range(24)]
    clip = write_clip(tmp_path / "phone.mp4", pictures=shades, times=moments, options={"bf": "0"}, audio="aac")
    made = film(tmp_path, [clip])
    assert not made.facts["copied"] and near(greys(made.path), [level(number) for number in range(24)], 3.5)


@pytest.mark.parametrize("asked", [{}, {"resolution": "48p"}], ids=["as it is", "made smaller"])
def test_a_broken_tail_is_held_and_told(tmp_path: Path, asked: dict[str, object]) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 96)
    data = bytearray(clip.read_bytes())
    at = data.rfind(b"mdat")
    size = int.from_bytes(data[at - 4 : at], "big")
    data[at + int(size * 0.7) : at + int(size * 0.98)] = bytes(int(size * 0.98) - int(size * 0.7))
    (tmp_path / "broken.mp4").write_bytes(data)
    made = film(tmp_path, [tmp_path / "broken.mp4"], **asked)
    assert len(pictures(made.path)) == 96 and not made.facts["copied"]
    assert any("cannot be decoded from" in note for note in made.notes), made.notes


def test_a_long_film_holds_no_more_frames_than_a_short_one(tmp_path: Path) -> None:
    """A frame whose side data is read lives until the next garbage collection, which may be hundreds of frames on."""
    clip = grey_clip(tmp_path / "a.mp4", 72)
    gc.collect()
    gc.disable()
    try:
        for shown in timed(clip):
            del shown
        left = sum(isinstance(one, VideoFrame) for one in gc.get_objects())
    finally:
        gc.enable()
    assert left <= 2
