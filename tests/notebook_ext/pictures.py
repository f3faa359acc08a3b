"""Pictures of every view and table, wide and narrow, light and dark, for a person to look at.

`python -m tests.notebook_ext.pictures FOLDER` (or `make pictures`) takes about a minute. Views stand in a bare page
with JupyterLab's own colours; those that work with files are answered by the real Python side.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from notebook_ext.client import NotebookStudio
from notebook_ext.prices import break_even
from notebook_ext.view import module_text, style_text
from tests.fakes import tiny_clip
from tests.notebook_ext.browser import Chromium, Look
from tests.notebook_ext.desk import Desk, Shown, notebook_studio
from tests.notebook_ext.mount import Widget
from tests.notebook_ext.shelf import Shelf
from tests.notebook_ext.test_access import VIEWS, pages, views
from tests.notebook_ext.test_board import ROWS, row, state
from tests.notebook_ext.test_card import DONE, JOB, data
from tests.samples import photo

LOOKS = [Look(width=width, dark=dark) for width in (1200, 480) for dark in (False, True)]
LONG = (
    "A lighthouse keeper walks the gallery at dusk while rain sweeps in from the sea, slow dolly in, 35 mm film. " * 6
)
HTML = "export default { render({ model, el }) { el.innerHTML = model.get('html'); } };"


def more_pages() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The states of a card that the tests of barriers leave out, and a full board."""
    file = "/home/somebody/notebooks/reelwright_outputs/a-very-long-label-of-a-campaign_take12.mp4"
    film = {
        "task": "finish",
        "model": "edit",
        "prompt": "",
        "can_extend": False,
        "cost_usd": 0.0,
        "est_cost_usd": 0.0,
        "file": file,
    }
    yield "card-queued", "card", data(JOB | {"state": "queued", "queue_position": 2, "prompt": LONG})
    yield "card-waiting", "card", data(JOB | {"state": "waiting", "est_cost_usd": 0.0042})
    yield "card-cancelled", "card", data(JOB | {"state": "cancelled", "cost_usd": 0.0})
    yield (
        "card-film",
        "card",
        data(DONE | film | {"has_poster": False, "picked": True, "star": True, "note": "the one"}),
    )
    many = [DONE | {"job_id": f"job_{n:026}", "take": n, "has_poster": False, "prompt": LONG} for n in range(1, 9)]
    yield "card-takes", "card", data(*many)
    rows = [
        row(letter, prompt=LONG, label=f"campaign-autumn-{letter}", star=letter == "d", picked=letter == "e")
        for letter in "defghijklm"
    ]
    rows[3] |= {"state": "uncertain", "client": "an-agent-with-a-long-name", "note": "look at the hands"}
    yield "board-full", "board", state([*ROWS, *rows])
    yield "board-empty", "board", state([])
    yield "board-grid-4", "board", state(rows[:4], grid={"cost": "4 clips: $2.40 at most", "columns": 4})


def tables(studio: NotebookStudio) -> Iterator[tuple[str, str]]:
    """What is shown as a table, with two clips of the free engine in it."""
    shot = {"model": "animatic", "camera": ["dolly-in:0.3"], "duration_s": 1, "resolution": "360p"}
    jobs = [studio.image_to_video("coffee.png", **shot, take=take, label="coffee") for take in (1, 2)]
    for job in jobs:
        job.wait()
    jobs[1].pick().note("the steam is better")
    yield "estimate", studio.estimate_cost("a fox", duration_s=5)._repr_html_()
    yield "rank", studio.rank(jobs)._repr_html_()
    yield "jobs", studio.table()._repr_html_()
    yield "job-list", studio.list_jobs()._repr_html_()
    yield "models", studio.list_models()._repr_html_()
    yield "inspect", studio.inspect_clip(jobs[0], against="one.mp4")._repr_html_()
    yield "break-even", break_even(studio)._repr_html_()


def take(folder: Path) -> None:
    """Every picture of every look into folder, as NAME-LOOK.png."""
    folder.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="pictures-"))
    shutil.copy(photo("coffee"), place / "coffee.png")
    for name in ("one.mp4", "two.mp4"):
        shutil.copy(tiny_clip(), place / name)
    browser = Chromium(place)
    try:
        with Shelf() as shelf, notebook_studio(place) as studio:
            shown = list(tables(studio))
            for look in LOOKS:
                with browser.page(look, folder) as (page, talk):
                    talk.allow(".")
                    take_look(Widget(page, look, shelf), studio, shown, folder, look)
    finally:
        browser.close()
        shutil.rmtree(place, ignore_errors=True)


def take_look(widget: Widget, studio: NotebookStudio, shown: list[tuple[str, str]], folder: Path, look: Look) -> None:
    def shoot(name: str) -> None:
        widget.page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
        wide = widget.page.evaluate("document.documentElement.scrollWidth")
        if wide > look.width:
            print(f"{name}-{look}: {wide} px wide")
        widget.unmount()

    widget.mount("export default { render() {} };", "".join(map(style_text, VIEWS)))
    widget.unmount()
    for name, module, given in [*pages(), *more_pages()]:
        widget.mount(module_text(module), data=given)
        shoot(name)
    for name, html in shown:
        widget.mount(HTML, html=html)
        shoot(name)
    for view in views(studio):
        Shown(widget, Desk(view))
        shoot(view.NAME)
        view.close()


if __name__ == "__main__":
    take(Path(sys.argv[1] if len(sys.argv) > 1 else "pictures"))
