"""What came is held against what was asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backends.facts import MediaFacts
from backends.jobs.context import Context
from backends.jobs.run.comparison import Comparison, compare
from backends.jobs.store.stored_job import StoredJob
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station, text_request


def test_a_wrong_clip_is_kept_told_and_priced(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> None:
    server = serve(mode="none", clips={"": tiny_clip(64, 64, 1.0)})
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert job.state == "succeeded" and job.file is not None and Path(job.file).exists()
    assert job.asked == {"width": 320, "height": 180, "duration_s": 4, "audio": False}
    (told,) = [note for note in job.notes if note.startswith("asked ")]
    assert told == (
        "asked 320x180 4 s silent, delivered 64x64 1 s 24 fps silent (its size, its ratio, its length); "
        "by the list price such a clip is $0.10, not $0.40"
    )
    assert job.cost_usd == 0.4 and "asked 320x180 4 s silent, delivered 64x64 1 s" in job.cost_basis


def test_a_right_clip_is_not_spoken_of(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> None:
    station = stand(serve(mode="none"), PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    (job,) = station.settled(studio, [studio.submit(text_request("a kite")).job_id])
    assert (job.asked, job.notes, job.cost_basis) == (None, [], "reported by the provider")


@pytest.fixture
def row(stand: Callable[..., Station]) -> dict[str, object]:
    station = stand()
    station.url = "http://127.0.0.1:9"
    context = Context.open(station.settings())
    job = station.place(context, text_request("a kite"))
    context.close()
    return station.row(job)


def clip(**changes: object) -> MediaFacts:
    usual = {"width": 320, "height": 180, "duration_s": 4.0, "fps": 24.0, "audio": False, "mime": "video/mp4"}
    return MediaFacts(kind="clip", bytes=1, **{**usual, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "came", [{}, {"width": 328, "height": 176}, {"duration_s": 4.4}, {"duration_s": 3.6}, {"fps": 60.0}]
)
def test_what_is_within_the_tolerances(came: dict[str, object], row: dict[str, object]) -> None:
    assert compare(StoredJob.of(row), clip(**came), None) == Comparison()


@pytest.mark.parametrize(
    ("came", "wrong"),
    [
        ({"width": 640, "height": 360}, "(its size)"),
        ({"width": 180, "height": 320}, "(its size, its ratio)"),
        ({"duration_s": 4.6}, "(its length)"),
        ({"duration_s": 2.0}, "(its length)"),
    ],
)
def test_what_is_told(came: dict[str, object], wrong: str, row: dict[str, object]) -> None:
    (told,) = compare(StoredJob.of(row), clip(**came), None).notes
    assert told.endswith(wrong)


def test_the_container_and_further_files(row: dict[str, object]) -> None:
    said = compare(StoredJob.of(row), clip(mime="video/webm"), None, further_clips=2)
    assert said.difference == "" and said.notes == (
        "the clip came as WebM, not MP4",
        "one clip was requested; 2 further files came with it, kept in `files`",
    )
