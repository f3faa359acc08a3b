"""Words in the frames: where they stand, when, in any script that a font has, and legible on any picture."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from backends.edit.words import Cue, Painter, read_words
from backends.errors import VideoError
from backends.media.typefaces import Typeface, folders, installed, read_typefaces

SIZES = [(640, 360), (360, 640), (480, 480), (1280, 544)]
LONG = "A lighthouse keeper climbs the stairs, and at the top she lights the lamp for the ships that pass."


def grey(width: int = 640, height: int = 360, value: int = 120) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def captions(*lines: str, film_s: float = 10) -> list[Cue]:
    return read_words(lines, [], film_s)


def titles(*lines: str, film_s: float = 10) -> list[Cue]:
    return read_words([], lines, film_s)


def changed(painter: Painter, frame: np.ndarray, index: int = 30) -> tuple[slice, slice]:
    """The rows and columns that painting changes visibly."""
    differs = np.abs(painter.paint(frame, index).astype(int) - frame).max(axis=2) > 12
    assert differs.any()
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def ink_rows(painted: np.ndarray) -> list[int]:
    """The heights of the groups of rows that hold white: the lines."""
    rows = np.flatnonzero((painted.min(axis=2) > 225).any(axis=1))
    return [len(group) for group in np.split(rows, np.flatnonzero(np.diff(rows) > 2) + 1)] if rows.size else []


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_caption_stands_at_the_foot_inside_the_safe_area(width: int, height: int) -> None:
    rows, columns = changed(Painter(captions(f"0-9 {LONG[:60]}"), width, height, 24), grey(width, height))
    assert height * 0.6 < rows.start and rows.stop <= height * 0.92
    assert width * 0.03 <= columns.start and columns.stop <= width * 0.97
    assert abs(columns.start + columns.stop - width) <= 4, "in the middle"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_title_stands_in_the_middle_and_is_larger(width: int, height: int) -> None:
    frame = grey(width, height)
    title, caption = (Painter(cues, width, height, 24) for cues in (titles("0-9 Dawn"), captions("0-9 Dawn")))
    rows, columns = changed(title, frame)
    assert abs(rows.start + rows.stop - height) < 0.08 * height and abs(columns.start + columns.stop - width) <= 4
    small = changed(caption, frame)
    assert columns.stop - columns.start > 1.5 * (small[1].stop - small[1].start)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    "text", [LONG[:40], LONG, "夜明けの灯台で、灯台守が階段を上り、ランプに火を灯す。", "Donaudampfschiff" * 3]
)
def test_at_most_two_lines_are_shown(width: int, height: int, text: str) -> None:
    painter = Painter(captions(f"0-9 {text}"), width, height, 24)
    shown = {painter.paint(grey(width, height), index).tobytes() for index in range(0, 216, 8)}
    for frame in shown:
        rows = changed(painter, grey(width, height))[0]
        assert rows.stop - rows.start < 0.2 * min(width, height)
        assert np.frombuffer(frame, np.uint8).max() > 225
    told = [note for note in painter.notes if "longer than two lines: shown in" in note]
    assert len(told) == (len(shown) > 1)


def test_the_two_lines_are_about_as_long(tmp_path: Path) -> None:
    painter = Painter(captions("0-9 This caption has just one word too many for a line"), 640, 360, 24)
    painted = painter.paint(grey(), 30)
    rows = np.flatnonzero((painted.min(axis=2) > 225).any(axis=1))
    middle = (rows[0] + rows[-1]) // 2
    widths = [
        np.ptp(np.flatnonzero((half.min(axis=2) > 225).any(axis=0))) for half in (painted[:middle], painted[middle:])
    ]
    assert min(widths) > 0.7 * max(widths)


def test_a_caption_that_is_too_long_goes_on_in_turn() -> None:
    cues = captions("1-9 " + "one two three four five six " * 9)
    painter = Painter(cues, 640, 360, 24)
    pages = list(dict.fromkeys(painter.paint(grey(), index).tobytes() for index in range(24, 216)))
    assert painter.notes == [f"the caption at 1 s is longer than two lines: shown in {len(pages)} parts"]
    assert 2 <= len(pages) <= 4


def test_a_title_that_is_too_long_is_cut_and_told() -> None:
    painter = Painter(titles(f"0-9 {LONG} {LONG}"), 640, 360, 24)
    assert painter.notes == ["the title at 0 s is longer than two lines: it ends in ..."]
    rows, columns = changed(painter, grey())
    assert rows.stop - rows.start < 120 and columns.start > 12 and columns.stop < 628


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(12)])
def test_words_are_there_in_their_frames_and_in_no_other(rate: Fraction) -> None:
    painter = Painter(captions("1-2 One", "2-3.5 Two"), 320, 180, rate)
    frame = grey(320, 180)
    painted = [painter.paint(frame, index) for index in range(int(5 * rate))]
    one, two = painted[int(1.5 * rate)].tobytes(), painted[int(2.5 * rate)].tobytes()
    for index, picture in enumerate(painted):
        at_s = index / rate
        if 1 <= at_s < 2:
            assert picture.tobytes() == one
        elif 2 <= at_s < 3.5:
            assert picture.tobytes() == two
        else:
            assert picture is frame
    assert one != two


def test_the_frame_that_is_given_is_never_changed() -> None:
    frame = grey()
    frame.flags.writeable = False
    painted = Painter(captions("0-9 Words"), 640, 360, 24).paint(frame, 3)
    assert painted is not frame and (frame == 120).all()


def test_a_title_comes_and_goes_softly() -> None:
    painter = Painter(titles("1-3 Dawn"), 320, 180, 24)
    seen = [int(painter.paint(grey(320, 180), index).max()) for index in range(24, 72)]
    assert np.all(np.diff(seen[:9]) >= 0) and np.all(np.diff(seen[-9:]) <= 0)
    assert 120 < seen[0] < 150 and 120 < seen[-1] < 150 and min(seen[9:-9]) >= 245
    short = Painter(titles("1-1.1 Dawn"), 320, 180, 24)
    assert short.paint(grey(320, 180), 25).max() > 240


@pytest.mark.parametrize("text", ["Words", "سلام", "夜明け"])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_words_are_legible_on_any_picture(value: int, text: str) -> None:
    painter = Painter(captions(f"0-9 {text}"), 640, 360, 24)
    ink = painter.paint(grey(value=0), 3).max(axis=2) > 225
    painted = painter.paint(grey(value=value), 3)
    assert np.median(painted[ink]) > 225, "the letters are white"
    near = np.zeros_like(ink)
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1), (-2, 0), (2, 0), (0, -2), (0, 2)):
        near |= np.roll(ink, (down, right), (0, 1))
    faint = painter.paint(grey(value=0), 3).max(axis=2) > 8
    assert np.percentile(painted[near & ~faint], 75) < 110, "and edged in dark"


def test_captions_and_titles_stand_together() -> None:
    both = Painter(read_words(["0-9 Below"], ["0-9 Amid"], 10), 640, 360, 24).paint(grey(), 30)
    assert len(ink_rows(both)) == 2


@pytest.mark.parametrize(
    "text", ["Überläufer, señora: 5 €", "Привет, Κόσμε", "夜明けの灯台", "안녕하세요", "Trần Đình ạếệ"]
)
def test_the_built_in_fonts_need_no_other(text: str) -> None:
    painter = Painter(captions(f"0-9 {text}"), 640, 360, 24, places=[])
    assert painter.notes == [] and painter.paint(grey(), 3).max() > 225


def test_letters_made_of_two_characters_are_put_together() -> None:
    apart, whole = (Painter(captions(f"0-9 {text}"), 640, 360, 24, places=[]) for text in ("Cafe\u0301", "Café"))
    assert np.array_equal(apart.paint(grey(), 3), whole.paint(grey(), 3)) and apart.notes == []


def arabic() -> Typeface:
    """A font with Arabic letters: CI's machines and this program's images have DejaVu."""
    return next(face for face in installed(folders()) if face.has("ع") and face.has("א"))


def test_words_from_right_to_left_are_shaped_and_turned_round() -> None:
    face = arabic()
    painter = Painter(captions("0-9 سلام"), 640, 360, 24, places=[face.path.parent])
    joined = changed(painter, grey())
    assert painter.notes == []
    apart = changed(Painter(captions("0-9 س\u200cل\u200cا\u200cم"), 640, 360, 24, places=[face.path.parent]), grey())
    assert joined[1].stop - joined[1].start < 0.9 * (apart[1].stop - apart[1].start), "joined letters are narrower"
    first, mirrored = (
        Painter(captions(f"0-9 {text}"), 640, 360, 24, places=[face.path.parent]).paint(grey(), 3)
        for text in ("\u05d0\u05d1\u05d2!", "\u202b\u05d0\u05d1\u05d2!\u202c")
    )
    assert np.array_equal(first, mirrored), "marks of direction are no words"


def test_a_character_that_no_font_has_is_told_by_itself() -> None:
    painter = Painter(captions("0-9 A sunset \U0001fae0 over the bay"), 640, 360, 24, places=[])
    assert painter.notes == [
        "no font here has \U0001fae0: they show as □; install a font that has them, or leave them out"
    ]
    box = Painter(captions("0-9 A sunset □ over the bay"), 640, 360, 24, places=[])
    assert np.array_equal(painter.paint(grey(), 3), box.paint(grey(), 3))


@pytest.mark.parametrize(("line", "field"), [("0-9 नमस्ते दुनिया", "captions"), ("0-9 สวัสดีชาวโลก", "titles")])
def test_a_script_that_no_font_has_is_refused(line: str, field: str) -> None:
    cues = read_words([line], [], 10) if field == "captions" else read_words([], [line], 10)
    with pytest.raises(VideoError, match=rf"^{field}: no font here has most letters of .* install a font") as refused:
        Painter(cues, 640, 360, 24, places=[])
    assert refused.value.kind == "invalid_request" and refused.value.problems[0].field == field


def test_a_given_font_is_used_for_what_it_has() -> None:
    own, usual = (Painter(captions("0-9 Words"), 640, 360, 24, font) for font in (arabic().path, None))
    assert not np.array_equal(own.paint(grey(), 3), usual.paint(grey(), 3)) and own.notes == []
    mixed = Painter(captions("0-9 Words 夜明け"), 640, 360, 24, arabic().path, places=[])
    assert mixed.notes == []


def test_what_a_font_has_is_read_from_its_own_table() -> None:
    from PIL import ImageFont

    face = arabic()
    font = ImageFont.truetype(str(face.path), 40, face.index, layout_engine=ImageFont.Layout.BASIC)
    nothing = bytes(font.getmask("\U0010fffd"))
    for character in "Aéж漢あ한عאक☃😀\U0001fae0½":
        assert face.has(character) == (bytes(font.getmask(character)) != nothing), character


@pytest.mark.parametrize("data", [b"", b"no font at all", b"ttcf\0\1\0\0\0\0\0\2", b"\0\1\0\0\0\x40" + b"cmap" * 90])
def test_a_file_that_is_no_font_is_passed_over(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.ttf").write_bytes(data)
    assert read_typefaces(tmp_path / "a.ttf") == []
    assert Painter(captions("0-9 Words ع"), 640, 360, 24, places=[tmp_path]).notes


def test_a_font_whose_table_is_damaged_is_passed_over(tmp_path: Path) -> None:
    data = bytearray(arabic().path.read_bytes())
    (count,) = struct.unpack_from(">4xH", data)
    for number in range(count):
        if data[12 + 16 * number : 16 + 16 * number] == b"cmap":
            (place,) = struct.unpack_from(">8xI", data, 12 + 16 * number)
            data[place : place + 400] = b"\xff" * 400
    (tmp_path / "a.ttf").write_bytes(data)
    assert not any(face.has("A") for face in read_typefaces(tmp_path / "a.ttf"))


def test_a_long_film_with_many_captions_keeps_few_drawings() -> None:
    painter = Painter(captions(*(f"{at}-{at + 1} Words number {at}" for at in range(300)), film_s=400), 320, 180, 12)
    shown = {painter.paint(grey(320, 180), index).tobytes() for index in range(0, 3600, 6)}
    assert len(shown) == 300 and len(painter._drawn) <= 4
