"""Listening to sound files: forced demuxers, gaps in the times of packets, and bytes that are no sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from backends.errors import VideoError
from backends.media.listen import RATE, Listening
from backends.media.sound_file import sound_mime
from tests.edit.hearing import clicks, tone, write_sound
from tests.samples import folder, made, photo

KINDS = {
    "a.wav": ("pcm_s16le", "audio/wav"),
    "a.mp3": ("libmp3lame", "audio/mpeg"),
    "a.flac": ("flac", "audio/flac"),
    "a.ogg": ("libopus", "audio/ogg"),
    "a.m4a": ("aac", "audio/mp4"),
    "a.aac": ("aac", "audio/aac"),
    "a.aiff": ("pcm_s16be", "audio/aiff"),
}


def listened(path: Path, from_s: float = 0.0) -> np.ndarray:
    return np.concatenate([np.zeros((2, 0)), *Listening(path, from_s).blocks()], axis=1)


@pytest.mark.parametrize("name", KINDS)
def test_a_sound_file_is_known_by_its_bytes(tmp_path: Path, name: str) -> None:
    codec, mime = KINDS[name]
    path = write_sound(tmp_path / name, clicks([0.5], 1), codec).rename(tmp_path / "without a suffix")
    assert sound_mime(path) == mime
    wave = listened(path)
    assert wave.shape[1] == pytest.approx(RATE, abs=4200), "what codecs add at the ends"
    late = 1024 if name == "a.aac" else 0  # ADTS tells nothing of the encoder's delay
    assert abs(int(np.abs(wave[0]).argmax()) - RATE // 2 - late) <= 1


def test_a_gap_in_the_times_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "gap.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        for start_s in (0.0, 0.1, 1.1, 1.2):
            part = np.ascontiguousarray(tone(440, 0.1), np.float32)
            frame = AudioFrame.from_ndarray((part * 32767).astype(np.int16).T.reshape(1, -1), "s16", "stereo")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, 1000), round(start_s * 1000)
            output.mux(stream.encode(frame))
    wave = listened(path)
    assert wave.shape[1] == round(1.3 * RATE)
    loud = np.abs(wave[0]) > 0.05
    assert not loud[round(0.2 * RATE) + 50 : round(1.1 * RATE) - 50].any()
    assert loud[: round(0.2 * RATE)].mean() > 0.8 < loud[round(1.1 * RATE) :].mean()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ffconcat.mp4", r"a list \(ffconcat\) that names other files"),
        ("playlist.m3u8", r"a playlist \(m3u8\) that names other files"),
        ("noise.mp4", "the file is of no known"),
        ("empty.png", "the file is empty"),
        ("still.webp", r"the file is an image \(image/webp\): give a WAV, MP3"),
        ("truncated.mp4", "the clip is truncated"),
    ],
)
def test_what_is_no_sound_is_refused_in_words(name: str, text: str) -> None:
    with pytest.raises(VideoError, match=text) as refused:
        listened(made(name))
    assert refused.value.kind == "asset"


def test_pictures_alone_have_no_sound_and_a_cover_is_no_clip() -> None:
    silent = Listening(made("h264.mov"))
    assert list(silent.blocks()) == [] and not silent.has_sound
    for name in ("sound_only.mp4", "cover_only.mp4"):
        assert listened(made(name)).shape[1] == pytest.approx(RATE / 2, abs=2100)
    with pytest.raises(VideoError, match="the file is an image"):
        listened(photo())


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(VideoError, match="the file is gone: give it again"):
        listened(folder() / "none.wav")


@pytest.mark.parametrize("name", KINDS)
def test_damaged_bytes_never_raise_anything_else(tmp_path: Path, name: str) -> None:
    whole = write_sound(tmp_path / name, tone(440, 0.5), KINDS[name][0]).read_bytes()
    random = np.random.default_rng(7)
    for turn in range(30):
        data = bytearray(whole)
        if turn % 3 == 0:
            data = data[: int(random.integers(1, len(data)))]
        for place in random.integers(0, min(len(data), 200 if turn % 2 else len(data)), 12):
            data[place] = int(random.integers(256))
        path = tmp_path / f"damaged{turn}"
        path.write_bytes(data)
        try:
            heard = 0
            for wave in Listening(path).blocks():
                heard += wave.shape[1]
                if heard > 60 * RATE:  # a field that tells of hours: what it is asked for decides, not the file
                    break
        except VideoError as error:
            assert error.kind == "asset", error
