"""Hosts that serve no file beside a notebook or draw its outputs in a document of their own: what a person sees there.

VS Code and Colab cannot be run here; what sets them apart is made by hand. marimo, Voila and papermill run in
`make hosts`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Page, expect

from backends.jobs.views import Job as JobView
from notebook_ext import kernel
from notebook_ext.delivery import relative_path, server_paths
from notebook_ext.figure import job_figure
from notebook_ext.view import MAX_BUFFER
from tests.notebook_ext.browser import Talk
from tests.notebook_ext.shelf import Shelf
from tests.notebook_ext.test_card import DONE, POSTER

WEBVIEW = """<!doctype html><html lang="en"><title>outputs</title>
<div class="output"><div class="rw rw-card" data-job="{live}">the card</div></div><div class="output">{figure}</div>"""
BASE64 = 4 / 3


def test_in_a_webview_the_figure_gives_way_to_its_live_card_and_a_clip_out_of_reach_to_its_poster(
    page: Page, shelf: Shelf, talk: Talk, tmp_path: Path
) -> None:
    talk.allow("404")
    known = {name: value for name, value in DONE.items() if name in JobView.model_fields}
    view = JobView(**known | {"uri": f"video://jobs/{DONE['job_id']}", "created_at": ""})
    poster = tmp_path / "poster.jpg"
    poster.write_bytes(POSTER)
    figure = job_figure(view, "a boat", poster, "reelwright_outputs/gone.mp4")
    page.goto(shelf.text(WEBVIEW.format(live=f"job_other {view.job_id}", figure=figure), ".html"))
    expect(page.locator("figure")).to_be_hidden()
    page.goto(shelf.text(WEBVIEW.format(live="job_other", figure=figure), ".html"))
    expect(page.locator("figure")).to_be_visible()
    page.locator("figure video").evaluate("video => video.play().catch(() => null)")  # the clip is loaded when played
    expect(page.locator("figure img")).to_have_attribute("alt", "a boat")
    expect(page.locator("figure video")).to_have_count(0)


def test_where_no_file_lies_beside_the_notebook_the_clip_is_written_into_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kernel, "folder", lambda: tmp_path)
    clip = tmp_path / "reelwright_outputs" / "a.mp4"
    assert kernel.files_beside() and relative_path(clip) == "reelwright_outputs/a.mp4"
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    assert not kernel.files_beside() and relative_path(clip) is None
    assert server_paths(clip)  # a page that reaches a Jupyter server looks for it there all the same


def test_what_a_page_sends_at_once_passes_the_narrowest_way() -> None:
    assert MAX_BUFFER * BASE64 < 10_000_000
