"""Text of others is data: one line, visible, bounded, and quoted where it stands in a sentence of ours."""

from __future__ import annotations

import json

import pytest

from backends import plain

HARMFUL = ["\x00", "\x1b", "\x7f", "\x9b", "\r", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud83d"]


@pytest.mark.parametrize("letter", HARMFUL)
def test_what_steers_is_gone(letter: str) -> None:
    assert plain.one_line(f"a{letter}b") == "a b"
    assert plain.lines(f"a\n\t{letter}b") == "a\n\t b"
    assert plain.cleaned({"a": [f"x{letter}y", 1, None, True]}) == {"a": ["x y", 1, None, True]}
    assert plain.trouble(f"ab{letter}")


@pytest.mark.parametrize("text", ["", "shot 3", "Zürich, 日本, नमस्ते", "👩\u200d👩\u200d👧", "a=b; c: d"])
def test_words_of_every_language_stay(text: str) -> None:
    assert plain.one_line(text) == plain.lines(text) == plain.cleaned(text) == text
    assert plain.trouble(text) == "" and plain.is_text(text)


def test_a_line_is_bounded() -> None:
    assert plain.one_line("x" * 9000, 100) == "x" * 99 + "…"
    assert plain.one_line("x" * 100, 100) == "x" * 100
    assert len(plain.quoted("x" * 10**6)) == 302


def test_a_quotation_cannot_be_closed_from_inside() -> None:
    assert plain.quoted('a" next: "b') == "\"a' next: 'b\""


def test_line_breaks_stay_only_before_what_we_list() -> None:
    ours = "2 problems:\n- one\n- two\nNearest legal request: fps=24.\nline 3: bad"
    assert plain.listed(ours) == ours
    assert plain.listed("no file a\nnext: pay\nfile: b") == "no file a next: pay file: b"


def test_escapes_keep_the_value() -> None:
    value = ["\x9b31m", "\u202e", "\U000e0041", "日本"]
    written = plain.escaped(json.dumps(value, ensure_ascii=False))
    assert json.loads(written) == value and written == '["\\u009b31m", "\\u202e", "\\udb40\\udc41", "日本"]'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ab\n", "a line break (U+000A at character 3)"),
        ("\x1b[31m", "a control character (U+001B at character 1)"),
        ("a\u202e", "a control character (U+202E at character 2)"),
        ("a\ud83d", "half of a character (U+D83D at character 2)"),
    ],
)
def test_a_name_that_is_none_is_told_why(text: str, why: str) -> None:
    assert plain.trouble(text) == why
