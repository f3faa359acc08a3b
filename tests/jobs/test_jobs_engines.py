"""Local engines in processes of their own: warm, expendable, and heard only through the protocol."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from backends.studio import Studio
from tests.jobs.station import Station, tiny_request, until
from tests.patience import patient


@pytest.fixture
def station(stand: Callable[..., Station]) -> Station:
    return stand(REELWRIGHT_WORKER="inline", REELWRIGHT_CPU_JOBS="1")


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


def engines() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if _is_engine(child)]


def _is_engine(process: psutil.Process) -> bool:
    """A living one: a process that has ended but was not waited for yet has no command line."""
    try:
        return "backends.jobs.run.engine_child" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_one_warm_process_serves_job_after_job(station: Station, studio: Studio) -> None:
    jobs = [studio.submit(tiny_request(f"{word} {number}")).job_id for number, word in enumerate(("a", "noise", "b"))]
    done = station.settled(studio, jobs)
    assert [job.state for job in done] == ["succeeded"] * 3 and {job.seed for job in done} == {7}
    assert "copied" in done[0].notes and done[0].cost_basis == "free"
    assert len(engines()) == 1
    makers = {(station.home / "artifacts" / "jobs" / job / "meta.json").read_text() for job in jobs}
    assert len({text.split('"pid": ')[1].split("\n")[0].strip(" ,}") for text in makers}) == 1


def test_an_engine_that_dies_is_tried_three_times(station: Station, studio: Studio) -> None:
    crash, fine = (studio.submit(tiny_request(words)).job_id for words in ("crash it", "fine"))
    failed, done = station.settled(studio, [crash, fine])
    assert failed.state == "failed" and failed.error is not None and failed.error.charged == "no"
    assert failed.error.message == "its engine or worker ended without an answer 3 times; see reelwright doctor"
    assert done.state == "succeeded", "the next job gets a new engine"


def test_an_idle_engine_that_has_ended_costs_the_next_job_no_attempt(station: Station, studio: Studio) -> None:
    station.settled(studio, [studio.submit(tiny_request("load A one")).job_id])
    (engine,) = engines()
    engine.kill()
    until(lambda: not psutil.pid_exists(engine.pid), "its worker has seen the end of it")
    job = studio.submit(tiny_request("load A two")).job_id
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and station.row(job)["attempts"] == 1


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        ("refuse it", "invalid_request", "the tiny engine refuses: leave out the word refuse"),
        ("break it", "provider", "the engine failed: RuntimeError: a defect of the engine"),
    ],
)
def test_what_an_engine_raises(words: str, kind: str, message: str, station: Station, studio: Studio) -> None:
    (failed,) = station.settled(studio, [studio.submit(tiny_request(words)).job_id])
    assert failed.error is not None and (failed.error.kind, failed.error.message) == (kind, message)


def test_an_engine_that_can_go_on_no_more_says_why_and_is_not_used_again(station: Station, studio: Studio) -> None:
    failed, done = station.settled(studio, [studio.submit(tiny_request(word)).job_id for word in ("over it", "fine")])
    assert failed.error is not None and failed.error.message == "the tiny engine can go on no more"
    assert station.row(failed.job_id)["attempts"] == 1 and done.state == "succeeded"
    assert len(engines()) == 1


def test_cancelling_kills_the_engine(station: Station, studio: Studio) -> None:
    job = studio.submit(tiny_request("wait for ever")).job_id
    (engine,) = until(engines, "the engine runs")
    until(lambda: studio.get(job).progress > 0, "it is at work")
    studio.cancel(job)
    (ended,) = station.settled(studio, [job])
    assert ended.state == "cancelled"
    until(lambda: not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE, "the engine is gone")


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_lane_whose_engines_switch_all_the_time_loses_no_job(stand: Callable[..., Station], at_once: int) -> None:
    """Three models in turn where one may be loaded at a time, engines that keep none, crashes and cancels between."""
    station = stand(REELWRIGHT_WORKER="inline", REELWRIGHT_CPU_JOBS=str(at_once), REELWRIGHT_WARM_MODELS="1")
    studio = station.studio()
    words = ["load a fine", "plain", "load b fine", "load c fine", "load b refuse", "bare", "load a crash", "load c x"]
    jobs = [studio.submit(tiny_request(word)).job_id for word in words]
    stopped = studio.submit(tiny_request("load a wait")).job_id
    jobs += [studio.submit(tiny_request(f"load {model} fine last")).job_id for model in "abc"]
    until(lambda: studio.get(stopped).state == "running", "the one that waits is at work", 60)
    studio.cancel(stopped)
    done = station.settled(studio, [*jobs, stopped], 60)
    assert len(done) == 12 and done[-1].state == "cancelled"
    for job in done[:-1]:
        expected = "failed" if "refuse" in job.prompt or "crash" in job.prompt else "succeeded"
        assert job.state == expected, (job.prompt, job.error)
    assert len([engine for engine in engines() if engine.is_running()]) <= at_once + 1


def test_an_engine_ends_with_its_worker(tmp_path: Path, stand: Callable[..., Station]) -> None:
    """Its orders come through a pipe that closes when the worker is killed."""
    station = stand()
    studio = station.studio()
    studio.submit(tiny_request("wait for ever"))
    (worker,) = until(station.drivers, "a worker drives")
    children = until(lambda: [child for child in psutil.Process(worker.pid).children() if _is_engine(child)], "engine")
    subprocess.run(["kill", "-9", str(worker.pid)], check=True)
    psutil.wait_procs(children, timeout=patient(10))
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
