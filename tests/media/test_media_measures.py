"""Whether a clip moves, where, and how its ends meet: slow and small moves against noise and re-encoding."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from backends.media.encode import ClipWriter
from backends.media.fit import fit_image, resize, whole_window
from backends.media.images import load_image
from backends.media.measure import Measures, measure
from backends.regions import MotionRegion
from tests.animatic.filming import Picture, film, prepared
from tests.samples import bunny, made, photo, write_clip

SIZE = (640, 360)
STEAM = MotionRegion(box=[0.33, 0, 0.68, 0.3], direction="up", intensity=0.5)


def shot(folder: Path, size: tuple[int, int] = SIZE, **fields: object) -> Measures:
    """A clip of the animatic engine over the coffee photo, measured."""
    return measure(film(prepared("image_to_video", size, images=[photo("coffee")], **fields), folder).path)


def still(name: str = "coffee", size: tuple[int, int] = SIZE) -> Picture:
    return _read(name, size).copy()


@cache
def _read(name: str, size: tuple[int, int]) -> Picture:
    return np.asarray(cv2.resize(load_image(photo(name)), size, interpolation=cv2.INTER_AREA), np.uint8)


def clip(path: Path, pictures: Iterator[Picture] | list[Picture], size: tuple[int, int] = SIZE) -> Path:
    with ClipWriter(path, *size, 24) as writer:
        for picture in pictures:
            writer.write(np.ascontiguousarray(picture))
    return path


def sliding(count: int, step: float) -> list[Picture]:
    """The photo moved by `step` pixels a frame to the left."""
    source = still(size=(760, 480))
    return [
        np.asarray(cv2.warpAffine(source, np.float32([[1, 0, -step * i - 20], [0, 1, -50]]), SIZE), np.uint8)  # type: ignore[arg-type]
        for i in range(count)
    ]


def grain(sigma: float, blur: float, count: int = 48) -> Iterator[Picture]:
    """A still under noise that is new in every frame. blur: the size of a grain, pixels; 0 = every pixel its own."""
    noise, picture = np.random.default_rng(5), still()
    for _ in range(count):
        grains = noise.normal(0, 1, SIZE[::-1]).astype(np.float32)
        grains = np.asarray(cv2.GaussianBlur(grains, (0, 0), blur)) if blur else grains
        yield np.clip(picture + (grains / grains.std() * sigma)[..., None], 0, 255).astype(np.uint8)


def stands_still(numbers: Measures) -> list[str]:
    warnings = numbers["warnings"]
    assert isinstance(warnings, list)
    return [str(told) for told in warnings if "moves" in str(told) or "is frozen" in str(told)]


# what moves


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"duration_s": 4, "motion": [STEAM], "camera": ["static"]}, SIZE),
        ({"duration_s": 5, "camera": ["orbit-right:0.3"], "fit": "pad"}, SIZE),
        ({"duration_s": 5, "camera": ["orbit-right:0.3"], "fit": "pad"}, (360, 640)),
        ({"duration_s": 5, "camera": ["dolly-in:0.2"]}, SIZE),
        ({"duration_s": 5, "camera": ["dolly-in:0.2"], "fit": "pad"}, (360, 640)),
        ({"duration_s": 5, "camera": ["pan-left:0.05"]}, SIZE),
        ({"duration_s": 5, "loop": True, "camera": ["dolly-in:0.2"]}, SIZE),
    ],
    ids=["brush", "orbit padded", "orbit in 9:16", "slow dolly", "dolly in 9:16", "slow pan", "push-in loop"],
)
def test_what_was_asked_to_move_slowly_moves(fields: dict[str, object], size: tuple[int, int], tmp_path: Path) -> None:
    numbers = shot(tmp_path, size, **fields)
    assert stands_still(numbers) == []
    assert float(str(numbers["moving"])) > 0.05


def test_where_it_moves_is_told(tmp_path: Path) -> None:
    numbers = shot(tmp_path, duration_s=4, motion=[STEAM], camera=["static"])
    ((left, top, right, bottom, share),) = numbers["moving_boxes"]  # type: ignore[misc,union-attr]
    assert (left, top, right, bottom) == pytest.approx((0.33, 0, 0.68, 0.3), abs=0.06)
    assert share == numbers["moving"] == pytest.approx(0.35 * 0.3, abs=0.04)


def test_bars_are_no_part_of_what_moves(tmp_path: Path) -> None:
    numbers = shot(tmp_path, (360, 640), duration_s=3, camera=["pan-left:0.5"], fit="pad")
    assert float(str(numbers["moving"])) > 0.9, "of the picture between the bars"
    ((left, top, right, bottom, share),) = numbers["moving_boxes"]  # type: ignore[misc,union-attr]
    assert (left, right) == (0, 1) and 0.25 < top < 0.4 and 0.6 < bottom < 0.75
    assert share < 0.45


@pytest.mark.parametrize("colour", [(0, 0, 0), (240, 240, 240), (30, 90, 160)])
def test_grain_between_bars_of_any_colour_is_still_grain(colour: tuple[int, int, int], tmp_path: Path) -> None:
    def barred() -> Iterator[Picture]:
        for picture in grain(4, 1.2):
            picture[:100] = picture[260:] = colour
            yield picture

    numbers = measure(clip(tmp_path / "c.mp4", barred()))
    assert stands_still(numbers) == [
        f"nothing moves: all frames are alike but for noise of {numbers['noise']:.1f} of 255"
    ]


def backed(size: tuple[int, int], pictures: Iterator[Picture] | list[Picture]) -> Iterator[Picture]:
    """Each picture whole, over the blurred copy of the first one."""
    canvas: Picture | None = None
    for picture in pictures:
        width, height = whole_window(picture.shape[1], picture.shape[0], *size)
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        canvas = fit_image(picture, *size, "blur")[0] if canvas is None else canvas.copy()
        canvas[top : top + height, left : left + width] = resize(picture, width, height)
        yield canvas


@pytest.mark.parametrize("name", ["coffee", "rocket"])
@pytest.mark.parametrize("size", [(360, 640), (640, 270)], ids=["above and below", "on both sides"])
def test_a_blurred_backdrop_is_no_part_of_the_picture(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    noise, photo_ = np.random.default_rng(5), still(name, (480, 320))
    grainy = [
        np.clip(photo_ + noise.normal(0, 6, photo_.shape[:2])[..., None], 0, 255).astype(np.uint8) for _ in range(36)
    ]
    numbers = measure(clip(tmp_path / "still.mp4", backed(size, grainy), size))
    (told,) = stands_still(numbers)
    assert told.startswith("nothing moves: all frames are alike") and numbers["moving"] == 0
    sliding_ = [np.roll(photo_, -3 * i, 1) for i in range(36)]
    numbers = measure(clip(tmp_path / "moving.mp4", backed(size, sliding_), size))
    assert stands_still(numbers) == [] and float(str(numbers["moving"])) > 0.85, "of the picture before the backdrop"


def test_a_sharp_still_scene_is_no_backdrop(tmp_path: Path) -> None:
    pictures = []
    for moved in sliding(36, 0.5):
        picture = still()
        picture[130:230, 260:380] = moved[130:230, 260:380]
        pictures.append(picture)
    numbers = measure(clip(tmp_path / "c.mp4", pictures))
    assert stands_still(numbers) == [] and 0.02 < float(str(numbers["moving"])) < 0.1


def test_two_regions_are_told_apart(tmp_path: Path) -> None:
    pictures = []
    for moved in sliding(48, 0.5):
        picture = still()
        picture[40:120, 60:200] = moved[40:120, 60:200]
        picture[220:340, 440:600] = moved[220:340, 440:600]
        pictures.append(picture)
    boxes = measure(clip(tmp_path / "c.mp4", pictures))["moving_boxes"]
    assert isinstance(boxes, list) and len(boxes) == 2
    assert boxes[0][:4] == pytest.approx([440 / 640, 220 / 360, 600 / 640, 340 / 360], abs=0.09)  # type: ignore[index]
    assert boxes[1][:4] == pytest.approx([60 / 640, 40 / 360, 200 / 640, 120 / 360], abs=0.09)  # type: ignore[index]


def test_fast_motion_that_looks_new_in_every_frame_is_motion(tmp_path: Path) -> None:
    numbers = measure(clip(tmp_path / "c.mp4", [np.roll(still(), 37 * i, 1) for i in range(48)]))
    assert stands_still(numbers) == [] and float(str(numbers["moving"])) > 0.3


# what does not


@pytest.mark.parametrize(("sigma", "blur"), [(2, 0), (8, 0), (4, 1.2), (8, 1.2)], ids=str)
def test_noise_and_film_grain_over_a_still_are_no_motion(sigma: float, blur: float, tmp_path: Path) -> None:
    numbers = measure(clip(tmp_path / "c.mp4", grain(sigma, blur)))
    assert numbers["moving"] == 0 and numbers["frozen_run"] == numbers["frames"] == 48
    (told,) = stands_still(numbers)
    assert told.startswith("nothing moves: all frames are alike")


@pytest.mark.parametrize("name", ["coffee", "rocket"])
@pytest.mark.parametrize("crf", ["18", "28", "36"])
def test_a_still_that_an_encoder_renews_at_each_keyframe_is_still(name: str, crf: str, tmp_path: Path) -> None:
    options = {"crf": crf, "g": "24", "preset": "veryfast"}
    path = write_clip(tmp_path / "c.mp4", pictures=[still(name)] * 60, options=options)
    assert stands_still(measure(path)) == ["nothing moves: all frames are alike"]


def test_a_clip_of_a_locked_camera_is_still(tmp_path: Path) -> None:
    assert stands_still(shot(tmp_path, duration_s=4, camera=["static"])) == ["nothing moves: all frames are alike"]


def test_a_frozen_half_is_told_with_its_times(tmp_path: Path) -> None:
    moving = sliding(48, 2)
    numbers = measure(clip(tmp_path / "c.mp4", [moving[0]] * 48 + moving))
    assert numbers["frozen_from"] == 0 and abs(int(str(numbers["frozen_run"])) - 49) <= 1
    (told,) = stands_still(numbers)
    assert told.startswith("the picture is frozen for ") and " frames in a row (0.00-2.0" in told
    assert float(str(numbers["moving"])) > 0.3


# how the ends meet, and what else is told


def test_ends_are_compared_in_levels_of_255(tmp_path: Path) -> None:
    loop = shot(tmp_path / "loop", duration_s=3, loop=True)
    assert float(str(loop["ends_apart"])) < 2 and loop["ends_differ"] == 0
    away = shot(tmp_path / "away", duration_s=3, camera=["pan-left:1"])
    assert float(str(away["ends_apart"])) > 10 and float(str(away["ends_differ"])) > 0.3


def test_a_soft_picture_is_told_from_a_sharp_one(tmp_path: Path) -> None:
    small = cv2.resize(still(), (64, 36), interpolation=cv2.INTER_AREA)
    soft = np.asarray(cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)
    soft_numbers = measure(clip(tmp_path / "soft.mp4", [soft] * 6))
    sharp_numbers = measure(clip(tmp_path / "sharp.mp4", [still()] * 6))
    assert float(str(soft_numbers["sharpness"])) < 1 < 3 < float(str(sharp_numbers["sharpness"]))
    assert any(str(told).startswith("the picture is soft (sharpness 0.") for told in soft_numbers["warnings"])  # type: ignore[union-attr]
    assert not any("soft" in str(told) for told in sharp_numbers["warnings"])  # type: ignore[union-attr]


def test_loudness_is_measured_in_lufs() -> None:
    assert measure(made("tone.mp4"))["lufs"] == pytest.approx(-8.7, abs=0.3), "a stereo tone of 0.4: BS.1770"
    assert measure(bunny())["lufs"] == pytest.approx(-34.0, abs=0.5)
    assert measure(made("h264.mov"))["lufs"] is None


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=12)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = output.add_stream("aac", rate=48_000, layout="stereo")
        for index in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8), format="rgb24")
            frame.pts = index
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for index in range(40):
            quiet = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            quiet.sample_rate, quiet.pts = 48_000, 1024 * index
            output.mux(sound.encode(quiet))
        output.mux(sound.encode(None))
    numbers = measure(path)
    assert numbers["audio"] is True and numbers["lufs"] is None
