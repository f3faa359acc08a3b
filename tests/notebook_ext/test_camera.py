"""The camera view: the moves that its sliders stand for, and its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from backends.camera import CAMERA_MOVES, CameraMove
from backends.errors import VideoError
from backends.settings import Settings
from notebook_ext import kernel
from notebook_ext.camera_rows import PAIRS, crop_of, for_page, moves_of, rows_of
from notebook_ext.client import NotebookStudio
from notebook_ext.view import module_text, style_text
from notebook_ext.views.camera import PictureAsk, PrevisAsk, RowsAsk, opened, progress_text
from tests.notebook_ext.browser import Look, Talk
from tests.notebook_ext.counted import counted_clip
from tests.notebook_ext.mount import Bare, Widget
from tests.samples import bunny, photo

NONE: tuple[float, None, None] = (0.0, None, None)
ROWS = list(PAIRS)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotebookStudio]:
    """A notebook's studio of its own, whose free jobs run in this process's worker."""
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "shots.ipynb"))
    kernel.folder.cache_clear()
    roots = (tmp_path, photo().parent, bunny().parent)
    made = NotebookStudio(Settings(tmp_path / "home", tmp_path / "out", roots, tmp_path, worker="inline"))
    yield made
    made.close()
    kernel.folder.cache_clear()


def settings(**places: float | tuple[float, float | None, float | None]) -> list[Any]:
    """The sliders' places, by axis; the others in their middle."""
    found = {axis: value if isinstance(value, tuple) else (value, None, None) for axis, value in places.items()}
    return [found.get(axis, NONE) for axis in ROWS]


def told(**places: float | tuple[float, float | None, float | None]) -> list[str]:
    return [str(move) for move in moves_of(rows_of(()), settings(**places), 5.0)]


# ------------------------------------------------------------------ sliders and moves


def test_every_camera_move_but_static_is_a_side_of_a_slider() -> None:
    assert {way for ways in PAIRS.values() for way in ways} == set(CAMERA_MOVES) - {"static"}
    for axis, (minus, plus) in PAIRS.items():
        assert told(**{axis: 0.4}) == [f"{plus}:0.4"]
        if minus != plus:
            assert told(**{axis: -0.4}) == [f"{minus}:0.4"]


def test_times_are_the_clips_where_they_are_left_out() -> None:
    assert told(dolly=(0.4, None, 2.0)) == ["dolly-in:0.4@0-2"]
    assert told(dolly=(0.4, 1.5, None)) == ["dolly-in:0.4@1.5-5"]
    assert told(pan=(-1.0, None, None)) == ["pan-left:1"]


def test_handheld_comes_first_and_the_others_as_they_start() -> None:
    moves = told(pan=(0.2, 3.0, 4.0), roll=(0.1, 1.0, 2.0), zoom=0.3, handheld=0.5)
    assert moves == ["handheld:0.5", "zoom-in:0.3", "roll-cw:0.1@1-2", "pan-right:0.2@3-4"]


def test_times_that_mean_nothing_are_refused_in_words() -> None:
    with pytest.raises(VideoError, match="must end after it starts"):
        told(pan=(0.3, 3.0, 1.0))
    with pytest.raises(VideoError, match="pan-right ends at 7 s, the clip at 5 s"):
        told(pan=(0.3, None, 7.0))
    with pytest.raises(VideoError, match="2 settings came for 9 sliders"):
        moves_of(rows_of(()), [NONE, NONE], 5.0)


def test_moves_given_at_the_start_set_the_sliders_and_a_second_one_gets_its_own() -> None:
    given = [CameraMove.parse(text) for text in ("pan-left:0.4@0-2", "static", "pan-right:0.2@2-4", "push-in:0.3")]
    rows = rows_of(given)
    assert [row.axis for row in rows] == ["pan", *ROWS]
    assert moves_of(rows, [row.start for row in rows], 5.0) == (given[0], given[3], given[2])


# ------------------------------------------------------------------ the widget, without a page


def test_the_moves_are_kept_and_the_page_is_told_of_them(studio: NotebookStudio) -> None:
    cam = opened(studio, photo("coffee"), moves=["dolly-in:0.4@0-2"])
    assert [str(move) for move in cam.moves] == ["dolly-in:0.4@0-2"]
    answer = cam.do_moves(RowsAsk(rows=settings(pan=-0.3)), [])
    assert answer == {"text": '["pan-left:0.3"]', "note": "", "crop": cam.data["crop"]}
    assert cam.data["crop"] == pytest.approx([1.09, 0, 0], abs=0.01)
    assert [str(move) for move in cam.moves] == ["pan-left:0.3"]
    assert [row["value"] for row in cam.data["rows"]] == [-0.3, 0, 0, 0, 0, 0, 0, 0, 0]
    assert cam.data["text"] == '["pan-left:0.3"]'


def test_illegal_moves_change_nothing(studio: NotebookStudio) -> None:
    cam = opened(studio, photo("coffee"), moves=["zoom-in:0.2"])
    before = cam.data
    with pytest.raises(VideoError, match="must end after it starts"):
        cam.do_moves(RowsAsk(rows=settings(pan=(0.3, 3.0, 1.0))), [])
    assert [str(move) for move in cam.moves] == ["zoom-in:0.2"] and cam.data == before
    with pytest.raises(VideoError, match="did you mean pan-left"):
        opened(studio, photo("coffee"), moves=["pan-lft"])


def test_static_stays_what_no_move_means_where_it_was_given(studio: NotebookStudio) -> None:
    assert opened(studio, photo("coffee")).moves == ()
    cam = opened(studio, photo("coffee"), moves=["static"])
    assert [str(move) for move in cam.moves] == ["static:0.5"]
    assert cam.do_moves(RowsAsk(rows=settings(roll=1.0)), [])["text"] == '["roll-cw:1"]'
    assert cam.do_moves(RowsAsk(rows=settings()), [])["text"] == '["static:0.5"]'


def test_what_the_model_makes_of_the_moves_is_told(studio: NotebookStudio) -> None:
    worded = opened(studio, photo("coffee"), model="runway/gen4_turbo")
    assert worded.data["control"].startswith("runway/gen4_turbo takes camera moves as words in the prompt")
    assert worded.do_moves(RowsAsk(rows=settings(pan=0.3)), [])["note"] == ""
    assert worded.do_moves(RowsAsk(rows=settings()), [])["note"] == "No camera move: the model decides."
    few = opened(studio, photo("coffee"), model="minimax/MiniMax-Hailuo-02")
    note = few.do_moves(RowsAsk(rows=settings(pan=0.3, tilt=0.3, dolly=0.3, roll=0.3)), [])["note"]
    assert note == "camera: 4 moves given; minimax/MiniMax-Hailuo-02 takes at most 3"
    lacking = opened(studio, photo("coffee"), model="fal/pikaffects")
    assert "has no camera control" in lacking.data["control"]
    assert "has no camera control" in lacking.do_moves(RowsAsk(rows=settings(pan=0.3)), [])["note"]


def test_the_frame_is_the_engines(studio: NotebookStudio, tmp_path: Path) -> None:
    assert opened(studio, photo("coffee")).data["ratio"] == pytest.approx(16 / 9)
    assert opened(studio, photo("astronaut")).data["ratio"] == 1
    wide = tmp_path / "wide.png"
    Image.fromarray(np.full((100, 400, 3), 90, np.uint8)).save(wide)
    cam = opened(studio, wide)
    assert (cam.data["ratio"], cam._shot.fit) == (4.0, "pad")
    with pytest.raises(VideoError, match="duration"):
        opened(studio, wide, duration_s=0.2)


def test_without_an_image_there_is_a_grid_and_a_clip_is_refused(studio: NotebookStudio) -> None:
    cam = opened(studio)
    assert cam.image is None and cam.data["ratio"] == pytest.approx(16 / 9)
    _, (png,) = cam.do_picture(PictureAsk(), [])
    assert png.startswith(b"\x89PNG")
    with pytest.raises(VideoError, match="is a clip, and an image is filmed"):
        opened(studio, bunny())


def test_a_previs_is_a_free_job_that_is_told_of_as_it_goes(studio: NotebookStudio) -> None:
    cam = opened(studio, photo("coffee"), duration_s=1.0)
    rows = settings(truck=0.5)
    seen: list[str] = []
    answer: Any = {"done": False}
    while not answer["done"]:
        answer = cam.do_previs(PrevisAsk(rows=rows, seen=seen[-1] if seen else ""), [])
        seen.append(answer["text"])
        cam.do_moves(RowsAsk(rows=settings(zoom=0.1)), [])  # the page moves on; the previs stays what it was
    job = studio.job(answer["job_id"])
    assert (job.model, job.state, job.cost_usd) == ("animatic", "succeeded", 0)
    assert [str(move) for move in studio.inner.detail(job.job_id).asked.camera] == ["truck-right:0.5"]
    said = list(dict.fromkeys(seen))  # a slow render is answered after a while with what was said before
    assert seen[-1] == said[-1] == "Previs of these moves (no generative model)."
    assert seen == sorted(seen, key=said.index)
    assert [str(move) for move in cam.moves] == ["zoom-in:0.1"]
    assert cam.do_previs(PrevisAsk(rows=rows), [])["job_id"] == job.job_id
    assert cam.clip_of(job.job_id).stat().st_size > 1000
    unset: Any = {"text": "", "done": False}
    while not unset["done"]:
        unset = cam.do_previs(PrevisAsk(rows=settings(), seen=unset["text"]), [])
    assert unset["text"] == "Previs with a slow push-in, which the engine makes when no move is set."


def test_a_previs_that_the_engine_refuses_is_told(studio: NotebookStudio) -> None:
    cam = opened(studio, photo("coffee"), duration_s=1.0, moves=["dolly-out:1"] * 3 + ["zoom-out:1"] * 2)
    rows = [row.start for row in cam._rows]
    ask = PrevisAsk(rows=rows)
    with pytest.raises(VideoError, match="Previs failed: the camera moves together leave"):
        while True:
            ask = PrevisAsk(rows=rows, seen=str(cam.do_previs(ask, [])["text"]))


def test_progress_is_said_in_quarters(studio: NotebookStudio) -> None:
    view = opened(studio).client.image_to_video(photo("coffee"), model="animatic", duration_s=1.0).view
    said = [progress_text(view.model_copy(update={"state": "running", "progress": p / 100})) for p in range(100)]
    assert sorted(set(said)) == [f"Rendering previs: {quarter} %" for quarter in (0, 25, 50, 75)]
    assert progress_text(view.model_copy(update={"state": "queued"})) == "Previs queued."


def test_the_moves_go_into_a_request_as_they_are(studio: NotebookStudio) -> None:
    cam = opened(studio, photo("coffee"), moves=["truck-left:0.3@0-1", "handheld:0.2"], duration_s=1.0)
    job = studio.image_to_video(cam.image, model="animatic", camera=cam, duration_s=1.0)
    assert studio.inner.detail(job.job_id).asked.camera == cam.moves


# ------------------------------------------------------------------ the page


def page_data(*moves: str, aspect: float = 16 / 9, seconds: float = 5.0, **more: Any) -> dict[str, Any]:
    parsed = [CameraMove.parse(text) for text in moves]
    rows, crop = rows_of(parsed), crop_of(parsed, aspect, seconds)
    shown = for_page(rows, [row.start for row in rows], aspect)
    return {"rows": shown, "ratio": aspect, "seconds": seconds, "control": "", "text": "[]", "crop": crop, **more}


def drawn(bare: Bare, data: dict[str, Any]) -> Locator:
    view = bare.mount("camera", data)
    bare.answer({}, [photo("coffee").read_bytes()], action="picture")
    expect(view.get_by_role("img", name="Preview")).to_have_js_property("naturalWidth", 600)
    return view


def kept(bare: Bare, text: str = "[]", note: str = "") -> list[Any]:
    """Answer the open message of moves; the sliders that it carried."""
    rows = bare.asked("moves").body["rows"]
    bare.answer({"text": text, "note": note, "crop": [1.2, 0, 0]}, action="moves")
    return rows


def test_a_slider_by_keyboard_and_by_mouse(bare: Bare) -> None:
    view = drawn(bare, page_data("pan-left:0.4@0-2"))
    crane = view.get_by_role("slider", name="Crane")
    expect(crane).to_have_attribute("aria-valuetext", "none")
    crane.focus()
    crane.press("ArrowRight")
    expect(crane).to_have_attribute("aria-valuetext", "crane-up 0.05")
    assert kept(bare, '["crane-up:0.05"]') == [
        [-0.4, 0, 2] if axis == "pan" else [0.05 if axis == "crane" else 0, None, None] for axis in ROWS
    ]
    expect(view.locator("code")).to_have_text('["crane-up:0.05"]')
    tilt = view.get_by_role("slider", name="Tilt")
    box = tilt.bounding_box()
    assert box is not None
    bare.page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    expect(tilt).to_have_attribute("aria-valuetext", "tilt-down 1")
    assert kept(bare)[1] == [-1, None, None]
    expect(view.get_by_role("button", name="Pause")).to_be_visible()  # a change is seen moving
    bare.unmount()


def test_the_last_place_is_never_overtaken_nor_lost(bare: Bare) -> None:
    view = drawn(bare, page_data())
    roll = view.get_by_role("slider", name="Roll")
    roll.focus()
    for _ in range(6):
        roll.press("ArrowRight")
    assert sum(act.action == "moves" for act in bare.acts()) == 1
    assert kept(bare)[6] == [0.05, None, None]
    assert kept(bare, "last")[6] == [0.3, None, None]
    expect(view.locator("code")).to_have_text("last")
    assert sum(act.action == "moves" for act in bare.acts()) == 2
    bare.unmount()


def test_times_show_beside_a_slider_that_is_moved(bare: Bare) -> None:
    view = drawn(bare, page_data())
    start = view.get_by_role("spinbutton", name="Zoom from, seconds")
    expect(start).to_be_hidden()
    zoom = view.get_by_role("slider", name="Zoom")
    zoom.press("End")
    start.fill("1.5")
    view.get_by_role("spinbutton", name="Zoom to, seconds").fill("4")
    kept(bare)
    assert kept(bare)[7] == [1, 1.5, 4]
    view.get_by_role("button", name="Clear").click()
    assert kept(bare)[7] == [0, None, None]
    expect(start).to_be_hidden()
    expect(zoom).to_have_value("0")
    bare.unmount()


def test_what_python_refuses_is_said_and_the_kept_text_stays(bare: Bare) -> None:
    view = drawn(bare, page_data(text='["pan-left:0.1"]'))
    view.get_by_role("slider", name="Pan").press("Home")
    bare.refuse("the move must end after it starts", action="moves")
    expect(view.get_by_role("status")).to_have_text("the move must end after it starts")
    expect(view.locator("code")).to_have_text('["pan-left:0.1"]')
    view.get_by_role("slider", name="Pan").press("ArrowRight")
    kept(bare, note="fine")
    expect(view.get_by_role("status")).to_have_text("fine")
    bare.unmount()


def test_the_moves_can_be_copied(bare: Bare) -> None:
    view = drawn(bare, page_data(text='["pan-left:0.1"]'))
    bare.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    view.get_by_role("button", name="Copy").click()
    expect(view.get_by_role("status")).to_have_text("Copied")
    assert bare.page.evaluate("navigator.clipboard.readText()") == '["pan-left:0.1"]'
    bare.page.evaluate("() => { Clipboard.prototype.writeText = () => Promise.reject(new Error('no leave')); }")
    view.get_by_role("button", name="Copy").click()
    expect(view.get_by_role("status")).to_have_text('["pan-left:0.1"]')
    bare.unmount()


def test_the_preview_plays_pauses_and_is_scrubbed(bare: Bare) -> None:
    view = drawn(bare, page_data("truck-right:1", seconds=2.0))
    img, time = view.get_by_role("img", name="Preview"), view.get_by_role("slider", name="Time")
    still = img.get_attribute("style")
    view.get_by_role("button", name="Play").click()
    expect(img).not_to_have_attribute("style", still or "")
    view.get_by_role("button", name="Pause").click()
    time.press("Home")
    expect(img).to_have_attribute("style", still or "")
    expect(time).to_have_attribute("aria-valuetext", "0.0 s")
    time.press("End")
    expect(time).to_have_attribute("aria-valuetext", "2.0 s")
    expect(img).not_to_have_attribute("style", still or "")
    assert not any(act.action == "moves" for act in bare.acts())
    bare.unmount()


@pytest.mark.parametrize("look", [Look(still=True)], ids=str)
def test_with_less_motion_nothing_plays_and_a_change_shows_its_end(bare: Bare, tmp_path: Path) -> None:
    view = drawn(bare, page_data())
    expect(view.get_by_role("button", name="Play")).to_be_hidden()
    view.get_by_role("slider", name="Truck").press("End")
    kept(bare)
    expect(view.get_by_role("slider", name="Time")).to_have_attribute("aria-valuetext", "5.0 s")
    expect(view.get_by_role("button", name="Pause")).to_have_count(0)
    bare.lend("job_p", counted_clip(tmp_path / "p.mp4", 24))
    view.get_by_role("button", name="Render previs · free").click()
    bare.answer({"job_id": "job_p", "text": "Done", "done": True}, action="previs")
    expect(view.locator("video")).to_have_js_property("readyState", 4)
    expect(view.locator("video")).to_have_js_property("paused", True)
    bare.unmount()


def test_a_previs_is_told_of_and_played_in_place_of_the_preview(bare: Bare, tmp_path: Path) -> None:
    view = drawn(bare, page_data("pan-left:0.4"))
    bare.lend("job_p", counted_clip(tmp_path / "p.mp4", 24))
    status, video = view.get_by_role("status"), view.locator("video")
    view.get_by_role("button", name="Render previs · free").click()
    asked = bare.asked("previs").body
    assert (asked["rows"][0], asked["seen"]) == ([-0.4, None, None], "")
    bare.answer({"job_id": "job_p", "text": "Rendering previs: 25 %", "done": False}, action="previs")
    expect(status).to_have_text("Rendering previs: 25 %")
    assert bare.asked("previs").body["seen"] == "Rendering previs: 25 %"
    bare.answer({"job_id": "job_p", "text": "Previs of these moves.", "done": True}, action="previs")
    expect(status).to_have_text("Previs of these moves.")
    expect(video).to_be_visible()
    bare.page.wait_for_function("document.querySelector('video').currentTime > 0.1")
    view.get_by_role("slider", name="Time").press("ArrowRight")  # back to the live preview
    expect(video).to_be_hidden()
    bare.unmount()


def test_a_previs_of_moves_that_have_changed_is_not_shown(bare: Bare, tmp_path: Path) -> None:
    view = drawn(bare, page_data("pan-left:0.4"))
    bare.lend("job_p", counted_clip(tmp_path / "p.mp4", 24))
    render = view.get_by_role("button", name="Render previs · free")
    render.click()
    bare.asked("previs")
    view.get_by_role("slider", name="Tilt").press("End")
    bare.answer({"job_id": "job_p", "text": "Done", "done": True}, action="previs")
    expect(render).not_to_have_attribute("aria-busy", "true")
    expect(view.locator("video")).to_be_hidden()
    kept(bare)
    render.click()
    bare.refuse("Previs failed: too little is left", action="previs")
    expect(view.get_by_role("status")).to_have_text("Previs failed: too little is left")
    bare.unmount()


LOOKS = [
    Look(width=280),
    Look(dark=True, width=280),
    Look(),
    Look(dark=True),
    Look(theme="plain", dark=True, width=480),
]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_it_fits_every_width_and_tone(bare: Bare, picture: Callable[[str], Path], look: Look) -> None:
    control = "runway/gen4_turbo takes camera moves as words in the prompt, and may follow them loosely."
    view = drawn(
        bare,
        page_data("pan-left:0.4@0-2", "dolly-in:0.3", control=control, text='["dolly-in:0.3", "pan-left:0.4@0-2"]'),
    )
    expect(view.get_by_text("approximation")).to_be_visible()
    assert view.evaluate("el => el.scrollWidth <= el.clientWidth && document.documentElement.scrollWidth <= innerWidth")
    for field in view.locator("input:visible").all():
        box, outer = field.bounding_box(), view.bounding_box()
        assert box and outer and box["x"] >= outer["x"] and box["x"] + box["width"] <= outer["x"] + outer["width"]
    picture("camera")
    bare.unmount()


def test_the_whole_module_speaks_with_python(studio: NotebookStudio, widget: Widget, talk: Talk) -> None:
    cam = opened(studio, photo("coffee"), moves=["orbit-left:0.2"])
    view = widget.mount(module_text("camera"), style_text("camera"), data=cam.data)
    body, buffers = cam.do_picture(PictureAsk(), [])
    widget.answer(body, buffers, action="picture")
    expect(view.get_by_role("img", name="Preview")).to_have_js_property("naturalWidth", 600)
    view.get_by_role("slider", name="Orbit").press("ArrowRight")
    message = widget.asked("moves").body
    widget.answer(cam.do_moves(RowsAsk.model_validate(message["body"]), []), action="moves")
    expect(view.locator("code")).to_have_text('["orbit-left:0.15"]')
    assert [str(move) for move in cam.moves] == ["orbit-left:0.15"]
    assert widget.written() == []
    widget.unmount()
