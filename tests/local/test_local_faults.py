"""Faults in the middle of a run: the process dies, hangs, runs out of memory or prints; a person cancels."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest

from backends.studio import Studio
from tests.jobs.station import Station, until
from tests.local.asking import asked, digest, facts, frames_of, made
from tests.local.rows import FPS
from tests.patience import patient


@pytest.fixture(scope="module")
def station(stand: Callable[..., Station], tmp_path_factory: pytest.TempPathFactory) -> Station:
    return stand("faults", FAULT_FOLDER=str(tmp_path_factory.mktemp("faults")))


@pytest.fixture(scope="module")
def studio(station: Station) -> Iterator[Studio]:
    studio = station.studio()
    yield studio
    studio.close()


@pytest.fixture(autouse=True)
def nothing_goes_on(station: Station, studio: Studio) -> Iterator[None]:
    """A test that fails in mid-job must not hold the lane while the next ones wait."""
    yield
    for row in station.rows("SELECT id FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled')"):
        studio.cancel(row["id"])


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
        until(lambda: "of 5000, about" in studio.get(ticket.job_id).phase, "a step", 60)
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


def test_running_out_of_memory_always_names_the_nearest_request_that_fits(station: Station, studio: Studio) -> None:
    """The memory runs out in the text encoder, so that a clip of a real size is planned but never computed."""
    ticket = studio.submit(asked("ltx_t2v", provider="faulty", prompt="oom 99", duration_s=8))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.state == "failed" and job.error is not None and job.error.kind == "unsupported"
    told = re.fullmatch(
        r"out of memory under resident and again under resident-tiled\. "
        r"The nearest that fits: 768x512, (\d+) frames \(duration_s (\d+)\)",
        job.error.message,
    )
    assert told and int(told[1]) == int(told[2]) * FPS + 1 and 1 <= int(told[2]) < 8
    assert station.row(job.job_id)["attempts"] == 1, "it is no crash: nothing is tried a third time"


def test_a_plan_that_the_person_chose_is_not_left(station: Station, studio: Studio) -> None:
    options = {"memory": "resident"}
    ticket = studio.submit(asked("ltx_t2v", provider="faulty", prompt="oom 99", provider_options=options))
    (job,) = station.settled(studio, [ticket.job_id], 60)
    assert job.error is not None and job.error.message.startswith("out of memory under resident. ")


def test_a_segfault_is_seen_and_the_job_is_made_again(station: Station, studio: Studio) -> None:
    job = made(station, studio, asked("wan_t2v", provider="faulty", prompt="segfault 1"))
    again = made(station, studio, asked("wan_t2v", provider="faulty", prompt="segfault 1"), take=2)
    assert digest(job) == digest(again), "another process, another clip"
    assert station.row(job.job_id)["attempts"] == 2


def test_an_engine_in_mid_step_ends_with_its_worker_and_the_job_is_made_again(station: Station, studio: Studio) -> None:
    slow = asked("wan_t2v", provider="faulty", prompt="slow", provider_options={"steps": 20})
    ticket = studio.submit(slow, take=2)
    until(lambda: "of 20, " in studio.get(ticket.job_id).phase, "a step", 60)
    (worker,) = station.drivers()
    engines = [child for child in psutil.Process(worker.pid).children() if "engine_child" in " ".join(child.cmdline())]
    os.kill(worker.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(engines, timeout=patient(10))
    assert engines and not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE], "a card would stay full"
    (job,) = station.settled(studio, [ticket.job_id], 90)
    assert job.state == "succeeded", job.error
    assert station.row(job.job_id)["attempts"] == 2


def test_a_hang_is_seen_and_the_job_is_made_again(station: Station, studio: Studio) -> None:
    job = made(station, studio, asked("wan_t2v", provider="faulty", prompt="hang 1"))
    assert station.row(job.job_id)["attempts"] == 2 and job.fps == FPS
