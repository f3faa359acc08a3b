"""The extension in a real JupyterLab: what a person sees, from the first cell to the notebook opened again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.notebook_ext.lab import DARK, LabPage

START = """\
%load_ext notebook_ext
import numpy as np
from notebook_ext import studio, show, board
rng = np.random.default_rng(1)
picture = np.kron(rng.integers(40, 220, (9, 16, 3)), np.ones((40, 40, 1))).astype(np.uint8)
"""
PLAYING = "video => video.readyState >= 3 && video.currentTime > 0 && !video.error"


def test_a_card_goes_from_progress_to_a_playing_clip(notebook: LabPage, picture: Callable[..., Path]) -> None:
    notebook.open(
        "first.ipynb",
        START,
        "job = studio.image_to_video(picture, 'a slow push', model='animatic', camera=['dolly-in:0.4'], duration_s=4)\n"
        "clip = await job",
        "clip.file",
    )
    notebook.run_all(wait=False)
    card = notebook.output(1).locator(".rw-card")
    expect(card).to_be_visible()
    expect(card.locator(".rw-chip").first).to_have_text("Done")
    notebook.finished()
    video = card.locator("video")
    expect(video).to_be_visible()
    notebook.page.wait_for_function(f"() => [...document.querySelectorAll('.rw-card video')].some({PLAYING})")
    picture("card-light")
    notebook.theme(DARK)
    picture("card-dark")
    print(picture("x"))
