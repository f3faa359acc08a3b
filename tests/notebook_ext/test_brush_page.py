"""The motion brush in a page, with its real Python side: what is painted is what a request holds, and what moves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from backends.media.fit import fit_image
from backends.media.frames import decode
from backends.media.images import load_image, load_mask
from backends.regions import MotionRegion
from notebook_ext.client import NotebookStudio
from notebook_ext.views.brush import Brush, brush
from tests.animatic.filming import flow
from tests.jobs.station import until
from tests.notebook_ext.browser import Look
from tests.notebook_ext.desk import Desk, Shown, notebook_studio
from tests.notebook_ext.mount import Widget
from tests.samples import photo

WIDE, HIGH = 600, 400
Plane = np.ndarray[Any, np.dtype[np.float32]]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookStudio]:
    folder = tmp_path_factory.mktemp("brush")
    shutil.copy(photo("coffee"), folder / "coffee.png")
    with notebook_studio(folder) as opened:
        yield opened


class Easel:
    """A brush on a page, and a hand: places are in pixels of the still."""

    def __init__(self, widget: Widget, view: Brush) -> None:
        self.view = view
        self.shown = Shown(widget, Desk(view))
        self.el, self.page = self.shown.el, self.shown.page
        self.canvas: Locator = self.el.locator("canvas")

    def at(self, x: float, y: float) -> tuple[float, float]:
        box = self.canvas.bounding_box()
        assert box
        return box["x"] + x / WIDE * box["width"], box["y"] + y / HIGH * box["height"]

    def drag(self, *points: tuple[float, float], steps: int = 6) -> None:
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=steps)
        self.page.mouse.up()
        self.shown.settle()

    def click(self, *points: tuple[float, float]) -> None:
        for point in points:
            self.page.mouse.click(*self.at(*point))
        self.shown.settle()

    def press(self, *buttons: str) -> None:
        for name in buttons:
            self.el.get_by_role("button", name=name, exact=True).click()
        self.shown.settle()

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.canvas.press(key)
        self.shown.settle()

    def size(self, share: float) -> None:
        self.el.get_by_label("Size").evaluate(
            "(el, v) => { el.value = v; el.dispatchEvent(new Event('change')); }", share
        )

    @property
    def motion(self) -> tuple[MotionRegion, ...]:
        return self.view.motion

    def status(self) -> str:
        return self.el.get_by_role("status").inner_text()

    def done(self) -> None:
        assert self.shown.widget.written() == []
        self.shown.widget.unmount()


@pytest.fixture
def set_up(studio: NotebookStudio, widget: Widget) -> Callable[..., Easel]:
    return lambda image="coffee.png", **more: Easel(
        widget, brush(image, client=studio, **{"model": "animatic", **more})
    )


def mask_of(region: MotionRegion) -> Plane:
    assert region.mask
    return load_mask(Path(region.mask))


def stroke(size: float, *points: tuple[float, float]) -> Plane:
    """What a round brush of that diameter covers, drawn here by another program at 16 times the size."""
    fine = 16
    plane = np.zeros((HIGH * fine, WIDE * fine), np.uint8)
    for one, two in zip(points, points[1:] or points, strict=False):
        ends = [tuple(round(v * fine) for v in point) for point in (one, two)]
        cv2.line(plane, *ends, 255, round(size * fine))
        for end in ends:
            cv2.circle(plane, end, round(size * fine / 2), 255, -1)
    return cv2.resize(plane, (WIDE, HIGH), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def same(found: Plane, wanted: Plane) -> None:
    """Equal but for the smoothing of rims."""
    assert found.shape == wanted.shape
    inside = cv2.erode(wanted, np.ones((3, 3))) > 0.999
    outside = cv2.dilate(wanted, np.ones((3, 3))) < 0.001
    assert found[inside].min() == 1 and found[outside].max() == 0
    assert abs(found.sum() - wanted.sum()) < 0.01 * wanted.sum()


def test_the_mask_that_was_painted_is_the_mask_that_is_sent(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    easel.size(0.1)
    line = [(100, 100), (300, 160), (180, 330)]
    easel.drag(*line)
    (region,) = easel.motion
    assert (region.direction, region.intensity, region.static) == ([1.0, 0.0], 0.5, False)
    same(mask_of(region), stroke(60, *line))
    assert easel.status() == "Region 1 of 1: right 5.0 %"

    easel.press("Erase")
    easel.drag((200, 50), (200, 350))
    same(mask_of(easel.motion[0]), stroke(60, *line) * (1 - stroke(60, (200, 50), (200, 350))))

    easel.press("Paint")
    easel.click((500, 300))
    both = np.maximum(stroke(60, *line) * (1 - stroke(60, (200, 50), (200, 350))), stroke(60, (500, 300)))
    same(mask_of(easel.motion[0]), both)
    easel.done()


def test_undo_redo_clear_delete(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    easel.drag((100, 100), (200, 100))
    one = easel.motion
    easel.drag((300, 300), (400, 300))
    two = easel.motion
    assert one != two
    easel.press("Undo")
    assert easel.motion == one
    easel.press("Redo")
    assert easel.motion == two
    easel.press("Undo", "Undo")
    assert easel.motion == () and easel.status() == "Region 1 of 1: empty"
    undo, redo = (easel.el.get_by_role("button", name=name, exact=True) for name in ("Undo", "Redo"))
    expect(undo).to_have_attribute("aria-disabled", "true")
    undo.click(force=True)  # nothing left
    easel.press("Redo", "Redo")
    expect(redo).to_have_attribute("aria-disabled", "true")
    easel.press("Clear")
    assert easel.motion == ()
    easel.press("Undo")
    assert easel.motion == two
    easel.press("New")
    easel.drag((50, 50), (60, 50))
    assert len(easel.motion) == 2
    easel.press("Delete")
    assert easel.motion == two
    easel.press("Delete")
    assert easel.motion == ()
    easel.done()


def test_an_outline_stays_a_polygon_until_it_is_painted_on(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    easel.press("Outline")
    corners = [(150, 100), (450, 100), (450, 300), (150, 300)]
    easel.click(*corners)
    assert easel.motion == ()
    easel.keys("Enter")
    wanted = [[x / WIDE, y / HIGH] for x, y in corners]
    assert easel.motion[0].polygon == [pytest.approx(point, abs=0.002) for point in wanted]
    easel.press("New")
    easel.click((10, 10), (100, 10))
    easel.page.mouse.dblclick(*easel.at(50, 90))
    easel.shown.settle()
    assert easel.motion[1].polygon and len({tuple(point) for point in easel.motion[1].polygon}) == 3
    easel.click((10, 10), (100, 10), (50, 90))
    easel.keys("Escape", "Enter")  # dropped: nothing to close
    assert len(easel.motion) == 2 and easel.motion[1].polygon
    easel.press("Undo", "Undo", "Erase")
    easel.drag((150, 100), (450, 300))
    box = np.zeros((HIGH, WIDE), np.float32)
    box[99:301, 149:451] = 1  # and the smoothing of its rim
    assert easel.motion[0].polygon is None
    found = mask_of(easel.motion[0])
    assert found[110, 300] == 1 and found[290, 300] == 1 and found[200, 300] == 0 and not found[box == 0].any()
    easel.done()


def test_a_box_and_a_magic_outline_are_polygons(set_up: Callable[..., Easel], studio: NotebookStudio) -> None:
    disc = np.full((HIGH, WIDE, 3), (40, 90, 60), np.uint8)
    cv2.circle(disc, (200, 200), 80, (220, 60, 40), -1)
    easel = set_up(disc)
    easel.press("Box")
    easel.drag((400, 60), (550, 160))
    assert easel.motion[0].polygon == [
        pytest.approx((x / WIDE, y / HIGH), abs=0.003) for x, y in ((400, 60), (550, 60), (550, 160), (400, 160))
    ]
    easel.click((300, 300))  # no box
    assert easel.motion[0].polygon
    easel.press("New", "Magic")
    easel.click((230, 180))
    points = np.array(easel.motion[1].polygon) * (WIDE, HIGH)
    assert np.abs(np.hypot(*(points - (200, 200)).T) - 80).max() < 5
    assert cv2.contourArea(points.astype(np.float32)) == pytest.approx(np.pi * 80**2, rel=0.05)
    easel.done()


def test_zoomed_in_the_same_place_is_painted_and_the_keys_stay_in_sight(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    before = easel.canvas.bounding_box()["width"]
    easel.keys(*">" * 5)
    assert easel.canvas.bounding_box()["width"] == pytest.approx(before * 1.25**5, rel=0.02)
    assert easel.el.get_by_label("Zoom").get_attribute("aria-valuetext") == "3.1 x"
    easel.size(0.02)
    easel.drag((290, 190), (310, 200))
    same(mask_of(easel.motion[0]), stroke(12, (290, 190), (310, 200)))
    easel.keys(*["ArrowRight"] * 30)  # the picture goes along
    seen, shown = easel.el.locator(".brush-pane").bounding_box(), easel.canvas.bounding_box()
    at = shown["x"] + (310 + 30 * 6) / WIDE * shown["width"]
    assert seen["x"] < at < seen["x"] + seen["width"] and shown["x"] < seen["x"] - 50
    easel.keys(*"<" * 6)
    assert easel.canvas.bounding_box()["width"] == pytest.approx(before, rel=0.02)
    easel.done()


def test_a_mask_is_saved_and_loaded(set_up: Callable[..., Easel], tmp_path: Path) -> None:
    easel = set_up()
    easel.drag((100, 100), (300, 160))
    painted = mask_of(easel.motion[0])
    with easel.page.expect_download() as saved:
        easel.press("Save mask")
    file = tmp_path / saved.value.suggested_filename
    saved.value.save_as(file)
    assert file.name == "mask-1.png" and np.array_equal(load_mask(file), painted)
    easel.press("New")
    with easel.page.expect_file_chooser() as chooser:
        easel.press("Load mask…")
    chooser.value.set_files(file)
    easel.shown.widget.asked("mask")
    until(lambda: easel.shown.settle() or len(easel.motion) == 2, "the mask is a region of its own")
    assert np.abs(mask_of(easel.motion[1]) - painted).max() < 0.02
    easel.done()


def test_a_drag_is_the_way_that_the_region_goes(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    easel.drag((300, 200), (330, 200))
    easel.press("Aim")
    easel.drag((100, 100), (100 + 18, 100 - 24))  # 30 of 60 pixels that intensity 1 goes
    (region,) = easel.motion
    assert region.vector() == pytest.approx((0.6, -0.8), abs=0.05)
    assert region.intensity == pytest.approx(0.5, abs=0.03)
    assert easel.status() == "Region 1 of 1: up-right 5.0 %"
    easel.drag((100, 100), (300, 100))
    (region,) = easel.motion
    assert region.vector() == pytest.approx((1, 0), abs=0.02) and region.intensity == 1
    # the arrow is as long as the way: white from the region's middle to a tenth of the width further right
    easel.page.mouse.move(0, 0)
    row = easel.canvas.evaluate(
        """(view, y) => { const { width, height } = view;
        return Array.from(view.getContext("2d").getImageData(0, Math.round(y * height), width, 1).data); }""",
        200 / HIGH,
    )
    wide = len(row) // 4
    white = [x for x in range(wide) if min(row[4 * x : 4 * x + 4]) > 240]
    assert min(white) <= 316 / WIDE * wide and max(white) == pytest.approx((315 + 60) / WIDE * wide, abs=3)
    easel.el.get_by_label("Intensity").evaluate("el => { el.value = 0.2; el.dispatchEvent(new Event('change')); }")
    easel.shown.settle()
    assert easel.motion[0].intensity == pytest.approx(0.2)
    easel.done()


def test_several_regions_and_a_frozen_one(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    for number in range(8):
        easel.drag((60 + 60 * number, 80), (60 + 60 * number, 90))
        easel.press("New") if number < 7 else None
    assert len(easel.motion) == 8
    easel.press("New")
    assert easel.status() == "At most 8 regions" and len(easel.motion) == 8
    easel.el.get_by_label("Region").select_option(index=2)
    easel.press("Freeze")
    assert [region.static for region in easel.motion] == [number == 2 for number in range(8)]
    assert easel.motion[2].direction is None and easel.status() == "Region 3 of 8: frozen"
    expect(easel.el.get_by_role("button", name="Freeze")).to_have_attribute("aria-pressed", "true")
    easel.press("Aim")
    easel.drag((300, 200), (300, 240))  # a frozen one that is aimed moves again
    assert easel.motion[2].vector() == pytest.approx((0, 1), abs=0.05)
    colours = easel.canvas.evaluate(
        """view => [0,1,2,3,4,5,6,7].map((i) => { const c = view.getContext("2d");
        return [...c.getImageData((60 + 60 * i) / 600 * 640, 72 / 400 * view.height, 14, 14).data].join(); })"""
    )
    assert len(set(colours)) == 8
    easel.done()


def test_by_keyboard_alone(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    page = easel.page
    page.keyboard.press("Tab")
    while not easel.canvas.evaluate("el => el === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    for key in ["-"] * 3 + ["+"] * 3:
        page.keyboard.press(key)
    page.keyboard.down(" ")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.up(" ")
    easel.shown.settle()
    size = 0.08 * WIDE  # a step is half of it, from the middle of the picture
    same(mask_of(easel.motion[0]), stroke(size, (300 + size / 2, 200), (300 + size * 3, 200)))
    easel.keys(*["Shift+ArrowUp"] * 4, *["Shift+ArrowLeft"] * 3)
    assert easel.motion[0].vector() == pytest.approx((-0.6, -0.8))
    assert easel.motion[0].intensity == pytest.approx(0.5)
    easel.keys("f")
    assert easel.motion[0].static
    easel.keys("u")
    assert not easel.motion[0].static
    easel.keys("r", "u", "n", "o", " ", "ArrowLeft", "ArrowLeft", " ", "ArrowUp", "ArrowUp", " ", "Enter")
    assert easel.motion[1].polygon and len(easel.motion[1].polygon) == 3
    assert easel.status() == "Region 2 of 2: right 5.0 %"
    easel.keys("[", "Delete")
    assert len(easel.motion) == 1 and easel.motion[0].polygon
    easel.keys("u", "]", "e", " ")
    assert easel.motion[1].mask
    easel.keys("c")
    assert easel.motion == ()
    easel.keys("Control+c", "Alt+p")  # the browser's, not ours
    assert easel.canvas.evaluate("el => el === document.activeElement")
    assert easel.canvas.get_attribute("aria-description") and easel.canvas.get_attribute("aria-label")
    easel.done()


def test_keys_of_the_picture_reach_no_shortcut_of_the_notebook(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    easel.page.evaluate("window.heard = []; document.addEventListener('keydown', (e) => heard.push(e.key))")
    easel.keys("d", "Enter", "ArrowDown", "Shift+ArrowDown")
    assert easel.page.evaluate("heard") == []
    easel.page.evaluate("scrollTo(0, 0)")
    easel.done()


def test_a_finger_paints_and_a_second_one_does_nothing(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    touch = easel.page.context.new_cdp_session(easel.page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        places = [dict(zip("xy", easel.at(*point), strict=True), id=number) for number, point in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    send("touchStart", (100, 200))
    for x in range(120, 301, 20):
        send("touchMove", (x, 200))
    send("touchStart", (300, 200), (500, 50))
    send("touchMove", (300, 200), (520, 60))
    send("touchEnd", (300, 200))
    send("touchEnd")
    easel.shown.settle()
    same(mask_of(easel.motion[0]), stroke(0.08 * WIDE, (100, 200), (300, 200)))
    assert easel.page.evaluate("scrollY") == 0
    easel.done()


def test_a_fast_stroke_has_all_of_its_points(set_up: Callable[..., Easel]) -> None:
    easel = set_up()
    easel.page.evaluate(
        """() => { const points = window.points = [];
        const { getCoalescedEvents } = PointerEvent.prototype;
        PointerEvent.prototype.getCoalescedEvents = function () {
          const all = getCoalescedEvents.call(this); points.push(...all.map((e) => e.offsetX)); return all; }; }"""
    )
    easel.drag((100, 200), (500, 200), steps=200)
    assert len(easel.page.evaluate("points")) >= 100
    same(mask_of(easel.motion[0]), stroke(0.08 * WIDE, (100, 200), (500, 200)))
    easel.done()


def test_a_mask_too_large_to_send_is_scaled_and_that_is_said(
    studio: NotebookStudio, set_up: Callable[..., Easel]
) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (1500, 1500), np.uint8)
    path = studio.home.folder.parent / "noise.png"
    cv2.imwrite(str(path), noise)
    easel = set_up(np.zeros((1500, 1500, 3), np.uint8), motion=[{"mask": str(path), "direction": "up"}])
    assert easel.motion[0].mask == str(path)
    easel.press("New", "New", "New")  # four share the 6 MB of one message
    easel.el.get_by_label("Region").select_option(index=0)
    easel.click((300, 200))
    assert "(the mask is sent at 50% of the image's size)" in easel.status()
    found = mask_of(easel.motion[0])
    assert found.shape == (750, 750) and found[365:385, 365:385].min() == 1 and 0.4 < found.mean() < 0.6
    easel.done()


def test_what_python_refuses_is_said_and_sent_with_the_next_change(studio: NotebookStudio, widget: Widget) -> None:
    easel = Easel(widget, brush("coffee.png", client=studio))
    easel.page.mouse.click(*easel.at(100, 100))
    widget.refuse("the disk is full", action="regions")
    expect(easel.el.get_by_role("status")).to_have_text("Not done: the disk is full")
    assert easel.motion == ()
    easel.click((200, 200))
    same(mask_of(easel.motion[0]), np.maximum(stroke(48, (100, 100)), stroke(48, (200, 200))))
    easel.done()


def test_strokes_while_python_is_busy_are_sent_together(studio: NotebookStudio, widget: Widget) -> None:
    easel = Easel(widget, brush("coffee.png", client=studio))
    for x in (100, 200, 300):
        easel.page.mouse.click(*easel.at(x, 100))
    widget.asked("regions")
    assert len([act for act in widget.acts() if act.action == "regions"]) == 1
    easel.shown.settle()
    assert len([act for act in widget.acts() if act.action == "regions"]) == 2
    assert mask_of(easel.motion[0])[100, [100, 200, 300]].min() == 1
    easel.done()


def test_what_another_page_or_python_changes_is_shown(set_up: Callable[..., Easel]) -> None:
    easel = set_up(motion=[{"box": [0.2, 0.2, 0.4, 0.4], "direction": "left"}])
    assert easel.status() == "Region 1 of 1: left 5.0 %"
    other = Desk(easel.view)
    body = {"id": 4, "polygon": [[0, 0], [1, 0], [1, 0.5]], "direction": [0, 1], "intensity": 1, "static": False}
    other.ask("regions", {"by": "another page", "regions": [body]})
    easel.shown.desk = Desk(easel.view)
    easel.shown.settle()
    assert easel.status() == "Region 1 of 1: down 10.0 %"
    easel.press("New")
    easel.click((300, 300))
    assert [region.polygon is None for region in easel.motion] == [False, True]
    easel.view.clear()
    easel.shown.settle()
    assert easel.status() == "Region 1 of 1: empty" and easel.motion == ()
    easel.done()


LOOKS = [
    Look(height=760),
    Look(dark=True, height=760),
    Look(width=280, height=820),
    Look(theme="plain", dark=True, still=True, height=760),
]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_looks(look: Look, set_up: Callable[..., Easel], picture: Callable[[str], Path]) -> None:
    easel = set_up(model="runway/gen4_turbo" if look.dark else "animatic")
    note = easel.el.get_by_role("note")
    expect(note).to_contain_text("has no motion brush" if look.dark else "up to 8 motion regions")
    assert note.bounding_box()["y"] < easel.canvas.bounding_box()["y"]
    easel.drag((100, 120), (200, 150), (150, 250))
    easel.press("Aim")
    easel.drag((200, 200), (160, 170))
    easel.press("New", "Outline")
    easel.click((300, 100), (420, 120), (400, 260), (310, 240))
    easel.keys("Enter", "Shift+ArrowUp", "Shift+ArrowUp", "Shift+ArrowUp")
    easel.press("New", "Paint")
    easel.drag((480, 300), (540, 330))
    easel.press("Freeze")
    assert len(easel.motion) == 3
    picture(str(look))
    assert easel.page.evaluate("document.documentElement.scrollWidth") <= look.width
    assert easel.page.evaluate("document.getAnimations().length") == 0
    box = easel.canvas.bounding_box()
    assert box["width"] <= look.width and box["width"] / box["height"] == pytest.approx(1.5, rel=0.02)
    easel.done()


def test_fine_screens_show_fine_pixels(studio: NotebookStudio, widget: Widget) -> None:
    widget.page.add_init_script("Object.defineProperty(window, 'devicePixelRatio', { get: () => 2 })")
    easel = Easel(widget, brush("coffee.png", client=studio, width=300))
    assert easel.canvas.evaluate("view => [view.width, view.clientWidth]") == [600, 300]
    easel.drag((100, 100), (300, 160))
    same(mask_of(easel.motion[0]), stroke(48, (100, 100), (300, 160)))
    easel.done()


def test_the_painted_part_moves_along_the_vector_and_the_rest_stays(
    studio: NotebookStudio, set_up: Callable[..., Easel]
) -> None:
    easel = set_up()
    easel.size(0.35)
    easel.drag((200, 200), (240, 200))
    easel.press("Aim")
    easel.drag((200, 200), (224, 168))  # 40 of 60 pixels: 6.7 % of the width, up and to the right
    job = studio.image_to_video("coffee.png", model="animatic", motion=easel.view, duration_s=1, resolution="360p")
    easel.done()
    frames = list(decode(Path(str(job.result().file))))
    size = (640, 360)
    still = fit_image(load_image(photo("coffee")), *size, "crop")[0]
    painted = (stroke(210, (200, 200), (240, 200)) * 255).astype(np.uint8)
    cover = fit_image(np.dstack([painted] * 3), *size, "crop")[0][..., 0]
    moved = flow(frames[0], frames[-1])
    rows, columns = np.nonzero(cover > 127)
    row, column = round(rows.mean()), round(columns.mean())
    heart = moved[row - 15 : row + 15, column - 20 : column + 20].mean(axis=(0, 1))
    assert heart.tolist() == pytest.approx([0.04 * 640, -0.0533 * 640], rel=0.15)
    outside = cv2.dilate(cover, np.ones((9, 9))) == 0
    assert np.abs(frames[-1].astype(int) - still)[outside].mean() < 3  # the encoder's own error
    assert np.abs(moved[outside]).mean() < 0.1
