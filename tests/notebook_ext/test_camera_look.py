"""The preview moves as the engine does: by numbers at every ratio, and by pictures of the page and of the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator

from backends.animatic.camera import CameraPath
from backends.animatic.lens import Matrix, Overscan, inverse, project, rim
from backends.animatic.stage import camera_matrices
from backends.animatic.still import still_take
from backends.camera import CAMERA_MOVES, CameraMove
from notebook_ext.camera_rows import PAIRS, crop_of
from tests.animatic.filming import prepared
from tests.notebook_ext.browser import Look
from tests.notebook_ext.mount import Bare
from tests.notebook_ext.test_camera import drawn, page_data
from tests.samples import photo

LAST_S = 119 / 24
NEAR = 0.03
"""How far from the engine's a point of the preview may be, in frame heights ..."""
TOGETHER = 0.05
"""... and with several moves at once: an orbit of the page's turns what the other moves do."""
MOVES = [move for move in CAMERA_MOVES if move != "static"]

PLACE = """(view, places) => {
  const ranges = [...view.querySelectorAll("input[type=range]")].filter((range) => range.ariaLabel !== "Time");
  ranges.forEach((range, i) => { range.value = places[i]; });
  ranges[0].dispatchEvent(new Event("input", { bubbles: true }));
}"""
LOOK = """(view, t) => {
  const time = view.querySelector("input[aria-label=Time]"), img = view.querySelector("img");
  time.value = Math.round(t * 24);
  time.oninput();
  const m = new DOMMatrix(getComputedStyle(img).transform), half = img.parentElement.clientHeight / 2;
  return { matrix: [m.m11, m.m21, m.m41, m.m12, m.m22, m.m42, m.m14, m.m24, m.m44], half };
}"""


def places(*moves: CameraMove) -> list[float]:
    """The sliders' places that stand for the moves."""
    found = dict.fromkeys(PAIRS, 0.0)
    for move in moves:
        axis = next(axis for axis, ways in PAIRS.items() if move.move in ways)
        found[axis] = move.amount * (1 if move.move == PAIRS[axis][1] else -1)
    return list(found.values())


def put(bare: Bare, view: Locator, moves: list[CameraMove], aspect: float, seconds: float = 5.0) -> None:
    """Set the sliders, and answer as Python does."""
    view.evaluate(PLACE, places(*moves))
    bare.answer({"text": "", "note": "", "crop": crop_of(moves, aspect, seconds)}, action="moves")


def preview(view: Locator, t: float) -> Matrix:
    """From the still to the frame, as the page's CSS has it, in half heights."""
    found: dict[str, Any] = view.evaluate(LOOK, t)
    pixels = np.diag([found["half"], found["half"], 1.0])
    return inverse(pixels) @ np.array(found["matrix"]).reshape(3, 3) @ pixels


def engine(moves: list[CameraMove], aspect: float, times: list[float]) -> list[Matrix]:
    """The same, as the engine has it at those times."""
    path = CameraPath(tuple(moves), LAST_S)
    crop = inverse(Overscan.of(camera_matrices(path, [i / 24 for i in range(120)], aspect), aspect).crop())
    return [matrix @ crop for matrix in camera_matrices(path, times, aspect)]


def apart(one: Matrix, two: Matrix, aspect: float) -> float:
    """The farthest that two views show a point of the still from each other, in frame heights."""
    points = np.r_[rim(aspect) * 0.7, [[0.0, 0.0]]]
    return float(np.linalg.norm(project(one, project(inverse(two), points)) - points, axis=1).max() / 2)


@pytest.mark.parametrize("look", [Look(still=True)], ids=str)
@pytest.mark.parametrize("aspect", [16 / 9, 9 / 16, 1.0], ids=["16:9", "9:16", "1:1"])
def test_every_point_is_where_the_engine_has_it(bare: Bare, aspect: float) -> None:
    view = drawn(bare, page_data(aspect=aspect))
    found: dict[str, float] = {}
    for name in MOVES:
        for amount in (1.0, 0.4):
            moves = [CameraMove(move=name, amount=amount)]
            put(bare, view, moves, aspect)
            times = [0.0, 2.0, LAST_S]
            for t, matrix in zip(times, engine(moves, aspect, times), strict=True):
                found[f"{moves[0]} at {t:.1f}"] = apart(preview(view, t), matrix, aspect)
    worst = max(found, key=lambda key: found[key])
    print(f"worst of {len(found)}: {worst}, {found[worst]:.4f} of the height")
    assert found[worst] <= NEAR, worst
    bare.unmount()


@pytest.mark.parametrize(
    "texts",
    [
        ["pan-left:0.6", "tilt-up:0.5"],
        ["dolly-in:0.6", "truck-right:0.5", "handheld:0.5"],
        ["roll-cw:0.3", "zoom-out:0.4", "crane-down:0.4"],
        ["orbit-right:0.5", "dolly-in:0.5", "pan-left:0.3"],
    ],
    ids=" ".join,
)
def test_moves_together_end_near_the_engines(bare: Bare, texts: list[str]) -> None:
    moves = [CameraMove.parse(text) for text in texts]
    moves.sort(key=lambda move: move.move != "handheld")
    view = drawn(bare, page_data())
    put(bare, view, moves, 16 / 9)
    times = [0.0, 2.5, LAST_S]
    made = engine(moves, 16 / 9, times)
    found = [apart(preview(view, t), matrix, 16 / 9) for t, matrix in zip(times, made, strict=True)]
    print(f"{' '.join(texts)}: {max(found):.4f} of the height")
    assert max(found) <= TOGETHER
    bare.unmount()


@pytest.mark.parametrize("texts", [["pan-left:0.8@1-3"], ["zoom-in:1@0-2"], ["handheld:1@1-3"]], ids=" ".join)
def test_a_move_with_times_waits_and_stays(bare: Bare, texts: list[str]) -> None:
    moves = [CameraMove.parse(text) for text in texts]
    view = drawn(bare, page_data(*texts))
    times = [0.0, 1.0, 2.0, 3.0, LAST_S]
    made = engine(moves, 16 / 9, times)
    found = [apart(preview(view, t), matrix, 16 / 9) for t, matrix in zip(times, made, strict=True)]
    print(f"{' '.join(texts)}: {max(found):.4f} of the height")
    assert max(found) <= NEAR
    bare.unmount()


def way(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> Matrix:
    """Where nine points of one picture are in another, as steps in frame heights."""
    sift = cv2.SIFT.create(600)
    (keys, ones), (others, twos) = (
        sift.detectAndCompute(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), None) for p in (before, after)
    )
    pairs = [a for a, b in cv2.BFMatcher().knnMatch(ones, twos, k=2) if a.distance < 0.75 * b.distance]
    source = np.array([keys[pair.queryIdx].pt for pair in pairs])
    target = np.array([others[pair.trainIdx].pt for pair in pairs])
    found, _ = cv2.findHomography(source, target, cv2.RANSAC, 2.0)
    height, width = before.shape[:2]
    points = np.array([[x * width, y * height] for x in (0.25, 0.5, 0.75) for y in (0.25, 0.5, 0.75)])
    return (project(found.astype(np.float64), points) - points) / height


@pytest.mark.parametrize("look", [Look(width=518, still=True)], ids=str)
def test_the_page_is_seen_to_move_as_the_engines_frames_do(bare: Bare, look: Look, tmp_path: Path) -> None:
    """First to last picture, on the screen and in the engine's frames: the same direction, and nearly as far."""
    view = drawn(bare, page_data(seconds=1.0))
    view.evaluate("view => view.querySelector('.camera-stage span').remove()")
    stage = view.locator(".camera-stage")
    cv2.setRNGSeed(1)
    worst = 0.0
    for name in MOVES:
        move = CameraMove(move=name, amount=0.6)
        frames = list(
            still_take(prepared("image_to_video", (480, 270), images=[photo("coffee")], camera=(move,))).frames
        )
        shots: list[np.ndarray[Any, Any]] = []
        put(bare, view, [move], 16 / 9, 1.0)
        for t in (0.0, 23 / 24):
            preview(view, t)
            stage.screenshot(path=tmp_path / "shot.png")
            shots.append(cv2.cvtColor(cv2.imread(str(tmp_path / "shot.png")), cv2.COLOR_BGR2RGB))
        assert shots[0].shape == (270, 480, 3)
        made, seen = way(frames[0], frames[-1]), way(shots[0], shots[1])
        off = float(np.linalg.norm(made - seen, axis=1).max())
        worst = max(worst, off)
        alike = float((made * seen).sum() / np.linalg.norm(made) / np.linalg.norm(seen))
        far = float(np.linalg.norm(seen) / np.linalg.norm(made))
        print(f"{move}: alike {alike:.3f}, as far {far:.3f}, off by {off:.4f} of the height")
        assert alike > 0.97 and 0.85 < far < 1.15 and off < 0.03, move
    print(f"worst {worst:.4f}")
    bare.unmount()
