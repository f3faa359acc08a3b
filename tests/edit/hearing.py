"""Sound for tests: files with known tones and clicks, and measures that share no code with the program."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

RATE = 48_000


def tone(hertz: float, seconds: float, level: float = 0.3, rate: int = RATE) -> np.ndarray:
    """A stereo sine, 2 x n."""
    at = np.arange(round(seconds * rate)) / rate
    return np.stack([level * np.sin(2 * np.pi * hertz * at)] * 2)


def clicks(times: Sequence[float], seconds: float, rate: int = RATE) -> np.ndarray:
    """Short bumps, each highest at its time, narrow in band so that coding leaves them where they are."""
    at = np.arange(round(seconds * rate)) / rate
    row = sum(0.8 * np.exp(-0.5 * ((at - time) * rate / 4) ** 2) for time in times)
    return np.stack([row] * 2)


def speech(seconds: float, level: float = 0.2, seed: int = 1) -> np.ndarray:
    """Noise in syllables, four a second."""
    at = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(size=at.size) * level
    return np.stack([noise * (np.sin(2 * np.pi * 4 * at) > -0.5)] * 2)


def silence(seconds: float) -> np.ndarray:
    return np.zeros((2, round(seconds * RATE)))


def write_sound(path: Path, samples: np.ndarray, codec: str = "pcm_s16le", rate: int = RATE, layout: str = "") -> Path:
    """A sound file; with a name in .mov, .mp4 or .mkv a clip with pictures at 12 fps, whose first is at time 0."""
    layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
    with av.open(str(path), "w") as output:
        picture = path.suffix in (".mov", ".mp4", ".mkv")
        video = output.add_stream("libx264", rate=12) if picture else None
        sound = output.add_stream(codec, rate=rate, layout=layout)
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for index in range(round(samples.shape[1] / rate * 12)):
                frame = VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 12)
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
        for start in range(0, samples.shape[1], 960):
            part = np.ascontiguousarray(samples[:, start : start + 960], np.float32)
            frame = AudioFrame.from_ndarray(part, "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return path


def heard(path: Path) -> np.ndarray:
    """The samples of a 16-bit stereo WAV file, 2 x n, -1..1."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T / 32768


def level(samples: np.ndarray) -> float:
    """RMS in dB, full scale = 0."""
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-20))


def level_at(samples: np.ndarray, hertz: float) -> float:
    """dB of one tone in the left channel, full scale sine = 0."""
    window = np.hanning(samples.shape[1])
    at = np.arange(samples.shape[1]) / RATE
    found = np.abs(np.sum(samples[0] * window * np.exp(-2j * np.pi * hertz * at))) / window.sum()
    return float(20 * np.log10(2 * found + 1e-12))


def lufs(samples: np.ndarray) -> float:
    """Integrated loudness by ITU-R BS.1770-4, its two filters applied to the whole as a frequency response."""
    count = samples.shape[1]
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(count + RATE, 1 / RATE) / RATE)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    padded = np.fft.rfft(np.pad(samples, ((0, 0), (0, RATE))), axis=1)
    weighted = np.fft.irfft(padded * shelf * high, count + RATE, axis=1)[:, :count]
    starts = range(0, count - 19_200 + 1, 4800)
    power = np.array([np.square(weighted[:, start : start + 19_200]).mean(axis=1).sum() for start in starts])
    loud = -0.691 + 10 * np.log10(power + 1e-20)
    gate = -0.691 + 10 * np.log10(power[loud > -70].mean()) - 10
    return float(-0.691 + 10 * np.log10(power[(loud > -70) & (loud > gate)].mean()))


def true_peak(samples: np.ndarray) -> float:
    """dBTP: the highest point of the wave through the samples, eight times as finely."""
    count = samples.shape[1]
    finer = np.fft.irfft(np.fft.rfft(samples, axis=1), 8 * count, axis=1) * 8
    return float(20 * np.log10(np.abs(finer).max()))
