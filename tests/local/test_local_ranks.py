"""The processes that work on a clip together, as the first of them sees the others: no torch gets as far as a clip."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import psutil
import pytest

from backends.errors import VideoError
from backends.local.plan import RUNGS
from backends.local.ranks import Order, OutOfMemory, Ranks, _Ended
from backends.provider.protocol import DeviceLost, Prepared, Progress, RunAgain, Stopped
from backends.request import build_request
from tests.patience import patient

PLAN = RUNGS["resident-2"]
PREPARED = Prepared(
    build_request(task="text_to_video", prompt="x", model="local/x"), "local/x", wire={"variant": "wan2.1-t2v-1.3b"}
)


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ranks]:
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.setenv(name, "lo")
    group = Ranks(2, "cpu")
    yield group
    group.close()


def run(ranks: Ranks, work: Callable[[Progress], str]) -> str:
    return ranks.run(PREPARED, PLAN, 7, work, lambda done, phase: None)


def others(ranks: Ranks) -> list[psutil.Process]:
    return [psutil.Process(process.pid) for process in ranks._processes]


def test_a_cancel_ends_all_of_them(ranks: Ranks) -> None:
    def cancelled(progress: Progress) -> str:
        raise Stopped

    processes = others(ranks)
    with pytest.raises(Stopped):
        run(ranks, cancelled)
    assert not ranks.is_whole and not any(process.is_running() for process in processes)


@pytest.mark.parametrize("felt", [False, True], ids=["while the first waits", "after the first has felt it"])
def test_one_that_is_killed_is_named_and_the_first_does_not_go_on(ranks: Ranks, felt: bool) -> None:
    ended, told = threading.Event(), threading.Event()
    (other,) = others(ranks)

    def work(progress: Progress) -> str:
        os.kill(other.pid, signal.SIGKILL)
        if felt:
            raise RuntimeError("Connection closed by peer")
        ended.wait(patient(20))
        try:
            progress(0.5, "step 2 of 3")
        except Stopped:
            told.set()
        return "nobody wants it"

    with pytest.raises(VideoError) as failed:
        run(ranks, work)
    text = (
        f"process 2 of the 2 that make this clip together (pid {other.pid}) has ended (SIGKILL): see the worker's log"
    )
    assert failed.value.message.startswith(text)
    ended.set()
    assert felt or told.wait(patient(20)), "its progress tells it to stop"


def test_one_that_ended_between_two_jobs_is_no_fault_of_the_next(ranks: Ranks) -> None:
    ranks._joined = True  # as after a job
    (other,) = others(ranks)
    os.kill(other.pid, signal.SIGKILL)
    over = threading.Event()

    def waiting(progress: Progress) -> str:
        over.wait(patient(20))
        return "nobody wants it"

    with pytest.raises(RunAgain, match="a process of the job before had ended"):
        run(ranks, waiting)
    over.set()
    assert not ranks.is_whole


def test_what_another_one_says_of_its_end_is_what_the_job_is_told(ranks: Ranks) -> None:
    over = threading.Event()

    def work(progress: Progress) -> str:
        over.wait(patient(60))
        return "made"

    with pytest.raises(VideoError, match=r"the weights of local/x \(.*\) are not on this machine"):
        run(ranks, work)
    over.set()


@pytest.mark.parametrize(
    ("said", "kind"),
    [({"lost": "ECC"}, DeviceLost), ({"memory": "on card 2"}, OutOfMemory)],
    ids=["a lost card", "no memory left"],
)
def test_a_card_that_fails_another_one_fails_the_clip(
    ranks: Ranks, said: dict[str, str], kind: type[Exception]
) -> None:

    assert isinstance(ranks._reason(_Ended(1, 1, 1, said)), kind)


def test_they_end_with_the_first() -> None:
    code = (
        "import subprocess, sys, time; from backends.local.ranks import Ranks; ranks = Ranks(3, 'cpu'); "
        "print(*(one.pid for one in ranks._processes), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        found = [psutil.Process(int(pid)) for pid in first.stdout.readline().split()]
        assert len(found) == 2
        first.kill()
    gone, left = psutil.wait_procs(found, timeout=patient(20))
    assert not [one for one in left if one.status() != psutil.STATUS_ZOMBIE], gone


def test_an_order_can_be_sent() -> None:
    order = Order(1, 2, "cuda:1", 4000, PREPARED, PLAN, 7)
    assert pickle.loads(pickle.dumps(order)) == order
