"""`reelwright worker`: drives what lies in the store, only the lanes it is given, and stays where it is asked to."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.jobs.run.worker_loop import Duty
from tests.fakes import FakeServer
from tests.jobs.station import Station, until
from tests.patience import patient

WORKER = (sys.executable, "-P", "-m", "mcp_server", "worker")


@pytest.fixture
def station(serve: Callable[..., FakeServer], tmp_path: Path) -> Iterator[Station]:
    station = Station(tmp_path, serve().url, {"REELWRIGHT_WORKER_IDLE_S": "0.2"})
    yield station
    station.close()


def test_it_drives_the_lanes_that_it_is_given_and_leaves(station: Station) -> None:
    job = station.placed("a kite")
    for lanes, state in (("cpu", "queued"), ("paid", "succeeded")):
        command = (*WORKER, "--lanes", lanes)
        ended = subprocess.run(command, env=station.environ(), capture_output=True, text=True, timeout=patient(30))
        assert ended.returncode == 0 and " left" in ended.stderr, ended.stderr
        assert station.row(job)["state"] == state


def test_it_stays_for_jobs_to_come_until_it_is_ended(station: Station) -> None:
    with subprocess.Popen((*WORKER, "--stay"), env=station.environ(), stderr=subprocess.DEVNULL) as running:
        for prompt in ("the first", "the second, after a quiet time"):
            job = station.placed(prompt)
            until(lambda: station.row(job)["state"] == "succeeded", "it is made", 30)  # noqa: B023
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(0.6)
        running.send_signal(signal.SIGTERM)
        assert running.wait(patient(10)) == 0
    assert not station.drivers()


def test_a_lane_that_cannot_be_is_refused_with_those_that_can() -> None:
    with pytest.raises(VideoError, match=r"there is no lane 'runaway': choose of cpu, gpu, .*runway"):
        Duty(("runaway",)).check()
    Duty(("runway", "gpu:GPU-1", "cpu")).check()
