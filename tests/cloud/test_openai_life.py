"""Whole lives at /v1/videos servers, from the order to the file on disk, with the worker killed while they run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.request import build_request
from backends.studio import Studio
from tests.cloud import openai_rows
from tests.cloud.lives import files_with, kill_worker_while_running
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station, until
from tests.samples import photo

KEY = "sk-life-0123456789abcdef"
VLLM, PROXY = "openai/wan2.2-vllm", "openai/my-proxy-video"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    clips = {"": tiny_clip(seconds=2.0)}
    with FakeServer("openai_videos", clips=clips, life={"until_told": True}) as running:
        yield running


@pytest.fixture
def stand(server: FakeServer, tmp_path: Path) -> Iterator[Callable[..., Station]]:
    """A home with the documented rows, in which jobs are soon asked for."""
    made: list[Station] = []
    rows = openai_rows.save_quick(tmp_path / "rows")
    shutil.copy(photo("coffee"), tmp_path / "coffee.png")
    shutil.copy(tiny_clip(1280, 720, 3.5), tmp_path / "clip.mp4")

    def make(**env: str) -> Station:
        base = {"REELWRIGHT_OPENAI_BASE_URL": f"{server.url}/v1", "REELWRIGHT_CATALOG": str(rows)}
        made.append(Station(tmp_path, "", {**base, **env}))
        return made[-1]

    yield make
    for station in made:
        station.close()


def submit(studio: Studio, **fields: Any) -> str:
    return studio.submit(build_request(**{"task": "text_to_video", "model": PROXY, "prompt": "a fox", **fields})).job_id


def test_every_kind_of_work_outlives_its_worker_and_is_paid_once(
    server: FakeServer, stand: Callable[..., Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    station = stand(OPENAI_API_KEY=KEY)
    monkeypatch.chdir(station.root)
    studio = station.studio()
    jobs = [
        submit(studio, duration_s=4),
        submit(studio, task="image_to_video", frames=[{"image": "coffee.png"}], fit="crop", duration_s=4),
        submit(studio, task="edit", source_clip="clip.mp4", prompt="by night"),
        submit(studio, task="extend", source_clip="clip.mp4", prompt="on", duration_s=4),
    ]
    worker = kill_worker_while_running(station, jobs)
    server.tell()
    done = station.settled(studio, jobs, 40)
    assert [(job.state, job.error) for job in done] == [("succeeded", None)] * len(jobs)
    assert all(job.file and Path(job.file).stat().st_size > 1000 for job in done)
    assert all(job.cost_basis.startswith("computed from the list price") for job in done)
    counts = server.counters()
    assert (counts["submit"], counts["charges"], counts["broken"]) == (len(jobs), len(jobs), 0)
    assert station.books()[0] > 0 and station.books()[1] == 0

    # A clip of the server's own is extended and edited by its id: nothing is sent again.
    more = [
        submit(studio, task="extend", source_clip=jobs[0], prompt="further", duration_s=4),
        submit(studio, task="edit", source_clip=jobs[0], prompt="in snow"),
    ]
    until(lambda: all(station.row(job)["state"] == "running" for job in more), "both run", 20)
    server.tell()
    assert [job.state for job in station.settled(studio, more, 30)] == ["succeeded"] * 2
    own = station.row(jobs[0])["remote_id"]
    assert [job["request"]["body"]["video"] for job in server.jobs()[-2:]] == [{"id": own}] * 2

    assert "backends.jobs.run.worker" in worker and KEY not in worker
    assert files_with(station.root, KEY) == []
    media = server.log("media")
    assert media and all("authorization" in entry["headers"] for entry in media), "the server's own host asks for it"


def test_a_server_of_ones_own_is_free_and_needs_no_key(server: FakeServer, stand: Callable[..., Station]) -> None:
    server.set(keyless=True, dialect="vllm-omni")
    station = stand()
    studio = station.studio()
    done, stopped = submit(studio, model=VLLM, seed=7), submit(studio, model=VLLM, prompt="a wolf")
    until(lambda: all(station.row(job)["state"] == "running" for job in (done, stopped)), "both run", 20)
    studio.cancel(stopped)
    (cancelled,) = station.settled(studio, [stopped])
    assert (cancelled.state, cancelled.cost_usd) == ("cancelled", 0)
    server.tell(station.row(done)["remote_id"])
    (job,) = station.settled(studio, [done])
    assert (job.state, job.cost_usd, job.seed) == ("succeeded", 0, 7)
    assert server.counters()["delete"] == 1 and not any("authorization" in entry["headers"] for entry in server.log())


def test_an_unclear_submit_is_looked_up_and_never_paid_twice(server: FakeServer, stand: Callable[..., Station]) -> None:
    server.set(life={"polls": 1})
    server.script("submit", {"lose": True}, {"reset": "before"})
    station = stand(OPENAI_API_KEY=KEY)
    studio = station.studio()
    jobs = [submit(studio, duration_s=4), submit(studio, duration_s=4, prompt="a wolf")]
    done = station.settled(studio, jobs, 30)
    # What was taken is found. That the list does not show the other proves nothing: it is not sent again.
    assert sorted(job.state for job in done) == ["succeeded", "uncertain"]
    counts = server.counters()
    assert (counts["submit"], counts["charges"], counts["list"] >= 2) == (2, 1, True)
