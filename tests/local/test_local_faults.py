"""Faults in the middle of a run: the process dies, hangs, runs out of memory or prints; a person cancels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.studio import Studio
from tests.jobs.station import Station, until
from tests.local.asking import asked, digest, facts, frames_of, made
from tests.local.rows import FPS


@pytest.fixture(scope="module")
def station(stand: Callable[..., Station], tmp_path_factory: pytest.TempPathFactory) -> Station:
    return stand("faults", FAULT_FOLDER=str(tmp_path_factory.mktemp("faults")))


@pytest.fixture(scope="module")
def studio(station: Station) -> Iterator[Studio]:
    studio = station.studio()
    yield studio
    studio.close()


def test_noise_on_standard_output_is_no_protocol(station: Station, studio: Studio) -> None:
    noisy = made(station, studio, asked("wan_t2v", provider="faulty", prompt="noise"))
    quiet = made(station, studio, asked("wan_t2v", provider="faulty", prompt="quiet"))
    assert len(frames_of(noisy)) == len(frames_of(quiet)) == 5
    assert facts(station, quiet)["warm"] is True
    assert "a library that prints" in station.log


def test_a_cancel_stops_within_a_step_and_the_model_stays_warm(station: Station, studio: Studio) -> None:
    before = facts(station, made(station, studio, asked("wan_t2v", provider="faulty", prompt="quick")))
    slow = asked("wan_t2v", provider="faulty", prompt="slow", provider_options={"steps": 5000})
    ticket = studio.submit(slow)
    try:
        until(lambda: "of 5000, about" in studio.get(ticket.job_id).phase, "a step")
        seen = studio.get(ticket.job_id)
        assert 0 < seen.progress < 0.9 and seen.phase.endswith(" s left")
    finally:
        studio.cancel(ticket.job_id)  # or it would keep the engine for hours
    (job,) = station.settled(studio, [ticket.job_id], 5)
    assert job.state == "cancelled" and job.cost_usd == 0
    after = facts(station, made(station, studio, asked("wan_t2v", provider="faulty", prompt="quick"), take=2))
    assert after["warm"] is True and after["pid"] == before["pid"]


def test_running_out_of_memory_takes_the_next_plan_in_a_fresh_process(station: Station, studio: Studio) -> None:
    job = made(station, studio, asked("wan_t2v", provider="faulty", prompt="oom 1"))
    record = facts(station, job)
    assert record["plan"]["name"] == "resident-tiled" and record["warm"] is False
    assert any("ran out of GPU memory; made under the plan resident-tiled" in note for note in job.notes)


def test_running_out_of_memory_twice_is_told(station: Station, studio: Studio, tmp_path: Path) -> None:
    # The first OOM of this word has been counted already, so two more are due.
    ticket = studio.submit(asked("wan_t2v", provider="faulty", prompt="oom 3"))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.state == "failed" and job.error is not None and job.error.kind == "unsupported"
    assert "out of memory under resident and again under resident-tiled" in job.error.message
    assert "has run out of memory already" in job.error.message


def test_a_segfault_is_seen_and_the_job_is_made_again(station: Station, studio: Studio) -> None:
    job = made(station, studio, asked("wan_t2v", provider="faulty", prompt="segfault 1"))
    again = made(station, studio, asked("wan_t2v", provider="faulty", prompt="segfault 1"), take=2)
    assert digest(job) == digest(again), "another process, another clip"
    assert station.row(job.job_id)["attempts"] == 2


def test_a_hang_is_seen_and_the_job_is_made_again(station: Station, studio: Studio) -> None:
    job = made(station, studio, asked("wan_t2v", provider="faulty", prompt="hang 1"))
    assert station.row(job.job_id)["attempts"] == 2 and job.fps == FPS
