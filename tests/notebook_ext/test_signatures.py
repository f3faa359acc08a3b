"""What Shift+Tab shows of the starting calls, and what Tab completes."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import notebook_ext
from backends import vocabulary
from backends.request import VideoRequest
from notebook_ext.calls import FilmOptions, Options
from notebook_ext.client import NotebookStudio
from notebook_ext.completing import completions, keywords
from notebook_ext.signatures import EXAMPLES, VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_a_starting_call_shows_every_option_with_its_default_and_range(verb: str) -> None:
    work = getattr(NotebookStudio, verb)
    shown = inspect.signature(work).parameters
    assert shown["max_cost_usd"].default == 0 and shown["model"].default == "auto" and "options" not in shown
    assert ("duration_s" in shown) == (verb != "extend_clip") and ("add_s" in shown) == (verb == "extend_clip")
    for name in shown.keys() & Options.__annotations__.keys():
        assert f"    {name}: " in work.__doc__
    assert EXAMPLES[verb] in work.__doc__ and "max_cost_usd: " in work.__doc__
    assert "US dollars" in work.__doc__ and "0 or more, below 4294967296" in work.__doc__


def test_finish_clip_shows_every_option_of_a_film() -> None:
    work: Any = NotebookStudio.finish_clip
    shown = inspect.signature(work).parameters
    assert list(shown) == ["self", "clips", *FilmOptions.__annotations__]
    assert (shown["codec"].default, shown["max_cost_usd"].default, shown["mute"].default) == ("h264", 0, False)
    assert "    speed: 0.5 is slow motion, 2 is twice as fast; 0.1 or more, at most 10; default 1.0" in work.__doc__
    assert "h264, hevc or av1" in work.__doc__ and EXAMPLES["finish_clip"] in work.__doc__


def test_every_field_of_a_request_is_an_option() -> None:
    by_other_names = {"task", "prompt", "frames", "source_clip"}
    assert set(VideoRequest.model_fields) - by_other_names == set(Options.__annotations__) - set(vocabulary.terms())
    assert "duration_s: " in NotebookStudio.generate_video.__doc__  # pyright: ignore
    assert "above 0, at most 3600" in NotebookStudio.generate_video.__doc__  # pyright: ignore


@pytest.mark.parametrize(
    ("line", "written", "some"),
    [
        ("camera(x, moves=['dolly-in:0.3', 'roll", "roll", ["roll-ccw", "roll-cw"]),
        ('f(prefer="q', "q", ["quality"]),
        ("f(fit='b", "b", ["blur"]),
        ("%%video --seconds 5 --max", "--max", ["--max-cost"]),
        ("%video --prefer fas", "fas", ["fastest"]),
        ('f(codec="he', "he", ["hevc"]),
        ("title = 'ab", "ab", []),
        ("x = 1", "", []),
    ],
)
def test_tab_offers_the_legal_words(line: str, written: str, some: list[str]) -> None:
    found, words = completions(line)
    assert (found, sorted(words)) == (written, some)


@pytest.mark.parametrize(
    ("text", "written", "some"),
    [
        ("await studio.generate_video('a (red) fox', dur", "dur", ["duration_s="]),
        ("studio.image_to_video(\n    still,\n    mot", "mot", ["motion="]),
        ("studio.extend_clip(clip, ad", "ad", ["add_s="]),
        ("studio.extend_clip(clip, dur", "dur", []),
        ("studio.finish_clip(a, c", "c", ["clips=", "crossfade_s=", "captions=", "codec="]),
        ("studio.generate_video('x'); dur", "", []),
        ("f(dur", "", []),
    ],
)
def test_tab_offers_the_arguments_of_a_starting_call(text: str, written: str, some: list[str]) -> None:
    assert keywords(text) == (written, some)


def test_only_what_is_for_people_is_offered() -> None:
    names = [name for name in vars(notebook_ext) if not name.startswith("_")]
    plain = {name for name in names if not inspect.ismodule(getattr(notebook_ext, name))}
    assert plain <= set(notebook_ext.__all__) and dir(notebook_ext) == sorted(notebook_ext.__all__)
