"""Captions and titles as people write them: lines with times, and subtitle files of every encoding."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.edit.cues import seconds
from backends.edit.words import Cue, read_words, srt
from backends.errors import VideoError

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Überläufer</i> &amp; Söhne

2
00:00:03,000 --> 00:00:04,000 X1:40 X2:600
{\\an8}- Wer da?
- <font color="#ff0">Ich.</font>
"""
VTT = """WEBVTT - a film

STYLE
::cue { color: yellow }

NOTE this is nothing to read

first
00:01.000 --> 00:02.500 align:start position:10%
<v Anna>Good <b>morning</b></v> &lt;3

00:00:03.000 --> 00:00:04.000
<00:00:03.200><c.loud>Again</c>
"""


@pytest.mark.parametrize(
    ("line", "cue"),
    [
        ("0-2.5 A lighthouse", (0, 2.5, "A lighthouse")),
        ("0:01-0:03.250 A lighthouse", (1, 3.25, "A lighthouse")),
        (" 1 - 3s: A lighthouse ", (1, 3, "A lighthouse")),
        ("0:00:01,5 --> 0:00:02,5 Oh --> no", (1.5, 2.5, "Oh --> no")),
        ("1–2 3-4 is a score", (1, 2, "3-4 is a score")),
        ("1 to 2 Two\nlines", (1, 2, "Two\nlines")),
        ("1-2 夜明け", (1, 2, "夜明け")),
        ("1-2 A\u202eB\tC", (1, 2, "A B C")),
    ],
)
def test_a_line_has_two_times_and_words(line: str, cue: tuple[float, float, str]) -> None:
    assert read_words([line], [], 5) == [Cue(*cue, "caption")]
    assert read_words([], [line], 5) == [Cue(*cue, "title")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("2.5", 2.5), ("1:02.5", 62.5), ("1:02:03,250", 3723.25), ("90", 90.0), (".5", 0.5)),
        *(("1:75", None), ("x", None), ("", None), ("1:2:3:4", None), ("1.2.3", None), ("-1", None)),
    ],
)
def test_times(text: str, value: float | None) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "A lighthouse",
            r'captions\[1\] is not FROM-TO TEXT \("A lighthouse"\): .* as in "0-2.5 A lighthouse at dawn"',
        ),
        ("3-2 A lighthouse", r"captions\[1\] ends at 2 s, which is not after its start at 3 s"),
        ("2-2 A lighthouse", r"captions\[1\] ends at 2 s, which is not after its start at 2 s"),
        ("0-1:75 A", r"captions\[1\] is not FROM-TO TEXT"),
        ("0-2 ", r"captions\[1\] is not FROM-TO TEXT"),
        ("0-2 \u200b\u200e", r"captions\[1\] has no words after its times"),
        ("7-9 A", r"captions\[1\] begins at 7 s, and the film ends at 5 s: let it begin earlier"),
        ("0-2 " + "a" * 501, r"captions\[1\] has 501 characters; at most 500"),
    ],
)
def test_a_line_that_is_none_is_refused_by_its_number(line: str, text: str) -> None:
    with pytest.raises(VideoError, match=text) as refused:
        read_words(["0-1 Right", line], [], 5)
    assert refused.value.kind == "invalid_request"
    assert [problem.field for problem in refused.value.problems] == ["captions[1]"]
    with pytest.raises(VideoError, match=text.replace("captions", "titles")):
        read_words([], ["0-1 Right", line], 5)


def test_what_goes_past_the_films_end_is_cut_and_told() -> None:
    cues = read_words(["3-9 Late", "1-2 Early"], [], 5)
    assert cues == [Cue(1, 2, "Early", "caption"), Cue(3, 5, "Late", "caption")]
    assert cues.notes == ["captions[0] ends at 9 s and is cut at the film's end (5 s)"]
    assert read_words(["0-5 All"], [], 4.9583333).notes == [], "a frame's rounding is nothing to tell"


def test_a_later_caption_takes_over() -> None:
    cues = read_words(["0-3 One", "2-4 Two"], ["0-4 Title"], 5)
    assert [(cue.from_s, cue.to_s, cue.text) for cue in cues] == [(0, 2, "One"), (0, 4, "Title"), (2, 4, "Two")]
    assert cues.notes == ["the caption at 0 s ends at 2 s, where the next one begins"]


def test_captions_that_begin_together_share_the_picture() -> None:
    cues = read_words(["1-3 - Who?", "1-2 - Me."], [], 5)
    assert cues == [Cue(1, 3, "- Who?\n- Me.", "caption")] and len(cues.notes) == 1


@pytest.mark.parametrize(
    ("encoding", "mark", "guessed"),
    [
        *(("utf-8", b"", False), ("utf-8", b"\xef\xbb\xbf", False), ("cp1252", b"", True)),
        *(("utf-16-le", b"\xff\xfe", False), ("utf-16-be", b"\xfe\xff", False)),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_an_srt_file_in_any_encoding(tmp_path: Path, encoding: str, mark: bytes, guessed: bool, ending: str) -> None:
    path = tmp_path / "words.srt"
    path.write_bytes(mark + SRT.replace("\n", ending).encode(encoding))
    cues = read_words(path, [], 5)
    assert cues == [Cue(1, 2.5, "Überläufer & Söhne", "caption"), Cue(3, 4, "- Wer da?\n- Ich.", "caption")]
    assert [note for note in cues.notes if "Windows-1252" in note] == cues.notes
    assert bool(cues.notes) == guessed


def test_a_vtt_file(tmp_path: Path) -> None:
    path = tmp_path / "words.vtt"
    path.write_text(VTT)
    assert read_words(path, [], 5) == [Cue(1, 2.5, "Good morning <3", "caption"), Cue(3, 4, "Again", "caption")]


def test_blocks_without_blank_lines_between_them(tmp_path: Path) -> None:
    path = tmp_path / "words.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:02,000 --> 00:00:03,000\nTwo\n")
    assert [cue.text for cue in read_words(path, [], 5)] == ["One", "Two"]


def test_what_of_a_file_cannot_be_shown_is_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "words.srt"
    blocks = [
        ("03", "01", "reversed"),
        ("01", "01", "none"),
        ("02", "04", "kept"),
        ("04", "09", "cut"),
        ("07", "08", "x"),
    ]
    path.write_text("\n".join(f"00:00:{a},0 --> 00:00:{b},0\n{text}\n" for a, b, text in blocks))
    cues = read_words(path, [], 5)
    assert cues == [Cue(2, 4, "kept", "caption"), Cue(4, 5, "cut", "caption")]
    assert cues.notes == [
        "the caption at 4 s is cut at the film's end (5 s)",
        "captions that end before they begin were left out: 2",
        "captions after the film's end (5 s) were left out: 1",
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"[Script Info]\nTitle: x\n", "captions is a file without a line like 00:01.000 --> 00:02.500"),
        (b"", "captions is a file without a line like"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "captions is no text file: give a .srt or .vtt file"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "words.srt"
    path.write_bytes(data)
    with pytest.raises(VideoError, match=text) as refused:
        read_words(path, [], 5)
    assert refused.value.problems[0].field == "captions"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="the captions cannot be read"):
        read_words(tmp_path / "none.srt", [], 5)


def test_what_is_written_beside_the_film_reads_back(tmp_path: Path) -> None:
    cues = read_words(["0.1234-2 A <b> & c --> d", "2-3723.25 Two\nlines"], ["0-1 Title"], 4000)
    path = tmp_path / "words"
    path.write_text(srt(cues))
    text = path.read_text()
    assert "Title" not in text and "01:02:03" in text and text.startswith("1\n")
    again = read_words(path, [], 4000)
    assert [(cue.from_s, cue.to_s) for cue in again] == [(0.123, 2), (2, 3723.25)]
    assert again[1].text == "Two\nlines"
