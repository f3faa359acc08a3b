"""Longer work as steps: a clip extended by a model that cannot extend, one paid job a step, joined on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs.views import Job
from backends.media.probe import probe_clip
from backends.request import VideoRequest, build_request
from backends.studio import Studio
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station
from tests.media.signing import independent

pytestmark = pytest.mark.usefixtures("forked_workers")

ROW = """
provider = "paid"
[[model]]
id = "paid/no-extend"
like = "paid/quick"
title = "Paid, without extension"
[[model.mode]]
tasks = ["image_to_video"]
frames = { min = 1, max = 1 }
"""


@pytest.fixture
def home(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> tuple[Station, FakeServer]:
    server = serve(mode="key")
    station = stand(server)
    folder = station.home / "catalog"
    folder.mkdir(parents=True)
    (folder / "no-extend.toml").write_text(ROW)
    shutil.copy(tiny_clip(), station.root / "clip.mp4")
    return station, server


def extend(add_s: float, **fields: object) -> VideoRequest:
    asked = {"source_clip": "clip.mp4", "duration_s": add_s, "max_cost_usd": 5, **fields}
    return build_request(task="extend", model="paid/no-extend", prompt="on", **asked)


def steps_of(studio: Studio, job: str) -> list[Job]:
    rows = studio.context.store.rows("SELECT id FROM jobs WHERE parent = ? ORDER BY step", (job,))
    return [studio.get(row["id"]) for row in rows]


def test_one_step_is_one_charge_and_the_whole_clip(home: tuple[Station, FakeServer]) -> None:
    station, server = home
    studio = station.studio()
    ticket = studio.submit(extend(4), label="longer")
    assert ticket.est_cost_usd == pytest.approx(0.4)
    assert any("cannot extend a clip: 1 new clip from the true last frame" in note for note in ticket.notes)
    (job,) = station.settled(studio, [ticket.job_id])
    assert (job.state, job.cost_usd, job.cost_basis) == ("succeeded", 0.4, "the sum of its steps")
    assert job.file is not None and job.file.endswith("longer_take01.mp4")
    facts = probe_clip(station.output / "longer_take01.mp4", count_frames=True)
    assert facts.frames in (191, 192) and facts.fps == 24
    assert server.counters()["charges"] == 1
    assert [row.job_id for row in studio.list().jobs] == [job.job_id], "steps are not listed"
    assert [path.name for path in station.output.iterdir()] == ["longer_take01.mp4"], "nor put beside the result"
    (step,) = (row["id"] for row in station.rows("SELECT id FROM jobs WHERE parent IS NOT NULL"))
    assert independent(Path(studio.get(step).file or ""))["validation_state"] == "Valid", "whoever looks at one"
    assert [part["state"] for part in studio.provenance(job.job_id).facts["parts"]] == ["trusted", "missing"]
    assert studio.submit(extend(4), label="longer").replayed
    assert station.books() == (Decimal("0.4"), Decimal(0))


def test_more_than_one_step(home: tuple[Station, FakeServer]) -> None:
    station, server = home
    studio = station.studio()
    ticket = studio.submit(extend(12))
    (job,) = station.settled(studio, [ticket.job_id])
    assert (job.state, job.cost_usd) == ("succeeded", 1.2)
    steps = steps_of(studio, job.job_id)
    assert [step.state for step in steps] == ["succeeded"] * len(steps)
    assert steps[1].parents == [steps[0].job_id], "the second begins where the first has ended"
    assert server.counters()["charges"] == len(steps) == 2


def test_a_failed_step_keeps_what_is_finished(home: tuple[Station, FakeServer]) -> None:
    station, server = home
    server.script("submit", {}, {"status": 422, "code": "moderation"})
    studio = station.studio()
    ticket = studio.submit(extend(12))
    (job,) = station.settled(studio, [ticket.job_id])
    first, second = steps_of(studio, job.job_id)
    assert (job.state, first.state, second.state) == ("failed", "succeeded", "failed")
    assert job.error is not None
    assert second.job_id in job.error.message and "the finished steps keep their clips" in job.error.message
    assert job.error.charged == "yes"
    assert first.file is not None and station.books() == (Decimal("0.6"), Decimal(0))


def test_cancelling_cancels_every_step(home: tuple[Station, FakeServer]) -> None:
    station, server = home
    server.always("submit", {"status": 429, "headers": {"Retry-After": "30"}})
    studio = station.studio()
    ticket = studio.submit(extend(12))
    job = studio.cancel(ticket.job_id)
    assert job.state == "cancelled"
    assert {step.state for step in steps_of(studio, job.job_id)} <= {"cancelled", "queued", "submitting"}
    station.settled(studio, [step.job_id for step in steps_of(studio, job.job_id)])
    assert server.counters().get("charges", 0) == 0
    assert station.books() == (Decimal(0), Decimal(0))


def test_the_whole_is_held_to_the_budget_and_the_wall(home: tuple[Station, FakeServer]) -> None:
    station, server = home
    studio = station.studio()
    with pytest.raises(VideoError) as caught:
        studio.submit(extend(12, max_cost_usd=1))
    assert caught.value.kind == "needs_budget"
    station.limit(per_job_usd="1")
    with pytest.raises(VideoError) as caught:
        studio.submit(extend(12))
    assert caught.value.kind in ("wall", "needs_budget")
    assert studio.list().jobs == [] and "submit" not in server.counters()
