"""A tag in the prompt names a reference, or is refused before it is paid; plain text with an @ is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from backends.catalog import load
from backends.catalog.rules.check import check
from backends.catalog.rules.tags import check_tags, unnamed
from backends.errors import VideoError
from backends.request import VideoRequest, build_request
from tests.catalog.boxes import still

CATALOG = load()


def asked(prompt: str, *tags: str, **fields: Any) -> VideoRequest:
    references = [f"{tag}={tag}.png" for tag in tags]
    return build_request(task="reference_to_video", prompt=prompt, references=references, **fields)


@pytest.mark.parametrize(
    "prompt",
    [
        "@hero walks",
        'a walk of @hero, then @hero\'s dog (@dog) barks at "@hero"',
        "mail me@hero.example or write to a.b@boss.example about @hero",
        "@hero at https://example.com/@boss",
        "no tag at all",
        "[# References <IMAGE_REF_0>@Image1] @Image1 walks",
    ],
)
def test_tags_of_references_and_addresses_are_taken(prompt: str) -> None:
    check_tags(asked(prompt, "hero", "dog"))


@pytest.mark.parametrize("prompt", ["@nasa launches a rocket", "follow us @studio_x"])
def test_without_references_an_at_sign_is_plain_text(prompt: str) -> None:
    check_tags(build_request(task="text_to_video", prompt=prompt))


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("@boss walks", "no reference is called @boss; the references are @hero, @dog. "),
        ("@Hero walks", "no reference is called @Hero (did you mean @hero?); "),
        ("@heros walk", "no reference is called @heros (did you mean @hero?); "),
        ("@hero- and (@cat)", "no reference is called @hero- and @cat (did you mean @hero?); "),
        ("the dog and @boss,@cat", "no reference is called @boss and @cat; "),
    ],
)
def test_a_tag_of_nothing_is_refused_with_those_there_are(prompt: str, said: str) -> None:
    with pytest.raises(VideoError) as caught:
        check_tags(asked(prompt, "hero", "dog"))
    assert caught.value.kind == "invalid_request"
    assert said in caught.value.message
    assert caught.value.message.endswith("or write the word without its @")


def test_a_keyframes_prompt_counts_too() -> None:
    frames = [{"image": "a.png"}, {"image": "b.png", "prompt": "@hero turns to @boss"}]
    request = build_request(task="interpolate", frames=frames, references=["hero=h.png"])
    with pytest.raises(VideoError, match="no reference is called @boss"):
        check_tags(request)
    assert unnamed(request) == []


def test_a_reference_that_the_prompt_does_not_name_is_noted() -> None:
    row = CATALOG.get("gemini/gemini-omni-1.2-flash")
    inputs = {f"references[{number}].media": still() for number in range(2)}
    notes = check(asked("@hero walks", "hero", "dog"), row, inputs).notes
    assert "the prompt does not name @dog: the model gets it anyway" in notes
    assert not any("does not name" in note for note in check(asked("@hero, @dog", "hero", "dog"), row, inputs).notes)
