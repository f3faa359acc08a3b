"""Workers as clients start them: detached, outliving their client, told of when they fail, replaced when they hang."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.run.launch import Launcher
from backends.jobs.run.worker_loop import Worker, in_words
from backends.jobs.views import Job
from backends.provider.registry import registry
from tests.fakes import PLUGIN, FakeServer
from tests.jobs.nursery import ROOT, Nursery
from tests.jobs.station import KEY, Station, end, text_request, tiny_request, until
from tests.patience import patient

CLIENT = """
import sys, time
from backends.studio import Studio
from tests.jobs.station import text_request
studio = Studio.open()
print(studio.submit(text_request(sys.argv[1])).job_id, flush=True)
time.sleep(60)
"""


def client(station: Station, prompt: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    """A client process that submits, tells the id, and stays."""
    env = station.environ()
    env["PYTHONPATH"] = f"{ROOT}:{env['PYTHONPATH']}"
    command = [sys.executable, "-P", "-c", CLIENT, prompt]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, cwd=cwd or station.root)


def test_a_client_killed_right_after_its_submit(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """Its host sees the end of its output at once, and the clip still arrives. A folder of the person's own that is
    called `backends` changes nothing, not even in the home."""
    server = serve(life={"until_told": True})
    station = stand(server)
    for folder in (station.root, station.home):
        (folder / "backends").mkdir(parents=True)
        (folder / "backends" / "__init__.py").write_text("raise SystemExit('the wrong package')")
    process = client(station, "its client is killed")
    assert process.stdout is not None
    job = process.stdout.readline().strip()
    process.kill()
    killed = time.monotonic()
    assert process.stdout.read() == ""
    assert time.monotonic() - killed < patient(2), "nobody else holds its output open"
    process.wait(patient(10))
    process.stdout.close()
    server.wait("charges", 1, 15.0)
    server.tell()
    until(lambda: station.row(job)["state"] == "succeeded", "the job is done without any client")
    assert len(list(station.output.glob("*.mp4"))) == 1 and server.counters()["charges"] == 1


def test_no_key_in_process_arguments_store_or_logs(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve(life={"until_told": True})
    server.script("submit", {"status": 401, "match": "refused"})
    station = stand(server)
    studio = station.studio()
    job = studio.submit(text_request("kept secret")).job_id
    server.wait("charges", 1, 15.0)
    (worker,) = station.drivers()
    arguments = Path(f"/proc/{worker.pid}/cmdline").read_bytes()
    assert b"backends.jobs.run.worker" in arguments and KEY.encode() not in arguments
    refused = studio.submit(text_request("refused")).job_id
    station.settled(studio, [refused])
    server.tell()
    station.settled(studio, [job])
    assert "worker" in station.log
    station.store.close()
    station._watched = None
    for path in station.root.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


def test_a_worker_that_ends_at_once_is_told_and_not_started_hot(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve()
    station = stand(server)
    studio = station.studio(REELWRIGHT_CRASH="after-lock:1")
    job = studio.submit(text_request("its workers die")).job_id
    phases: list[str] = []

    async def watch() -> None:
        with anyio.move_on_after(patient(4)):
            while not phases:
                (now,) = await studio.wait([job], timeout_s=1.2)
                if "its worker ends" in now.phase:
                    phases.append(now.phase)

    begun = time.monotonic()
    anyio.run(watch)
    assert phases == [f"its worker ends without taking it; see {station.home / 'logs' / 'worker.log'}"]
    started = len(re.findall("worker \\d+ started", station.log))
    assert 1 <= started <= 2 + (time.monotonic() - begun) / 0.5 and server.counters().get("submit", 0) == 0
    (done,) = station.settled(station.studio(), [job], 30)
    assert done.state == "succeeded"


def test_a_hung_worker_is_ended_and_its_jobs_finish(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    server = serve(mode="none", life={"until_told": True})
    station = stand(server, PAID_MODE="none", REELWRIGHT_STUCK_S="1.5", REELWRIGHT_BEAT_S="0.2")
    context = Context.open(station.settings())
    job = station.place(context, text_request("its worker hangs"))
    context.close()
    worker = nursery.worker(station.environ())
    until(lambda: station.row(job)["state"] == "running", "running")
    end(worker, signal.SIGSTOP)
    server.tell()
    (done,) = station.settled(station.studio(), [job], 30)
    assert done.state == "succeeded" and server.counters()["charges"] == 1
    assert nursery.ended(worker) == -9


def test_a_stopped_inline_driver_is_only_named(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """A client that drives by itself is not ours to end."""
    server = serve(life={"until_told": True})
    station = stand(server, REELWRIGHT_STUCK_S="0.6", REELWRIGHT_BEAT_S="0.2")
    context = Context.open(station.settings())
    job = station.place(context, text_request("driven inline"))
    context.close()
    worker = nursery.worker(station.environ())
    until(lambda: station.row(job)["state"] == "running", "running")
    station.store.write(lambda tx: tx.run("UPDATE lanes SET detached = 0"))
    end(worker, signal.SIGSTOP)
    studio = station.studio()
    told = until(
        lambda: phase if "driver_stuck" in (phase := studio.get(job).phase) else "", "it is told of the stuck driver"
    )
    assert told == f"driver_stuck: process {worker.pid} drives this job and does not answer: restart that client"
    end(worker, signal.SIGCONT)
    server.tell()
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded"


LOCKED = """
import sys
import apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def store_held(station: Station) -> Iterator[None]:
    """Another program holds the store's write lock, as a database viewer may."""
    command = [sys.executable, "-c", LOCKED, str(station.home / "reelwright.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.communicate("\n", timeout=patient(10))


@pytest.mark.of_the_file("a driver's beats do not wait for the one lock of the file there: see test_jobs_server")
@pytest.mark.parametrize("answers_after_s", [0.5, 6.0])
def test_a_worker_that_cannot_write_to_the_store_is_left_alone(
    answers_after_s: float, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """In the middle of its paid POST, whose answer comes while the store is locked, or later. Where nobody can ask the
    service what became of a POST, an ended worker would leave it unclear for ever."""
    server = serve(mode="none")
    server.script("submit", {"delay_after_s": answers_after_s})
    station = stand(server, PAID_MODE="none", REELWRIGHT_STUCK_S="2", REELWRIGHT_BEAT_S="0.2")
    context = Context.open(station.settings())
    job = station.place(context, text_request("its store is locked"))
    context.close()
    studio = station.studio()
    worker = nursery.worker(station.environ())
    server.wait("charges", 1, 15.0)
    with store_held(station):
        phases: set[str] = set()

        def locked() -> str:
            phases.add(phase := studio.get(job).phase)
            return phase if phase.startswith("store_locked") else ""

        told = until(locked, "it is told of the lock")
        watched = time.monotonic()
        while time.monotonic() - watched < 3:  # longer than a driver that hangs is left alone
            locked()
        assert re.fullmatch(
            rf"store_locked: process {worker.pid} drives this job, but could not write to the store for \d+ s: close "
            rf"whatever else has {re.escape(str(station.home / 'reelwright.db'))} open \(a database viewer, a backup\)",
            told,
        )
        assert not [phase for phase in phases if "driver_stuck" in phase]
    (done,) = station.settled(studio, [job], 30)
    assert done.state == "succeeded" and server.counters()["charges"] == server.counters()["submit"] == 1
    assert [row["epoch"] for row in station.rows("SELECT epoch FROM lanes")] == [1], "the same worker all along"
    assert nursery.ended(worker) == 0


def test_a_stopped_driver_of_another_container_is_only_named(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    """Its pid is another process's here, which is not ours to end."""
    server = serve(life={"until_told": True})
    station = stand(server, REELWRIGHT_STUCK_S="0.6", REELWRIGHT_BEAT_S="0.2")
    context = Context.open(station.settings())
    job = station.place(context, text_request("driven in another container"))
    context.close()
    worker = nursery.worker(station.environ())
    until(lambda: station.row(job)["state"] == "running", "running")
    station.store.write(lambda tx: tx.run("UPDATE lanes SET pid_ns = 'pid:[1]'"))
    end(worker, signal.SIGSTOP)
    studio = station.studio()
    told = until(
        lambda: phase if "driver_stuck" in (phase := studio.get(job).phase) else "", "it is told of the stuck driver"
    )
    assert told == (
        f"driver_stuck: process {worker.pid} of another container or machine drives this job and does not answer: "
        "restart that one"
    )
    end(worker, signal.SIGCONT)
    server.tell()
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and nursery.ended(worker) == 0


def test_a_back_end_that_cannot_be_opened_is_told_until_it_can(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """Its job does not just stand in the queue: every way to look says why, from one try of the worker to the next."""
    station = stand(serve())
    broken = station.studio(PAID_MODE="wrong")
    job = broken.submit(text_request("its back end has a wrong setting")).job_id
    words = (
        "cannot be started: PAID_MODE is 'wrong': set it to key, lookup or none; it is tried again, see "
        f"{station.home / 'logs' / 'worker.log'}"
    )
    until(lambda: broken.get(job).phase == words, "it is told")

    def tries() -> int:
        return int(station.rows("SELECT epoch FROM lanes")[0]["epoch"])

    first, phases, seen = tries(), set[str](), list[str]()
    until(lambda: phases.add(broken.get(job).phase) or tries() > first, "it is tried again", 30.0)
    assert phases == {words}

    async def watch() -> None:
        async def note(now: Job) -> None:
            seen.append(now.phase)

        (late,) = await broken.wait([job], timeout_s=1.5, on_change=note)
        assert late.timed_out and late.phase == words

    anyio.run(watch)
    assert words in seen
    (done,) = station.settled(station.studio(), [job], 40)
    assert done.state == "succeeded" and done.phase == ""
    assert station.rows("SELECT trouble FROM lanes") == [{"trouble": ""}]


def test_a_failure_in_a_task_group_is_told_by_its_cause() -> None:
    missing = FileNotFoundError(2, "No such file or directory")
    for cause, words in (
        (missing, "FileNotFoundError: [Errno 2] No such file or directory"),
        (VideoError("network", "the proxy cannot be used"), "the proxy cannot be used"),
    ):
        assert in_words(cause) == in_words(ExceptionGroup("a", [ExceptionGroup("b", [cause])])) == words


def test_an_older_worker_hands_over(
    serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    server = serve(mode="none", life={"until_told": True})
    station = stand(server, PAID_MODE="none")
    context = Context.open(station.settings())
    job = station.place(context, text_request("begun by an older version"))
    context.close()
    older = nursery.worker(station.environ())
    until(lambda: station.row(job)["state"] == "running", "running")
    station.store.write(lambda tx: tx.run("UPDATE lanes SET version = '0.0.1'"))
    studio = station.studio()
    studio.get(job)
    until(lambda: (lane := station.rows("SELECT * FROM lanes")[0])["epoch"] == 2 and lane["driven"], "handed over")
    server.tell()
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and server.counters()["charges"] == 1
    assert nursery.ended(older) == 0, "it left by itself"


def test_a_worker_leaves_when_all_is_quiet_and_the_next_job_gets_another(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    station = stand(serve(), REELWRIGHT_WORKER_IDLE_S="0")
    studio = station.studio()
    for number in range(2):
        (done,) = station.settled(studio, [studio.submit(tiny_request(f"clip {number}")).job_id])
        assert done.state == "succeeded" and done.cost_usd == 0.0
        until(lambda: not station.drivers(), "the worker has left")
    assert len(re.findall("worker \\d+ left", station.log)) >= 1
    assert station.rows("SELECT driven FROM lanes WHERE key = 'tiny'") == [{"driven": 0}]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("no_credentials", "no_credentials: no_credentials is a word"),
        ("", "cannot be started: no_credentials is a word; it is tried again, see "),
    ],
)
def test_a_trouble_is_told_by_its_kind_and_not_by_its_words(
    kind: str, told: str, serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    station = stand(serve())
    context = Context.open(station.settings())
    job = station.place(context, text_request("its lane has a trouble"))
    lane = station.row(job)["lane"]
    change = "UPDATE lanes SET trouble = 'no_credentials is a word', trouble_kind = ?, trouble_at = ? WHERE key = ?"
    context.store.write(lambda tx: tx.run(change, (kind, time.time(), lane)))
    launcher = Launcher(context)
    assert launcher.ensure(str(lane)).startswith(told)
    launcher.close()
    context.close()


def test_a_worker_from_before_a_plug_in_was_installed_says_nothing_of_its_jobs(
    stand: Callable[..., Station], monkeypatch: pytest.MonkeyPatch, serve: Callable[..., FakeServer]
) -> None:
    """A newer worker has the back end: what this one lacks would be read as the job's own trouble."""
    station = stand(serve(), REELWRIGHT_WORKER_IDLE_S="0")
    context = Context.open(station.settings())
    job = station.place(context, text_request("a newer worker's job"))
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder != str(PLUGIN)])
    registry.cache_clear()
    anyio.run(Worker(context, subprocess.DEVNULL, detached=True).run)
    context.close()
    assert station.row(job)["state"] == "queued"
    assert station.rows("SELECT trouble FROM lanes") == [{"trouble": ""}]


def test_no_credentials_is_told_with_the_variable(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    station = stand(serve())
    context = Context.open(station.settings())
    job = station.place(context, text_request("nobody has its key"))
    context.close()
    assert station.studio(PAID_API_KEY="").get(job).phase == "no_credentials: no credential: set PAID_API_KEY"
    other = station.studio(PAID_API_KEY="sk-another").get(job).phase
    assert other.startswith("no_credentials: this job belongs to another account or server of paid: set PAID_API_KEY")
    assert not station.drivers() and station.log == "", "no worker is started that could do nothing"


BATCH = """
import sys
from backends.studio import Studio
from tests.jobs.station import tiny_request
with Studio.open(client=sys.argv[1]) as studio:
    for number in range(int(sys.argv[2])):
        studio.submit(tiny_request(f"{sys.argv[1]} {number}"))
"""


@pytest.mark.parametrize("jobs", [240])
def test_no_insert_misses_a_worker_that_leaves(jobs: int, stand: Callable[..., Station]) -> None:
    """Four clients against workers that leave at once when idle: all are driven."""
    station = stand(REELWRIGHT_WORKER_IDLE_S="0")
    env = station.environ()
    env["PYTHONPATH"] = f"{ROOT}:{env['PYTHONPATH']}"
    command = [sys.executable, "-P", "-c", BATCH]
    clients = [
        subprocess.Popen([*command, f"client-{number}", str(jobs // 4)], env=env, cwd=station.root)
        for number in range(4)
    ]
    assert [process.wait(patient(60)) for process in clients] == [0] * 4
    studio = station.studio()
    ids = [str(row["id"]) for row in station.rows("SELECT id FROM jobs")]
    assert len(ids) == jobs
    done = station.settled(studio, ids, 90)
    assert {job.state for job in done} == {"succeeded"}
