"""What a clip looks like to somebody who cannot play it: poster, contact sheet, grid, numbers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from backends.errors import VideoError
from backends.media.encode import ClipWriter
from backends.media.frames import decode, frame_at
from backends.media.grid import coordinate_grid
from backends.media.images import load_image
from backends.media.measure import measure
from backends.media.poster import frame_poster, poster
from backends.media.sheet import contact_sheet
from tests.samples import bunny, made, photo, quadrants, write_clip


def clip(path: Path, pictures: list[np.ndarray], fps: int = 24) -> Path:
    height, width = pictures[0].shape[:2]
    with ClipWriter(path, width, height, fps) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


def pan(count: int, step: float = -2.5, width: int = 320, height: int = 180) -> list[np.ndarray]:
    """A photo moved by `step` pixels a frame, sub-pixel exact."""
    source = cv2.resize(load_image(photo("coffee")), (width + 400, height + 100), interpolation=cv2.INTER_AREA)
    return [
        cv2.warpAffine(source, np.float32([[1, 0, step * i - 100], [0, 1, -50]]), (width, height))  # type: ignore[arg-type]
        for i in range(count)
    ]


def test_the_contact_sheet_has_first_and_last_frame_and_fits_its_limit(tmp_path: Path) -> None:
    times = contact_sheet(bunny(), tmp_path / "sheet.jpg")
    assert times == [0.0, 0.76, 1.48, 2.24, 3.0, 3.76, 4.48, 5.24]  # 132 frames at 25 a second
    assert (tmp_path / "sheet.jpg").stat().st_size <= 150_000
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert (sheet.format, sheet.mode) == ("JPEG", "RGB")
        assert sheet.width <= 1536
        shown = np.asarray(sheet)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.jpg"]
    first = cv2.resize(next(decode(bunny())), (376, 212), interpolation=cv2.INTER_AREA)
    found = cv2.matchTemplate(shown, first[:160], cv2.TM_CCOEFF_NORMED)
    _, best, _, place = cv2.minMaxLoc(found)
    assert best > 0.98
    assert max(place) <= 8  # in the upper left corner


def test_a_noisy_clip_is_squeezed_below_the_limit(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    path = clip(tmp_path / "c.mp4", [noise.integers(0, 256, (180, 320, 3), dtype=np.uint8) for _ in range(24)])
    contact_sheet(path, tmp_path / "sheet.jpg", frames=24, max_bytes=60_000)
    assert (tmp_path / "sheet.jpg").stat().st_size <= 60_000


def test_sheets_of_short_tall_and_varying_clips(tmp_path: Path) -> None:
    assert contact_sheet(made("one_frame.mp4"), tmp_path / "one.jpg") == [0.0]
    assert len(contact_sheet(made("variable.mp4"), tmp_path / "variable.jpg", frames=4)) == 4
    contact_sheet(clip(tmp_path / "tall.mp4", [quadrants(90, 160)] * 8), tmp_path / "tall.jpg")
    with Image.open(tmp_path / "tall.jpg") as sheet:
        assert 1 < sheet.width / sheet.height < 2.5
    with pytest.raises(VideoError, match="1 to 32 frames, not 0"):
        contact_sheet(made("one_frame.mp4"), tmp_path / "none.jpg", frames=0)


def test_a_small_picture_of_one_frame(tmp_path: Path) -> None:
    frame_poster(bunny(), 3.0, tmp_path / "late.jpg")
    with Image.open(tmp_path / "late.jpg") as picture:
        assert picture.size == (640, 360)
        wanted = Image.fromarray(frame_at(bunny(), 3.0)).resize((640, 360), Image.Resampling.BOX)
        assert np.abs(np.asarray(picture, int) - np.asarray(wanted, int)).mean() < 3
    with pytest.raises(VideoError, match="the clip ends at"):
        frame_poster(bunny(), 99.0, tmp_path / "none.jpg")


def test_posters(tmp_path: Path) -> None:
    poster(bunny(), tmp_path / "bunny.jpg")
    with Image.open(tmp_path / "bunny.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (640, 360))
    poster(photo("rocket"), tmp_path / "still.jpg", max_side=100)
    with Image.open(tmp_path / "still.jpg") as image:
        assert image.size == (100, 67)
    faded = [np.zeros((64, 96, 3), np.uint8)] * 8 + [quadrants(96, 64)] * 24
    poster(clip(tmp_path / "c.mp4", faded), tmp_path / "faded.jpg")
    assert np.asarray(Image.open(tmp_path / "faded.jpg")).mean() > 60


@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket"])
def test_the_grid_has_lines_at_tenths_and_fits_its_limit(tmp_path: Path, name: str) -> None:
    coordinate_grid(photo(name), tmp_path / "grid.jpg")
    assert (tmp_path / "grid.jpg").stat().st_size <= 150_000
    with Image.open(tmp_path / "grid.jpg") as image:
        grid = np.asarray(image.convert("L"), float)
    margin_x, margin_y = 40, 25
    width, height = grid.shape[1] - 2 * margin_x, grid.shape[0] - 2 * margin_y
    with Image.open(photo(name)) as source:
        assert width / height == pytest.approx(source.width / source.height, rel=0.01)
    inner = grid[margin_y : margin_y + height, margin_x : margin_x + width]
    edges = np.abs(np.diff(inner, axis=1)).mean(axis=0)
    for step in range(1, 10):
        at = round(step * width / 10)
        assert edges[at - 1 : at + 2].max() > 3 * np.median(edges)


def test_measures_of_a_known_pan(tmp_path: Path) -> None:
    numbers = measure(clip(tmp_path / "c.mp4", pan(48)))
    assert (numbers["frames"], numbers["duration_s"], numbers["fps"]) == (48, 2.0, 24.0)
    assert (numbers["width"], numbers["height"], numbers["audio"]) == (320, 180, False)
    assert numbers["mean_flow_x"] == pytest.approx(-2.5, abs=0.15)
    assert numbers["mean_flow_y"] == pytest.approx(0, abs=0.1)
    assert numbers["cuts"] == []
    assert numbers["black_frames"] == numbers["frozen_run"] == 0
    assert numbers["constant_rate"] is True
    assert isinstance(numbers["loop_seam"], float)
    assert numbers["loop_seam"] > 1.5
    assert numbers["warnings"] == []


def test_flow_is_told_in_pixels_of_the_clip_and_as_displayed(tmp_path: Path) -> None:
    large = measure(clip(tmp_path / "large.mp4", pan(12, -4, 640, 360)))
    assert large["mean_flow_x"] == pytest.approx(-4, abs=0.3)
    turned = measure(write_clip(tmp_path / "turned.mp4", pictures=pan(12), rotate=(90, False)))
    assert (turned["width"], turned["height"]) == (180, 320)
    assert turned["mean_flow_y"] == pytest.approx(2.5, abs=0.3)  # left becomes down


def test_seeded_faults_are_found(tmp_path: Path) -> None:
    frames = pan(60)
    black = [np.zeros_like(frames[0])] * 5
    faulty = black + frames[:20] + [frames[20]] * 19 + [255 - frame for frame in frames[21:41]]
    numbers = measure(clip(tmp_path / "c.mp4", faulty))
    assert numbers["black_frames"] == 5
    assert numbers["frozen_run"] == 19
    assert numbers["cuts"] == [5, 44]
    assert numbers["warnings"] == [
        "5 of 64 frames are black",
        "the picture is frozen for 19 frames in a row (1.04-1.83 s)",
        "2 cut(s), at frame 5, 44",
    ]


def test_flicker_and_loops_are_told_apart_from_clean_motion(tmp_path: Path) -> None:
    frames = pan(48)
    flickering = [np.clip(f.astype(int) + (8 if i % 2 else -8), 0, 255).astype(np.uint8) for i, f in enumerate(frames)]
    clean, flicker = measure(clip(tmp_path / "a.mp4", frames)), measure(clip(tmp_path / "b.mp4", flickering))
    assert clean["flicker"] < 1 < 3 < flicker["flicker"]  # type: ignore[operator]
    assert "flickers" in str(flicker["warnings"])
    there_and_back = frames[:24] + frames[23:0:-1]
    loop = measure(clip(tmp_path / "c.mp4", there_and_back))
    assert loop["loop_seam"] < 1.5  # type: ignore[operator]


def test_a_still_picture_and_a_varying_rate_are_told(tmp_path: Path) -> None:
    assert measure(clip(tmp_path / "c.mp4", [quadrants()] * 10))["warnings"] == ["nothing moves: all frames are alike"]
    varying = measure(made("variable.mp4"))
    assert varying["constant_rate"] is False
    assert "the frame rate varies" in str(varying["warnings"])
    assert measure(made("one_frame.mp4"))["loop_seam"] is None
