"""The result of extend_clip always holds the whole clip, whatever the service delivers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.facts import MediaFacts
from backends.jobs.run.join_extended import only_the_new_part
from backends.media.probe import probe_clip
from backends.request import build_request
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station


def _clip(seconds: float) -> MediaFacts:
    return MediaFacts("clip", "video/mp4", 320, 180, 1, seconds, 24)


@pytest.mark.parametrize(
    ("delivered", "source", "added", "alone"),
    [(7, 8, 7, True), (15, 8, 7, False), (4.04, 4, 4, True), (8, 4, 4, False), (6, 1, 6, True), (7, 1, 6, False)],
)
def test_the_length_tells_what_was_delivered(delivered: float, source: float, added: float, alone: bool) -> None:
    assert only_the_new_part(_clip(delivered), _clip(source), added) is alone


@pytest.mark.parametrize("seconds", [4, 8])
def test_a_part_is_joined_to_its_source_and_a_whole_is_left_as_it_came(
    stand: Callable[..., Station], seconds: int
) -> None:
    with FakeServer("paid", clips={"": tiny_clip(seconds=seconds)}, mode="key", life={"polls": 1}) as server:
        _extended(server, stand(server), joined=seconds == 4)


def _extended(server: FakeServer, station: Station, *, joined: bool) -> None:
    shutil.copy(tiny_clip(seconds=4), station.root / "clip.mp4")
    studio = station.studio()
    asked = {"source_clip": "clip.mp4", "duration_s": 4, "max_cost_usd": 5}
    ticket = studio.submit(build_request(task="extend", model="paid/basic", prompt="on", **asked))
    (job,) = station.settled(studio, [ticket.job_id], 40)
    assert job.state == "succeeded" and job.file is not None
    frames = probe_clip(Path(job.file), count_frames=True).frames
    assert frames in (191, 192), "the source's 4 s and the added 4 s"
    assert any("joined to the clip here" in note for note in job.notes) is joined
    assert len(job.files) == (2 if joined else 1), "the service's own bytes are kept beside the joined clip"
    assert server.counters()["charges"] == 1
