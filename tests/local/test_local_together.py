"""One clip by two processes that work together, on the processor: the same clip as one process makes, and an end with a
reason when one of them is gone."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from backends.jobs.store import codec
from backends.jobs.views import Job
from backends.local.call import Call
from backends.local.families import variant
from backends.local.generate import generate, save
from backends.local.loaded import drop, loaded
from backends.local.plan import RUNGS
from backends.local.weights import counted, find
from backends.provider.protocol import Prepared
from backends.studio import Studio
from tests.jobs.station import Station, until
from tests.local.asking import asked, clip_digest, digest, made, recorded

TWO = {"cards": 2}


@pytest.fixture(scope="module")
def station(stand: Callable[..., Station]) -> Station:
    return stand("together")


@pytest.fixture(scope="module")
def job(station: Station, studio: Studio) -> Job:
    """A clip that two processes have made."""
    return made(station, studio, asked("wan_t2v", provider_options=TWO))


def _made_here(prepared: Prepared, folder: Path) -> str:
    """The clip that this one process makes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = find(prepared.wire, {})
    assert model is not None
    kind, plan = counted(model, variant(str(prepared.wire["variant"]))), RUNGS["resident"]
    call = Call.of(kind, prepared)
    pipe = loaded(kind, model, plan, "cpu")[0].pipe
    clip = save(generate(pipe, call, plan, 7, "cpu", lambda done, phase: None), call, folder, lambda done, phase: None)
    drop()
    torch.set_num_threads(threads)
    return str(clip.path)


def test_two_processes_make_the_clip_that_one_makes(station: Station, job: Job, tmp_path: Path) -> None:
    """To the last bit: one level of one pixel more or less is another clip."""
    record = recorded(station, job.job_id)
    assert record["plan"]["name"] == "resident-2" and record["plan"]["cards"] == 2
    assert "2 processes made this clip together, each with all weights (resident-2)" in job.notes
    prepared = codec.prepared_from_json(json.loads(station.row(job.job_id)["prepared"]))
    assert clip_digest(_made_here(prepared, tmp_path)) == digest(job)


def test_who_cannot_share_a_clip_is_refused_by_the_engine_too(station: Station, studio: Studio, job: Job) -> None:
    (failed,) = station.settled(studio, [studio.submit(asked("ltx_t2v", provider_options=TWO)).job_id], 60)
    assert failed.error is not None and failed.error.kind == "unsupported"
    assert failed.error.message.startswith("cards=2: ltx-video-t2v makes a clip on one card: the text mask that")
    nearest = json.loads(station.row(failed.job_id)["error"])["nearest"]
    assert nearest == {"provider_options": {"steps": 3}}
    after = made(station, studio, asked("wan_t2v", provider_options=TWO), anew=True)
    assert recorded(station, after.job_id)["warm"] is True and digest(after) == digest(job)


def test_when_one_of_them_is_killed_the_clip_fails_with_a_reason_and_nobody_is_left(
    station: Station, studio: Studio, job: Job
) -> None:
    engine = psutil.Process(recorded(station, job.job_id)["pid"])
    (other,) = [one for one in engine.children() if "backends.local.rank" in one.cmdline()]
    ticket = studio.submit(asked("wan_t2v", prompt="long", provider_options={**TWO, "steps": 2000}))
    until(lambda: re.match(r"step [1-9]", studio.get(ticket.job_id).phase), "both are at work", 60)
    os.kill(other.pid, signal.SIGKILL)
    (failed,) = station.settled(studio, [ticket.job_id], 60)
    assert failed.state == "failed" and failed.error is not None and failed.error.kind == "provider"
    assert failed.error.message.startswith(
        f"process 2 of the 2 that make this clip together (pid {other.pid}) has ended (SIGKILL): see the worker's log"
    )
    assert station.row(ticket.job_id)["attempts"] == 1
    until(lambda: not engine.is_running() and not other.is_running(), "both are gone")
