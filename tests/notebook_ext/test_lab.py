"""The extension in a real JupyterLab: what a person sees, from the first cell to the notebook opened again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.notebook_ext.browser import Talk
from tests.notebook_ext.lab import DARK, LabPage, SevenPage, kinds
from tests.rawclient import RawClient

START = """\
%load_ext notebook_ext
import numpy as np
from notebook_ext import studio, show, board, brush
rng = np.random.default_rng(1)
still = np.kron(rng.integers(40, 220, (9, 16, 3)), np.ones((40, 40, 1))).astype(np.uint8)
"""
MAKE = (
    "studio.image_to_video(still, 'a slow push', model='animatic', camera=['dolly-in:0.4'], duration_s={seconds}, "
    "resolution='360p')"
)
PLAYS = """(css) => [...document.querySelectorAll(css)]
  .some((video) => video.readyState >= 3 && video.currentTime > 0 && !video.error)"""


def state(card: Locator, words: str) -> None:
    expect(card.locator(".rw-chip").first).to_have_text(words, timeout=90_000)


def test_from_progress_to_a_playing_clip_that_outlives_the_kernel(
    notebook: LabPage, picture: Callable[..., Path], page: Page, talk: Talk
) -> None:
    talk.allow("widget model not found")  # what JupyterLab says of a saved widget whose kernel is gone
    notebook.open("first.ipynb", START, f"clip = await {MAKE.format(seconds=6)}", "print(clip.state, clip.cost_usd)")
    notebook.run_all(wait=False)
    card = notebook.output(1).locator(".rw-card")
    page.wait_for_function(  # a number that the engine reported, between nothing and all
        "() => { const at = document.querySelector('.rw-card progress')?.position; return at > 0 && at < 1; }"
    )
    state(card, "Done")
    notebook.finished()
    expect(notebook.printed(2)).to_have_text("succeeded 0.0\n")
    page.wait_for_function(PLAYS, arg=".rw-card video")
    source = card.locator("video").get_attribute("src") or ""
    assert source.startswith("/files/reelwright_outputs/animatic-"), "the server serves the clip, with ranges"
    expect(notebook.output(1).locator(".rw-figure")).to_be_hidden()
    picture("live-light")
    notebook.theme(DARK)
    picture("live-dark")

    saved = notebook.save()
    figure = saved.cells[1].outputs[1].data["text/html"]
    assert 'src="reelwright_outputs/animatic-' in figure and "PREVIS (no generative model)" in figure
    assert len(figure) < 40_000, "a poster and a link, not the clip"
    notebook.shut_down()
    notebook.reopen()
    opened = notebook.output(1).locator(".rw-figure")
    expect(opened).to_be_visible()
    page.evaluate("() => document.querySelector('.rw-figure video').play()")  # until then its poster is enough
    page.wait_for_function("() => document.querySelector('.rw-figure video')?.readyState >= 1")
    expect(opened.locator("figcaption")).to_contain_text("succeeded, animatic, 6 s")
    expect(notebook.output(1).get_by_text("Error displaying widget")).to_be_hidden()
    picture("reopened-dark")


def test_a_card_cancels_while_a_cell_awaits(notebook: LabPage) -> None:
    long = "studio.image_to_video(still, 'long', model='animatic', duration_s=60, resolution='1080p')"
    notebook.open("cancel.ipynb", START, f"job = {long}\nawait job", "print(job.refresh().state)")
    notebook.run(0)
    notebook.run(1, wait=False)
    card = notebook.output(1).locator(".rw-card")
    state(card, "Running")
    card.get_by_role("button", name="Cancel").click()
    state(card, "Cancelled")
    notebook.finished()
    expect(notebook.output(1)).to_contain_text("cancelled")
    notebook.run(2)
    expect(notebook.printed(2)).to_have_text("cancelled\n")


def test_the_board_shows_what_an_agent_started(notebook: LabPage, picture: Callable[..., Path]) -> None:
    env = notebook.lab.environment | {"REELWRIGHT_WORKER_IDLE_S": "1"}
    with RawClient(env, name="an-agent", cwd=notebook.lab.root) as agent:
        notebook.open("board.ipynb", START, "board()")
        notebook.run_all()
        board = notebook.output(1).locator(".rw-board")
        expect(board).to_be_visible()
        ticket = agent.structured(
            "generate_video",
            prompt="a boat in the rain",
            model="animatic",
            duration_s=2,
            resolution="360p",
            label="boat",
        )
        line = board.get_by_role("listitem").filter(has_text="boat")
        expect(line).to_contain_text("an-agent")
        expect(line.locator(".rw-chip").first).to_have_text("Done", timeout=90_000)
        line.get_by_role("button", name="Open boat").click()
        expect(board.locator(".rw-card video")).to_be_visible()
        notebook.page.wait_for_function(PLAYS, arg=".rw-board video")
        picture("board")
        # and the other way round: the notebook has the very job of the agent
        assert notebook.value(f"studio.job({ticket['job_id']!r}).view.client") == "an-agent"


def test_notebook_7_shows_a_card(seven: SevenPage) -> None:
    seven.open("seven.ipynb", START, f"job = {MAKE.format(seconds=2)}\njob")
    seven.press_run(0)
    seven.press_run(1)
    card = seven.output(1).locator(".rw-card")
    state(card, "Done")
    seven.page.wait_for_function(PLAYS, arg=".rw-card video")
    saved = seven.save()
    assert kinds(saved.cells[1].outputs)[0] == {"application/vnd.jupyter.widget-view+json", "text/plain"}


PAINTED = """\
import asyncio
from pathlib import Path
from backends.media.images import load_mask
while len(painted.motion) < 2 or painted.motion[1].vector()[1] > -0.9:
    await asyncio.sleep(0.05)
masks = [load_mask(Path(region.mask)) for region in painted.motion]
"""


def test_what_is_painted_while_a_cell_awaits_arrives_whole(notebook: LabPage, picture: Callable[..., Path]) -> None:
    """Synced traits would lose all but the first change here; every stroke comes by message."""
    notebook.open("brush.ipynb", START, "painted = brush(still, model='animatic')\npainted", PAINTED)
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)
    view = notebook.output(1).locator(".rw-brush")
    canvas = view.locator("canvas")
    mouse = notebook.page.mouse

    def drag(*points: tuple[float, float]) -> None:
        box = canvas.bounding_box()
        assert box
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        mouse.move(*at[0])
        mouse.down()
        for point in at[1:]:
            mouse.move(*point, steps=8)
        mouse.up()

    canvas.scroll_into_view_if_needed()
    drag((0.2, 0.3), (0.4, 0.3))
    drag((0.2, 0.35), (0.4, 0.35))  # a second stroke on the same region, while the cell awaits
    view.get_by_role("button", name="New", exact=True).click()
    drag((0.7, 0.6), (0.75, 0.6))
    view.get_by_role("button", name="Aim", exact=True).click()
    drag((0.72, 0.6), (0.72, 0.53))
    picture("painted")
    notebook.finished()
    facts = notebook.value(
        "[[list(mask.shape), float(mask[int(.3 * 360), int(.3 * 640)]), float(mask[int(.35 * 360), int(.3 * 640)]),"
        " float(mask[int(.6 * 360), int(.72 * 640)])] for mask in masks]"
    )
    assert facts == [[[360, 640], 1.0, 1.0, 0.0], [[360, 640], 0.0, 0.0, 1.0]]
    dx, dy = notebook.value("list(painted.motion[1].vector())")
    assert abs(dx) < 0.1 and dy < -0.99, "up, with y down"
    figure = notebook.output(1).locator(".rw-figure")
    expect(figure).to_contain_text("2 up 3.9 %")  # what stays in the notebook follows what is painted
    expect(figure).to_be_hidden()
    notebook.run(1)  # the cell again: what was painted is there
    expect(view).to_contain_text("Restored your last settings (2 regions). Clear starts again.")
    assert notebook.value("[region.words(640) for region in painted._regions.values()]") == ["right 5.0 %", "up 3.9 %"]
