"""Subtitle files: SubRip (.srt) and WebVTT (.vtt) as people have them, and SubRip as players take it."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Sequence
from pathlib import Path

from backends.edit.cues import CUES_MOST, LEAST_S, NEAR_S, TEXT_MOST, Cue, refused, seconds, tidy
from backends.errors import VideoError
from backends.media.blame import is_machines, own_fault

BYTES_MOST = 4 * 1024**2
TAKEN = "give a .srt or .vtt file, or lines FROM-TO TEXT"

_TIME = r"(?:\d+:)?\d{1,2}:\d{1,2}(?:[.,]\d{1,3})?"
_ARROW = re.compile(rf"\s*({_TIME})\s*-->\s*({_TIME})(?:\s.*)?")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>\n]*>|\{\\[^{}\n]*\}")
_BREAK = re.compile(r"\\[Nn]|<br\s*/?>", re.I)


def read_subtitles(path: Path, film_s: float) -> tuple[list[Cue], list[str]]:
    """The captions of a file, and what to tell. Tags and places are left out, and cues that the film has no time for.

    VideoError("asset") for a file that is none, OwnFault when the system refuses to read it.
    """
    text, notes = _decoded(_bytes(path))
    cues: list[Cue] = []
    odd = late = long = 0
    for first_s, last_s, words in _blocks(text):
        if not words:
            continue
        if last_s - first_s < LEAST_S:
            odd += 1
        elif first_s >= film_s - LEAST_S:
            late += 1
        else:
            long += len(words) > TEXT_MOST
            cues.append(Cue(first_s, min(last_s, film_s), words[:TEXT_MOST], "caption"))
            if last_s > film_s + NEAR_S:
                notes.append(f"the caption at {first_s:g} s is cut at the film's end ({film_s:.6g} s)")
    notes = notes if len(notes) <= 3 else [*notes[:2], f"{len(notes) - 2} more captions are cut at the film's end"]
    if not cues and not odd and not late:
        raise refused("captions", f"captions is a file without a line like 00:01.000 --> 00:02.500: {TAKEN}")
    if len(cues) > CUES_MOST:
        raise refused("captions", f"captions has {len(cues)} captions; at most {CUES_MOST} are taken")
    if long:
        notes.append(f"captions were cut to {TEXT_MOST} characters: {long}")
    if odd:
        notes.append(f"captions that end before they begin were left out: {odd}")
    if late:
        notes.append(f"captions after the film's end ({film_s:.6g} s) were left out: {late}")
    return cues, notes


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MOST + 1)
    except OSError as error:
        if is_machines(error):
            raise own_fault(error) from None
        raise VideoError("asset", f"the captions cannot be read ({error.strerror}): give the file again") from None
    if len(data) > BYTES_MOST:
        raise refused("captions", f"captions is a file of more than {BYTES_MOST // 1024**2} MB: {TAKEN}")
    return data


def _decoded(data: bytes) -> tuple[str, list[str]]:
    """By byte order mark; else UTF-8; else the Windows code page, which is noted, since it is a guess."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace"), []
    if b"\0" in data:
        raise refused("captions", f"captions is no text file: {TAKEN}")
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        told = (
            "the captions are not in UTF-8 and were read as Windows-1252: where letters are wrong, save them as UTF-8"
        )
        return data.decode("cp1252", "replace"), [told]


def _blocks(text: str) -> list[tuple[float, float, str]]:
    """Start, end and words of each block that has a line of times; blocks without (heads, notes, styles) are none."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found: list[tuple[float, float, list[str]]] = []
    inside = False
    for line in lines:
        if times := _ARROW.fullmatch(line):
            first, last = (seconds(times[group]) for group in (1, 2))
            if found and inside and found[-1][2] and found[-1][2][-1].strip().isdigit():
                found[-1][2].pop()  # the number of this block, where no blank line stands before it
            inside = first is not None and last is not None
            if first is not None and last is not None:
                found.append((first, last, []))
        elif not line.strip():
            inside = False
        elif inside:
            found[-1][2].append(line)
    return [(first, last, _words("\n".join(words))) for first, last, words in found]


def _words(text: str) -> str:
    return tidy(html.unescape(_TAG.sub("", _BREAK.sub("\n", text))))


def srt(cues: Sequence[Cue]) -> str:
    """The captions as a SubRip file; titles, which are drawn into the picture, are left out."""
    spoken = (cue for cue in cues if cue.kind == "caption")
    blocks = (
        f"{number}\n{_clock(cue.from_s)} --> {_clock(cue.to_s)}\n{_plain(cue)}\n"
        for number, cue in enumerate(spoken, 1)
    )
    return "\n".join(blocks)


def _plain(cue: Cue) -> str:
    """Words that a player takes neither for times nor for the end of a block."""
    return tidy(cue.text).replace("-->", "->")


def _clock(at_s: float) -> str:
    rest, milli = divmod(round(at_s * 1000), 1000)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02},{milli:03}"
