"""check(): what is settled, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.catalog import Checked, check, estimate, load
from backends.errors import VideoError
from backends.facts import MediaFacts
from backends.request import build_request
from tests.catalog.boxes import clip, still

CATALOG = load()
PHOTO = still(1600, 900)


def checked(model: str, inputs: dict[str, MediaFacts] | None = None, **fields: Any) -> Checked:
    if "frames" in fields and inputs is None:
        inputs = {f"frames[{i}].image": PHOTO for i in range(len(fields["frames"]))}
    return check(build_request(**fields), CATALOG.get(model), inputs or {})


def refused(model: str, inputs: dict[str, MediaFacts] | None = None, **fields: Any) -> VideoError:
    with pytest.raises(VideoError) as caught:
        checked(model, inputs, **fields)
    return caught.value


def price(model: str, **fields: Any) -> str:
    """What a legal request costs, in the words of the refusals: the figures themselves are not the tests' business."""
    return estimate(checked(model, **fields), CATALOG.get(model)).text


def image(**fields: Any) -> dict[str, Any]:
    return {"task": "image_to_video", "prompt": "x", "frames": [{"image": "a.png"}], **fields}


def test_everything_that_was_left_out_is_settled() -> None:
    made = checked("animatic", **image())
    assert made.request.model == "animatic"
    assert made.request.duration_s == 5
    assert (made.request.aspect_ratio, made.request.resolution, made.request.fps) == ("16:9", "720p", 24)
    assert (made.width, made.height) == (1280, 720)
    assert (made.request.audio, made.request.seed) == (False, 0)
    assert [(frame.role, frame.at_s) for frame in made.request.frames] == [("first", 0.0)]
    assert made.crop_loss == 0


def test_a_remote_model_gets_no_seed_that_nobody_asked_for() -> None:
    assert checked("runway/gen4_turbo", **image()).request.seed is None
    assert checked("runway/gen4_turbo", **image(seed=7)).request.seed == 7


def test_the_body_is_in_the_services_own_words() -> None:
    wire = checked("runway/gen4_turbo", **image(seed=7, duration_s=5, aspect_ratio="1:1", fit="pad")).wire
    assert wire["endpoint"] == "image_to_video"
    assert wire["body"] == {"promptText": "x", "duration": 5, "ratio": "960:960", "seed": 7}
    text = checked("kling/kling-v3", task="text_to_video", prompt="x", resolution="1080p", audio=True).wire
    assert text["body"] == {
        "model_name": "kling-v3",
        "prompt": "x",
        "duration": "5",
        "mode": "pro",
        "sound": "on",
        "aspect_ratio": "16:9",
    }


def test_provider_options_go_into_the_body() -> None:
    option = {"contentModeration.publicFigureThreshold": "low"}
    body = checked("runway/gen4_turbo", **image(provider_options=option)).wire["body"]
    assert isinstance(body, dict)
    assert body["contentModeration"] == {"publicFigureThreshold": "low"}


def test_every_problem_is_told_at_once_with_the_nearest_request_and_its_price() -> None:
    error = refused("runway/gen4_turbo", **image(duration_s=11, audio=True, negative_prompt="blur", resolution="4k"))
    assert error.kind == "invalid_request"
    assert error.message == (
        "runway/gen4_turbo cannot do this; 4 problems:\n"
        "- negative_prompt: runway/gen4_turbo has none; say in the prompt what should be seen instead\n"
        "- duration_s 11: runway/gen4_turbo takes whole numbers 2 to 10 seconds\n"
        "- audio=true: runway/gen4_turbo makes no sound\n"
        "- resolution 4k: runway/gen4_turbo makes 720p\n"
        "Closest: leave out negative_prompt, duration_s=10, audio=false, resolution=720p "
        f"({price('runway/gen4_turbo', **image(duration_s=10))}), which gives up audio, resolution."
    )
    assert error.nearest == {}, "less than was requested is no remedy"
    assert len(error.problems) == 4


def test_a_seed_beyond_the_services_range_is_refused() -> None:
    row = load([], [Path(__file__).parent / "invented.toml"]).get("invented/clips")
    assert check(build_request(task="text_to_video", prompt="x", seed=2**31 - 1), row, {}).request.seed == 2**31 - 1
    with pytest.raises(VideoError, match="seed 2147483648: the largest is 2147483647") as caught:
        check(build_request(task="text_to_video", prompt="x", seed=2**31), row, {})
    assert caught.value.nearest == {"seed": 2**31 - 1}


def test_what_the_model_lacks_is_unsupported() -> None:
    error = refused("kling/kling-v3", **image(seed=3))
    assert error.kind == "unsupported"
    assert error.message == (
        "kling/kling-v3 cannot do this: seed: kling/kling-v3 has no seed, so clips differ: leave it out. "
        f"Nearest legal request: leave out seed ({price('kling/kling-v3', **image())})."
    )
    assert error.nearest == {"seed": None}


def test_a_task_that_the_model_does_not_do() -> None:
    error = refused("runway/gen4_turbo", task="text_to_video", prompt="x")
    assert error.kind == "unsupported"
    assert error.message == (
        "runway/gen4_turbo cannot do this: task text_to_video: runway/gen4_turbo does image_to_video."
    )
    assert error.nearest == {}


def test_of_two_boxes_that_are_equally_near_the_one_that_gives_nothing_up_is_offered() -> None:
    error = refused("minimax/MiniMax-Hailuo-02", **image(duration_s=10, resolution="1080p"))
    assert "resolution 1080p: minimax/MiniMax-Hailuo-02 makes 768p" in error.message
    short = price("minimax/MiniMax-Hailuo-02", **image(duration_s=6, resolution="1080p"))
    assert f"Nearest legal request: duration_s=6 ({short})." in error.message, "shorter, not smaller"
    assert error.nearest == {"duration_s": 6}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"frames": []}, "frames: image_to_video needs a first frame: give the image"),
        ({"frames": [{"image": "a", "role": "last"}]}, "needs a first frame; a last frame alone is not enough"),
        ({"frames": [{"image": "a", "at_s": 2}]}, "frames[0].at_s 2: the clip starts with it: leave at_s out"),
        ({"prompt": "", "frames": [{"image": "a"}], "source_clip": "c"}, "source_clip: image_to_video takes none"),
        ({"camera": ["pan-left@4-9"]}, "camera: a move ends at 9 s, the clip at 5 s"),
        ({"duration_s": 0.5}, "duration_s 0.5: animatic takes any from 1 to 60 seconds"),
        ({"provider_options": {"shoot": 1}}, "provider_options.shoot: animatic takes none for image_to_video"),
        ({"resolution": "1280x720"}, "(give sizes by name, and the shape as aspect_ratio)"),
        ({"loras": ["a:0.5"]}, "loras: animatic takes none"),
        ({"effect": "Melt"}, "effect 'Melt': animatic has no effects"),
        ({"references": ["hero=h.png"]}, "references: animatic takes none for image_to_video"),
    ],
)
def test_mistakes_in_words(fields: dict[str, Any], told: str) -> None:
    assert told in refused("animatic", **image(**fields)).message


def test_a_prompt_of_the_right_length_is_counted_as_the_service_counts() -> None:
    assert checked("runway/gen4_turbo", **image(prompt="é" * 1000))
    error = refused("runway/gen4_turbo", **image(prompt="🎬" * 501))
    assert "prompt: 1002 UTF-16 units; the most is 1000: shorten it" in error.message
    assert error.nearest == {}


def test_a_missing_prompt_is_asked_for() -> None:
    error = refused("kling/kling-v3", task="text_to_video")
    assert "prompt: kling/kling-v3 needs one for text_to_video: say what should be seen" in error.message
    assert (
        "takes none for edit"
        in refused(
            "runway/act_two",
            {"frames[0].image": PHOTO, "source_clip": clip()},
            task="edit",
            prompt="smile",
            frames=[{"image": "a"}],
            source_clip="c",
        ).message
    )


# ------------------------------------------------------------------ shape


def test_without_a_ratio_the_legal_one_nearest_to_the_image_is_taken() -> None:
    portrait = {"frames[0].image": still(900, 1600)}
    assert checked("runway/gen4_turbo", portrait, **image()).request.aspect_ratio == "9:16"
    assert checked("runway/gen4_turbo", {"frames[0].image": still(1000, 1000)}, **image()).width == 960
    wide = checked("runway/gen4_turbo", {"frames[0].image": still(1500, 1000)}, **image())
    assert wide.request.aspect_ratio == "4:3"
    assert wide.crop_loss == pytest.approx(1 - (1104 / 832) / 1.5)
    assert any("of the image is cut away to fill the clip (fit=crop)" in note for note in wide.notes)


def test_more_than_a_quarter_is_not_cut_away_unasked() -> None:
    portrait = {"frames[0].image": still(900, 1600)}
    error = refused("animatic", portrait, **image(aspect_ratio="16:9"))
    assert "frames[0].image is 900x1600, the clip has another shape: 68% of it would be cut away" in error.message
    assert error.nearest == {"fit": "blur"}
    assert "or aspect_ratio=9:16, which is near the image's own" in error.message
    assert checked("animatic", portrait, **image(aspect_ratio="16:9", fit="pad"))
    long = {"frames[0].image": still(3000, 1000)}
    assert refused("animatic", long, **image()).nearest == {"fit": "blur"}


def test_fit_refuse_takes_the_same_shape_only() -> None:
    assert checked("animatic", {"frames[0].image": still(1606, 900)}, **image(fit="refuse"))
    error = refused("animatic", {"frames[0].image": still(1500, 1000)}, **image(fit="refuse"))
    assert error.nearest == {"fit": "crop"}


def test_a_model_that_follows_the_image_keeps_its_shape() -> None:
    made = checked("kling/kling-v3", {"frames[0].image": still(1500, 1000)}, **image())
    assert (made.width, made.height, made.request.aspect_ratio) == (1080, 720, "3:2")
    assert made.crop_loss == 0
    assert isinstance(made.wire["body"], dict)
    assert "aspect_ratio" not in made.wire["body"]
    asked = checked("kling/kling-v3", {"frames[0].image": still(1500, 1000)}, **image(aspect_ratio="1:1", fit="pad"))
    assert (asked.width, asked.height) == (720, 720)


def test_an_image_beyond_the_services_limits_is_refused() -> None:
    small = refused("kling/kling-v3", {"frames[0].image": still(400, 200)}, **image())
    assert "frames[0].image is 400x200: kling/kling-v3 takes images of at least 300 px a side" in small.message
    long = refused("kling/kling-v3", {"frames[0].image": still(1500, 400)}, **image())
    assert long.nearest == {"fit": "blur"}
    assert "takes 2:5 to 5:2" in refused("kling/kling-v3", **image(aspect_ratio="4:1")).message


def test_while_an_image_is_not_known_nothing_is_settled_that_follows_from_it() -> None:
    made = checked("animatic", {}, **image())
    assert (made.width, made.height, made.request.aspect_ratio) == (0, 0, None)
    assert made.request.resolution == "720p"
    again = check(made.request, CATALOG.get("animatic"), {"frames[0].image": still(900, 1600)})
    assert (again.width, again.height, again.request.aspect_ratio) == (720, 1280, "9:16")
    assert checked("runway/gen4_turbo", {}, **image()).wire["body"] == {"promptText": "x", "duration": 5}


def test_a_clip_in_place_of_a_still_is_told() -> None:
    error = refused("animatic", {"frames[0].image": clip()}, **image())
    assert "frames[0].image is a clip: give an image, or video://jobs/JOB_ID/last_frame" in error.message


# ------------------------------------------------------------------ keyframes


def keyframes(*times: float | None, **fields: Any) -> dict[str, Any]:
    frames = [{"image": f"{i}.png", **({} if at is None else {"at_s": at})} for i, at in enumerate(times)]
    return {"task": "interpolate", "frames": frames, **fields}


def times_of(made: Checked) -> list[float | None]:
    return [frame.at_s for frame in made.request.frames]


def test_keyframes_without_times_are_spread_evenly() -> None:
    made = checked("animatic", **keyframes(None, None, None, duration_s=4))
    assert times_of(made) == [0, 2, 4]
    assert [frame.role for frame in made.request.frames] == ["first", "middle", "last"]
    between = checked("animatic", **keyframes(None, 3, None, None, duration_s=6))
    assert times_of(between) == [0, 3, 4.5, 6]
    loop = checked("animatic", **keyframes(None, None, None, duration_s=6, loop=True))
    assert times_of(loop) == [0, 2, 4], "the way back to the first takes as long"


def test_the_last_keyframe_says_how_long_the_clip_is() -> None:
    assert checked("animatic", **keyframes(0, 2, 7.5)).request.duration_s == 7.5
    error = refused("animatic", **keyframes(0, 2, 75))
    assert "duration_s 75: animatic takes any from 1 to 60 seconds" in error.message


def test_keyframes_out_of_order_are_put_in_order() -> None:
    error = refused("animatic", **keyframes(0, 3, 2, 5))
    assert "frames are out of order: the first frame first, the last one last, at_s rising" in error.message
    ordered = error.nearest["frames"]
    assert [frame.get("at_s", 0) for frame in ordered] == [0, 2, 3, 5]
    assert check(build_request(task="interpolate", frames=ordered), CATALOG.get("animatic"), {})


def test_forty_keyframes_are_too_many() -> None:
    error = refused("animatic", {}, **keyframes(*range(40)))
    assert "frames: 40 given; animatic takes at most 16 for interpolate" in error.message
    assert "which gives up frames." in error.message
    assert error.nearest == {}


def test_keyframes_too_close_or_too_late_are_refused() -> None:
    close = refused("animatic", **keyframes(0, 0.01, 5))
    assert "frames: at_s must rise by at least 0.042 s from one to the next" in close.message
    late = refused("animatic", **keyframes(0, 9, duration_s=5))
    assert "frames: at_s 9 lies beyond the clip's 5 s" in late.message
    assert late.nearest == {"duration_s": 9}
    looped = refused("animatic", **keyframes(0, 5, duration_s=5, loop=True))
    assert "with loop the last one comes before the end" in looped.message


def test_a_model_with_first_and_last_frame_takes_no_times_and_no_third() -> None:
    assert checked("runway/veo3.1", **keyframes(0, 8, duration_s=8))
    timed = refused("runway/veo3.1", **keyframes(0, 3, duration_s=8))
    assert "frames[].at_s: runway/veo3.1 takes no times: first at 0, last at the end" in timed.message
    three = refused("runway/veo3.1", **keyframes(None, None, None))
    assert "frames: 3 given; runway/veo3.1 takes at most 2 for interpolate" in three.message
    one = refused("runway/veo3.1", **keyframes(None))
    assert "frames: interpolate needs at least 2, not 1: give the missing images" in one.message


def test_keyframes_on_a_grid_of_whole_seconds() -> None:
    assert times_of(checked("fal/pikaframes", **keyframes(None, None, None, duration_s=5))) == [0, 3, 5]
    error = refused("fal/pikaframes", **keyframes(0, 2.5, 5))
    assert "frames[].at_s: fal/pikaframes takes multiples of 1 s" in error.message
    short = refused("fal/pikaframes", **keyframes(None, None, None, None, None, duration_s=2))
    assert short.nearest["duration_s"] == 4
    half = refused("fal/pikaframes", **keyframes(0, 2, duration_s=5))
    assert "the last at_s is 2 but the clip lasts 5 s: it ends with the last frame" in half.message


def test_keyframes_on_a_grid_of_thirds_are_given_as_a_person_writes_them() -> None:
    written = checked("local/ltx-video", **keyframes(0, 0.333, 1.667, 2, duration_s=2, prompt="x"))
    assert times_of(written) == [0, 0.333333, 1.666667, 2]
    error = refused("local/ltx-video", **keyframes(0, 0.4, 2, duration_s=2, prompt="x"))
    assert "frames[].at_s: local/ltx-video takes multiples of 0.333 s" in error.message
    mended = [frame["at_s"] for frame in error.nearest["frames"]]
    assert (
        mended
        == [0, 0.333333, 2]
        == times_of(checked("local/ltx-video", **keyframes(*mended, duration_s=2, prompt="x")))
    )


def test_one_prompt_for_the_clip_where_frames_have_none() -> None:
    frames = [{"image": "a", "prompt": "she turns"}, {"image": "b"}]
    error = refused("runway/veo3.1", {}, task="interpolate", prompt="a dancer", frames=frames)
    assert "takes one prompt for the clip: put it all into prompt" in error.message
    assert error.nearest["prompt"] == "a dancer she turns"


# ------------------------------------------------------------------ clips, references, controls


def extended(**fields: Any) -> dict[str, Any]:
    return {"task": "extend", "source_clip": "c.mp4", "prompt": "x", **fields}


def test_an_extension_takes_size_ratio_and_rate_from_its_clip() -> None:
    source = {"source_clip": clip(641, 359, 12.0, 29.97)}
    made = checked("animatic", source, **extended(duration_s=3))
    assert (made.width, made.height, made.request.fps) == (640, 358, 29.97)
    assert made.request.aspect_ratio == "641:359"
    assert made.request.audio is True
    for name, value in (("aspect_ratio", "9:16"), ("resolution", "720p"), ("fps", 24)):
        error = refused("animatic", source, **extended(duration_s=3, **{name: value}))
        assert error.nearest == {name: None}
        assert "it comes from the source clip" in error.message


def test_an_extension_stays_below_the_total() -> None:
    source = {"source_clip": clip(duration_s=299.0)}
    assert checked("animatic", source, **extended(duration_s=60))
    near = {"source_clip": clip(duration_s=36.0)}
    error = refused("gemini/gemini-omni-1.1-flash", near, **extended(duration_s=8))
    assert "the clip is 36 s and gemini/gemini-omni-1.1-flash makes at most 40 s in all" in error.message
    assert error.nearest == {"duration_s": 4}
    full = refused("gemini/gemini-omni-1.1-flash", {"source_clip": clip(duration_s=37.0)}, **extended(duration_s=5))
    assert full.nearest == {"duration_s": 3}
    veo = refused("vertex/veo-3.1-generate-001", {"source_clip": clip(640, 360)}, **extended())
    assert "source_clip is 640x360: vertex/veo-3.1-generate-001 takes clips of 1280x720, 720x1280" in veo.message
    long = refused("vertex/veo-3.1-generate-001", {"source_clip": clip(duration_s=31.0)}, **extended())
    assert "source_clip lasts 31 s; vertex/veo-3.1-generate-001 takes at most 30 s: trim it" in long.message
    assert "source_clip: extend needs a clip" in refused("animatic", task="extend").message
    assert "source_clip is an image" in refused("animatic", {"source_clip": still()}, **extended()).message


def test_references_by_kind_and_number() -> None:
    inputs = {f"references[{i}].media": still() for i in range(4)} | {"references[4].media": clip(duration_s=9.0)}
    tags = [f"t{i}=x{i}" for i in range(5)]
    asked = {"task": "reference_to_video", "prompt": "x", "references": tags}
    veo = refused("vertex/veo-3.1-generate-001", inputs, **asked)
    assert "references: 5 given; vertex/veo-3.1-generate-001 takes at most 3 (3 images)" in veo.message
    assert 'Closest: references=["t0=x0", "t1=x1", "t2=x2"] (' in veo.message
    assert veo.nearest == {}
    omni = refused("gemini/gemini-omni-1.1-flash", inputs, **asked)
    assert "references: t4 lasts 9 s; the longest clip is 3 s: shorten it" in omni.message
    none = refused("vertex/veo-3.1-generate-001", task="reference_to_video", prompt="x")
    assert "references: reference_to_video needs at least 1: give tag=path-or-uri" in none.message


def test_the_camera_stays_native_or_goes_into_the_prompt_or_is_an_error() -> None:
    native = checked("animatic", **image(camera=["dolly-in:0.4@0-2"]))
    assert [str(move) for move in native.request.camera] == ["dolly-in:0.4@0-2"]
    words = checked("kling/kling-v3", **image(camera=["dolly-in:0.8@0-2", "static"]))
    assert words.request.camera == ()
    assert words.request.prompt == (
        "x Camera: strong dolly in (move towards the subject) from 0 s to 2 s, then the camera is locked off."
    )
    assert any("the camera goes into the prompt as words" in note for note in words.notes)
    tokens = checked("minimax/MiniMax-Hailuo-02", **image(camera=["push-in", "pan-left"]))
    assert tokens.request.prompt == "x [Push in] [Pan left]"
    four = refused("minimax/MiniMax-Hailuo-02", **image(camera=["pan-left", "pan-right", "tilt-up", "tilt-down"]))
    assert "camera: 4 moves given; minimax/MiniMax-Hailuo-02 takes at most 3" in four.message
    none = refused("fal/pikaffects", **image(camera=["pan-left"], effect="Melt"))
    assert "camera: fal/pikaffects has no camera control" in none.message


def test_the_words_of_the_camera_count_as_prompt() -> None:
    error = refused("runway/gen4_turbo", **image(prompt="p" * 990, camera=["pan-left"]))
    assert "UTF-16 units with the words of style and camera; the most is 1000: shorten it" in error.message


def test_a_motion_box_in_pixels_is_refused_with_the_conversion() -> None:
    region = {"box": [160, 90, 800, 450], "direction": "up"}
    error = refused("animatic", **image(motion=[region]))
    assert (
        "motion[0].box looks like pixels: values are 0..1; for this 1600x900 image write [0.1, 0.1, 0.5, 0.5]"
        in error.message
    )
    assert error.nearest["motion"][0]["box"] == [0.1, 0.1, 0.5, 0.5]
    polygon = {"polygon": [[160, 90], [800, 90], [800, 450]], "static": True}
    assert "motion[0].polygon looks like pixels" in refused("animatic", **image(motion=[polygon])).message
    beyond = refused("animatic", **image(motion=[{"box": [0, 0, 9000, 9000], "direction": "up"}]))
    assert "divide x by the image's width and y by its height" in beyond.message
    assert beyond.nearest == {}
    percent = refused("animatic", **image(motion=[region | {"box": [30, 10, 70, 50]}]))
    assert "motion[0].box looks like percent: values are 0..1; for this image write [0.3, 0.1, 0.7, 0.5]" in (
        percent.message
    )
    assert percent.nearest["motion"][0]["box"] == [0.3, 0.1, 0.7, 0.5]
    unknown = refused("animatic", {}, **image(motion=[region]))
    assert "values are 0..1 of the image (left, top, right, bottom), not pixels" in unknown.message


def test_a_motion_brush_is_not_dropped_where_there_is_none() -> None:
    error = refused("kling/kling-v3", **image(motion=[{"box": [0, 0, 1, 1], "direction": "up"}]))
    assert (
        "motion: kling/kling-v3 has no motion brush for image_to_video: say the motion in the prompt" in error.message
    )
    assert "Closest: leave out motion (" in error.message and "which gives up motion." in error.message
    assert error.nearest == {}


def test_a_loop_by_the_same_frame_twice_is_told() -> None:
    made = checked("runway/veo3.1", **image(loop=True))
    assert any("the first image as the last frame too" in note for note in made.notes)
    assert "cannot make a seamless loop" in refused("runway/gen4_turbo", **image(loop=True)).message


def test_effects_are_named_by_the_model() -> None:
    assert checked("fal/pikaffects", **image(effect="Melt")).wire["body"] == {"prompt": "x", "pikaffect": "Melt"}
    for word in ("melt", "MELT"):
        assert checked("fal/pikaffects", **image(effect=word)).wire["body"] == {"prompt": "x", "pikaffect": "Melt"}
    assert refused("fal/pikaffects", **image(effect="melts")).nearest == {"effect": "Melt"}
    for effect in (None, "sepia"):
        error = refused("fal/pikaffects", **image(effect=effect))
        assert error.nearest == {}, "no effect is offered that nobody asked for"
        assert "Cake-ify, Crumble, " in error.message


@pytest.mark.parametrize(
    ("options", "told", "near"),
    [
        ({"cfg_scale": 1.5}, "provider_options.cfg_scale: takes number 0 to 1, not '1.5'", {"cfg_scale": 1}),
        ({"cfg_scale": "0.5"}, "provider_options.cfg_scale: takes number 0 to 1, not '0.5'", {"cfg_scale": 0.5}),
        ({"cfg_scale": True}, "provider_options.cfg_scale: takes number 0 to 1, not 'True'", None),
        ({"cfgscale": 0.5}, "cfgscale: did you mean cfg_scale? fal/kling-v2.5-turbo-pro takes", {"cfg_scale": 0.5}),
        ({"mode": "pro"}, "provider_options.mode: fal/kling-v2.5-turbo-pro takes cfg_scale", None),
    ],
)
def test_provider_options_are_checked_like_everything_else(options: dict[str, Any], told: str, near: Any) -> None:
    error = refused("fal/kling-v2.5-turbo-pro", **image(provider_options=options))
    assert told in error.message
    assert error.nearest == ({"provider_options": near} if near else {})
    assert ("which gives up provider_options." in error.message) == (near is None)


def test_a_storyboard_label_is_text_of_a_length() -> None:
    asked = {"task": "text_to_video", "prompt": "x"}
    assert checked("animatic", provider_options={"shot": "12A"}, **asked)
    error = refused("animatic", provider_options={"shot": "x" * 25}, **asked)
    assert "provider_options.shot: takes text of 1 to 24 characters" in error.message


def test_frame_rates_stay_what_was_asked() -> None:
    assert checked("animatic", **image(fps=29.97)).request.fps == 29.97
    error = refused("animatic", **image(fps=25.5))
    assert "fps 25.5: animatic makes whole numbers 8 to 60, 23.976, 29.97, 59.94 frames a second" in error.message
    assert "fps: runway/gen4_turbo does not let you set it" in refused("runway/gen4_turbo", **image(fps=24)).message
    faster = checked("runway/enhance_frame_rate", {"source_clip": clip()}, task="upscale", source_clip="c", fps=59.94)
    assert faster.wire["body"] == {"targetFramerate": "59_94"}


def test_frames_between_are_a_whole_number_of_times_the_sources() -> None:
    def asked(**more: object) -> Any:
        return {"task": "upscale", "source_clip": "c", **more}

    model = "comfyui/interpolate-rife"
    assert checked(model, {"source_clip": clip(fps=23.976)}, **asked(fps=47.952)).request.fps == 47.952
    error = refused(model, {"source_clip": clip(fps=25)}, **asked(fps=60))
    assert "fps 60: comfyui/interpolate-rife makes 2 to 8 times the source clip's 25" in error.message
    assert error.nearest is not None and error.nearest["fps"] == 50
    assert (
        "say fps: comfyui/interpolate-rife makes 2 to 8" in refused(model, {"source_clip": clip()}, **asked()).message
    )
