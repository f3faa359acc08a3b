"""The keyframe picker without a page: exact frames, order, times, and what a model makes of them. The page's side is
test_keyframes_page.py."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backends.errors import VideoError
from backends.media.frames import frame_at, last_frame
from backends.media.images import load_image
from backends.request import Frame
from notebook_ext.client import NotebookStudio
from notebook_ext.views.keyframes import Keyframes, keyframes
from tests.notebook_ext.desk import Desk, Refused, notebook_studio
from tests.samples import bunny, photo


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookStudio]:
    folder = tmp_path_factory.mktemp("keyframes")
    shutil.copy(bunny(), folder / "bunny.mp4")
    shutil.copy(photo("coffee"), folder / "coffee.png")
    Image.open(photo("coffee")).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "turned.png")
    shutil.copy(photo("rocket"), folder / "rocket.jpg")
    with notebook_studio(folder) as opened:
        yield opened


def stills(studio: NotebookStudio, count: int = 3, **more: Any) -> Keyframes:
    return keyframes(*["coffee.png", "turned.png", "rocket.jpg"][:count], client=studio, **more)


def place(t: float, *, last: bool = False, source: int = 0) -> dict[str, Any]:
    return {"source": source, "t": t, "last": last}


def keys(view: Keyframes) -> list[int]:
    return [frame["key"] for frame in view.data["frames"]]


def labels(view: Keyframes) -> list[str]:
    return [frame["label"] for frame in view.data["frames"]]


@pytest.mark.parametrize("n", [0, 1, 61, 130])
def test_a_clips_frame_is_exactly_the_one_shown_then(studio: NotebookStudio, n: int) -> None:
    view = keyframes("bunny.mp4", client=studio)
    assert view.data["clips"] == [{"label": "bunny.mp4", "fps": 25.0, "frames": 132}]
    desk = Desk(view)
    (shown,) = desk.ask("show", place(n / 25)).buffers
    with Image.open(io.BytesIO(shown)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 360))
        wanted = np.asarray(Image.fromarray(frame_at(bunny(), n / 25)).resize((640, 360), Image.Resampling.BOX), int)
        assert np.abs(np.asarray(picture, int) - wanted).mean() < 4
    desk.ask("pick", place(n / 25))
    (frame,) = view.frames
    assert Path(frame.image).parent == studio.home.folder / "stills"
    assert np.array_equal(load_image(Path(frame.image)), frame_at(bunny(), n / 25))
    assert frame == Frame(image=frame.image) and labels(view) == [f"bunny.mp4, {n / 25:.2f} s"]


def test_the_last_frame_is_the_last(studio: NotebookStudio) -> None:
    view = keyframes("bunny.mp4", client=studio)
    desk = Desk(view)
    (shown,) = desk.ask("show", place(5.24, last=True)).buffers
    desk.ask("pick", place(5.24, last=True))
    assert np.array_equal(load_image(Path(view.frames[0].image)), last_frame(bunny()))
    assert desk.ask("thumb", {"key": keys(view)[0]}).buffers == [shown]
    assert labels(view) == ["bunny.mp4, last frame"]


def test_a_jobs_frames_are_named_and_not_copied(studio: NotebookStudio) -> None:
    job = studio.image_to_video("coffee.png", model="animatic", duration_s=1, resolution="360p")
    job.result()
    view = keyframes(job, "bunny.mp4", job.last_frame, client=studio)
    desk = Desk(view)
    desk.ask("pick", place(0.5))
    desk.ask("pick", place(0))
    desk.ask("pick", place(1, last=True))
    assert [frame.image for frame in view.frames] == [
        f"{job.uri}/{part}" for part in ("last_frame", "frame/0.5", "frame/0", "last_frame")
    ]
    assert [clip["label"] for clip in view.data["clips"]] == [f"job {job.job_id[4:10]}", "bunny.mp4"]
    assert studio.quote("interpolate_keyframes", frames=view.frames, model="animatic").estimate  # each is a picture


def test_pictures_are_picked_at_once_with_their_roles(studio: NotebookStudio) -> None:
    view = keyframes("coffee.png", np.zeros((64, 64, 3), np.uint8), Image.new("RGB", (80, 60)), client=studio)
    frames = view.frames
    assert [frame.role for frame in frames] == ["first", "middle", "last"]
    assert frames[0].image == "coffee.png" and all(Path(frame.image).exists() for frame in frames[1:])
    assert [frame.at_s for frame in frames] == [None] * 3
    assert [frame["even"] for frame in view.data["frames"]] == [0.0, 2.5, 5.0]
    (small,) = Desk(view).ask("thumb", {"key": keys(view)[0]}).buffers
    assert small[:3] == b"\xff\xd8\xff"


def test_order_times_and_prompts(studio: NotebookStudio) -> None:
    view = stills(studio, model="animatic")
    desk = Desk(view)
    one, two, three = keys(view)
    desk.ask("set", {"key": two, "at_s": 1, "prompt": "it turns"})
    assert [(frame.at_s, frame.prompt) for frame in view.frames] == [(None, ""), (1.0, "it turns"), (None, "")]
    desk.ask("move", {"key": two, "by": -1})  # the times stay where they are
    assert keys(view) == [two, one, three] and [frame.at_s for frame in view.frames] == [None, 1.0, None]
    assert view.frames[0].prompt == "it turns"
    desk.ask("move", {"key": two, "by": -1})  # already the first
    assert keys(view) == [two, one, three]
    desk.ask("set", {"key": three, "at_s": 0.5, "prompt": ""})  # past its neighbour
    assert keys(view) == [two, three, one] and [frame.at_s for frame in view.frames] == [None, 0.5, 1.0]
    desk.ask("set", {"key": three, "at_s": 2, "prompt": ""})
    assert keys(view) == [two, one, three] and [frame.at_s for frame in view.frames] == [None, 1.0, 2.0]
    desk.ask("set", {"key": three, "at_s": 0.5, "prompt": ""})
    desk.ask("set", {"key": three, "at_s": None, "prompt": ""})
    assert [frame.at_s for frame in view.frames] == [None, None, 1.0]
    desk.ask("drop", {"key": two})
    assert keys(view) == [three, one] and [frame.role for frame in view.frames] == ["first", "last"]
    desk.ask("drop", {"key": three})
    assert view.data["verdict"] == "Pick two frames or more (1 so far)" and not view.data["fits"]


def test_the_model_is_asked_at_every_change(studio: NotebookStudio) -> None:
    view = stills(studio, 3, model="kling/kling-v3")
    assert not view.data["fits"]
    assert view.data["verdict"] == (
        "kling/kling-v3 cannot do this: frames: 3 given; kling/kling-v3 takes at most 2 for interpolate"
    )
    desk = Desk(view)
    desk.ask("drop", {"key": keys(view)[1]})
    assert view.data["fits"] and view.data["verdict"].startswith("kling/kling-v3: 2 keyframes, 5 s, $")
    desk.ask("set", {"key": keys(view)[1], "at_s": 2, "prompt": ""})
    assert "takes no times" in view.data["verdict"] and not view.data["fits"]
    desk.ask("set", {"key": keys(view)[1], "at_s": None, "prompt": "a walk"})
    assert "takes one prompt for the clip" in view.data["verdict"]

    pika = stills(studio, 3, model="fal/pikaframes", duration_s=7)
    assert pika.data["fits"] and "3 keyframes, 7 s" in pika.data["verdict"]
    Desk(pika).ask("set", {"key": keys(pika)[1], "at_s": 2.5, "prompt": ""})
    assert "multiples of 1 s" in pika.data["verdict"]
    tiny = keyframes(np.zeros((64, 64, 3), np.uint8), "coffee.png", model="kling/kling-v3", client=studio)
    assert "images of at least 300 px" in tiny.data["verdict"]


def test_a_model_without_keyframes_is_told_first(studio: NotebookStudio) -> None:
    data = stills(studio, 2, model="runway/gen4_turbo").data
    assert data["note"] == "error" and "runway/gen4_turbo has no keyframes" in data["text"]
    assert "task interpolate" in data["verdict"] and not data["fits"]


def test_without_a_model_those_that_can_are_named(studio: NotebookStudio) -> None:
    view = stills(studio, 3)
    assert view.data["text"] == "Configured models with keyframes: animatic (free)."
    assert view.data["verdict"] == "3 keyframes, 5 s, can be done by animatic (free)"
    Desk(view).ask("set", {"key": keys(view)[2], "at_s": 70, "prompt": ""})
    assert view.data["verdict"].startswith("No configured model does exactly this. The nearest, ")


def test_the_length_that_was_given_is_the_last_frames_time(studio: NotebookStudio) -> None:
    assert [frame.at_s for frame in stills(studio, duration_s=8, model="animatic").frames] == [None, None, 8.0]
    assert [frame.at_s for frame in stills(studio, duration_s=8).frames] == [None, None, 8.0]
    assert [frame.at_s for frame in stills(studio, 2, duration_s=8, model="kling/kling-v3").frames] == [None, None]
    view = stills(studio, duration_s=8, model="animatic")
    assert view.data["seconds"] == 8 and [frame["even"] for frame in view.data["frames"]] == [0, 4, 8]
    assert view.data["verdict"] == "animatic: 3 keyframes, 8 s, free"


def test_the_frames_are_a_call(studio: NotebookStudio) -> None:
    view = keyframes("bunny.mp4", "coffee.png", model="animatic", duration_s=1, client=studio)
    desk = Desk(view)
    desk.ask("pick", place(1))
    desk.ask("pick", place(0, last=True))
    desk.ask("set", {"key": keys(view)[1], "at_s": 0.25, "prompt": ""})
    assert view.data["fits"]
    assert studio.quote("interpolate_keyframes", frames=view, model="animatic", duration_s=1.0).estimate  # as it is
    job = studio.interpolate_keyframes(view.frames, model="animatic", resolution="360p")
    done = job.result()
    assert done.state == "succeeded" and done.duration_s == pytest.approx(1, abs=0.05)
    asked = studio.inner.detail(job.job_id).asked
    assert [(frame.role, frame.at_s) for frame in asked.frames] == [("first", None), ("middle", 0.25), ("last", 1.0)]


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("show", place(9), "the clip ends at 5.280 s"),
        ("show", place(-1), "t: "),
        ("show", place(0, source=3), "there is no clip 3"),
        ("show", {"source": 0, "path": "/etc/passwd"}, "path: no such argument"),
        ("pick", place(9), "the clip ends at"),
        ("thumb", {"key": 99}, "this frame no longer exists"),
        ("drop", {"key": 99}, "this frame no longer exists"),
        ("move", {"key": 1, "by": 5}, "by: "),
        ("set", {"key": 1, "at_s": -1, "prompt": ""}, "at_s: "),
        ("set", {"key": 1, "at_s": "soon", "prompt": ""}, "at_s: "),
        ("set", {"key": 1, "at_s": 1, "prompt": "x" * 32_001}, "prompt: "),
        ("open", {}, "this view has no action open"),
    ],
)
def test_what_is_refused_changes_nothing(studio: NotebookStudio, action: str, body: dict[str, Any], words: str) -> None:
    view = keyframes("bunny.mp4", "coffee.png", client=studio)
    before = view.frames
    with pytest.raises(Refused) as caught:
        Desk(view).ask(action, body)
    assert words in str(caught.value) and view.frames == before


def test_wrong_arguments_are_told_before_anything_is_shown(studio: NotebookStudio) -> None:
    for sources, more, kind, words in (
        ((), {}, "invalid_request", "give a clip to pick from"),
        (("gone.mp4",), {}, "asset", "'gone.mp4' does not exist"),
        (("coffee.png",), {"model": "gen-99"}, "not_found", "gen-99"),
        (("coffee.png",), {"duration_s": 0}, "invalid_request", "duration_s is above 0"),
        (("coffee.png",) * 101, {}, "invalid_request", "at most 100 frames"),
    ):
        with pytest.raises(VideoError) as caught:
            keyframes(*sources, client=studio, **more)
        assert caught.value.kind == kind and words in caught.value.message
