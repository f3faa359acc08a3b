"""The film as a file: its sound beside its pictures, its words, and the forms that people post."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from PIL import Image

from backends.edit import animation
from backends.errors import VideoError
from backends.media.encode import ClipWriter
from backends.media.sound import Samples
from tests.edit.making import film, grey_clip, pictures, times, tone_file

FLASH, CLICK_S = 12, 0.5


def flashing(path: Path, fps: int = 24) -> Path:
    """One white frame half a second in, and a click at that very moment."""
    sound = np.zeros((2, 48_000), np.float32)
    sound[:, 24_000:24_240] = 0.8
    with ClipWriter(path, 96, 64, fps, audio_from=Samples(sound, 48_000)) as writer:
        for number in range(fps):
            writer.write(np.full((64, 96, 3), 255 if number == fps // 2 else 10, np.uint8))
    return path


def left_of(frame: AudioFrame) -> np.ndarray:
    """The left channel's samples."""
    values = frame.to_ndarray().astype(np.float64)
    return values[0] if frame.format.is_planar else values.reshape(-1, 2)[:, 0]


def offsets(path: Path, flashes: int) -> list[float]:
    """Seconds from each flash to its click."""
    seen = [float(at) for at, picture in zip(times(path), pictures(path), strict=True) if picture.mean() > 120]
    with av.open(str(path)) as clip:
        stream = clip.streams.audio[0]
        blocks = [(float(frame.pts * stream.time_base), left_of(frame)) for frame in clip.decode(stream)]
    start = blocks[0][0]
    wave = np.abs(np.concatenate([block for _, block in blocks]))
    loud = np.flatnonzero(wave > 0.5 * wave.max()) / 48_000 + start
    heard = [float(loud[np.argmin(np.abs(loud - at))]) for at in seen]
    assert len(seen) == flashes
    return [round(b - a, 4) for a, b in zip(seen, heard, strict=True)]


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


def test_words_are_on_the_picture_and_beside_it(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 48, size=(320, 180))
    (tmp_path / "said.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nHello there\n")
    made = film(tmp_path, [clip], captions=[str(tmp_path / "said.srt")], titles=["0-0.4 Title"])
    shown = pictures(made.path)
    bottom = [int(picture[120:].max()) for picture in shown]
    assert min(bottom[12:36]) > 220 and max(bottom[:11] + bottom[37:]) < 200
    assert [path.name for path in made.extras] == ["captions.srt"]
    assert "Hello there" in made.extras[0].read_text()
    assert not made.facts["copied"]


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
