"""What size a film has, how clips of another shape, turn or colour are put into it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backends.edit.plan import plan
from backends.edit.request import build_finish
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.media.boxes import is_turned
from tests.edit.making import film, grey_clip, pictures
from tests.media.test_media_hdr import BARS, TO_BT2020, bars, hlg, written
from tests.samples import quadrants, write_clip


def clip(width: int, height: int, seconds: float = 2.0, fps: float = 24.0) -> MediaFacts:
    return MediaFacts("clip", "video/mp4", width, height, 1, seconds, fps, codec="h264")


def size(*facts: MediaFacts, **asked: object) -> tuple[int, int]:
    request = build_finish(clips=["a.mp4"] * len(facts), **asked)
    made = plan(request, {f"clips[{number}]": one for number, one in enumerate(facts)})
    return made.width, made.height


def test_the_film_has_the_first_clips_size_unless_another_is_asked_for() -> None:
    assert size(clip(1280, 720), clip(640, 360)) == (1280, 720)
    assert size(clip(1280, 720), aspect_ratio="9:16", fit="crop") == (720, 1280)
    assert size(clip(1280, 720), resolution="1080p") == (1920, 1080)
    assert size(clip(1280, 720), resolution="480p") == (854, 480)
    assert size(clip(1280, 720), resolution="1080x1080", fit="blur") == (1080, 1080)
    photo = MediaFacts("image", "image/png", 4000, 3000, 1)
    assert size(photo) == (1440, 1080)
    assert size(photo, clip(640, 480)) == (640, 480)
    assert size(clip(853, 479)) == (854, 480)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"resolution": "huge"}, "resolution 'huge' is no size: write 720p, 1080p, 4k or 1920x1080"),
        ({"resolution": "1920x1080", "aspect_ratio": "9:16"}, "resolution 1920x1080 is not 9:16"),
        ({"resolution": "9000p"}, "a side is 16 to 8192 pixels"),
        ({"aspect_ratio": "9:16"}, r"clips\[0\]: a crop from 1280x720 to 720x1280 cuts 68% away: use fit=\"blur\""),
        ({"aspect_ratio": "1:1", "fit": "refuse"}, r"clips\[0\] is 1280x720, not of the film's ratio \(720x720\)"),
    ],
)
def test_a_shape_that_cannot_be_is_told_with_what_to_change(asked: dict[str, object], told: str) -> None:
    with pytest.raises(VideoError, match=told):
        size(clip(1280, 720), **asked)


def test_every_clip_of_another_shape_is_told_at_once() -> None:
    with pytest.raises(VideoError) as error:
        size(clip(1280, 720), clip(720, 1280), clip(500, 500))
    assert [one.field for one in error.value.problems] == ["clips[1]", "clips[2]"]
    assert error.value.nearest == {"fit": "blur"}


def test_a_film_is_at_most_fifty_clips_and_an_hour() -> None:
    with pytest.raises(VideoError, match=r"clips: 200 clips are more than one film takes \(50\): finish the first 50"):
        build_finish(clips=["a.mp4"] * 200)
    with pytest.raises(VideoError, match="the film would last 5400 s; at most 3600 s are made"):
        size(*[clip(64, 64, 1800.0)] * 3)


def test_a_crop_goes_around_its_focus(tmp_path: Path) -> None:
    picture = np.zeros((96, 192, 3), np.uint8)
    picture[:, 144:] = (250, 0, 0)
    source = write_clip(tmp_path / "c.mp4", pictures=[picture] * 6)
    right = pictures(film(tmp_path, [source], aspect_ratio="1:2", fit="crop", focus=[1.0, 0.5]).path)[0]
    left = pictures(film(tmp_path, [source], aspect_ratio="1:2", fit="crop", focus=[0.0, 0.5]).path)[0]
    assert right.shape == left.shape == (192, 96, 3)
    assert right[..., 0].mean() > 200 > 20 > left[..., 0].mean()


@pytest.mark.parametrize("fit", ["pad", "blur"])
def test_a_clip_that_is_shown_whole_keeps_all_its_parts(tmp_path: Path, fit: str) -> None:
    source = write_clip(tmp_path / "c.mp4", pictures=[quadrants(128, 64)] * 6)
    made = pictures(film(tmp_path, [source], aspect_ratio="1:2", fit=fit).path)[0]
    height, width = made.shape[:2]
    assert (width, height) == (64, 128)
    inner = made[48:80]
    assert inner[4, 8, 0] > 150 and inner[4, -8, 1] > 130 and inner[-4, 8, 2] > 150 and inner[-4, -8].min() > 180
    assert (made[2].mean() < 5) == (fit == "pad")


@pytest.mark.parametrize("fit", ["pad", "blur"])
def test_a_logo_with_transparent_parts_stands_on_one_plain_card(tmp_path: Path, fit: str) -> None:
    logo = Image.new("RGBA", (64, 32))
    logo.paste((250, 0, 0, 255), (16, 8, 48, 24))
    logo.save(tmp_path / "logo.png")
    made = film(tmp_path, [f"{tmp_path}/logo.png#t=0,0.25"], aspect_ratio="1:2", fit=fit)
    picture = pictures(made.path)[0].astype(int)
    assert picture.shape == (64, 32, 3) and picture[32, 16, 0] > 200
    for part in (picture[:20], picture[44:], picture[:, :4]):
        assert np.abs(part - 128).max() <= 8, "nothing shows where the image ends"
    assert any("clips[0] has transparent parts, which are shown over grey" in note for note in made.notes)


def test_turns_are_applied_and_colours_are_kept(tmp_path: Path) -> None:
    straight = write_clip(tmp_path / "s.mp4", pictures=[quadrants(96, 64)] * 6)
    turned = write_clip(tmp_path / "t.mp4", pictures=[np.rot90(quadrants(96, 64), 3).copy()] * 6, rotate=(90, False))
    old = write_clip(tmp_path / "o.mp4", pictures=[quadrants(96, 64)] * 6, matrix=6)
    full = write_clip(tmp_path / "f.mp4", pictures=[quadrants(96, 64)] * 6, full_range=True)
    seen = pictures(film(tmp_path, [straight, turned, old, full]).path)
    assert len(seen) == 24
    for number in (8, 14, 20):
        assert np.abs(seen[number].astype(int) - seen[2]).mean() < 4, f"frame {number} looks like the first clip"


def test_clips_that_are_shown_turned_are_not_copied(tmp_path: Path) -> None:
    straight = write_clip(tmp_path / "s.mp4", pictures=[quadrants(96, 64)] * 6)
    turned = write_clip(tmp_path / "t.mp4", pictures=[np.rot90(quadrants(96, 64), 2).copy()] * 6, rotate=(180, False))
    assert (is_turned(straight), is_turned(turned)) == (False, True)
    made = film(tmp_path, [turned, turned])
    assert not made.facts["copied"] and film(tmp_path, [straight, straight]).facts["copied"]
    wanted = pictures(straight)[2].astype(int)
    assert all(np.abs(wanted - picture).mean() < 4 for picture in pictures(made.path))


def test_hdr_beside_sdr_is_brought_to_it_and_told(tmp_path: Path) -> None:
    sdr = grey_clip(tmp_path / "a.mp4", 6)
    nits = (bars(BARS) / 255) ** 2.4 @ TO_BT2020.T * 203
    hdr = written(tmp_path / "hdr.mov", hlg(nits), 18)
    made = film(tmp_path, [sdr, hdr], fit="pad", resolution=f"{len(BARS) * 32}x48")
    shown = pictures(made.path)[-1]
    for number, bar in enumerate(BARS):
        assert np.abs(shown[8:40, number * 32 + 8 : number * 32 + 24].mean(axis=(0, 1)) - bar).max() <= 12
    assert any(note.startswith("clips[1]: the clip is HDR (HLG): it is converted to BT.709") for note in made.notes)


def test_sizes_rates_and_makers_may_differ(tmp_path: Path) -> None:
    one = grey_clip(tmp_path / "a.mp4", 12)
    two = write_clip(tmp_path / "b.webm", codec="libvpx-vp9", pictures=[np.full((128, 192, 3), 90, np.uint8)] * 12)
    made = film(tmp_path, [one, two])
    assert not made.facts["copied"] and len(pictures(made.path)) == 12 + 24


def test_the_clips_are_never_changed(tmp_path: Path) -> None:
    one, two = grey_clip(tmp_path / "a.mp4", 12, tone=300), grey_clip(tmp_path / "b.mp4", 12)
    before = [path.read_bytes() for path in (one, two)]
    film(tmp_path, [one, two], crossfade_s=0.1, loop=True)
    film(tmp_path, [one, two])
    assert [path.read_bytes() for path in (one, two)] == before
