"""One clip by two processes that work together, on the processor: the same clip as one process makes, and an end with a
reason when either of them is gone."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
import torch.distributed

from backends.jobs.store import codec
from backends.jobs.views import Job
from backends.local.call import Call
from backends.local.families import variant
from backends.local.generate import Generated, generate, save
from backends.local.loaded import drop, loaded
from backends.local.memory import Plan
from backends.local.parallel import interfaces
from backends.local.plan import RUNGS
from backends.local.ranks import Ranks
from backends.local.weights import counted, find
from backends.provider.protocol import Prepared, Progress, Stopped
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


@pytest.fixture
def ranks() -> Iterator[Ranks]:
    """This process and another one."""
    threads, count = torch.get_num_threads(), torch.accelerator.device_count
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in interfaces(sys.platform).items():
            patch.setenv(name, value)
        patch.setenv("REELWRIGHT_TORCH_THREADS", "1")
        group = Ranks(2, "cpu")
        yield group
    group.close()
    drop()
    torch.distributed.destroy_process_group()
    torch.accelerator.device_count = count
    torch.set_num_threads(threads)


def _generated(prepared: Prepared, plan: Plan, progress: Progress = lambda done, phase: None) -> tuple[Call, Generated]:
    model = find(prepared.wire, {})
    assert model is not None
    kind = counted(model, variant(str(prepared.wire["variant"])))
    call = Call.of(kind, prepared)
    kept, _ = loaded(kind, model, plan, "cpu")
    return call, generate(kept.pipe, call, plan, 7, "cpu", progress)


def test_two_processes_make_the_clip_that_one_makes(station: Station, job: Job, ranks: Ranks, tmp_path: Path) -> None:
    record = recorded(station, job.job_id)
    assert record["plan"]["name"] == "resident-2" and record["plan"]["cards"] == 2
    assert "2 processes made this clip together, each with all weights (resident-2)" in job.notes
    prepared = codec.prepared_from_json(json.loads(station.row(job.job_id)["prepared"]))
    call, one = _generated(prepared, RUNGS["resident"])

    seen: list[tuple[int, ...]] = []

    def work(progress: Progress) -> tuple[Call, Generated]:
        model = find(prepared.wire, {})
        assert model is not None
        kept, _ = loaded(counted(model, variant(str(prepared.wire["variant"]))), model, RUNGS["resident-2"], "cpu")
        kept.pipe.transformer.blocks[1].register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
        return _generated(prepared, RUNGS["resident-2"], progress)

    _, two = ranks.run(prepared, RUNGS["resident-2"], 7, work, lambda done, phase: None)
    assert {shape[1] for shape in seen} == {2 * 2 * 2 // 2}, "each has half of the tokens"
    difference = (one.frames._video - two.frames._video).abs().max().item()
    assert difference <= 1e-5, difference
    assert clip_digest(str(save(one, call, tmp_path, lambda done, phase: None).path)) == digest(job)

    def cancelled(done: float, phase: str) -> None:
        if phase.startswith("step 2"):
            raise Stopped

    pids = [process.pid for process in ranks._processes]
    with pytest.raises(Stopped):
        ranks.run(
            prepared, RUNGS["resident-2"], 7, lambda told: _generated(prepared, RUNGS["resident-2"], told), cancelled
        )
    assert not ranks.is_whole and not any(psutil.pid_exists(pid) for pid in pids)


def test_who_cannot_share_a_clip_is_refused_by_the_engine_too(station: Station, studio: Studio, job: Job) -> None:
    ticket = studio.submit(asked("ltx_t2v", provider_options=TWO))
    (failed,) = station.settled(studio, [ticket.job_id], 60)
    assert failed.error is not None and failed.error.kind == "unsupported"
    assert failed.error.message.startswith("cards=2: ltx-video-t2v makes a clip on one card: the text mask that")
    assert failed.error.nearest == {"provider_options": {"steps": 3}}
    assert "cards" not in recorded(station, job.job_id)["arguments"]


def test_when_one_process_is_killed_the_clip_fails_with_a_reason_and_nobody_is_left(
    station: Station, studio: Studio, job: Job
) -> None:
    engine = psutil.Process(recorded(station, job.job_id)["pid"])
    (other,) = _ranks_of(engine)
    ticket = studio.submit(asked("wan_t2v", prompt="long", provider_options={**TWO, "steps": 2000}))
    until(lambda: re.match(r"step [1-9]", studio.get(ticket.job_id).phase), "both are at work", 60)
    os.kill(other.pid, signal.SIGKILL)
    (failed,) = station.settled(studio, [ticket.job_id], 60)
    assert failed.state == "failed" and failed.error is not None and failed.error.kind == "provider"
    text = (
        rf"process 2 of the 2 that make this clip together \(pid {other.pid}\) has ended \(SIGKILL\): see the worker's"
    )
    assert re.match(text, failed.error.message), failed.error.message
    assert station.row(ticket.job_id)["attempts"] == 1
    until(lambda: not engine.is_running(), "the engine has ended too")

    again = studio.submit(asked("wan_t2v", prompt="longer", provider_options={**TWO, "steps": 2000}))
    until(lambda: re.match(r"step [1-9]", studio.get(again.job_id).phase), "a new pair is at work", 60)
    (engine,) = [one for one in psutil.Process(station.drivers()[0].pid).children() if _ranks_of(one)]
    (other,) = _ranks_of(engine)
    studio.cancel(again.job_id)
    (ended,) = station.settled(studio, [again.job_id], 30)
    assert ended.state == "cancelled"
    until(lambda: not engine.is_running() and not other.is_running(), "both are gone")


def _ranks_of(engine: psutil.Process) -> list[psutil.Process]:
    return [one for one in engine.children() if "backends.local.rank" in one.cmdline()]
