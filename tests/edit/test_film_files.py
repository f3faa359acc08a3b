"""The film as a file: its sound beside its pictures, its words, and the forms that people post."""

from __future__ import annotations

import math
import resource
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from backends.edit import animation, export
from backends.errors import VideoError
from backends.media.encode import ClipWriter
from backends.media.probe import probe_clip
from tests.edit.making import film, grey_clip, pictures, times, tone_file
from tests.edit.moments import flashing, offsets


@pytest.mark.parametrize("form", ["mp4", "webm", "mov"])
def test_what_is_seen_is_heard_at_the_same_moment(tmp_path: Path, form: str) -> None:
    one, two = flashing(tmp_path / "a.mp4"), flashing(tmp_path / "b.mp4", 30)
    made = film(tmp_path, [one, two, one], format=form)
    assert made.path.suffix == f".{form}"
    assert max(map(abs, offsets(made.path, 3))) <= 0.02, offsets(made.path, 3)
    assert len(pictures(made.path)) == 72
    assert made.facts["audio"] == "native"


def test_sound_stays_with_its_picture_through_cuts_copies_and_speed(tmp_path: Path) -> None:
    clip = flashing(tmp_path / "a.mp4")
    copied = film(tmp_path, [clip, clip])
    assert copied.facts["copied"] and max(map(abs, offsets(copied.path, 2))) <= 0.02
    cut = film(tmp_path, [f"{clip}#t=0.25,1", f"{clip}#t=0.25,0.75"], crossfade_s=0.125)
    assert max(map(abs, offsets(cut.path, 2))) <= 0.02


def test_a_muted_film_has_no_track_and_an_added_file_is_told(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 48, tone=330)
    muted = film(tmp_path, [clip], mute=True)
    with av.open(str(muted.path)) as opened:
        assert not opened.streams.audio
    assert muted.facts["audio"] == "none"
    music = tone_file(tmp_path / "bed.wav", 1.0, 200)
    scored = film(tmp_path, [clip], music=str(music), mute=True, loudness=-20)
    assert scored.facts["audio"] == "added" and abs(float(scored.facts["lufs"]) + 20) <= 1
    with pytest.raises(VideoError, match=r"narration lasts 3\.0 s and the film 2\.0 s"):
        film(tmp_path, [clip], narration=str(tone_file(tmp_path / "long.wav", 3, 300)))


def test_a_loops_sound_is_as_long_as_its_picture(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 48, tone=330)
    made = film(tmp_path, [clip], loop=True)
    with av.open(str(made.path)) as opened:
        length = opened.streams.audio[0].duration * opened.streams.audio[0].time_base
    assert len(pictures(made.path)) == 36 and abs(length - Fraction(36, 24)) < Fraction(1, 40)


@pytest.mark.parametrize(("codec", "tag"), [("hevc", "hvc1"), ("av1", "av01")])
def test_other_codecs_are_written_where_their_encoders_are(tmp_path: Path, codec: str, tag: str) -> None:
    clip = flashing(tmp_path / "a.mp4")
    made = film(tmp_path, [clip, clip], codec=codec)
    with av.open(str(made.path)) as opened:
        context = opened.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.codec_tag) == (codec, tag)
        assert (context.color_range, context.colorspace) == (1, 1)
    assert times(made.path) == [Fraction(number, 24) for number in range(48)]
    assert max(map(abs, offsets(made.path, 2))) <= 0.02 and not made.facts["copied"]
    assert probe_clip(made.path).codec == codec
    assert any("plays the sound alone" in note for note in made.notes) is (codec == "hevc")
    again = film(tmp_path, [made.path], speed=2)
    assert len(pictures(again.path)) == 24, "it can be used again"


def test_a_codec_is_of_an_mp4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 6)
    with pytest.raises(VideoError, match="codec hevc is for format mp4"):
        film(tmp_path, [clip], codec="hevc", format="webm")
    monkeypatch.setattr(export, "codecs_available", export.codecs_available - {"libsvtav1", "libvpx-vp9"})
    with pytest.raises(VideoError, match="codec av1 cannot be written here: av has no libsvtav1"):
        film(tmp_path, [clip], codec="av1")
    with pytest.raises(VideoError, match="format webm cannot be written here: av has no libvpx-vp9; leave format out"):
        film(tmp_path, [clip], format="webm")


def bottoms(path: Path) -> list[int]:
    """The brightest point of each frame's lower third."""
    return [int(picture[120:].max()) for picture in pictures(path)]


def test_words_are_on_the_picture_and_beside_it(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 48, size=(320, 180))
    made = film(tmp_path, [clip], captions=["0.5-1.5 Hello there"], titles=["0-0.4 Title"])
    low = bottoms(made.path)
    assert min(low[12:36]) > 220 and max(low[:11] + low[37:]) < 200
    assert [path.name for path in made.extras] == ["captions.srt"]
    assert "Hello there" in made.extras[0].read_text()
    assert not made.facts["copied"]


SAID = "1\n00:00:00,500 --> 00:00:01,000\nHello there\n\n2\n00:00:01,250 --> 00:00:09,000\nÜber 灯台\n"


@pytest.mark.parametrize("form", ["mp4", "mov"])
def test_captions_of_a_file_are_a_track_and_the_pictures_stay_as_they_are(tmp_path: Path, form: str) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 48, size=(320, 180), tone=330)
    (tmp_path / "said.srt").write_text(SAID, "utf-8")
    made = film(tmp_path, [clip], captions=[str(tmp_path / "said.srt")], format=form)
    with av.open(str(made.path)) as opened:
        assert [stream.type for stream in opened.streams] == ["video", "audio", "subtitle"]
        track = opened.streams.subtitles[0]
        read = [
            (
                float(packet.pts * packet.time_base),
                float(packet.duration * packet.time_base),
                bytes(packet)[2:].decode(),
            )
            for packet in opened.demux(track)
            if packet.pts is not None and packet.size > 2
        ]
    assert read == [(0.5, 0.5, "Hello there"), (1.25, 0.75, "Über 灯台")]
    assert max(bottoms(made.path)) < 200 and len(pictures(made.path)) == 48
    assert made.facts["copied"] is (form == "mp4") and [path.name for path in made.extras] == ["captions.srt"]
    assert any("which players switch on" in note for note in made.notes)
    assert sorted(path.name for path in made.path.parent.glob("clip*")) == [f"clip.{form}"]


def test_captions_of_a_file_are_drawn_where_the_format_holds_no_track(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 24, size=(320, 180))
    (tmp_path / "said.srt").write_text(SAID, "utf-8")
    made = film(tmp_path, [clip], captions=[str(tmp_path / "said.srt")], format="webm")
    low = bottoms(made.path)
    assert min(low[13:]) > 220 and max(low[:11]) < 200


@pytest.mark.parametrize(("form", "fps"), [("gif", 12.5), ("webp", 20)])
def test_an_animated_picture_is_bounded_and_repeats(
    tmp_path: Path, form: str, fps: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (24, 120, 160, 3), np.uint8)
    with ClipWriter(tmp_path / "n.mp4", 160, 120, 24) as writer:
        for picture in noise:
            writer.write(picture)
    monkeypatch.setattr(animation, "MOST_BYTES", 60_000)
    made = film(tmp_path, [tmp_path / "n.mp4"], format=form)
    assert made.export is not None and made.path.suffix == ".mp4"
    assert made.export.stat().st_size <= 60_000
    with Image.open(made.export) as picture:
        assert picture.n_frames == math.ceil(fps) and picture.info["loop"] == 0  # type: ignore[attr-defined]
        assert picture.width < 160
    assert any(f"the {form} has" in note and "MB" in note for note in made.notes)


def test_a_disk_that_fills_while_clips_are_copied_is_told_as_that(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (12, 120, 160, 3), np.uint8)
    with ClipWriter(tmp_path / "n.mp4", 160, 120, 24) as writer:
        for picture in noise:
            writer.write(picture)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / "n.mp4").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * 3 // 2, limits[1]))
    try:
        with pytest.raises(VideoError, match="is used up") as told:
            film(tmp_path, [tmp_path / "n.mp4"] * 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert told.value.kind == "storage" and size > 100_000
    assert list((tmp_path / "film0").iterdir()) == []


def test_a_gif_lasts_as_long_as_its_film(tmp_path: Path) -> None:
    """Its times are whole hundredths of a second: a frame of 12 a second would last 0.08 s, not 0.083."""
    made = film(tmp_path, [grey_clip(tmp_path / "a.mp4", 48, fps=12)], format="gif")
    assert made.export is not None
    with Image.open(made.export) as picture:
        lengths = [frame.info["duration"] for frame in ImageSequence.Iterator(picture)]
    assert sum(lengths) == 4000
