"""Motion regions: they slide the way asked, freeze what is frozen, never fold, and leave the rest alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.animatic.brush import Brush, Placement, outline
from backends.animatic.still import still_take
from backends.errors import VideoError
from backends.media.fit import fit_image
from backends.media.images import load_image
from backends.regions import DIRECTIONS, MotionRegion
from tests.animatic.filming import WIDE, Picture, film, flow, prepared, save
from tests.samples import photo


def brushed(
    *regions: MotionRegion, masks: dict[int, Path] | None = None, **fields: object
) -> tuple[list[Picture], list[str], Picture]:
    """The frames before encoding, the notes, and the still they were made from."""
    take = still_take(prepared("image_to_video", images=[photo("coffee")], motion=regions, masks=masks))
    frames = [frame.copy() for frame in take.frames]
    return frames, take.notes, fit_image(load_image(photo("coffee")), *WIDE, "crop")[0]


def test_a_box_slides_and_not_one_pixel_outside_it_changes() -> None:
    frames, _, still = brushed(MotionRegion(box=[0.25, 0.3, 0.75, 0.8], direction="right", intensity=0.5))
    # 320x180 out of 600x400 cropped to 16:9: the box's 0.3..0.8 of 400 lines lie at 0.269..0.856 of the clip's
    inside = np.zeros((180, 320), bool)
    inside[47:156, 79:241] = True
    for frame in frames:
        assert np.array_equal(frame[~inside], still[~inside])
    moved = flow(frames[0], frames[-1])[85:115, 135:185]
    assert moved[..., 0].mean() == pytest.approx(0.05 * 320, rel=0.15)
    assert abs(moved[..., 1].mean()) < 1
    assert np.array_equal(frames[0], still)


def test_intensity_one_goes_a_tenth_of_the_width_where_there_is_room() -> None:
    frames, notes, _ = brushed(MotionRegion(box=[0.0, 0.0, 1.0, 1.0], direction="right", intensity=1.0))
    assert flow(frames[0], frames[-1])[60:120, 130:190, 0].mean() == pytest.approx(32, rel=0.1)
    assert not any("instead of" in note for note in notes)


def test_a_region_too_small_for_its_way_goes_as_far_as_it_can_and_says_so() -> None:
    _, notes, _ = brushed(MotionRegion(box=[0.4, 0.4, 0.5, 0.5], direction="right", intensity=1.0))
    assert any(
        note.startswith("motion[0] goes ") and "of the width instead of 10.0%: farther, its rim would fold" in note
        for note in notes
    )


def test_a_frozen_region_holds_against_a_moving_one() -> None:
    moving = MotionRegion(box=[0.1, 0.1, 0.9, 0.9], direction="left", intensity=0.6)
    frozen = MotionRegion(polygon=[[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]], static=True)
    frames, _, still = brushed(moving, frozen)
    rows, columns = slice(73, 107), slice(130, 190)
    assert np.array_equal(frames[-1][rows, columns], still[rows, columns])
    assert not np.array_equal(frames[-1][60:120, 40:110], still[60:120, 40:110])


def test_only_frozen_regions_move_nothing() -> None:
    frames, _, still = brushed(MotionRegion(box=[0.2, 0.2, 0.8, 0.8], static=True))
    assert all(np.array_equal(frame, still) for frame in frames)


def test_a_region_inside_a_frozen_one_is_told_to_stay() -> None:
    _, notes, _ = brushed(
        MotionRegion(box=[0.4, 0.4, 0.5, 0.5], direction="up"), MotionRegion(box=[0.3, 0.3, 0.7, 0.7], static=True)
    )
    assert "motion[0] lies wholly inside a frozen region: nothing of it moves" in notes


def test_a_mask_moves_where_it_is_white_at_any_size(tmp_path: Path) -> None:
    mask = np.zeros((100, 150), np.uint8)
    mask[30:80, 40:110] = 255
    path = save(mask, tmp_path / "mask.png")
    frames, _, still = brushed(MotionRegion(mask=str(path), direction="down", intensity=0.4), masks={0: path})
    boxed, _, _ = brushed(MotionRegion(box=[40 / 150, 0.3, 110 / 150, 0.8], direction="down", intensity=0.4))
    changed = np.abs(frames[-1].astype(int) - still).max(axis=2) > 0
    like = np.abs(boxed[-1].astype(int) - still).max(axis=2) > 0
    assert changed.sum() == pytest.approx(like.sum(), rel=0.05)
    assert (changed & ~like).sum() < 0.03 * like.sum()


def test_a_region_that_was_cropped_away_is_refused_with_the_remedy() -> None:
    with pytest.raises(VideoError) as caught:
        brushed(MotionRegion(box=[0.2, 0.0, 0.8, 0.05], direction="up"))
    assert caught.value.kind == "invalid_request"
    assert caught.value.message == (
        "motion[0] covers nothing of the picture that the clip shows: move it, or use fit=pad if it was cropped away "
        "(a mask must have white where things move)"
    )


def test_the_picture_moves_under_a_moving_camera_too(tmp_path: Path) -> None:
    region = MotionRegion(box=[0.2, 0.2, 0.8, 0.8], direction="down", intensity=0.5)
    made = film(
        prepared("image_to_video", images=[photo("coffee")], motion=[region], camera=["pan-left:0.3"]), tmp_path
    )
    assert made.facts["method"] == "camera+motion brush"
    frames = made.frames()
    field = flow(frames[4], frames[20])
    assert field[70:110, 130:190, 1].mean() - field[:12, :, 1].mean() > 4
    assert field[..., 0].mean() > 5


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.tuples(st.floats(0, 0.8), st.floats(0, 0.8), st.floats(0.08, 0.6), st.floats(0.08, 0.6)),
            st.sampled_from(sorted(DIRECTIONS)),
            st.floats(0.1, 1),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_no_picture_ever_folds_over_itself(
    regions: list[tuple[tuple[float, float, float, float], str, float]],
) -> None:
    given_regions = [
        MotionRegion(box=[x, y, min(1.0, x + w), min(1.0, y + h)], direction=word, intensity=intensity)
        for (x, y, w, h), word, intensity in regions
    ]
    plane = (160, 90)
    brush = Brush.make(given_regions, [None] * len(given_regions), Placement(0, 0, *plane), plane, [])
    if brush is None:  # every region too small to have an inside: nothing moves, which is told
        return
    across, down = (np.pad(field.astype(float), 1) for field in (brush.across, brush.down))
    xx, xy = np.diff(across, axis=1)[:-1], np.diff(across, axis=0)[:, :-1]
    yx, yy = np.diff(down, axis=1)[:-1], np.diff(down, axis=0)[:, :-1]
    inside = ((1 - xx) * (1 - yy) - xy * yx)[1:-1, 1:-1]
    assert inside.min() > 0.1


def test_a_narrow_region_goes_farther_along_its_length_than_across_it() -> None:
    plane = (320, 180)

    def slide(direction: str) -> float:
        region = MotionRegion(box=[0.45, 0.1, 0.55, 0.9], direction=direction, intensity=1.0)
        brush = Brush.make([region], [None], Placement(0, 0, *plane), plane, [])
        assert brush is not None
        return brush.slides[0]

    assert slide("up") > 2 * slide("right") > 0


def test_a_region_of_a_few_pixels_stays_and_is_told() -> None:
    notes: list[str] = []
    region = MotionRegion(box=[0.5, 0.5, 0.505, 0.505], direction="up")
    assert Brush.make([region], [None], Placement(0, 0, 320, 180), (320, 180), notes) is None
    assert notes[0].startswith("motion[0] goes 0.0% of the width instead of 5.0%")


def test_a_region_reaching_the_pictures_edge_moves_along_it_but_not_from_beyond_it() -> None:
    plane = (160, 90)
    place = Placement(0, 0, *plane)

    def field(direction: str) -> np.ndarray:
        brush = Brush.make([MotionRegion(box=[0, 0, 1, 0.6], direction=direction)], [None], place, plane, [])
        assert brush is not None
        whole = np.zeros((90, 160))
        left, top, right, bottom = brush.box
        whole[top:bottom, left:right] = np.hypot(brush.across, brush.down)
        return whole

    along, from_above = field("left"), field("down")
    assert along[0, 80] == pytest.approx(along.max(), rel=0.05)  # the sky's top edge slides sideways with it
    assert along[:, 0].max() < 0.05 * along.max()
    assert from_above[0].max() < 0.05 * from_above.max()


def test_a_box_covers_the_same_part_of_the_picture_as_its_polygon() -> None:
    place, plane = Placement(-10, -20, 340, 220), (320, 180)
    box = MotionRegion(box=[0.2, 0.3, 0.6, 0.7], static=True)
    polygon = MotionRegion(polygon=[[0.2, 0.3], [0.6, 0.3], [0.6, 0.7], [0.2, 0.7]], static=True)
    cover = outline(box, None, place, plane)
    assert np.array_equal(cover, outline(polygon, None, place, plane))
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    assert columns[0] == pytest.approx(58, abs=1) and columns[-1] == pytest.approx(194, abs=1)
    assert rows[0] == pytest.approx(46, abs=1) and rows[-1] == pytest.approx(134, abs=1)
