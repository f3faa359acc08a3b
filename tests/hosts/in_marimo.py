"""marimo as a host: its notebook's views live in a browser, painted on, and a clip that plays."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.hosts.serving import served
from tests.jobs.station import Station, until
from tests.notebook_ext.browser import Chromium, Look

NOTEBOOK = Path(__file__).with_name("notebook_of_marimo.py")
RUN = ("marimo", "-q", "run", "shots.py", "--headless", "--no-token", "--host", "127.0.0.1", "--port", "PORT")
PLAYS = """(card) => { const video = card.querySelector("video");
return !!video && video.readyState >= 3 && video.currentTime > 0 && !video.error; }"""
PATIENCE_MS = 90_000


def main(browser: Chromium, folder: Path) -> None:
    """AssertionError for what does not work; pictures are left in `folder`."""
    station = Station(folder / "station")
    beside = folder / "notebooks"
    beside.mkdir(parents=True)
    shutil.copy(NOTEBOOK, beside / "shots.py")
    try:
        with served(station, RUN, beside) as url, browser.page(Look(width=1200, height=1200), folder) as (page, _):
            page.goto(url)
            seen(page)
            page.screenshot(path=folder / "marimo.png")
        with served(station, RUN, beside) as url, browser.page(Look(dark=True, width=480), folder) as (page, _):
            page.goto(url)
            again = page.locator(".rw-brush").get_by_text("Restored your last settings")
            expect(again).to_be_visible(timeout=PATIENCE_MS)
            page.screenshot(path=folder / "marimo-again.png")
    finally:
        station.close()


def seen(page: Page) -> None:
    brush = page.locator(".rw-brush")
    canvas = brush.locator("canvas")
    canvas.wait_for(timeout=PATIENCE_MS)
    until(lambda: "url(" in (canvas.get_attribute("style") or ""), "the picture to paint on is there", 90)
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 90, steps=8)
    page.mouse.up()
    expect(brush.get_by_role("status")).to_have_text("Region 1 of 1: right 5.0 %")
    expect(page.locator(".rw-camera img").first).to_be_visible()
    cards = page.locator(".rw-card:not(.rw-inner)")
    expect(cards.last.locator(".rw-chip").first).to_have_text("Done", timeout=PATIENCE_MS)
    cards.last.scroll_into_view_if_needed()
    until(lambda: cards.last.evaluate(PLAYS), "the clip plays", 60)
    expect(page.locator("figure video")).to_have_count(1)  # show() of a file, written into the page
    expect(page.locator(".rw-board .rw-line")).to_have_count(1)
