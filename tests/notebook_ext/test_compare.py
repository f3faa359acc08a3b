"""Compare: what is told of each take, and takes that play as one in a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from backends.errors import VideoError
from backends.settings import Settings
from notebook_ext import kernel
from notebook_ext.client import NotebookStudio
from notebook_ext.delivery import ChunkAsk
from notebook_ext.prompt_diff import prompt_diff
from notebook_ext.view import JobAsk, module_text, style_text
from notebook_ext.views.compare import PickAsk, clip_text, opened, price_text
from tests.notebook_ext.browser import Look
from tests.notebook_ext.counted import READ, counted_clip
from tests.notebook_ext.mount import Bare, Widget
from tests.samples import photo


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotebookStudio]:
    """A notebook's studio of its own, whose free jobs run in this process's worker."""
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "shots.ipynb"))
    kernel.folder.cache_clear()
    roots = (tmp_path, photo().parent)
    made = NotebookStudio(Settings(tmp_path / "home", tmp_path / "out", roots, tmp_path, worker="inline"))
    yield made
    made.close()
    kernel.folder.cache_clear()


# ------------------------------------------------------------------ prompts and prices


def test_prompts_differ_word_by_word() -> None:
    pieces = prompt_diff("a black cat on  a mat", "a white cat asleep on a mat")
    assert [piece for piece in pieces if piece != ("", " ")] == [
        ("", "a"),
        ("del", "black"),
        ("ins", "white"),
        ("", "cat"),
        ("ins", "asleep"),
        ("", "on a mat"),
    ]
    for before, after in (("", "new words"), ("old words", ""), ("same", "same"), ("", ""), ("a b a b", "b a b a")):
        made = prompt_diff(before, after)
        assert " ".join("".join(text for mark, text in made if mark != "ins").split()) == before
        assert " ".join("".join(text for mark, text in made if mark != "del").split()) == after


def test_prices_and_clips_in_words(studio: NotebookStudio) -> None:
    view = studio.image_to_video(photo("coffee"), model="animatic", duration_s=1.0).view
    for estimated, real, words in (
        (0.4, 0.38, "$0.38 (est. $0.40)"),
        (0.4, 0.4, "$0.40"),
        (0.4, None, "est. $0.40"),
        (0.0, 0.0, "free"),
        (0.0, None, "free"),
        (None, None, "price unknown"),
        (None, 0.25, "$0.25 (est. unknown)"),
    ):
        assert price_text(view.model_copy(update={"est_cost_usd": estimated, "cost_usd": real})) == words
    assert clip_text(5.0, 1280, 720, 23.976) == "5 s, 1280x720, 23.976 fps"
    assert clip_text(None, None, None, None) == ""


# ------------------------------------------------------------------ the widget, without a page


def test_jobs_ids_and_paths_are_takes_and_the_picked_one_is_what_was_given(
    studio: NotebookStudio, tmp_path: Path
) -> None:
    path = counted_clip(tmp_path / "a.mp4", 24)
    job = studio.image_to_video(photo("coffee"), "a cup", model="animatic", duration_s=1.0, label="cup").result()
    takes = [job, job.job_id, f"video://jobs/{job.job_id}", path]
    view = opened(studio, *takes)
    first, *_, last = view.data["takes"]
    assert [take["key"] for take in view.data["takes"]] == [job.job_id] * 3 + ["path:3"]
    assert (first["title"], first["done"], first["fps"]) == ("A: cup", True, 24)
    assert first["facts"].startswith("animatic (no generative model), free, 1 s, ") and ", seed 0, " in first["facts"]
    assert first["prompt"] == [["", "a cup"]]
    assert (last["title"], last["facts"], last["prompt"]) == ("D: a.mp4", "1 s, 320x180, 24 fps", [])
    assert view.data["takes"][1]["prompt"] == [["", "The same prompt as A."]]
    assert view.picked is None
    for index, given in enumerate(takes):
        view.do_pick(PickAsk(index=index), [])
        assert view.picked is given and view.data["picked"] == index
    with pytest.raises(VideoError, match="there are 4 takes"):
        view.do_pick(PickAsk(index=4), [])


def test_a_clip_is_named_by_a_key_of_pythons_never_by_a_path(studio: NotebookStudio, tmp_path: Path) -> None:
    one, two = (counted_clip(tmp_path / name, 24) for name in ("a.mp4", "b.mp4"))
    view = opened(studio, str(one), two)
    found = view.do_clip(JobAsk(job_id="path:1"), [])
    assert (found["size"], found["paths"][0]) == (two.stat().st_size, "b.mp4")
    _, (chunk,) = view.do_chunk(ChunkAsk(job_id="path:0", offset=0, size=64), [])
    assert chunk == one.read_bytes()[:64]
    assert view.do_poster(JobAsk(job_id="path:0"), []) == ({}, [])
    for key in ("path:2", "path:01", "a.mp4", "../a.mp4", "job_" + "a" * 26):
        with pytest.raises(VideoError, match="that clip is not in this view"):
            view.do_clip(JobAsk(job_id=key), [])


def test_a_take_that_is_still_being_made_comes_when_it_is_done(studio: NotebookStudio, tmp_path: Path) -> None:
    job = studio.image_to_video(photo("coffee"), model="animatic", duration_s=2.0, camera=["pan-left:0.3"])
    view = opened(studio, job, counted_clip(tmp_path / "a.mp4", 24))
    states = [view.data["takes"][0]["facts"].split(",")[0]]
    view.observe(lambda change: states.append(change["new"]["takes"][0]["facts"].split(",")[0]), "data")
    job.result()
    view._tell()
    assert states[0] in ("queued", "running") and view.data["takes"][0]["done"]
    assert view.data["takes"][0]["facts"].startswith("animatic")
    view.close()


def test_what_is_no_take_is_refused(studio: NotebookStudio, tmp_path: Path) -> None:
    clip = counted_clip(tmp_path / "a.mp4", 24)
    for takes, words in (
        ((clip,), "two to 12 takes are compared, not 1"),
        ((clip,) * 13, "not 13"),
        ((clip, photo("coffee")), "is an image, and clips are compared"),
        ((clip, 7), "int is not a take"),
        ((clip, tmp_path / "none.mp4"), "none.mp4"),
        ((clip, "job_" + "a" * 26), "there is no job"),
    ):
        with pytest.raises(VideoError, match=words):
            opened(studio, *takes)
    assert len(opened(studio, [clip, clip]).data["takes"]) == 2


# ------------------------------------------------------------------ the page


def take(name: str, **more: Any) -> dict[str, Any]:
    facts = "runway/gen4_turbo, $0.25, 4 s, 320x180, 24 fps, seed 42"
    prompt = [["", "a"], ["", " "], ["del", "black"], ["", " "], ["ins", "white"], ["", " "], ["", "cat on a mat"]]
    known = {"key": f"job_{name}", "name": name, "title": f"{name}: hero", "facts": facts, "fps": 24, "done": True}
    return {**known, "prompt": prompt, **more}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four seconds, five seconds, and four at 12 pictures a second."""
    folder = tmp_path_factory.mktemp("clips")
    return [
        counted_clip(folder / "a.mp4", 96),
        counted_clip(folder / "b.mp4", 120, tone=(120, 70, 60)),
        counted_clip(folder / "c.mp4", 48, 12, tone=(60, 120, 70)),
    ]


def drawn(bare: Bare, clips: list[Path], **more: Any) -> Locator:
    """The takes A, B, ... of these clips, all ready to play."""
    takes = [
        take(name, done=False, **({"fps": 12} if name == "C" else {})) for name, _ in zip("ABC", clips, strict=False)
    ]
    view = bare.mount("compare", {"takes": takes, "picked": None, **more})
    for one, clip in zip(takes, clips, strict=True):
        bare.lend(one["key"], clip)
    bare.set("data", {"takes": [one | {"done": True} for one in takes], "picked": None, **more})
    for video in view.locator("video").all():
        expect(video).to_have_js_property("readyState", 4)
        expect(video).to_have_js_property("seeking", False)
    return view


def stays(bare: Bare, numbers: list[int]) -> None:
    """Wait until these frames are seen."""
    there = "[...document.querySelectorAll('video')].every((video, i) => shown(video) === numbers[i])"
    bare.page.wait_for_function(f"(numbers) => {{ {READ} return {there}; }}", arg=numbers)


WATCH = f"""async (until) => {{
  {READ}
  const [a, b] = document.querySelectorAll("video"), found = [];
  while (a.currentTime < until && !a.paused) {{
    await new Promise(requestAnimationFrame);
    found.push([shown(a), shown(b), a.currentTime - b.currentTime]);
  }}
  return found;
}}"""


def together(found: list[list[float]]) -> float:
    """The share of moments in which the clocks and the pictures are within one frame of each other."""
    return sum(abs(a - b) <= 1 and abs(off) * 24 <= 1 for a, b, off in found) / max(1, len(found))


def test_takes_play_as_one_within_a_frame_also_after_a_seek(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips[:2])
    view.get_by_role("button", name="Play").click()
    frame = view.get_by_role("slider", name="Frame")
    for start in (5, 48):
        shares: list[float] = []
        while not shares or (
            shares[-1] < 0.9 and len(shares) < 4
        ):  # a busy machine may hold one of them up for a while
            frame.fill(str(start))
            bare.page.wait_for_function(
                "(t) => [...document.querySelectorAll('video')].every((v) => !v.seeking && v.currentTime > t)",
                arg=(start + 6) / 24,
            )
            shares.append(together(bare.page.evaluate(WATCH, start / 24 + 1.3)))
        assert shares[-1] >= 0.9, shares
    view.get_by_role("button", name="Pause").click()
    bare.page.wait_for_function(
        f"() => {{ {READ} const [a, b] = document.querySelectorAll('video');"
        " return a.paused && b.paused && !a.seeking && !b.seeking && shown(a) === shown(b); }"
    )
    bare.unmount()


def test_a_take_that_falls_behind_catches_up(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips[:2])
    view.get_by_role("button", name="Play").click()
    for off in (0.15, -0.15, 1.0):
        bare.page.evaluate(
            "(off) => { const [a, b] = document.querySelectorAll('video'); a.currentTime = b.currentTime + off; }", off
        )
        bare.page.wait_for_function(
            "() => { const [a, b] = document.querySelectorAll('video');"
            " return !a.seeking && Math.abs(a.currentTime - b.currentTime) < 0.5 / 24 && a.playbackRate === 1; }"
        )
    view.get_by_role("button", name="Pause").click()
    bare.unmount()


def test_the_longest_decides_and_the_shorter_holds_its_last_frame(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips[:2])
    frame = view.get_by_role("slider", name="Frame")
    expect(frame).to_have_attribute("max", "119")
    frame.press("End")
    stays(bare, [95, 119])
    frame.fill("110")
    stays(bare, [95, 110])
    view.get_by_role("button", name="Play").click()
    expect(view.get_by_role("button", name="Play")).to_be_visible()  # it ends by itself
    stays(bare, [95, 119])
    view.get_by_role("button", name="Play").click()  # and begins anew
    bare.page.wait_for_function("[...document.querySelectorAll('video')].every((v) => !v.paused && v.currentTime < 3)")
    view.get_by_role("button", name="Pause").click()
    bare.unmount()


def test_a_loop_brings_all_back(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips[:2])
    view.get_by_role("checkbox", name="Loop").check()
    view.get_by_role("slider", name="Frame").fill("108")
    stays(bare, [95, 108])
    view.get_by_role("button", name="Play").click()
    bare.page.wait_for_function(
        "() => { const [a, b] = document.querySelectorAll('video'); return !a.paused && !a.seeking && a.currentTime < 2"
        " && b.currentTime > 0.1 && b.currentTime < 2 && Math.abs(a.currentTime - b.currentTime) < 1 / 24; }"
    )
    view.get_by_role("button", name="Pause").click()
    bare.unmount()


def test_speed_and_sound_are_set_for_all(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips[:2])
    first, second = view.locator("video").all()
    view.get_by_role("combobox", name="Speed").select_option("2")
    for video in (first, second):
        expect(video).to_have_js_property("playbackRate", 2)
        expect(video).to_have_js_property("muted", True)
    view.get_by_role("checkbox", name="Mute").uncheck()
    for video in (first, second):
        expect(video).to_have_js_property("muted", False)
    view.get_by_role("checkbox", name="Mute").check()
    bare.unmount()


def test_keys_play_and_step_by_frames(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips)
    stage = view.get_by_role("group", name="Takes")
    stage.focus()
    for key, frames in (
        ("ArrowRight", [1, 1, 0]),
        ("ArrowRight", [2, 2, 1]),
        ("End", [95, 119, 47]),
        ("ArrowLeft", [95, 118, 47]),
        ("Home", [0, 0, 0]),
        ("ArrowLeft", [0, 0, 0]),
    ):
        bare.page.keyboard.press(key)
        stays(bare, frames)
    expect(view.get_by_role("slider", name="Frame")).to_have_attribute("aria-valuetext", "0.00 s, frame 0")
    bare.page.keyboard.press("Space")
    expect(view.get_by_role("button", name="Pause")).to_be_visible()
    view.get_by_role("slider", name="Frame").press("Space")
    expect(view.get_by_role("button", name="Play")).to_be_visible()
    expect(view.get_by_role("button", name="Wipe")).to_be_hidden()  # for two alone
    bare.unmount()


def test_a_wipe_by_keyboard_and_by_mouse(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips[:2])
    button, wipe = view.get_by_role("button", name="Wipe"), view.get_by_role("slider", name="Wipe, % of A")
    expect(wipe).to_be_hidden()
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(wipe).to_have_value("50")
    boxes = [video.bounding_box() for video in view.locator("video").all()]
    assert boxes[0] == boxes[1] and boxes[0] is not None
    box = boxes[0]

    def over(x: float) -> str:
        """Whose picture is seen there: A is blue, B is red."""
        picture = Image.open(io.BytesIO(bare.page.screenshot())).convert("RGB")
        red, _, blue = picture.getpixel((round(box["x"] + x * box["width"]), round(box["y"] + 10)))
        return "A" if blue > red else "B"

    assert (over(0.4), over(0.6)) == ("A", "B")
    wipe.focus()
    for _ in range(20):
        bare.page.keyboard.press("ArrowRight")
    expect(wipe).to_have_value("70")
    assert (over(0.6), over(0.8)) == ("A", "B")
    bare.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + box["height"] / 2)
    bare.page.mouse.down()
    bare.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2, steps=4)
    bare.page.mouse.up()
    assert (over(0.1), over(0.3)) == ("A", "B")
    button.click()
    expect(wipe).to_be_hidden()
    bare.unmount()


@pytest.mark.parametrize("look", [Look(width=280), Look(dark=True)], ids=str)
def test_a_wipe_fits_too(bare: Bare, clips: list[Path], picture: Callable[[str], Path]) -> None:
    view = drawn(bare, clips[:2])
    view.get_by_role("button", name="Wipe").click()
    assert view.evaluate("el => el.scrollWidth <= el.clientWidth && document.documentElement.scrollWidth <= innerWidth")
    box, pick = (
        view.get_by_role("slider", name="Wipe").bounding_box(),
        view.get_by_role("button", name="Pick A").bounding_box(),
    )
    assert box and pick and box["height"] > 100 and pick["y"] > box["y"] + box["height"]
    picture("wipe")
    bare.unmount()


def test_what_differs_in_a_prompt_is_marked_and_markup_is_text(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips[:2])
    expect(view.locator("del")).to_have_text(["black", "black"])
    expect(view.locator("ins")).to_have_text(["white", "white"])
    for mark, sign in (("ins", "+"), ("del", "−")):
        assert view.locator(mark).first.evaluate("el => getComputedStyle(el, '::before').content") == f'"{sign}"'
    hostile = [take("A", prompt=[["", "<img src=x onerror=alert(1)>"]], title="<b>A</b>"), take("B")]
    bare.set("data", {"takes": hostile, "picked": None})
    expect(view.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    expect(view.locator("img, b")).to_have_count(0)
    bare.unmount()


def test_a_pick_is_pythons_to_keep(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips[:2])
    pick = view.get_by_role("button", name="Pick B")
    pick.press("Enter")
    assert bare.asked("pick").body == {"index": 1}
    expect(pick).to_have_attribute("aria-pressed", "false")
    bare.set("data", {"takes": [take("A"), take("B")], "picked": 1})
    bare.answer({}, action="pick")
    expect(pick).to_have_attribute("aria-pressed", "true")
    expect(view.get_by_role("button", name="Pick A")).to_have_attribute("aria-pressed", "false")
    expect(pick).to_be_focused()
    bare.unmount()


def test_a_take_that_is_not_there_yet_joins_when_it_is(bare: Bare, clips: list[Path]) -> None:
    takes = [take("A"), take("B", done=False, facts="running, runway/gen4_turbo, est. $0.25")]
    view = bare.mount("compare", {"takes": [one | {"done": False} for one in takes], "picked": None})
    view.get_by_role("button", name="Play").click()  # nothing to play yet
    expect(view.get_by_role("button", name="Play")).to_be_visible()
    bare.lend("job_A", clips[0])
    bare.lend("job_B", clips[1])
    bare.set("data", {"takes": takes, "picked": None})
    frame = view.get_by_role("slider", name="Frame")
    expect(frame).to_have_attribute("max", "95")
    frame.fill("48")
    bare.set("data", {"takes": [takes[0], take("B")], "picked": None})
    expect(frame).to_have_attribute("max", "119")
    expect(view.locator("video").nth(1)).to_have_js_property("seeking", False)
    stays(bare, [48, 48])
    bare.unmount()


def test_what_cannot_be_played_is_said(bare: Bare, clips: list[Path], tmp_path: Path, talk: Any) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    view = bare.mount("compare", {"takes": [take("A", done=False), take("B", done=False)], "picked": None})
    bare.lend("job_A", broken)
    bare.set("data", {"takes": [take("A"), take("B", done=False)], "picked": None})
    expect(view.get_by_role("status")).to_have_text("This page cannot play A.")
    bare.set("data", {"takes": [take("A"), take("B")], "picked": None})
    expect(view.get_by_role("status")).to_have_text("no clip of job_B")
    bare.unmount()


def test_a_view_that_is_closed_while_it_plays_leaves_nothing(bare: Bare, clips: list[Path]) -> None:
    view = drawn(bare, clips[:2])
    view.get_by_role("button", name="Play").click()
    bare.page.wait_for_function("document.querySelector('video').currentTime > 0.2")
    bare.unmount()


LOOKS = [
    Look(width=280),
    Look(dark=True, width=280),
    Look(),
    Look(dark=True),
    Look(theme="plain", dark=True, still=True),
]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_it_fits_every_width_and_tone(
    bare: Bare, clips: list[Path], picture: Callable[[str], Path], look: Look
) -> None:
    view = drawn(bare, clips)
    assert view.locator("video").first.evaluate("video => video.paused")
    bare.set("data", {"takes": [take("A"), take("B"), take("C", fps=12)], "picked": 1})
    view.get_by_role("slider", name="Frame").fill("40")
    stays(bare, [40, 40, 20])
    assert view.evaluate("el => el.scrollWidth <= el.clientWidth && document.documentElement.scrollWidth <= innerWidth")
    boxes = [box for video in view.locator("video").all() if (box := video.bounding_box())]
    assert len({round(box["x"]) for box in boxes}) == (1 if look.width < 480 else 3)
    picture("compare")
    bare.unmount()


def test_the_whole_module_speaks_with_python(
    studio: NotebookStudio, widget: Widget, clips: list[Path], tmp_path: Path
) -> None:
    paths = [tmp_path / clip.name for clip in clips[:2]]
    for path, clip in zip(paths, clips, strict=False):
        path.write_bytes(clip.read_bytes())
    made = opened(studio, *paths)
    view = widget.mount(module_text("compare"), style_text("compare"), data=made.data)
    for _ in paths:
        asked = widget.asked("clip").body["body"]
        widget.answer(made.do_clip(JobAsk.model_validate(asked), []), action="clip")
    for _ in paths:
        asked = widget.asked("chunk").body["body"]
        body, buffers = made.do_chunk(ChunkAsk.model_validate(asked), [])
        widget.answer(body, buffers, action="chunk")
    for video in view.locator("video").all():
        expect(video).to_have_js_property("readyState", 4)
    view.get_by_role("button", name="Pick A").click()
    made.do_pick(PickAsk.model_validate(widget.asked("pick").body["body"]), [])
    widget.answer({}, action="pick")
    assert made.picked == paths[0] and widget.written() == []
    widget.unmount()
