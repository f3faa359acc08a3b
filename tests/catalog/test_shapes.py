"""How an image is put into a clip of another shape, how long a keyframe stands, and what is added unasked: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from backends.catalog import Checked, check, load
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.request import build_request
from tests.catalog.boxes import clip, still

CATALOG = load()
PHOTO = {"frames[0].image": still(600, 400)}


def checked(model: str, inputs: dict[str, MediaFacts], **fields: Any) -> Checked:
    return check(build_request(**fields), CATALOG.get(model), inputs)


def refused(model: str, inputs: dict[str, MediaFacts], **fields: Any) -> VideoError:
    with pytest.raises(VideoError) as caught:
        checked(model, inputs, **fields)
    return caught.value


def image(**fields: Any) -> dict[str, Any]:
    return {"task": "image_to_video", "prompt": "x", "frames": [{"image": "a.png"}], **fields}


def board(*frames: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"task": "interpolate", "frames": [{"image": "a.png", **frame} for frame in frames], **fields}


def times(made: Checked) -> list[float | None]:
    return [frame.at_s for frame in made.request.frames]


# ------------------------------------------------------------------ fit and focus


@pytest.mark.parametrize("model", ["animatic", "runway/gen4_turbo"])
def test_a_crop_that_was_asked_for_takes_any_amount_and_tells_the_loss(model: str) -> None:
    made = checked(model, PHOTO, **image(aspect_ratio="9:16", fit="crop"))
    assert made.crop_loss == pytest.approx(0.62, abs=0.01)
    assert "frames[0].image: 62% of the image is cut away to fill the clip (fit=crop)" in made.notes
    around = checked(model, PHOTO, **image(aspect_ratio="9:16", fit="crop", focus=[0.25, 0.5]))
    assert any("(fit=crop, around focus [0.25, 0.5])" in note for note in around.notes)
    assert around.request.focus == [0.25, 0.5]


def test_unasked_a_quarter_is_the_most_and_the_refusal_names_every_way_with_its_loss() -> None:
    error = refused("animatic", PHOTO, **image(aspect_ratio="9:16"))
    assert (
        "frames[0].image is 600x400, the clip has another shape: 62% of it would be cut away; take fit=crop with "
        "focus=[x, y] (cuts 62% away, around what you name), fit=blur (the whole image over a blurred copy of itself) "
        "or fit=pad (the whole image between black bars); or aspect_ratio=16:9, which is near the image's own"
    ) in error.message
    assert error.nearest == {"fit": "blur"}, "the shape that was requested is kept"
    assert checked("animatic", PHOTO, **image(aspect_ratio="9:16", **error.nearest))


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        ("pad", "the image is padded to the clip's shape with black bars (fit=pad)"),
        ("blur", "the whole image is shown over a blurred copy of itself (fit=blur)"),
    ],
)
@pytest.mark.parametrize("model", ["animatic", "runway/gen4_turbo"])
def test_an_image_that_is_shown_whole_loses_nothing_and_is_told(model: str, fit: str, words: str) -> None:
    made = checked(model, PHOTO, **image(aspect_ratio="9:16", fit=fit))
    assert made.crop_loss == 0
    assert f"frames[0].image: {words}" in made.notes


def test_a_focus_without_anything_to_crop_is_refused() -> None:
    assert "focus: it sets what a crop keeps, and fit=blur crops nothing: take fit=crop, or none" in (
        refused("animatic", PHOTO, **image(fit="blur", focus=[0.5, 0.5])).message
    )
    assert "focus: an image that the clip starts from is cropped around it; text_to_video has none here" in (
        refused("animatic", {}, task="text_to_video", prompt="x", focus=[0.5, 0.5]).message
    )


def test_stills_of_unlike_shape_become_one_clip_by_a_fit_for_all() -> None:
    unlike = {"frames[0].image": still(600, 400), "frames[1].image": still(512, 512)}
    two = board({}, {}, duration_s=4)
    assert refused("animatic", unlike, **two).nearest == {"fit": "blur"}
    for fit in ("crop", "pad", "blur"):
        assert checked("animatic", unlike, **two, fit=fit).request.aspect_ratio == "16:9", "that of the first"
    assert checked("animatic", unlike, **two, fit="crop", focus=[0.5, 0.3], aspect_ratio="9:16").width == 720


# ------------------------------------------------------------------ holds


def test_the_ways_between_held_stills_are_equally_long() -> None:
    made = checked("animatic", {}, **board({"hold_s": 2}, {"hold_s": 1}, {"hold_s": 2}, duration_s=7))
    assert times(made) == [0.0, 3.0, 5.0]
    loop = checked("animatic", {}, **board({"hold_s": 2}, {"hold_s": 1}, duration_s=6, loop=True))
    assert times(loop) == [0.0, 3.5]
    known = checked("animatic", {}, **board({"hold_s": 1}, {"hold_s": 1}, {"at_s": 6, "hold_s": 2}))
    assert times(known) == [0.0, 3.0, 6.0]
    assert known.request.duration_s == 8, "the clip ends with the last hold"


def test_a_hold_until_the_next_keyframe_is_a_cut_and_legal() -> None:
    made = checked("animatic", {}, **board({"hold_s": 2}, {"at_s": 2, "hold_s": 2}, {"at_s": 4, "hold_s": 1}))
    assert (times(made), made.request.duration_s) == ([0.0, 2.0, 4.0], 5)


def test_holds_that_do_not_fit_are_refused_with_the_length_that_does() -> None:
    three = board({"hold_s": 2}, {"hold_s": 2}, {"hold_s": 2})
    error = refused("animatic", {}, **three)
    assert (
        "frames: the holds take 6 s of the clip's 5 s, and the ways between the images at least 0.1 s each: a longer "
        "clip, or shorter holds"
    ) in error.message
    assert error.nearest == {"duration_s": 7}
    assert times(checked("animatic", {}, **three, **error.nearest)) == [0.0, 2.5, 5.0]
    early = refused("animatic", {}, **board({"hold_s": 3}, {"at_s": 2}, {"at_s": 5}))
    assert "frames[0] is held until 3 s, the next keyframe comes at 2 s: shorten hold_s" in early.message
    late = refused("animatic", {}, **board({}, {"at_s": 4, "hold_s": 3}, duration_s=5))
    assert "frames[1] is held until 7 s, the clip ends at 5 s: shorten hold_s" in late.message
    assert late.nearest == {"duration_s": 7}


def test_a_keyframes_camera_moves_while_it_is_held() -> None:
    made = checked("animatic", {}, **board({"hold_s": 2, "camera": ["dolly-in:0.4@0-2"]}, {}))
    assert str(made.request.frames[0].camera[0]) == "dolly-in:0.4@0-2"
    unheld = refused("animatic", {}, **board({"camera": ["dolly-in"]}, {}))
    assert "frames[0].camera: it moves while the keyframe is held: give hold_s, the seconds of the hold" in (
        unheld.message
    )
    late = refused("animatic", {}, **board({"hold_s": 1, "camera": ["pan-left:0.5@0-2"]}, {}))
    assert "frames[0].camera: a move ends at 2 s, the hold at 1 s" in late.message
    assert late.nearest is not None
    assert late.nearest["frames"] == [
        {"image": "a.png", "hold_s": 2, "camera": ["pan-left:0.5@0-2"]},
        {"image": "a.png"},
    ]
    whole = refused("animatic", {}, **board({}, {}, camera=["pan-left"]))
    assert "camera: animatic has no camera control for interpolate: give each keyframe its own, with hold_s" in (
        whole.message
    )


def test_a_model_that_holds_no_keyframe_says_so() -> None:
    error = refused("runway/gen4_turbo", PHOTO, **image() | {"frames": [{"image": "a.png", "hold_s": 2}]})
    assert error.kind == "unsupported"
    assert (
        "frames[].hold_s: runway/gen4_turbo holds no keyframe for image_to_video: leave it out, or take model=animatic"
    ) in error.message
    moved = refused("runway/gen4_turbo", PHOTO, **image() | {"frames": [{"image": "a.png", "camera": ["pan-left"]}]})
    assert "frames[].camera: runway/gen4_turbo moves no camera over a keyframe" in moved.message


# ------------------------------------------------------------------ what nobody asked for


def test_a_move_that_nobody_asked_for_is_told_before_it_is_made() -> None:
    made = checked("animatic", PHOTO, **image(prompt=""))
    assert [str(move) for move in made.request.camera] == ["dolly-in:0.2"]
    assert (
        'no camera or motion was requested: a slow push-in (dolly-in:0.2) is made; camera=["static"] locks it off'
    ) in made.notes
    region = {"box": [0.1, 0.1, 0.5, 0.5], "direction": "up"}
    for fields in ({"camera": ["static"]}, {"motion": [region]}):
        asked = checked("animatic", PHOTO, **image(prompt="", **fields))
        assert not any("push-in" in note for note in asked.notes)
        assert [move.move for move in asked.request.camera] == ["static"] * ("camera" in fields)
    assert checked("runway/gen4_turbo", PHOTO, **image()).request.camera == ()


def test_an_extension_adds_no_camera_and_says_beforehand_what_goes_on() -> None:
    source = {"source_clip": clip()}
    made = checked("animatic", source, task="extend", source_clip="c.mp4", duration_s=3)
    assert made.request.camera == ()
    assert (
        "no camera was requested: one that still moves at the end of the clip goes on and comes to rest, else the "
        "last frame stands still; so do motion regions that motion does not give again"
    ) in made.notes
    region = {"box": [0.1, 0.1, 0.5, 0.5], "direction": "up"}
    moving = checked("animatic", source, task="extend", source_clip="c.mp4", duration_s=3, motion=[region])
    assert len(moving.request.motion) == 1
    pixels = {"box": [128, 72, 640, 360], "direction": "up"}
    error = refused("animatic", source, task="extend", source_clip="c.mp4", duration_s=3, motion=[pixels])
    assert "motion[0].box looks like pixels: values are 0..1; for this 1280x720 clip write [0.1, 0.1, 0.5, 0.5]" in (
        error.message
    )


# ------------------------------------------------------------------ style


def test_a_style_goes_into_the_prompt_as_words_and_is_told() -> None:
    made = checked("runway/gen4_turbo", PHOTO, **image(prompt="a boat", style="watercolour, muted colours"))
    assert made.request.prompt == "a boat Style: watercolour, muted colours."
    assert 'the style goes into the prompt as words: "Style: watercolour, muted colours."' in made.notes
    both = checked("runway/gen4_turbo", PHOTO, **image(prompt="a boat", style="noir", camera=["pan-left"]))
    assert both.request.prompt.startswith("a boat Style: noir. Camera: ")
    body = both.wire["body"]
    assert isinstance(body, dict) and body["promptText"] == both.request.prompt


def test_a_style_that_nothing_would_heed_is_refused() -> None:
    error = refused("animatic", PHOTO, **image(style="noir"))
    assert "style: animatic follows no words for image_to_video: leave it out" in error.message
    assert (error.kind, error.nearest) == ("unsupported", {}), "without its style it is not what was requested"


def test_the_words_of_a_style_count_as_prompt() -> None:
    error = refused("runway/gen4_turbo", PHOTO, **image(prompt="p" * 990, style="watercolour"))
    assert "1010 UTF-16 units with the words of style and camera; the most is 1000: shorten it" in error.message
