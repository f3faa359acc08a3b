"""The keyframe picker in a page, with its real Python side."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from backends.media.frames import frame_at, last_frame
from backends.media.images import load_image
from notebook_ext.client import NotebookStudio
from notebook_ext.views.keyframes import Keyframes, keyframes
from tests.notebook_ext.browser import Look
from tests.notebook_ext.desk import Desk, Shown, notebook_studio
from tests.notebook_ext.mount import Widget
from tests.samples import bunny, photo


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookStudio]:
    folder = tmp_path_factory.mktemp("keyframes")
    shutil.copy(bunny(), folder / "bunny.mp4")
    shutil.copy(photo("coffee"), folder / "coffee.png")
    Image.open(photo("coffee")).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "turned.png")
    with notebook_studio(folder) as opened:
        yield opened


class Table(Shown):
    """A picker on a page."""

    def __init__(self, widget: Widget, view: Keyframes) -> None:
        super().__init__(widget, Desk(view))
        self.view = view
        self.slider = self.el.get_by_role("slider", name="Frame", exact=True)

    def press(self, *buttons: str) -> None:
        for name in buttons:
            self.button(name).click()
            self.settle()

    def button(self, name: str) -> Locator:
        return self.el.get_by_role("button", name=name, exact=True)

    def keys(self, place: Locator, *keys: str) -> None:
        for key in keys:
            place.press(key)
            self.settle()

    def fill(self, label: str, text: str) -> None:
        self.el.get_by_label(label, exact=True).fill(text)
        self.el.get_by_label(label, exact=True).press("Enter")
        self.settle()

    def shown(self) -> np.ndarray:
        """The picture of the scrubber as the browser has it, height x width x 3."""
        url = self.el.locator(".rw-scrub > img").evaluate(
            """async (img) => { await img.decode();
            const size = { width: img.naturalWidth, height: img.naturalHeight };
            const canvas = Object.assign(document.createElement("canvas"), size);
            canvas.getContext("2d").drawImage(img, 0, 0); return canvas.toDataURL(); }"""
        )
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
            return np.asarray(picture.convert("RGB"), int)

    def focused(self) -> str | None:
        return self.page.evaluate("document.activeElement.ariaLabel")

    def done(self) -> None:
        assert self.widget.written() == []
        self.widget.unmount()


@pytest.fixture
def lay(studio: NotebookStudio, widget: Widget) -> Callable[..., Table]:
    return lambda *sources, **more: Table(widget, keyframes(*sources, client=studio, **{"model": "animatic", **more}))


def test_a_clip_is_scrubbed_frame_by_frame(lay: Callable[..., Table]) -> None:
    table = lay("bunny.mp4")
    when = table.el.get_by_text("frame 1 of 132, 0.00 s")
    expect(when).to_be_visible()
    table.keys(table.slider, *["ArrowRight"] * 3, "ArrowLeft")
    table.press("One frame on", "One frame back", "One frame on")
    expect(table.slider).to_have_attribute("aria-valuetext", "frame 4 of 132, 0.12 s")
    times = [act.body["body"]["t"] for act in table.widget.acts() if act.action == "show"]
    assert times == [0, 0.04, 0.08, 0.12, 0.08, 0.12, 0.08, 0.12]
    table.press("Pick")
    assert np.array_equal(load_image(Path(table.view.frames[0].image)), frame_at(bunny(), 0.12))
    table.press("Last frame", "Pick")
    assert np.array_equal(load_image(Path(table.view.frames[1].image)), last_frame(bunny()))
    wanted = np.asarray(Image.fromarray(last_frame(bunny())).resize((640, 360), Image.Resampling.BOX), int)
    assert np.abs(table.shown() - wanted).mean() < 4
    expect(table.el.locator(".rw-scrub > img")).to_have_attribute("alt", "frame 132 of 132, last frame")
    table.done()


def test_while_one_frame_is_on_its_way_those_passed_are_not_asked_for(studio: NotebookStudio, widget: Widget) -> None:
    table = Table(widget, keyframes("bunny.mp4", client=studio))
    for _ in range(20):
        table.slider.press("ArrowRight")
    asked = [act.body["body"]["t"] for act in widget.acts() if act.action == "show"]
    assert asked == [0, 0.04]
    table.settle()
    assert [act.body["body"]["t"] for act in widget.acts() if act.action == "show"] == [0, 0.04, 0.8]
    table.done()


def test_picks_are_ordered_timed_and_prompted(lay: Callable[..., Table]) -> None:
    table = lay("coffee.png", "turned.png", "bunny.mp4")
    table.press("Pick")
    status = table.el.get_by_role("status")
    expect(status).to_have_text("animatic: 3 keyframes, 5 s, free")
    table.fill("Prompt from frame 1 on", "it turns")
    table.fill("Seconds of frame 2", "1.5")
    assert [(frame.at_s, frame.prompt) for frame in table.view.frames] == [(None, "it turns"), (1.5, ""), (None, "")]
    table.press("Later: frame 1")
    assert [frame.image for frame in table.view.frames][:2] == ["turned.png", "coffee.png"]
    assert table.focused() == "Later: frame 2"  # the same button, one place further
    assert [frame.at_s for frame in table.view.frames] == [None, 1.5, None]
    mark = table.el.get_by_role("slider", name="Time of frame 2")
    assert mark.input_value() == "1.5"
    table.keys(mark, "ArrowRight", "ArrowRight")
    assert table.view.frames[1].at_s == pytest.approx(1.52) and table.focused() == "Time of frame 2"
    table.press("Remove: frame 3")
    assert len(table.view.frames) == 2 and table.focused() == "Remove: frame 2"
    table.press("Remove: frame 2", "Remove: frame 1")
    assert table.focused() == "Frame" and table.view.frames == ()
    expect(status).to_have_text("Pick two frames or more (0 so far)")
    table.done()


def test_a_mark_is_dragged_past_its_neighbour(lay: Callable[..., Table]) -> None:
    table = lay("coffee.png", "turned.png", "coffee.png")
    table.fill("Seconds of frame 2", "2")
    line = table.el.locator(".rw-times").bounding_box()
    assert line

    def at(seconds: float) -> tuple[float, float]:
        return line["x"] + 4.5 + seconds / 5 * (line["width"] - 9), line["y"] + 10

    table.page.mouse.move(*at(2))
    table.page.mouse.down()
    table.page.mouse.move(*at(4), steps=5)
    table.page.mouse.up()
    table.settle()
    assert table.view.frames[1].at_s == pytest.approx(4, abs=0.05)
    table.page.mouse.move(*at(0))
    table.page.mouse.down()
    table.page.mouse.move(*at(4.5), steps=5)
    table.page.mouse.up()
    table.settle()
    assert [frame.image for frame in table.view.frames] == ["turned.png", "coffee.png", "coffee.png"]
    assert table.view.frames[1].at_s == pytest.approx(4.5, abs=0.05)
    table.done()


def test_what_a_model_cannot_do_is_said_as_it_is_picked(lay: Callable[..., Table]) -> None:
    table = lay("coffee.png", "turned.png", "coffee.png", model="kling/kling-v3")
    expect(table.el.get_by_role("note")).to_have_text("kling/kling-v3: 2 keyframes (first and last).")
    status = table.el.get_by_role("status")
    expect(status).to_contain_text("3 given; kling/kling-v3 takes at most 2")
    assert "rw-error" in (status.get_attribute("class") or "")
    table.press("Remove: frame 2")
    expect(status).to_contain_text("kling/kling-v3: 2 keyframes, 5 s, $")
    expect(table.el.get_by_role("slider", name="Frame", exact=True)).not_to_be_visible()
    table.done()


def test_what_python_refuses_is_said(lay: Callable[..., Table]) -> None:
    table = lay("coffee.png", "turned.png")
    table.fill("Seconds of frame 1", "9999")
    expect(table.el.get_by_role("status")).to_contain_text("at_s")
    assert table.view.frames[0].at_s is None
    table.done()


def test_two_clips_are_chosen_between(lay: Callable[..., Table], studio: NotebookStudio) -> None:
    job = studio.image_to_video("coffee.png", model="animatic", duration_s=1, resolution="360p")
    job.result()
    table = lay("bunny.mp4", job)
    table.el.get_by_label("Clip").select_option(index=1)
    table.settle()
    expect(table.slider).to_have_attribute("aria-valuetext", "frame 1 of 24, 0.00 s")
    table.keys(table.slider, "ArrowRight", "End")
    table.press("Pick")
    table.keys(table.slider, *["ArrowLeft"] * 2)
    table.press("Pick")
    assert [frame.image for frame in table.view.frames] == [f"{job.uri}/last_frame", f"{job.uri}/frame/0.875"]
    table.done()


def test_by_keyboard_alone(lay: Callable[..., Table]) -> None:
    table = lay("bunny.mp4")
    keyboard = table.page.keyboard

    def tab_to(label: str) -> None:
        for _ in range(30):
            keyboard.press("Tab")
            if table.page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent") == label:
                return
        raise AssertionError(f"Tab never comes to {label}")

    tab_to("Frame")
    for _ in range(2):
        keyboard.press("ArrowRight")
        table.settle()
    tab_to("Last frame")
    for label in ("Pick",):
        tab_to(label)
        keyboard.press("Enter")
        table.settle()
    table.keys(table.slider, "End")
    table.button("Pick").focus()
    keyboard.press(" ")
    table.settle()
    tab_to("Time of frame 2")
    tab_to("Later: frame 1")
    keyboard.press("Enter")
    table.settle()
    tab_to("Prompt from frame 2 on")
    keyboard.type("back to the start")
    keyboard.press("Tab")
    table.settle()
    assert [frame.prompt for frame in table.view.frames] == ["", "back to the start"]
    assert [label["label"] for label in table.view.data["frames"]] == ["bunny.mp4, last frame", "bunny.mp4, 0.08 s"]
    table.done()


LOOKS = [Look(height=880), Look(dark=True, height=880), Look(width=280, height=1100), Look(theme="plain", still=True)]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_looks(look: Look, lay: Callable[..., Table], picture: Callable[[str], Path]) -> None:
    table = lay("coffee.png", "bunny.mp4", model="runway/gen4_turbo" if look.dark else "animatic")
    table.keys(table.slider, "End")
    table.press("Pick")
    table.keys(table.slider, "Home", "PageUp")
    table.press("Pick")
    table.fill("Seconds of frame 2", "1.5")
    for img in table.el.locator("img").all():
        assert img.evaluate("async (img) => { await img.decode(); return img.naturalWidth; }") > 100
        assert img.get_attribute("alt")
    picture(str(look))
    assert table.page.evaluate("document.documentElement.scrollWidth") <= look.width
    assert table.page.evaluate("document.getAnimations().length") == 0
    table.done()


def test_a_view_that_goes_while_it_waits_leaves_nothing(studio: NotebookStudio, widget: Widget) -> None:
    table = Table(widget, keyframes("bunny.mp4", "coffee.png", client=studio))
    table.slider.press("ArrowRight")
    widget.asked("show")
    table.done()
