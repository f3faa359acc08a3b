"""Stills in: what is taken comes upright, in sRGB and in 8 bits; what is not is refused with a remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from backends.errors import VideoError
from backends.media.fit import crop_loss, crop_window, fit_image
from backends.media.images import BACKDROP, check_image, load_image, load_mask
from tests.samples import TAKEN_IMAGES, made, photo, quadrants


def near(path: Path, expected: np.ndarray, tolerance: float) -> None:
    picture = load_image(path)
    assert picture.dtype == np.uint8
    assert picture.shape == expected.shape
    assert np.abs(picture.astype(float) - expected).mean() < tolerance


@pytest.mark.parametrize("name", TAKEN_IMAGES)
def test_what_is_checked_can_be_loaded_in_the_told_size(name: str) -> None:
    facts = check_image(made(name))
    assert facts.kind == "image"
    assert facts.bytes == made(name).stat().st_size
    assert load_image(made(name)).shape == (facts.height, facts.width, 3)


def test_a_photo() -> None:
    facts = check_image(photo("rocket"))
    assert (facts.mime, facts.width, facts.height) == ("image/jpeg", 640, 427)
    assert np.array_equal(load_image(photo("astronaut")), np.asarray(Image.open(photo("astronaut"))))


@pytest.mark.parametrize("name", ["still.webp", "still.bmp", "still.tiff", "profiled.png"])
def test_lossless_formats_come_exactly(name: str) -> None:
    assert np.array_equal(load_image(made(name)), quadrants())


def test_exif_orientation_turns_the_picture_upright() -> None:
    near(made("oriented.jpg"), np.rot90(quadrants(), -1), 4)
    assert check_image(made("oriented.jpg")).ratio == 48 / 64


def test_transparent_parts_are_shown_over_mid_grey() -> None:
    expected = np.full((48, 64, 3), BACKDROP, np.uint8)
    expected[:, 32:] = (0, 180, 0)
    near(made("transparent.png"), expected, 0.01)
    palette = quadrants()
    palette[:24, :32] = BACKDROP
    near(made("palette.png"), palette, 1)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    picture = load_image(made("sixteen_bit.png"))
    assert picture[0, :, 0].tolist() == pytest.approx(np.linspace(0, 255, 256), abs=1)


def test_cmyk_grey_one_bit_and_phone_pictures() -> None:
    near(made("cmyk.jpg"), quadrants(), 6)
    near(made("multi_picture.jpg"), quadrants(), 4)
    grey = load_image(made("grey.png"))
    assert np.array_equal(grey[..., 0], np.asarray(Image.fromarray(quadrants()).convert("L")))
    assert set(np.unique(load_image(made("one_bit.png")))) == {0, 255}


def test_an_embedded_profile_is_applied(tmp_path: Path) -> None:
    """A profile whose first channel means blue and whose third means red: sRGB's own with two tags exchanged."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exchanged = srgb.replace(b"rXYZ", b"tXYZ", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tXYZ", b"bXYZ", 1)
    Image.fromarray(quadrants()).save(tmp_path / "exchanged.png", icc_profile=exchanged)
    near(tmp_path / "exchanged.png", quadrants()[..., ::-1], 1)


def test_a_broken_profile_is_left_out(tmp_path: Path) -> None:
    Image.fromarray(quadrants()).save(tmp_path / "broken.png", icc_profile=b"no profile at all")
    assert np.array_equal(load_image(tmp_path / "broken.png"), quadrants())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bomb.png", "the image has 268 megapixels; at most 40 are taken: scale it down"),
        ("truncated.jpg", "it is truncated or damaged; copy or download it again"),
        ("truncated.png", "it is truncated or damaged; copy or download it again"),
        ("one_pixel.png", "1x1 pixels; at least 16 a side are needed: give a larger one"),
        ("tiny.png", "15x400 pixels; at least 16 a side"),
        ("ribbon.png", "800x16, more than 10:1: crop it to the part that matters"),
        ("animated.gif", "is an animation: give a single image or a clip"),
        ("animated.webp", "is an animation: give a single image or a clip"),
        ("animated.png", "is an animation: give a single image or a clip"),
        ("pages.tiff", "several pages: save one of them"),
        ("text.png", "text, whatever its name says: give a PNG, JPEG or WebP image"),
        ("noise_in_png.png", "the image is damaged|cannot be decoded"),
        ("empty.png", "empty .0 bytes.: give a PNG"),
        ("page.png", "a web page, not a picture or clip: give a PNG"),
        ("photo.heic", "a HEIC photo: give a PNG, JPEG or WebP image"),
        ("h264.mov", "a clip .video/quicktime., not an image: give a PNG"),
    ],
)
def test_what_is_no_usable_still_is_refused_with_a_remedy(name: str, text: str) -> None:
    for read in (check_image, load_image, load_mask):
        with pytest.raises(VideoError, match=text) as caught:
            read(made(name))
        assert caught.value.kind == "asset"


def test_fifty_megapixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 5_000)).save(path)
    with pytest.raises(VideoError, match="the image has 50 megapixels; at most 40"):
        check_image(path)


def test_a_telephones_fifty_megapixels_are_decoded_at_half_their_size(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright
    Image.new("RGB", (8192, 6144), "teal").save(path, exif=exif)
    facts = check_image(path)
    assert (facts.width, facts.height) == (6144, 8192)
    assert load_image(path).shape == (4096, 3072, 3)
    Image.new("L", (9000, 9000)).save(path)
    with pytest.raises(VideoError, match="the image has 81 megapixels; at most 80"):
        check_image(path)


def test_masks(tmp_path: Path) -> None:
    painted = np.zeros((48, 64, 4), np.uint8)
    painted[10:20, 10:20] = (255, 255, 255, 255)  # white on transparent, as a brush leaves it
    Image.fromarray(painted).save(tmp_path / "mask.png")
    mask = load_mask(tmp_path / "mask.png")
    assert (mask.dtype, mask.shape, mask.min(), mask.max()) == (np.float32, (48, 64), 0, 1)
    assert mask.sum() == 100
    Image.new("L", (64, 48)).save(tmp_path / "black.png")
    with pytest.raises(
        VideoError, match="the mask is wholly black, so nothing would move: paint the moving part white"
    ):
        load_mask(tmp_path / "black.png")


def test_crop_covers_the_frame_and_tells_the_loss() -> None:
    picture, lost = fit_image(quadrants(640, 400), 320, 180, "crop")
    assert picture.shape == (180, 320, 3)
    assert lost == pytest.approx(0.1)
    assert picture[0, 0].tolist() == [200, 30, 30]
    assert picture[-1, -1].tolist() == [230, 230, 230]
    assert crop_loss(1000, 1000, 1000, 1000) == 0


def test_a_crop_of_more_than_a_quarter_is_refused_with_the_alternatives() -> None:
    """Unless it was requested: then it is made, however much it takes."""
    with pytest.raises(
        VideoError,
        match=r'would cut away 44% of it .*: use fit="crop" with focus=\[x, y\] .*, fit="blur" or fit="pad" to show',
    ) as caught:
        fit_image(quadrants(512, 512), 1280, 720, None)
    assert caught.value.nearest == {"fit": "blur"}
    picture, lost = fit_image(quadrants(512, 512), 1280, 720, "crop")
    assert picture.shape == (720, 1280, 3) and lost == pytest.approx(0.4375)


@pytest.mark.parametrize(
    ("focus", "window"),
    [
        (None, (188, 0, 225, 400)),
        ([0.25, 0.5], (37, 0, 225, 400)),
        ([0.0, 1.0], (0, 0, 225, 400)),
        ([1.0, 0.5], (375, 0, 225, 400)),
    ],
)
def test_a_crop_keeps_its_focus_as_near_to_the_middle_as_the_edges_let_it(
    focus: list[float] | None, window: tuple[int, int, int, int]
) -> None:
    assert crop_window(600, 400, 720, 1280, focus) == pytest.approx(window, abs=1)
    left, top, width, height = crop_window(600, 400, 720, 1280, focus)
    ramp = np.broadcast_to(np.linspace(0, 255, 600).astype(np.uint8)[None, :, None], (400, 600, 3))
    picture, _ = fit_image(ramp, width, height, "crop", focus)
    assert np.array_equal(picture, ramp[top : top + height, left : left + width])


def test_blur_shows_the_whole_image_over_a_soft_dark_copy_that_fills_the_frame() -> None:
    image = load_image(photo("coffee"))
    picture, lost = fit_image(image, 360, 640, "blur")
    assert lost == 0 and picture.shape == (640, 360, 3)
    whole, _ = fit_image(image, 360, 240, "crop")
    assert np.array_equal(picture[200:440], whole)
    above, below = picture[:200], picture[440:]
    assert above.max(axis=2).min() > 0 or above.mean() > 20, "no black bars"
    assert 0.3 < np.concatenate([above, below]).mean() / image.mean() < 0.7
    steps = np.abs(np.diff(below.astype(int), axis=1))
    assert steps.max() <= 6 < np.abs(np.diff(whole.astype(int), axis=1)).max(), "nothing sharp is left in it"
    covered, _ = fit_image(image, 360, 640, "crop")
    assert np.corrcoef(above.mean(axis=(0, 2)), covered[:200].mean(axis=(0, 2)))[0, 1] > 0.8, "a copy of the image"


def test_a_shape_that_is_the_clips_own_has_nothing_around_it() -> None:
    for fit in ("crop", "pad", "blur", "refuse", None):
        assert np.array_equal(fit_image(quadrants(320, 180), 320, 180, fit)[0], quadrants(320, 180))


def test_pad_keeps_the_whole_image_between_plain_bars() -> None:
    picture, lost = fit_image(quadrants(100, 200), 320, 180, "pad")
    assert lost == 0
    assert not picture[:, :115].any()
    assert not picture[:, 205:].any()
    assert picture[90, 116].any()


def test_refuse_takes_one_percent() -> None:
    assert fit_image(quadrants(640, 362), 320, 180, "refuse")[0].shape == (180, 320, 3)
    with pytest.raises(VideoError, match=r'ratio .320x180.: crop it yourself, .*fit="pad"'):
        fit_image(quadrants(640, 400), 320, 180, "refuse")


def test_enlarging_is_smooth_and_shrinking_averages() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small, _ = fit_image(stripes, 32, 32, "crop")
    assert np.abs(small.astype(int) - 128).max() <= 1
    assert np.array_equal(fit_image(stripes, 64, 64, "pad")[0], stripes)
