"""Loudness, peaks, the room made for a voice, and music under a film, measured by means of the tests' own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backends.edit.sound import Part, mix
from backends.errors import VideoError
from backends.media.loudness import loudness
from tests.edit.hearing import RATE, heard, level_at, lufs, silence, speech, tone, true_peak, write_sound
from tests.samples import bunny, made


def spiky(seconds: float) -> np.ndarray:
    """Noise with much louder short strokes: what has to be limited to become loud."""
    wave = np.random.default_rng(3).normal(size=(2, round(seconds * RATE))) * 0.05
    for at in range(RATE // 4, wave.shape[1] - 2000, RATE // 2):
        wave[:, at : at + 1500] += 0.7 * np.sin(np.arange(1500) * 0.9) * np.exp(-np.arange(1500) / 500)
    return wave


SOUNDS = {
    "a quiet tone": tone(997, 4, 0.01),
    "a loud tone": tone(997, 4, 0.9),
    "speech": np.concatenate([silence(1), speech(3), silence(2)], axis=1),
    "strokes": spiky(6),
    "a tone between samples": np.stack([0.9 * np.sin(np.pi / 2 * np.arange(4 * RATE) + np.pi / 4)] * 2),
}


@pytest.mark.parametrize("target", [-16.0, -23.0, -14.0])
@pytest.mark.parametrize("name", SOUNDS)
def test_it_is_as_loud_as_asked_and_no_true_peak_is_above(tmp_path: Path, name: str, target: float) -> None:
    source = SOUNDS[name]
    clip = write_sound(tmp_path / "a.mov", source)
    seconds = source.shape[1] / RATE
    made = mix([Part(clip, 0, seconds, 0, seconds)], seconds, tmp_path / "mix.wav", loudness=target)
    sound = heard(tmp_path / "mix.wav")
    assert lufs(sound) == pytest.approx(target, abs=0.5)
    assert true_peak(sound) <= -1.5
    assert made.lufs == pytest.approx(lufs(sound), abs=0.11)
    assert made.peak_db == pytest.approx(true_peak(sound), abs=0.3)
    assert made.notes == ()


def test_what_is_all_peaks_is_as_loud_as_it_can_be_and_told(tmp_path: Path) -> None:
    wave = np.zeros((2, 4 * RATE))
    wave[:, :: RATE // 3] = 0.9
    clip = write_sound(tmp_path / "a.mov", wave)
    made = mix([Part(clip, 0, 4, 0, 4)], 4, tmp_path / "mix.wav")
    assert made.lufs is not None and made.lufs < -17
    assert true_peak(heard(tmp_path / "mix.wav")) <= -1.5
    assert len(made.notes) == 1 and made.notes[0].startswith(f"the sound has {made.lufs:.1f} LUFS, not -16: its peaks")


def test_hiss_is_not_raised_without_end(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mov", np.random.default_rng(1).normal(size=(2, 2 * RATE)) * 0.0006)
    made = mix([Part(clip, 0, 2, 0, 2)], 2, tmp_path / "mix.wav")
    assert made.lufs is not None and -37 < made.lufs < -28
    assert "so quiet that 30 dB more would raise nothing but its noise further" in made.notes[0]


def test_without_a_loudness_every_level_stays(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mov", tone(997, 3, 0.05))
    made = mix([Part(clip, 0, 3, 0, 3)], 3, tmp_path / "mix.wav", loudness=None)
    sound = heard(tmp_path / "mix.wav")
    assert level_at(sound[:, RATE : 2 * RATE], 997) == pytest.approx(20 * np.log10(0.05), abs=0.05)
    assert made.lufs == pytest.approx(lufs(sound), abs=0.1)


def test_two_loud_layers_do_not_clip(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mov", tone(500, 3, 0.9))
    bed = write_sound(tmp_path / "b.wav", tone(700, 3, 0.9))
    mix([Part(clip, 0, 3, 0, 3)], 3, tmp_path / "mix.wav", music=bed, loudness=None)
    sound = heard(tmp_path / "mix.wav")
    assert true_peak(sound) <= -1.5
    assert level_at(sound[:, RATE : 2 * RATE], 500) == pytest.approx(level_at(sound[:, RATE : 2 * RATE], 700), abs=0.3)
    assert level_at(sound[:, RATE : 2 * RATE], 900) < -40, "held down as a whole, not cut off at the top"


def test_a_real_clip(tmp_path: Path) -> None:
    made = mix([Part(bunny(), 0, 5.28, 0, 5.28)], 5.28, tmp_path / "mix.wav")
    assert lufs(heard(tmp_path / "mix.wav")) == pytest.approx(-16, abs=0.3)
    source = loudness(bunny())
    assert made.audio == "native" and source is not None and abs(source + 16) > 1, "there was something to do"


def test_music_goes_down_while_the_narration_speaks_and_comes_back(tmp_path: Path) -> None:
    voice = write_sound(tmp_path / "voice.wav", np.concatenate([silence(4), speech(4), silence(1)], axis=1))
    bed = write_sound(tmp_path / "bed.wav", tone(6000, 14, 0.2))
    made = mix([], 14, tmp_path / "mix.wav", narration=voice, music=bed)
    assert made.audio == "added"
    sound = heard(tmp_path / "mix.wav")

    def bed_at(seconds: float) -> float:
        at = round(seconds * RATE)
        return level_at(sound[:, at : at + RATE // 5], 6000)

    before, under, after = bed_at(2.0), np.median([bed_at(at) for at in np.arange(4.2, 7.6, 0.2)]), bed_at(10)
    assert before == pytest.approx(after, abs=0.2)
    assert before - under == pytest.approx(12, abs=1.5)
    slope = [bed_at(at) for at in np.arange(3.0, 3.81, 0.1)]
    assert np.all(np.diff(slope) < 0.1) and np.abs(np.diff(slope)).max() < 5, "smoothly, and before the first word"
    assert bed_at(3.8) < before - 9


def test_a_pause_between_words_does_not_bring_the_music_up(tmp_path: Path) -> None:
    voice = np.concatenate([silence(1), speech(2), silence(0.5), speech(2), silence(1)], axis=1)
    bed = write_sound(tmp_path / "bed.wav", tone(6000, 8, 0.2))
    mix([], 8, tmp_path / "mix.wav", narration=write_sound(tmp_path / "voice.wav", voice), music=bed)
    sound = heard(tmp_path / "mix.wav")
    pause = level_at(sound[:, round(3.1 * RATE) : round(3.4 * RATE)], 6000)
    assert level_at(sound[:, 7 * RATE - 9600 : 7 * RATE], 6000) - pause > 9


def test_the_clips_own_sound_goes_down_less(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mov", tone(6000, 8, 0.2))
    voice = write_sound(tmp_path / "voice.wav", np.concatenate([silence(3), speech(3)], axis=1))
    mix([Part(clip, 0, 8, 0, 8)], 8, tmp_path / "mix.wav", narration=voice)
    sound = heard(tmp_path / "mix.wav")
    under = np.median(
        [level_at(sound[:, at : at + 9600], 6000) for at in range(3 * RATE + 9600, 6 * RATE - 9600, 9600)]
    )
    assert level_at(sound[:, RATE : 2 * RATE], 6000) - under == pytest.approx(8, abs=1.5)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("m.wav", "pcm_s16le"), ("m.mp3", "libmp3lame"), ("m.flac", "flac"), ("m.ogg", "libopus")),
        *(("m.m4a", "aac"), ("m.aac", "aac"), ("m.aiff", "pcm_s16be"), ("m.mov", "pcm_s16le"), ("m.webm", "libopus")),
    ],
)
def test_music_of_any_kind_loops_without_a_seam_and_ends_with_the_film(tmp_path: Path, name: str, codec: str) -> None:
    piece = write_sound(tmp_path / name, np.random.default_rng(5).normal(size=(2, 4 * RATE)) * 0.1, codec)
    made = mix([], 12, tmp_path / "mix.wav", music=piece)
    sound = heard(tmp_path / "mix.wav")
    assert made.audio == "added" and sound.shape[1] == 12 * RATE
    assert [note for note in made.notes if note.startswith("the music lasts 4.0 s and begins 4 times")]
    windows = [10 * np.log10(np.square(sound[:, at : at + 9600]).mean()) for at in range(4800, 10 * RATE - 9600, 9600)]
    assert max(windows) - min(windows) < 1.5, "no hole and no bump where it begins again"
    assert np.square(sound[:, -480:]).mean() < 1e-3 * np.square(sound[:, RATE : 2 * RATE]).mean()


def test_a_silence_at_the_end_of_the_music_is_not_looped(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).normal(size=(2, 3 * RATE)) * 0.1
    piece = write_sound(tmp_path / "m.wav", np.concatenate([noise, silence(2)], axis=1))
    mix([], 9, tmp_path / "mix.wav", music=piece)
    sound = heard(tmp_path / "mix.wav")
    windows = [np.square(sound[:, at : at + 4800]).mean() for at in range(4800, 6 * RATE, 4800)]
    assert min(windows) > 0.7 * max(windows)


def test_longer_music_ends_with_the_film(tmp_path: Path) -> None:
    piece = write_sound(tmp_path / "m.wav", tone(440, 20))
    made = mix([], 5, tmp_path / "mix.wav", music=piece)
    assert made.notes == () and heard(tmp_path / "mix.wav").shape[1] == 5 * RATE


def test_a_narration_longer_than_the_film_is_refused_with_what_to_change(tmp_path: Path) -> None:
    voice = write_sound(tmp_path / "voice.wav", speech(5))
    with pytest.raises(VideoError) as refused:
        mix([], 4, tmp_path / "mix.wav", narration=voice)
    assert refused.value.kind == "invalid_request" and refused.value.problems[0].field == "narration"
    assert refused.value.message == (
        "narration lasts 5.0 s and the film 4.0 s: shorten it by 1.0 s (20 %), or make the film longer "
        "(hold an image for 1.0 s more, add a clip)"
    )
    assert not (tmp_path / "mix.wav").exists()


def test_a_narration_whose_silence_alone_is_longer_is_taken(tmp_path: Path) -> None:
    voice = write_sound(tmp_path / "voice.wav", np.concatenate([speech(3), silence(3)], axis=1))
    assert mix([], 4, tmp_path / "mix.wav", narration=voice).audio == "added"
    assert heard(tmp_path / "mix.wav").shape[1] == 4 * RATE


@pytest.mark.parametrize("field", ["narration", "music"])
def test_silent_files_and_soundless_clips_are_refused_by_name(tmp_path: Path, field: str) -> None:
    quiet = write_sound(tmp_path / "q.wav", silence(2))
    for path, text in ((quiet, "silent"), (made("h264.mov"), "has no sound track")):
        with pytest.raises(VideoError, match=f"^{field} .*{text}") as refused:
            mix([], 4, tmp_path / "mix.wav", **{field: path})  # type: ignore[arg-type]
        assert refused.value.problems[0].field == field


def test_muting_leaves_what_is_added(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mov", tone(300, 3))
    bed = write_sound(tmp_path / "b.wav", tone(700, 3))
    made = mix([Part(clip, 0, 3, 0, 3)], 3, tmp_path / "mix.wav", music=bed, mute=True)
    sound = heard(tmp_path / "mix.wav")
    assert made.audio == "added" and level_at(sound[:, RATE : 2 * RATE], 300) < -70
