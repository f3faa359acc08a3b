"""Finished films in the browser that most people have: they play from their first moment to their last."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from backends.media.probe import probe_clip
from backends.media.provenance.signing import sign
from tests.edit.making import film
from tests.edit.moments import flashing
from tests.media.signing import MADE

PLAY = """([data, mime]) => new Promise((resolve, reject) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))
  const video = document.createElement("video")
  video.muted = true  // a page may start no sound by itself; it is decoded all the same
  video.onerror = () => reject(new Error(`${mime}: ${video.error.message}`))
  video.onended = () => resolve({
    duration: video.duration, at: video.currentTime, width: video.videoWidth, height: video.videoHeight,
    frames: video.getVideoPlaybackQuality().totalVideoFrames, heard: video.webkitAudioDecodedByteCount,
  })
  video.src = URL.createObjectURL(new Blob([bytes], { type: mime }))
  document.body.append(video)
  video.play()
})"""


@pytest.mark.parametrize(
    ("asked", "mime"),
    [
        ({"crossfade_s": 0.125}, "video/mp4"),
        ({"codec": "av1"}, "video/mp4"),
        ({"format": "webm"}, "video/webm"),
    ],
    ids=["h264", "av1", "vp9"],
)
def test_a_signed_film_plays_to_its_end_with_its_sound(
    asked: dict[str, object], mime: str, page: Page, tmp_path: Path
) -> None:
    clip = flashing(tmp_path / "a.mp4")
    made = film(tmp_path, [clip, clip], **asked).path
    leaving = tmp_path / f"signed{made.suffix}"
    if not sign(made, leaving, replace(MADE, key=str(asked)), [], {"folder": str(tmp_path / "signing")}).embedded:
        leaving = made
    facts = probe_clip(leaving, count_frames=True)
    assert facts.duration_s is not None
    page.goto("about:blank")
    played = page.evaluate(PLAY, [base64.b64encode(leaving.read_bytes()).decode(), mime])
    assert abs(played["duration"] - facts.duration_s) <= 0.05 and abs(played["at"] - facts.duration_s) <= 0.05
    assert (played["width"], played["height"]) == (96, 64) and played["heard"] > 0
    assert played["frames"] >= (facts.frames or 0) - 1, "none is left out on the way"
