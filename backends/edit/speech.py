"""The narration: a text spoken by espeak-ng where it is installed, or a sound file."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from backends.edit.narration import BEYOND_S, too_long
from backends.edit.stems import Stem
from backends.errors import Problem, VideoError
from backends.media.listen import RATE, Listening
from backends.plain import cleaned, said

SPEAKERS = ("espeak-ng", "espeak")
WORDS_A_MINUTE = 160
TIME_LIMIT_S = 60.0
TEXT_MOST = 5000
"""Characters: some six minutes of speech."""
SCRATCH = "scratch narration: a synthetic voice (espeak-ng); give a sound file for the real one"

VOICES = {
    "CYRILLIC": "ru",
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "cmn",
}
"""The voice for a script, by the first word of its characters' Unicode names; every other text is read as English."""


def speak(text: str, dest: Path, env: Mapping[str, str], limit_s: float = TIME_LIMIT_S) -> Path:
    """Write the text, spoken, to `dest` (WAV). env: where PATH is looked up. limit_s: how long it
    may take.

    VideoError("unsupported") when no espeak-ng is there, ("invalid_request") for a text without a word or above
    5000 characters, ("provider") when it makes nothing, ("timeout") when it takes too long.
    """
    words = str(cleaned(text)).strip()
    if not any(letter.isalnum() for letter in words):
        raise _refused("narration has no word to speak: give a text, or a sound file")
    if len(words) > TEXT_MOST:
        raise _refused(f"narration has {len(words)} characters; at most {TEXT_MOST} are spoken: shorten it")
    search = env.get("PATH", "")
    program = next((found for name in SPEAKERS if (found := shutil.which(name, path=search))), None)
    if program is None:
        raise VideoError(
            "unsupported",
            "narration needs a synthetic voice, and espeak-ng is not installed here: install it (apt install "
            "espeak-ng, brew install espeak-ng), or give a sound file as narration",
            problems=[Problem("narration", "narration is a text, and espeak-ng, which would speak it, is missing")],
        )
    dest.unlink(missing_ok=True)
    options = ["-v", voice_of(words), "-s", str(WORDS_A_MINUTE), "-b", "1", "-w", str(dest), "--stdin"]
    _run([program, *options], words, search, limit_s)
    if not dest.is_file() or dest.stat().st_size <= 44:  # a WAV header alone
        raise VideoError("provider", "espeak-ng made no sound of the narration: give a sound file instead")
    return dest


def _run(command: list[str], text: str, search: str, limit_s: float) -> None:
    environment = {"PATH": search, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=limit_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise VideoError(
            "timeout", f"espeak-ng did not end within {limit_s:g} s: shorten the narration, or give a sound file"
        ) from None
    except OSError as error:
        raise VideoError("provider", f"espeak-ng could not be started ({error.strerror}): give a sound file") from None
    if done.returncode:
        reason = said(done.stderr.decode("utf-8", "replace").strip()[:200]) or f"exit status {done.returncode}"
        raise VideoError("provider", f"espeak-ng failed ({reason}): give a sound file as narration")


def voice_of(text: str) -> str:
    """The voice for the script that most letters are of; kana make a text Japanese, whatever else is in it."""
    found: dict[str, int] = {}
    for letter in text:
        if letter.isalpha():
            script = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
            found[script] = found.get(script, 0) + 1
    if found.keys() & {"HIRAGANA", "KATAKANA"}:
        return "ja"
    most = max(found, key=lambda script: found[script], default="")
    return VOICES.get(most, "en")


def read_narration(path: Path, samples: int, stem: Stem) -> list[str]:
    """Decode a narration for a film of that many samples; what to tell.

    VideoError("invalid_request") when it speaks beyond the film's end: a sentence cut off is nothing to publish. A
    silence at its end may go beyond.
    """
    listening = Listening(path)
    blocks = listening.blocks()
    for wave in blocks:
        stem.append(wave)
        if stem.samples > samples + BEYOND_S * RATE:
            break
    blocks.close()
    spoken = stem.sounding()
    if not spoken:
        what = "is silent" if listening.has_sound else "has no sound track"
        text = f"narration {what}: give a sound file with a voice, or a text"
        raise VideoError("asset", text, problems=[Problem("narration", text)])
    if spoken > samples:
        raise too_long(spoken / RATE, samples / RATE)
    if listening.damaged_at_s is None:
        return []
    return [f"the narration is damaged from {listening.damaged_at_s:.1f} s on: what cannot be decoded is silent"]


def _refused(text: str) -> VideoError:
    return VideoError("invalid_request", text, problems=[Problem("narration", text)])
