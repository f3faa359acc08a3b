"""The clips' own sound on the film's timeline: at its place, at its speed, faded, whatever it is stored as."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from backends.edit.sound import Mixed, Part, mix
from backends.errors import VideoError
from tests.edit.hearing import RATE, clicks, heard, level, level_at, silence, tone, write_sound
from tests.samples import bunny, made

STORED = [
    ("a.mov", "pcm_s16le", 48_000),
    ("a.mov", "pcm_s24le", 44_100),
    ("a.mp4", "aac", 48_000),
    ("a.mkv", "aac", 44_100),
    ("a.mkv", "libopus", 48_000),
    ("a.mkv", "flac", 22_050),
]


def mixed(path: Path, *parts: Part, seconds: float, **options: object) -> np.ndarray:
    made = mix(parts, seconds, path / "mix.wav", **{"loudness": None, **options})  # type: ignore[arg-type]
    assert made.path is not None
    return heard(made.path)


def peak_near(samples: np.ndarray, seconds: float) -> float:
    """Samples between a time and the highest value within 20 ms of it."""
    at = round(seconds * RATE)
    first = max(0, at - 960)
    return first + int(np.abs(samples[0, first : at + 960]).argmax()) - at


@pytest.mark.parametrize(("name", "codec", "rate"), STORED)
@pytest.mark.parametrize("from_s", [0.0, 0.7])
def test_a_click_lies_where_the_picture_is(tmp_path: Path, name: str, codec: str, rate: int, from_s: float) -> None:
    clip = write_sound(tmp_path / name, clicks([1.0, 2.25], 3, rate), codec, rate)
    sound = mixed(tmp_path, Part(clip, from_s, 3, 0.5, 3 - from_s), seconds=4)
    for time in (1.0, 2.25):
        assert abs(peak_near(sound, 0.5 + time - from_s)) <= 1
    assert np.abs(sound[:, : RATE // 2]).max() == 0


def test_a_piece_from_far_inside_a_clip_lies_where_the_picture_is(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "long.mp4", clicks([58.5], 60), "aac")
    sound = mixed(tmp_path, Part(clip, 57.25, 60, 0, 2.75), seconds=2.75)
    assert abs(peak_near(sound, 1.25)) <= 1


@pytest.mark.parametrize("layout", ["mono", "5.1"])
def test_any_layout_becomes_stereo(tmp_path: Path, layout: str) -> None:
    channels = np.zeros((6 if layout == "5.1" else 1, RATE))
    channels[2 if layout == "5.1" else 0] = tone(440, 1, 0.3)[0]  # a voice in the middle
    clip = write_sound(tmp_path / "a.mov", channels, layout=layout)
    sound = mixed(tmp_path, Part(clip, 0, 1, 0, 1), seconds=1)
    assert np.array_equal(sound[0], sound[1])
    assert level_at(sound, 440) == pytest.approx(20 * np.log10(0.3) - 3, abs=0.1)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_speed_leaves_the_pitch_and_moves_the_sound_with_the_picture(tmp_path: Path, speed: float) -> None:
    burst = np.concatenate([silence(2), tone(440, 1), silence(1)], axis=1)
    clip = write_sound(tmp_path / "a.mov", burst)
    sound = mixed(tmp_path, Part(clip, 0, 4, 0, 4 / speed, speed), seconds=4 / speed)
    near = 0.02 * max(1, 1 / speed)
    loud = np.flatnonzero(np.abs(sound[0]) > 0.1) / RATE
    assert loud[0] == pytest.approx(2 / speed, abs=near)
    assert loud[-1] == pytest.approx(3 / speed, abs=near)
    inside = sound[:, round(2.1 / speed * RATE) : round(2.9 / speed * RATE)]
    assert level_at(inside, 440) == pytest.approx(20 * np.log10(0.3), abs=0.5)
    assert level_at(inside, 440 * speed) < -40


@pytest.mark.parametrize("seconds", [0.04, 1 / 3, 2.0416667, 3.0])
def test_it_is_as_long_as_the_film_to_the_sample(tmp_path: Path, seconds: float) -> None:
    clip = write_sound(tmp_path / "a.mp4", tone(440, 1), "aac")
    assert mixed(tmp_path, Part(clip, 0, 1, 0, min(1, seconds)), seconds=seconds).shape[1] == round(seconds * 48_000)


def test_a_cross_fade_keeps_the_power(tmp_path: Path) -> None:
    one, other = (write_sound(tmp_path / f"{hertz}.mov", tone(hertz, 3)) for hertz in (400, 700))
    parts = [Part(one, 0, 3, 0, 3, fade_out_s=1.0), Part(other, 0, 3, 2, 3, fade_in_s=1.0)]
    sound = mixed(tmp_path, *parts, seconds=5)
    windows = [level(sound[:, at : at + 4800]) for at in range(4800, 5 * RATE - 9600, 4800)]
    assert max(windows) - min(windows) < 0.6
    assert level_at(sound[:, RATE : 2 * RATE], 700) < -60 and level_at(sound[:, 3 * RATE : 4 * RATE], 400) < -60


def test_a_cut_does_not_click(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mov", tone(300, 4))
    cut = mixed(tmp_path, Part(clip, 0, 1.0008, 0, 1), Part(clip, 2.0011, 4, 1, 1), seconds=2)
    step = np.abs(np.diff(cut[0])).max()
    assert step < 1.2 * 0.3 * 2 * np.pi * 300 / RATE, "no jump larger than the tone's own steepest"


def test_a_sound_that_ends_before_its_picture_does_not_click(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mov", tone(300, 1.0008))
    sound = mixed(tmp_path, Part(clip, 0, 2, 0, 2), seconds=2)
    assert np.abs(np.diff(sound[0])).max() < 1.2 * 0.3 * 2 * np.pi * 300 / RATE
    assert np.abs(sound[:, RATE + 100 :]).max() == 0


def test_sound_that_goes_on_is_not_faded(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mov", tone(300, 2))
    parts = [Part(clip, 0, 1, 0, 1, fade_out_s=0), Part(clip, 1, 2, 1, 1, fade_in_s=0)]
    split, whole = mixed(tmp_path, *parts, seconds=2), mixed(tmp_path, Part(clip, 0, 2, 0, 2), seconds=2)
    assert np.abs(split - whole).max() <= 1 / 32768


def test_a_clip_that_has_been_heard_is_not_kept_in_memory(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mp4", tone(440, 2.5), "aac")
    most: list[int] = []
    for count in (3, 12):
        tracemalloc.start()
        mix([Part(clip, 0.3, 1.9, at, 1) for at in range(count)], count, tmp_path / "mix.wav")
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < 1.1 * most[0]


def test_a_clip_without_sound_beside_one_with_sound_is_silence(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mp4", tone(440, 1), "aac")
    parts = [Part(clip, 0, 1, 0, 1), Part(made("h264.mov"), 0, 1, 1, 1), Part(None, 0, 1, 2, 1), Part(clip, 0, 1, 3, 1)]
    result = mix(parts, 4, tmp_path / "mix.wav")
    assert result.audio == "native" and result.notes == ("clip 2 has no sound: silence there",)
    sound = heard(tmp_path / "mix.wav")
    assert np.abs(sound[:, RATE : 3 * RATE]).max() == 0
    assert level(sound[:, :RATE]) > -30 < level(sound[:, 3 * RATE :])


@pytest.mark.parametrize(
    ("parts", "mute"),
    [([], False), ([Part(None, 0, 1, 0, 1)], False), (["h264.mov"], False), (["tone.mp4"], True)],
)
def test_without_any_sound_there_is_no_track(tmp_path: Path, parts: list[Part | str], mute: bool) -> None:
    real = [Part(made(part), 0, 1, 0, 1) if isinstance(part, str) else part for part in parts]
    assert mix(real, 1, tmp_path / "mix.wav", mute=mute) == Mixed(None, "none")
    assert not any(tmp_path.iterdir())


def test_a_silent_track_is_called_silent(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mov", silence(1))
    result = mix([Part(clip, 0, 1, 0, 1)], 1, tmp_path / "mix.wav")
    assert result.audio == "silent" and result.lufs is None and heard(tmp_path / "mix.wav").shape[1] == RATE


def damage(clip: Path, from_s: float, to_s: float) -> None:
    """Overwrite the sound's packets between two times."""
    with av.open(str(clip)) as container:
        stream = container.streams.audio[0]
        hit = [
            (packet.pos, packet.size)
            for packet in container.demux(stream)
            if packet.pts is not None and from_s <= packet.pts * packet.time_base < to_s
        ]
    data = bytearray(clip.read_bytes())
    for place, size in hit:
        data[place : place + size] = b"\xff" * size
    clip.write_bytes(data)


@pytest.mark.parametrize("to_s", [2.0, 9.0], ids=["a hole", "a broken tail"])
def test_what_cannot_be_decoded_is_silent_and_told(tmp_path: Path, to_s: float) -> None:
    clip = write_sound(tmp_path / "a.mp4", np.maximum(tone(440, 3), clicks([2.5], 3)), "aac")
    damage(clip, 1.0, to_s)
    result = mix([Part(clip, 0, 3, 0, 3)], 3, tmp_path / "mix.wav", loudness=None)
    sound = heard(tmp_path / "mix.wav")
    assert any(note.startswith("the sound of clip 1 is damaged from 1.0 s on") for note in result.notes)
    assert sound.shape[1] == 3 * RATE
    assert level(sound[:, round(1.2 * RATE) : round(1.8 * RATE)]) < -80 < -20 < level(sound[:, 4800:43_200])
    if to_s < 3:
        assert abs(peak_near(sound, 2.5)) <= 1, "what follows the hole stays in step"


def test_a_clip_whose_sound_is_in_an_odd_codec_is_silent_and_told(tmp_path: Path) -> None:
    odd = write_sound(tmp_path / "odd.mkv", tone(440, 1), "wavpack")
    clip = write_sound(tmp_path / "a.mp4", tone(440, 1), "aac")
    result = mix([Part(odd, 0, 1, 0, 1), Part(clip, 0, 1, 1, 1)], 2, tmp_path / "mix.wav")
    assert [note[:60] for note in result.notes] == [
        "the sound of clip 1 is left out: its sound is in wavpack, whi"[:60]
    ]
    sound = heard(tmp_path / "mix.wav")
    assert np.abs(sound[:, :RATE]).max() == 0 and level(sound[:, RATE:]) > -30


def test_two_hundred_clips(tmp_path: Path) -> None:
    clip = write_sound(tmp_path / "a.mp4", tone(440, 1), "aac")
    parts = [Part(clip, 0.2, 0.3, number / 10, 0.1) for number in range(200)]
    sound = mixed(tmp_path, *parts, seconds=20)
    windows = [level(sound[:, at : at + 4800]) for at in range(0, 20 * RATE, 4800)]
    assert max(windows) - min(windows) < 1.5


def test_the_inputs_are_never_changed(tmp_path: Path) -> None:
    before = hashlib.sha256(bunny().read_bytes()).hexdigest()
    mix([Part(bunny(), 0, 2, 0, 2)], 2, tmp_path / "mix.wav", music=bunny())
    assert hashlib.sha256(bunny().read_bytes()).hexdigest() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mix.wav"]


def test_the_same_mix_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / "one.wav", tmp_path / "other.wav"]
    for file in files:
        mix([Part(bunny(), 1, 4, 0, 2, 1.5)], 2, file, music=made("pcm.mov"))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_file_that_is_no_sound_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"the file is text, whatever its name says: give a WAV, MP3") as refused:
        mix([], 2, tmp_path / "mix.wav", music=made("text.mp4"))
    assert refused.value.kind == "asset"


def test_a_disk_that_fills_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.mov", tone(440, 2))
    code = (
        "import resource, sys; from pathlib import Path; from backends.edit.sound import Part, mix\n"
        "from backends.errors import VideoError\n"
        "folder = Path(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "try: mix([Part(folder / 'a.mov', 0, 2, 0, 2)], 2, folder / 'mix.wav')\n"
        "except VideoError as error: print(error.kind, error.retryable)\n"
    )
    for most in (100_000, 500_000, 769_000):  # the layers need 768,000 bytes, and the mix half of that
        run = subprocess.run([sys.executable, "-c", code, str(tmp_path), str(most)], capture_output=True, text=True)
        assert (run.stdout, run.stderr) == ("" if most > 768_000 else "storage True\n", "")
        assert (tmp_path / "mix.wav").exists() == (most > 768_000)
