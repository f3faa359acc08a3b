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

from tests.bench import cards
from tests.jobs.station import Station
from tests.notebook_ext.browser import Chromium, Look
from tests.notebook_ext.lab import Lab, LabPage

IMPORTS = 7
ROUNDS = 3
IMPORT_S = 0.7
FRONT_END = 60_000
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


def main() -> None:
    if sys.argv[1:] == ["cards"]:
        for what, measured, limit, held in cards.rows():
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
    rows += cards.rows()
    print("| what | measured | bound | held |\n|---|---|---|---|")
    for what, measured, limit, held in rows:
        print(f"| {what} | {measured} | {limit} | {'yes' if held else 'no'} |")
    print(f"| {size:.0f} MB clip playable by ipywidgets.Video | {base:.2f} s | | |")


if __name__ == "__main__":
    main()
