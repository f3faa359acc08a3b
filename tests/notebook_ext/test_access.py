"""Every view is free of what axe-core calls a barrier, light and dark, wide and narrow; with pictures for a person."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from notebook_ext.client import NotebookStudio
from notebook_ext.view import View, module_text, style_text
from notebook_ext.views.brush import brush
from notebook_ext.views.camera import opened as camera
from notebook_ext.views.compare import opened as compare
from notebook_ext.views.keyframes import keyframes
from tests.fakes import tiny_clip
from tests.notebook_ext.browser import Look
from tests.notebook_ext.desk import Desk, Shown, notebook_studio
from tests.notebook_ext.mount import Widget
from tests.notebook_ext.test_board import ROWS, state
from tests.notebook_ext.test_card import DONE, JOB, data
from tests.samples import photo

VIEWS = ("card", "board", "brush", "camera", "keyframes", "compare")
RUN = """async () => {
  const { violations } = await axe.run("#stage > div", { rules: { region: { enabled: false } } });
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary: why }) => `${id}: ${html} ${why}`));
}"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookStudio]:
    folder = tmp_path_factory.mktemp("access")
    shutil.copy(photo("coffee"), folder / "coffee.png")
    for name in ("one.mp4", "two.mp4"):
        shutil.copy(tiny_clip(), folder / name)
    with notebook_studio(folder) as opened:
        yield opened


def views(studio: NotebookStudio) -> Iterator[View]:
    region = {"box": [0.1, 0.1, 0.5, 0.5], "direction": "up"}
    yield brush("coffee.png", model="animatic", motion=[region], client=studio)
    yield camera(studio, "coffee.png", model="animatic", moves=["dolly-in:0.4", "pan-left:0.2@0-2"])
    yield keyframes("one.mp4", "coffee.png", model="animatic", client=studio)
    yield compare(studio, "one.mp4", "two.mp4")


def pages() -> Iterator[tuple[str, str, dict[str, Any]]]:
    failed = {"state": "failed", "trouble": "The service broke. It was not charged."}
    stuck = {"state": "uncertain", "trouble": "Nobody knows", "command": "reelwright jobs resolve job_x"}
    yield "card-running", "card", data(JOB | {"progress": 0.4, "notes": ["a note"]})
    yield "card-done", "card", data(DONE | {"has_poster": False}, JOB | {"job_id": "job_" + "b" * 26, "take": 2})
    yield "card-failed", "card", data(JOB | failed)
    yield "card-uncertain", "card", data(JOB | stuck)
    yield "board", "board", state(ROWS)
    yield "board-open", "board", state(ROWS, jobs=[DONE | {"job_id": ROWS[1]["job_id"], "has_poster": False}])
    yield "board-grid", "board", state(ROWS, grid={"cost": "3 clips: free", "columns": 3})


@pytest.mark.parametrize("look", [Look(width=1200), Look(width=480, dark=True)], ids=str)
def test_no_view_has_a_barrier(
    studio: NotebookStudio, widget: Widget, axe: str, picture: Callable[..., Path], look: Look
) -> None:
    every = "".join(map(style_text, VIEWS))
    widget.mount("export default { render() {} };", every)
    widget.unmount()
    widget.page.evaluate(axe)
    found: dict[str, list[str]] = {}
    for name, module, given in pages():
        widget.mount(module_text(module), data=given)
        found[name] = widget.page.evaluate(RUN)
        picture(f"{name}-{look}")
        widget.unmount()
    for view in views(studio):
        Shown(widget, Desk(view))
        found[view.NAME] = widget.page.evaluate(RUN)
        assert widget.page.evaluate("document.documentElement.scrollWidth") <= look.width, view.NAME
        picture(f"{view.NAME}-{look}")
        widget.unmount()
        view.close()
    assert not (told := "\n".join(f"{name}: {one}" for name, told in found.items() for one in told)), told
