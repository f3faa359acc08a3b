"""Voila as a host: a notebook served without its code, whose views are live, and which serves no file beside it."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import v4
from playwright.sync_api import expect

from tests.hosts.in_marimo import PATIENCE_MS, PLAYS
from tests.hosts.serving import served
from tests.jobs.station import Station, until
from tests.notebook_ext.browser import Chromium, Look
from tests.notebook_ext.lab import jupyter_folders

START = """\
import numpy as np
from notebook_ext import brush, studio
still = np.full((180, 320, 3), (40, 90, 120), np.uint8)"""
MAKE = "job = studio.image_to_video(still, 'a slow push', model='animatic', duration_s=1, resolution='360p'); job"
RUN = ("voila", "shots.ipynb", "--no-browser", "--port=PORT", "--Voila.ip=127.0.0.1")


def main(browser: Chromium, folder: Path) -> None:
    """AssertionError for what does not work; a picture is left in `folder`."""
    station = Station(folder / "station")
    beside = folder / "notebooks"
    beside.mkdir(parents=True)
    cells = [v4.new_code_cell(text) for text in (START, "brush(still, model='animatic')", MAKE)]
    nbformat.write(v4.new_notebook(cells=cells), beside / "shots.ipynb")
    try:
        with (
            served(station, RUN, beside, **jupyter_folders(station.root)) as url,
            browser.page(Look(width=1200, height=1200), folder) as (page, talk),
        ):
            talk.allow("405")  # it has no files to give: the clip comes through the kernel
            talk.allow("cdn.jsdelivr|module-federation")  # its own: a font, and JupyterLab's parts that it lacks
            page.goto(url)
            card = page.locator(".rw-card")
            expect(card.locator(".rw-chip").first).to_have_text("Done", timeout=PATIENCE_MS)
            card.scroll_into_view_if_needed()
            until(lambda: card.evaluate(PLAYS), "the clip plays", 60)
            canvas = page.locator(".rw-brush canvas")
            until(lambda: "url(" in (canvas.get_attribute("style") or ""), "the picture to paint on is there", 60)
            page.screenshot(path=folder / "voila.png")
    finally:
        station.close()
