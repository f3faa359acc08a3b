"""A text spoken by espeak-ng, whose place a small program takes here that is called in the same way."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from backends.edit.sound import mix, speak
from backends.edit.speech import SCRATCH, SPEAKERS, voice_of
from backends.errors import VideoError
from tests.edit.hearing import heard, level_at

SPEAKER = """#!{python}
import json, math, os, struct, sys, time, wave
arguments = sys.argv[1:]
text = sys.stdin.buffer.read().decode()
json.dump([arguments, text, sorted(os.environ)], open({seen!r}, "w"))
{first}
with wave.open(arguments[arguments.index("-w") + 1], "wb") as file:
    file.setparams((1, 2, 22050, 0, "NONE", ""))
    file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(at * 0.1))) for at in range(22050)))
"""


def speaker(folder: Path, first: str = "", name: str = "espeak-ng") -> dict[str, str]:
    """A folder with a program of that name; the environment to find it in."""
    program = folder / "bin" / name
    program.parent.mkdir()
    program.write_text(SPEAKER.format(python=sys.executable, seen=str(folder / "seen.json"), first=first))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": str(program.parent), "OPENAI_API_KEY": "secret"}


@pytest.mark.parametrize("name", ["espeak-ng", "espeak"])
def test_the_text_goes_in_by_stdin_and_no_key_with_it(tmp_path: Path, name: str) -> None:
    text = "-w /etc/passwd; $(rm -rf /) Guten Morgen, Überläufer"
    made = speak(text, tmp_path / "voice.wav", speaker(tmp_path, name=name))
    arguments, said, environment = json.loads((tmp_path / "seen.json").read_text())
    assert said == text and text not in " ".join(arguments)
    assert arguments == ["-v", "en", "-s", "160", "-b", "1", "-w", str(made), "--stdin"]
    assert "OPENAI_API_KEY" not in environment


def test_what_is_spoken_is_heard_and_called_scratch(tmp_path: Path) -> None:
    voice = speak("Good morning.", tmp_path / "voice.wav", speaker(tmp_path))
    made = mix([], 3, tmp_path / "mix.wav", narration=voice, spoken=True)
    assert made.audio == "tts"
    assert made.notes[0] == "scratch narration: a synthetic voice (espeak-ng); give a sound file for the real one"
    sound = heard(tmp_path / "mix.wav")
    assert level_at(sound[:, 9600:38_400], 0.1 * 22_050 / 2 / np.pi) > -25
    assert np.abs(sound[:, 60_000:]).max() == 0


def test_without_a_speaker_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(VideoError) as refused:
        speak("Good morning.", tmp_path / "voice.wav", {"PATH": str(tmp_path)})
    assert refused.value.kind == "unsupported"
    assert refused.value.message == (
        "narration needs a synthetic voice, and espeak-ng is not installed here: install it (apt install espeak-ng, "
        "brew install espeak-ng), or give a sound file as narration"
    )


def test_this_machines_own_program_speaks_or_its_absence_is_told(tmp_path: Path) -> None:
    """apt install espeak-ng (or brew install espeak-ng) brings it."""
    path = os.environ.get("PATH", "")
    if not any(shutil.which(name, path=path) for name in SPEAKERS):
        with pytest.raises(VideoError, match="apt install espeak-ng"):
            speak("The boat leaves at dawn.", tmp_path / "voice.wav", dict(os.environ))
        return
    lengths = []
    for number, text in enumerate(
        ("Dawn.", "The boat leaves at dawn, and nobody on the shore waves.", "夜明けの灯台で")
    ):
        voice = speak(text, tmp_path / f"voice{number}.wav", dict(os.environ))
        made = mix([], 8, tmp_path / "mix.wav", narration=voice, spoken=True)
        assert made.audio == "tts" and made.notes[0] == SCRATCH and made.lufs is not None
        assert made.lufs == pytest.approx(-16, abs=1)
        loud = np.flatnonzero(np.abs(heard(tmp_path / "mix.wav")[0]) > 0.02)
        lengths.append((loud[-1] - loud[0]) / 48_000)
    assert 0.2 < lengths[0] < 1.5 < lengths[1] < 6, lengths


@pytest.mark.parametrize("path", ["", None])
def test_an_environment_without_a_path_has_no_speaker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    speaker(tmp_path)
    os.link(tmp_path / "bin" / "espeak-ng", tmp_path / "espeak-ng")
    with pytest.raises(VideoError, match="not installed here"):
        speak("Good morning.", tmp_path / "voice.wav", {} if path is None else {"PATH": path})


@pytest.mark.parametrize(
    ("first", "kind", "text"),
    [
        ("sys.exit('no such voice: xx')", "provider", r'espeak-ng failed \("no such voice: xx"\): give a sound file'),
        ("sys.exit(3)", "provider", r'espeak-ng failed \("exit status 3"\)|espeak-ng failed \(exit status 3\)'),
        ("os._exit(0)", "provider", "espeak-ng made no sound of the narration"),
        ("time.sleep(600)", "timeout", r"espeak-ng did not end within 0.7 s: shorten the narration"),
    ],
)
def test_a_speaker_that_fails(tmp_path: Path, first: str, kind: str, text: str) -> None:
    with pytest.raises(VideoError, match=text) as failed:
        speak("Good morning.", tmp_path / "voice.wav", speaker(tmp_path, first), 0.7 if kind == "timeout" else 60)
    assert failed.value.kind == kind


@pytest.mark.parametrize(("text", "why"), [("", "no word"), (" ... \n", "no word"), ("a" * 5001, "5001 characters")])
def test_a_text_that_cannot_be_spoken_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(VideoError, match=why) as refused:
        speak(text, tmp_path / "voice.wav", speaker(tmp_path))
    assert refused.value.kind == "invalid_request" and refused.value.problems[0].field == "narration"


@pytest.mark.parametrize(
    ("text", "voice"),
    [
        *(("Good morning", "en"), ("Доброе утро, Anna", "ru"), ("Καλημέρα", "el"), ("صباح الخير", "ar")),
        *(("夜明けの灯台で", "ja"), ("早上好", "cmn"), ("안녕하세요", "ko"), ("नमस्ते", "hi"), ("2026", "en")),
    ],
)
def test_the_voice_is_that_of_the_script(text: str, voice: str) -> None:
    assert voice_of(text) == voice
