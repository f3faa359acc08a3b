"""The notebook extension: import, size of the front end, how soon a clip of about 37 MB can be played, and what twenty
cards cost beside twenty `IPython.display.Video`.

`python -m tests.bench.notebook` prints a Markdown table. The clip is played in a real JupyterLab in Chromium by the
server's file, by chunks through the kernel, and by `ipywidgets.Video`, in turn; figures are medians of one run, from
running the cell to the first frame that can be played. `python -m tests.bench.notebook cards` measures the twenty
alone. Takes about four minutes.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from tests.jobs.station import Station
from tests.notebook_ext.browser import Chromium, Look
from tests.notebook_ext.lab import Lab, LabPage

IMPORTS = 7
ROUNDS = 3
IMPORT_S = 0.7
FRONT_END = 60_000
CARDS = 20
CARDS_RATIO = 1.2
STATIC = Path(__file__).parents[2] / "notebook_ext" / "static"
IMPORT = "from notebook_ext import studio, show, board, brush, keyframes, camera, compare, estimate"
TIMED = f"import time; t = time.process_time(); {IMPORT}; print(time.process_time() - t)"

MAKE = """\
import ipywidgets
from notebook_ext import studio
shot = dict(model='animatic', camera=['truck-left:1'], duration_s=8, resolution='1080p')
job = await studio.image_to_video('noise.png', **shot)
"""
WAYS = {
    "the server's file": ("file", "job", ".rw-card video"),
    "chunks through the kernel": ("chunks", "job", ".rw-card video"),
    "ipywidgets.Video": ("file", "ipywidgets.Video.from_file(job.file)", "video.jupyter-widgets"),
}


MAKE_CARDS = f"""\
from IPython.display import Video, display
from notebook_ext import studio
shot = dict(model='animatic', camera=['truck-left:0.5'], duration_s=2, resolution='360p')
jobs = [studio.image_to_video('noise.png', **shot, take=n) for n in range(1, {CARDS} + 1)]
for job in jobs: job.wait()
import os, shutil
os.makedirs('reelwright_outputs', exist_ok=True)
files = [shutil.copy(job.file, f'reelwright_outputs/v{{n}}.mp4') for n, job in enumerate(jobs)]
"""
TWENTY = {
    "cards": ("for job in jobs: display(job)", ".rw-card"),
    "IPython.display.Video": ("for file in files: display(Video(file, html_attributes='controls muted'))", "video"),
}


def first_frame_s(opened: LabPage, page: Page, cell: int, css: str) -> tuple[float, float]:
    """Of twenty clips shown by one cell: seconds until the first has a frame, and MB of the tab once all are there."""
    opened.command("notebook:clear-all-cell-outputs")
    page.wait_for_function("css => !document.querySelector(css)", arg=css)
    session = page.context.new_cdp_session(page)
    start = time.perf_counter()
    opened.run(cell, wait=False)
    page.wait_for_function(
        "() => [...document.querySelectorAll('video')].some((v) => v.readyState >= 2)", polling="raf", timeout=120_000
    )
    took = time.perf_counter() - start
    opened.finished()
    page.wait_for_function("([css, n]) => document.querySelectorAll(css).length >= n", arg=[css, CARDS])
    session.send("HeapProfiler.collectGarbage")
    return took, tab_mb(page)


def tab_mb(page: Page) -> float:
    """Memory of the renderer that holds the page, shared parts by their share (PSS)."""
    session = page.context.browser.new_browser_cdp_session()  # pyright: ignore[reportOptionalMemberAccess]
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [one["id"] for one in found if one["type"] == "renderer"]
    return max(_pss(pid) for pid in renderers)


def _pss(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


def twenty() -> dict[str, tuple[float, float]]:
    """Median seconds to the first frame, and median MB of the tab, by way; in turn, in one run."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    browser = Chromium(folder)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in TWENTY}
    try:
        station = Station(folder / "lab")
        with Lab(station) as lab:
            pixels = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
            Image.fromarray(pixels).resize((1280, 720)).save(lab.root / "noise.png")
            for turn in range(ROUNDS):
                for name, (text, css) in TWENTY.items():
                    with browser.page(Look(), folder) as (page, talk):
                        talk.allow(".")
                        with LabPage(lab, page) as opened:
                            opened.open(f"{name[:5]}{turn}.ipynb", MAKE_CARDS, text)
                            opened.run(0)
                            found[name].append(first_frame_s(opened, page, 1, css))
        station.close()
    finally:
        browser.close()
        shutil.rmtree(folder, ignore_errors=True)
    return {
        name: (statistics.median(s for s, _ in each), statistics.median(mb for _, mb in each))
        for name, each in found.items()
    }


def import_s() -> float:
    command = [sys.executable, "-P", "-c", TIMED]
    times = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(IMPORTS)]
    return statistics.median(times)


def until_playable_s(opened: LabPage, page: Page, css: str) -> float:
    """Run the second cell anew; seconds until its video has a frame to play and what follows."""
    opened.command("notebook:clear-all-cell-outputs")
    page.wait_for_function("css => !document.querySelector(css)", arg=css)
    start = time.perf_counter()
    opened.run(1, wait=False)
    page.wait_for_function(
        "css => document.querySelector(css)?.readyState >= 3", arg=css, polling="raf", timeout=120_000
    )
    took = time.perf_counter() - start
    opened.finished()
    return took


def delivery() -> tuple[dict[str, float], float]:
    """Median seconds by way, and the clip's size in MB."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    browser = Chromium(folder)
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    size = 0.0
    try:
        station = Station(folder / "lab")
        with Lab(station) as lab, browser.page(Look(), folder) as (page, talk):
            talk.allow(".")
            pixels = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
            for place in ("file", "chunks"):
                (lab.root / place).mkdir()
                Image.fromarray(pixels).save(lab.root / place / "noise.png")
            (lab.root / "chunks" / "reelwright_outputs").write_text("no folder can be made here, so no file is served")
            for _ in range(ROUNDS):
                for name, (place, shown, css) in WAYS.items():
                    with LabPage(lab, page) as opened:
                        opened.open(f"{place}/{shown[:3]}.ipynb", MAKE, shown)
                        opened.run(0)
                        size = opened.value("__import__('os').path.getsize(job.file)") / 1e6
                        times[name].append(until_playable_s(opened, page, css))
        station.close()
    finally:
        browser.close()
        shutil.rmtree(folder, ignore_errors=True)
    return {name: statistics.median(taken) for name, taken in times.items()}, size


def cards_rows() -> list[tuple[str, str, str, bool]]:
    found = twenty()
    (ours_s, ours_mb), (theirs_s, theirs_mb) = found["cards"], found["IPython.display.Video"]
    return [
        (
            f"{CARDS} {what} beside {CARDS} IPython.display.Video",
            f"{told}, {one / two:.2f} x",
            f"{CARDS_RATIO} x",
            one <= CARDS_RATIO * two,
        )
        for what, told, one, two in (
            ("cards' first frame", f"{ours_s:.2f} s and {theirs_s:.2f} s", ours_s, theirs_s),
            ("cards' tab", f"{ours_mb:.0f} MB and {theirs_mb:.0f} MB", ours_mb, theirs_mb),
        )
    ]


def main() -> None:
    if sys.argv[1:] == ["cards"]:
        for what, measured, limit, held in cards_rows():
            print(f"| {what} | {measured} | {limit} | {'yes' if held else 'no'} |")
        return
    front = sum(file.stat().st_size for file in STATIC.iterdir())
    took, seconds = import_s(), delivery()
    ways, size = seconds
    base = ways["ipywidgets.Video"]
    rows = [
        ("import of all that a notebook uses, processor time", f"{took:.2f} s", f"{IMPORT_S} s", took <= IMPORT_S),
        ("front end, unminified", f"{front} bytes", f"{FRONT_END} bytes", front <= FRONT_END),
    ]
    for name, bound in (("the server's file", 0.5), ("chunks through the kernel", 0.8)):
        ratio = ways[name] / base
        words = f"{ways[name]:.2f} s, {ratio:.2f} x"
        rows.append((f"{size:.0f} MB clip playable by {name}", words, f"{bound} x", ratio <= bound))
    rows += cards_rows()
    print("| what | measured | bound | held |\n|---|---|---|---|")
    for what, measured, limit, held in rows:
        print(f"| {what} | {measured} | {limit} | {'yes' if held else 'no'} |")
    print(f"| {size:.0f} MB clip playable by ipywidgets.Video | {base:.2f} s | | |")


if __name__ == "__main__":
    main()
