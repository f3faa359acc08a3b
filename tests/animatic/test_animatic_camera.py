"""Camera moves: the right way, as far as asked, smooth to a fraction of a pixel, and never past the still's edge."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.animatic.camera import CameraPath
from backends.animatic.drift import from_json, logarithm, moved, to_json, velocity
from backends.animatic.lens import Overscan, homography, inverse, project, rim, shoot, to_pixels
from backends.animatic.stage import camera_matrices
from backends.camera import CAMERA_MOVES, CameraMove
from backends.errors import VideoError

ASPECT = 16 / 9
MOVES = [move for move in CAMERA_MOVES if move != "static"]


def path(*moves: str, length_s: float = 2.0, **options: bool | int) -> CameraPath:
    return CameraPath(tuple(CameraMove.parse(move) for move in moves), length_s, **options)  # pyright: ignore[reportArgumentType]


def shift(move: str, at: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    """How far a point of the still goes in the frame from the start of a whole move to its end; half heights."""
    made = path(f"{move}:1")
    start, end = (project(homography(made.pose(t), ASPECT), np.array([at]))[0] for t in (0.0, 2.0))
    return (float(end[0] - start[0]), float(end[1] - start[1]))


@pytest.mark.parametrize(
    ("move", "right", "down"),
    [
        ("pan-left", 1, 0),
        ("pan-right", -1, 0),
        ("truck-left", 1, 0),
        ("truck-right", -1, 0),
        ("tilt-up", 0, 1),
        ("tilt-down", 0, -1),
        ("crane-up", 0, 1),
        ("crane-down", 0, -1),
    ],
)
def test_turning_and_sliding_move_the_picture_the_other_way_by_a_quarter(move: str, right: int, down: int) -> None:
    across, along = shift(move)
    assert across == pytest.approx(right * 2 * ASPECT / 4, rel=0.04)
    assert along == pytest.approx(down * 2 / 4, rel=0.04)


@pytest.mark.parametrize(
    ("move", "size"), [("dolly-in", 4 / 3), ("zoom-in", 4 / 3), ("dolly-out", 3 / 4), ("zoom-out", 3 / 4)]
)
def test_dolly_and_zoom_end_a_quarter_narrower_or_wider(move: str, size: float) -> None:
    start = project(homography(path(f"{move}:1").pose(0.0), ASPECT), np.array([[0.01, 0.0]]))[0, 0]
    end = project(homography(path(f"{move}:1").pose(2.0), ASPECT), np.array([[0.01, 0.0]]))[0, 0]
    assert end / start == pytest.approx(size, rel=1e-3)


def test_a_camera_rolling_clockwise_turns_the_picture_the_other_way_by_30_degrees() -> None:
    end = project(homography(path("roll-cw:1").pose(2.0), ASPECT), np.array([[1.0, 0.0]]))[0]
    assert math.degrees(math.atan2(end[1], end[0])) == pytest.approx(-30)


def test_an_orbit_to_the_right_brings_the_right_side_nearer_and_keeps_the_middle() -> None:
    matrix = homography(path("orbit-right:1", from_rest=True).pose(2.0), ASPECT, slant=0)
    left, middle, right = project(matrix, np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))[:, 0]
    assert middle == pytest.approx(0, abs=1e-9)
    assert right - middle > middle - left


def test_moving_differs_from_turning_by_parallax() -> None:
    """A truck carries the near foot of the picture farther than its head; a pan carries both alike."""
    assert abs(shift("truck-right", (0.0, 0.9))[0]) > 1.15 * abs(shift("truck-right", (0.0, -0.9))[0])
    assert shift("pan-right", (0.0, 0.9))[0] == pytest.approx(shift("pan-right", (0.0, -0.9))[0])


def test_straight_lines_stay_straight() -> None:
    line = np.linspace([-1.5, -0.8], [1.2, 0.9], 9)
    seen = project(homography(path("dolly-in:1", "truck-left:1", "roll-cw:0.4").pose(2.0), ASPECT), line)
    across, along = seen[-1] - seen[0]
    off = (seen[:, 0] - seen[0, 0]) * along - (seen[:, 1] - seen[0, 1]) * across
    assert np.abs(off).max() < 1e-9


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(MOVES), st.floats(0, 1)), min_size=1, max_size=4),
    st.sampled_from([16 / 9, 9 / 16, 1.0]),
    st.booleans(),
)
def test_no_path_ever_sees_past_the_still(moves: list[tuple[str, float]], aspect: float, loop: bool) -> None:
    made = CameraPath(tuple(CameraMove(move=move, amount=amount) for move, amount in moves), 2.0, seed=7, loop=loop)
    matrices = camera_matrices(made, [i / 12 for i in range(24)], aspect)
    try:
        overscan = Overscan.of(matrices, aspect)
    except VideoError as error:
        assert len(moves) > 1 and "the camera moves together leave" in error.message
        return
    assert overscan.scale >= 0.25
    seen = np.concatenate([project(overscan.crop() @ inverse(matrix), rim(aspect)) for matrix in matrices])
    assert np.abs(seen / [aspect, 1.0]).max() <= 1 + 1e-9
    assert overscan.scale == 1.0 or np.abs(seen / [aspect, 1.0]).max() >= 1 - 1e-9  # and no more is cropped than needed


def test_a_push_in_crops_nothing_and_a_pull_out_ends_on_the_whole_still() -> None:
    for move, whole_at in (("zoom-in:0.5", 0.0), ("zoom-out:0.5", 2.0)):
        made = path(move)
        overscan = Overscan.of([homography(made.pose(i / 24), ASPECT) for i in range(49)], ASPECT)
        seen = project(overscan.crop() @ inverse(homography(made.pose(whole_at), ASPECT)), rim(ASPECT))
        assert np.abs(seen / [ASPECT, 1.0]) == pytest.approx(1.0)


def test_a_move_to_the_cut_still_drifts_and_a_pull_out_or_timed_move_rests() -> None:
    def last_step(move: str) -> float:
        made = path(move)
        one, two = (homography(made.pose(t), ASPECT) for t in (2.0 - 1 / 24, 2.0))
        return float(np.abs(velocity(one, two, 1 / 24)).max())

    assert last_step("dolly-in:0.5") > 0.03
    assert last_step("pan-left:0.5") > 0.03
    assert last_step("dolly-out:0.5") < 0.004
    assert last_step("dolly-in:0.5@0-1.5") < 1e-9


def test_handheld_is_seeded_and_grows_from_rest_in_an_extension() -> None:
    assert path("handheld:1", seed=1).pose(0.5) == path("handheld:1", seed=1).pose(0.5)
    assert path("handheld:1", seed=1).pose(0.5) != path("handheld:1", seed=2).pose(0.5)
    rest = path("handheld:1", seed=1, from_rest=True)
    assert abs(rest.pose(0.0).pan) < 1e-12 < abs(rest.pose(1.5).pan)


DOTS = [(x, y) for x in range(40, 600, 40) for y in range(40, 330, 40)]


def _dots() -> np.ndarray:
    """Soft dots on a 640x360 plane: their centres can be found to a hundredth of a pixel."""
    y, x = np.mgrid[0:360, 0:640]
    light = sum(180 * np.exp(-((x - across) ** 2 + (y - along) ** 2) / 12.5) for across, along in DOTS)
    return np.repeat(np.clip(40 + light, 0, 255)[..., None], 3, 2).astype(np.uint8)


@pytest.mark.parametrize("move", ["pan-left:0.5", "zoom-in:0.5", "dolly-in:0.5"])
def test_motion_is_smooth_to_a_small_fraction_of_a_pixel(move: str) -> None:
    made, plane, strayed = path(move), _dots(), []
    matrices = camera_matrices(made, [i / 12 for i in range(24)], ASPECT)
    overscan = Overscan.of(matrices, ASPECT)
    pixels = to_pixels(640, 360, ASPECT)
    for matrix in matrices:
        frame = shoot(plane, overscan.crop() @ inverse(matrix), 640, 360)[..., 1].astype(float) - 40
        frame[frame < 6] = 0
        expected = project(pixels @ matrix @ inverse(overscan.crop()) @ inverse(pixels), np.array(DOTS, float))
        for across, along in expected:
            column, row = round(across), round(along)
            if not (14 < column < 626 and 14 < row < 346):
                continue
            spot = frame[row - 9 : row + 10, column - 9 : column + 10]
            y, x = np.mgrid[row - 9 : row + 10, column - 9 : column + 10]
            strayed.append(((spot * x).sum() / spot.sum() - across, (spot * y).sum() / spot.sum() - along))
    assert np.sqrt((np.array(strayed) ** 2).sum(1).mean()) < 0.04  # measured 0.013 to 0.021
    assert np.abs(np.mean(strayed, axis=0)).max() < 0.01


def test_a_velocity_survives_its_way_through_logarithm_json_and_exponential() -> None:
    made = path("dolly-in:0.8", "roll-cw:0.5", "pan-left:0.5")
    one, two = homography(made.pose(1.0), ASPECT), homography(made.pose(1.04), ASPECT)
    generator = from_json(to_json(velocity(one, two, 0.04)))
    assert generator is not None
    step = two @ inverse(one)
    assert moved(generator, 0.04) == pytest.approx(step / step[2, 2], abs=1e-9)
    whole = homography(made.pose(2.0), ASPECT)
    assert moved(logarithm(whole), 1.0) == pytest.approx(whole, abs=1e-8)
    twice = moved(logarithm(whole), 0.5) @ moved(logarithm(whole), 0.5)
    assert twice / twice[2, 2] == pytest.approx(whole, abs=1e-8)


@pytest.mark.parametrize("bad", [None, [], [1] * 8, [float("nan")] * 9, "123456789", [1e9] * 9, ["x"] * 9])
def test_a_spoilt_stored_velocity_counts_as_none(bad: object) -> None:
    assert from_json(bad) is None


def test_shooting_the_whole_still_returns_it() -> None:
    still = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (90, 160, 3)).astype(np.uint8), (0, 0), 1)
    assert np.array_equal(shoot(still, np.eye(3), 160, 90), still)
