"""The storyboard card: all of the prompt, legible, inside the safe area, in every ratio; honest where it cannot be."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.animatic.card import INK, PAPER, SLATE, Card, card_take
from backends.media.typesetting import drawable, measure, set_block
from tests.animatic.filming import Picture, film, prepared

SIZES = [(640, 360), (360, 640), (360, 360)]
LONG = ("Wide establishing shot of a harbour town at blue hour; a cyclist in yellow pedals toward us. " * 14)[:1000]


def card(prompt: str, size: tuple[int, int] = (640, 360), shot: str = "", count: int = 30) -> Card:
    return Card(prompt, shot, *size, Fraction(24), count)


def frames_of(made: Card) -> list[Picture]:
    return [frame.copy() for frame in made.frames()]


def inked(frame: Picture) -> np.ndarray:
    """Where anything is drawn."""
    return np.abs(frame.astype(int) - PAPER).max(axis=2) > 8


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "prompt", ["Dawn.", LONG, "夜明けの灯台で、灯台守が階段を上る。" * 4, "Überläufer, señora: 5 €"]
)
def test_all_of_the_prompt_lies_inside_the_safe_area(prompt: str, size: tuple[int, int]) -> None:
    made = card(prompt, size)
    block = made.block()
    assert not block.cut and made.missing == []
    assert "".join("".join(block.lines).split()) == "".join(prompt.split())
    frame = next(iter(made.frames()))
    edge = round(0.045 * min(size))
    drawn = inked(frame)
    assert drawn.any()
    drawn[edge:-edge, edge:-edge] = False
    assert not drawn.any()


def test_a_short_prompt_is_set_large_and_a_long_one_smaller() -> None:
    assert card("Dawn.").block().size > 2 * card(LONG).block().size >= 12


def test_it_says_what_it_is_and_which_shot() -> None:
    plain, labelled = (next(iter(card("Dawn.", shot=shot).frames())) for shot in ("", "12A"))
    slate = np.all(plain == SLATE, axis=2)
    rows, columns = np.flatnonzero(slate.any(1)), np.flatnonzero(slate.any(0))
    assert rows[-1] < 60 and columns[-1] < 200 and slate.sum() > 500
    assert inked(labelled)[:60, 400:].sum() > inked(plain)[:60, 400:].sum()


def test_only_the_timecode_runs() -> None:
    frames = frames_of(card("A lighthouse keeper climbs the stairs.", count=26))
    changed = np.zeros((360, 640), bool)
    for frame in frames[1:]:
        changed |= (frame != frames[0]).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert rows[0] > 285 and columns[-1] < 200
    assert len({frame.tobytes() for frame in frames}) == 26


def test_a_continued_card_is_the_same_card_later() -> None:
    whole = frames_of(card("Dawn.", count=48))
    later = frames_of(card("Dawn.", count=24).continued(24))
    assert np.array_equal(later[0], whole[24]) and np.array_equal(later[-1], whole[-1])


def test_a_prompt_with_too_many_lines_is_cut_and_told() -> None:
    take = card_take(prepared("text_to_video", prompt="a\n" * 60))
    assert "the prompt has more lines than the card has room for: it ends in ..., the job keeps it whole" in take.notes
    assert card("a\n" * 60).block().lines[-1].endswith("…")


def test_missing_characters_are_counted_on_the_card_and_told() -> None:
    made = card("The wave 🌊 breaks 🌊 over שלום and stone, and the long night begins")
    assert made.missing == ["🌊", "ש", "ל", "ו", "ם"] and made.readable
    take = card_take(prepared("text_to_video", prompt=made.prompt))
    assert "the card's fonts lack 5 of the prompt's characters (🌊 ש ל ו ם): they show as ?" in take.notes
    assert take.facts["missing_glyphs"] == "🌊שלום"


@pytest.mark.parametrize("prompt", ["حارس المنارة يصعد السلالم", "दीपस्तंभ का रक्षक", "ประภาคาร"])
def test_a_script_that_cannot_be_set_is_said_not_mangled(prompt: str) -> None:
    made = card(prompt)
    assert not made.readable
    assert " ".join(made.block().lines).startswith(f"The prompt, {len(prompt)} characters, is in a script that cards")
    take = card_take(prepared("text_to_video", prompt=prompt))
    assert any("is in a script that cards cannot show" in note for note in take.notes)


def test_what_the_fonts_have_is_known() -> None:
    assert all(map(drawable, "Az09ßéžŁ€—“”…αΩЖя東ほ한?"))
    assert not any(map(drawable, "🌊שمनไ"))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab cdefgh\n-iWm。、京", max_size=300), st.integers(40, 400), st.integers(30, 300))
def test_lines_always_fit_and_nothing_is_lost(text: str, width: int, height: int) -> None:
    block = set_block(text, width, height, 200)
    assert all(measure(line, block.size) <= width or len(line) <= 2 for line in block.lines)
    assert block.cut or "".join("".join(block.lines).split()) == "".join(text.split())
    assert len(block.lines) == 1 or block.height <= height


def test_east_asian_lines_do_not_begin_with_a_comma_or_full_stop() -> None:
    for width in range(80, 200, 7):
        block = set_block("夜明けの灯台で、灯台守が、階段を上る。" * 3, width, 2000, 200)
        assert not any(line[0] in "、。" for line in block.lines)


def test_text_alone_makes_a_clip_that_says_it_is_a_card(tmp_path: Path) -> None:
    made = film(prepared("text_to_video", prompt="Dawn.", provider_options={"shot": "3"}), tmp_path)
    assert len(made.frames()) == 24
    assert made.facts["method"] == "storyboard card"
    assert made.sidecar["card"] == {"prompt": "Dawn.", "shot": "3"}
    assert made.told.startswith("text alone gives a storyboard card: give an image for a moving picture")
    assert (np.abs(made.frames()[0].astype(int) - INK).max(axis=2) < 30).sum() > 50
