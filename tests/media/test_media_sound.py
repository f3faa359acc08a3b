"""The sound of a clip taken along into another."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from backends.media.encode import ClipWriter
from backends.media.sound import Samples
from tests.edit.making import film
from tests.samples import bunny, made, quadrants


def with_sound_of(source: Path, path: Path, frames: int, fps: int = 24) -> Path:
    with ClipWriter(path, 64, 48, fps, audio_from=source) as writer:
        for _ in range(frames):
            writer.write(quadrants())
    return path


def samples(path: Path) -> np.ndarray:
    """The left channel as float samples at 48 kHz."""
    resampler = av.AudioResampler("fltp", "stereo", 48_000)
    parts: list[np.ndarray] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts)


def durations(path: Path) -> tuple[float, float, str]:
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        return (
            float(video.duration * video.time_base),
            float(audio.duration * audio.time_base),
            audio.codec_context.name,
        )


def loudness(part: np.ndarray) -> float:
    return float(np.sqrt(np.mean(part.astype(float) ** 2)))


@pytest.mark.parametrize("name", ["tone.mp4", "short_tone.mp4", "opus.mkv", "pcm.mov"])
@pytest.mark.parametrize("frames", [12, 60])
def test_sound_is_cut_or_padded_to_the_picture(tmp_path: Path, name: str, frames: int) -> None:
    path = with_sound_of(made(name), tmp_path / "clip.mp4", frames)
    video, audio, codec = durations(path)
    assert codec == "aac"
    assert video == frames / 24
    assert video - 0.045 < audio <= video + 1e-6  # two packets of 1024 samples
    with av.open(str(path)) as container:
        assert container.duration == frames / 24 * 1_000_000
    wave = samples(path)
    heard = {"tone.mp4": 1.0, "short_tone.mp4": 0.4, "opus.mkv": 1.0, "pcm.mov": 2.0}[name]
    end = int(min(heard, frames / 24) * 48_000)
    assert loudness(wave[2400 : end - 2400]) == pytest.approx(0.4 / 2**0.5, rel=0.05)
    if frames / 24 > heard + 0.1:
        assert loudness(wave[end + 2400 :]) < 0.002


def test_plain_aac_is_copied_bit_for_bit(tmp_path: Path) -> None:
    path = with_sound_of(made("tone.mp4"), tmp_path / "clip.mp4", 24)

    def packets(of: Path) -> list[bytes]:
        with av.open(str(of)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    copied = packets(path)
    assert len(copied) > 40
    assert copied == packets(made("tone.mp4"))[: len(copied)]


@pytest.mark.parametrize("name", ["tone.mp4", "opus.mkv", "pcm.mov"])
def test_sound_stays_in_step(tmp_path: Path, name: str) -> None:
    path = with_sound_of(made(name), tmp_path / "clip.mp4", 24)
    mine, source = samples(path)[:24_000], samples(made(name))[:24_000]
    assert loudness(mine[4800:] - source[4800:]) < 0.03  # of a 440 Hz tone; 10 samples late would be 0.16


def test_a_clip_without_sound_gives_none(tmp_path: Path) -> None:
    path = with_sound_of(made("h264.mov"), tmp_path / "clip.mp4", 12)
    with av.open(str(path)) as container:
        assert not container.streams.audio


def test_sound_of_a_real_clip(tmp_path: Path) -> None:
    path = with_sound_of(bunny(), tmp_path / "clip.mp4", 144, 25)
    video, audio, _ = durations(path)
    assert video == 5.76
    assert audio == pytest.approx(5.76, abs=0.045)
    assert loudness(samples(path)[: 48_000 * 5]) > 0.005


@pytest.mark.parametrize(("channels", "rate", "seconds"), [(2, 24_000, 0.4), (1, 16_000, 1.0), (2, 48_000, 2.0)])
def test_samples_become_a_track_of_the_pictures_length(
    tmp_path: Path, channels: int, rate: int, seconds: float
) -> None:
    at = np.arange(round(seconds * rate)) / rate
    tone = np.tile(0.4 * np.sin(2 * np.pi * 440 * at), (channels, 1))
    path = tmp_path / "clip.mp4"
    with ClipWriter(path, 64, 48, 24, audio_from=Samples(tone, rate)) as writer:
        for _ in range(24):
            writer.write(quadrants())
    video, audio, codec = durations(path)
    assert codec == "aac" and video == 1.0 and video - 0.045 < audio <= video + 1e-6
    wave = samples(path)
    end = int(min(seconds, 1.0) * 48_000)
    level = 0.4 / 2**0.5 / (2**0.5 if channels == 1 else 1)  # `samples` spreads a mono track over two channels
    assert loudness(wave[2400 : end - 2400]) == pytest.approx(level, rel=0.05)
    assert np.abs(np.fft.rfft(wave[2400:14_400])).argmax() == 110, "12,000 samples at 48 kHz: bins of 4 Hz"
    if seconds < 1:
        assert loudness(wave[end + 2400 :]) < 0.001


@pytest.mark.parametrize(("fps", "count"), [(24, 101), (Fraction(24000, 1001), 48), (30, 7)])
def test_the_file_tells_the_sounds_length_to_the_sample(fps: Fraction | int, count: int, tmp_path: Path) -> None:
    """A head in milliseconds would cut off up to one of them, at every pass through a file."""
    length = count / Fraction(fps)
    hum = Samples(np.full((1, math.ceil(length * 48_000)), 0.1), 48_000)
    with ClipWriter(tmp_path / "one.mp4", 64, 48, fps, audio_from=hum) as writer:
        for _ in range(count):
            writer.write(quadrants())
    twice = film(tmp_path, [tmp_path / "one.mp4"] * 2)
    for path, frames in ((tmp_path / "one.mp4", count), (twice.path, 2 * count)):
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert video.duration * video.time_base == audio.duration * audio.time_base == frames / Fraction(fps)
