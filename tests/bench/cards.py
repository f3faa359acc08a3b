"""What twenty job cards cost a page beside twenty `IPython.display.Video` of the same clips.

`python -m tests.bench.notebook cards` prints two rows of the table. Both are shown in turn in a real JupyterLab in
Chromium, each time in a new page with a kernel of its own; figures are medians. It ends by itself: no further round
is begun after LIMIT_S.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from tests.jobs.station import Station
from tests.notebook_ext.browser import Chromium, Look
from tests.notebook_ext.lab import Lab, LabPage

CARDS = 20
ROUNDS = 3
RATIO = 1.2
LIMIT_S = 180.0
OURS, THEIRS = "cards", "IPython.display.Video"
START = "from IPython.display import Video, display; from notebook_ext import studio"
MAKE = f"""\
import os, shutil
shot = dict(model='animatic', camera=['truck-left:0.5'], duration_s=2, resolution='360p')
jobs = [studio.image_to_video('noise.png', **shot, take=n) for n in range(1, {CARDS} + 1)]
for job in jobs: job.wait()
os.makedirs('plain', exist_ok=True)
files = [shutil.copy(job.file, f'plain/v{{n}}.mp4') for n, job in enumerate(jobs)]
"""
SHOWN = {
    OURS: ("for job in jobs: display(job)", ".rw-card"),
    THEIRS: ("for file in files: display(Video(file, html_attributes='controls muted'))", ".jp-OutputArea video"),
}
IN_SIGHT = "[...document.querySelectorAll('video')].filter((v) => v.checkVisibility())"


class Cost(NamedTuple):
    """first_s: seconds from the run of the cell to the first frame of any clip. tab_mb: memory of the page's process
    when all are there."""

    first_s: float
    tab_mb: float


def show_all(opened: LabPage, page: Page, cell: int, css: str) -> Cost:
    """Run the cell that shows the twenty."""
    start = time.perf_counter()
    opened.run(cell, wait=False)
    page.wait_for_function(f"() => {IN_SIGHT}.some((v) => v.readyState >= 2)", polling="raf")
    took = time.perf_counter() - start
    opened.finished()
    page.wait_for_function("([css, n]) => document.querySelectorAll(css).length >= n", arg=[css, CARDS])
    page.wait_for_load_state("networkidle")
    page.context.new_cdp_session(page).send("HeapProfiler.collectGarbage")
    return Cost(took, tab_mb(page))


def tab_mb(page: Page) -> float:
    """Memory of the process that draws the page, what it shares with others counted by its share (PSS)."""
    browser = page.context.browser
    assert browser is not None
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return max(_pss(one["id"]) for one in found if one["type"] == "renderer")


def _pss(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


@contextmanager
def noisy_lab() -> Iterator[tuple[Lab, Chromium, Path]]:
    """A JupyterLab with a noisy still in its folder, and a browser."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    browser = Chromium(folder)
    try:
        with Lab(Station(folder / "lab")) as lab:
            pixels = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
            Image.fromarray(pixels).resize((1280, 720)).save(lab.root / "noise.png")
            yield lab, browser, folder
    finally:
        browser.close()
        shutil.rmtree(folder, ignore_errors=True)


def measured() -> dict[str, Cost]:
    """Medians by what is shown; in turn, in one run. The clips are made once, and found again by each kernel."""
    found: dict[str, list[Cost]] = {name: [] for name in SHOWN}
    with noisy_lab() as (lab, browser, folder):
        end = time.monotonic() + LIMIT_S
        for turn in range(ROUNDS):
            if turn and time.monotonic() > end:
                break
            for name, (text, css) in SHOWN.items():
                with browser.page(Look(), folder) as (page, talk), LabPage(lab, page) as opened:
                    talk.allow(".")
                    opened.open(f"{name[:5]}{turn}.ipynb", START, MAKE, text)
                    opened.run(0)
                    opened.run(1)
                    found[name].append(show_all(opened, page, 2, css))
    return {
        name: Cost(statistics.median(one.first_s for one in each), statistics.median(one.tab_mb for one in each))
        for name, each in found.items()
    }


def rows() -> list[tuple[str, str, str, bool]]:
    """What, measured, bound, held."""
    found = measured()
    ours, theirs = found[OURS], found[THEIRS]
    told = (
        ("first frame", f"{ours.first_s:.2f} s and {theirs.first_s:.2f} s", ours.first_s / theirs.first_s),
        ("tab", f"{ours.tab_mb:.0f} MB and {theirs.tab_mb:.0f} MB", ours.tab_mb / theirs.tab_mb),
    )
    return [
        (f"{CARDS} cards beside {CARDS} {THEIRS}: {what}", f"{words}, {ratio:.2f} x", f"{RATIO} x", ratio <= RATIO)
        for what, words, ratio in told
    ]
