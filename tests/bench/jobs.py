"""The job engine: submits, jobs in flight, the delay until a finished clip is here, and the wake-up of a waiter.

`python -m tests.bench.jobs` prints a Markdown table in about five minutes. Everything goes over a loopback service in
a process of its own; the worker is the real detached one. The vendors' waiting loops are their SDKs' own rules, read
from the installed source (runwayml `lib/polling.py`: every 6 s +- 1.5; openai `resources/videos.py`: at once, then
every second), asking the same service for jobs of the same durations over plain httpx.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import psutil

from backends.jobs import shown
from backends.jobs.context import Context
from backends.jobs.lanes import lanes
from backends.jobs.order.order import Order
from backends.jobs.order.place import Orders
from backends.jobs.store.schema import OPEN
from backends.jobs.views import Job
from backends.provider.registry import registry
from backends.studio import Studio
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.jobs.history import multiply
from tests.jobs.nursery import ROOT
from tests.jobs.station import KEY, TINY, Station, text_request, tiny_request

MEDIAN_S, SIGMA = 60.0, 0.2
DELIVERIES = 60
PAST = 20
SUBMITS = 200
WAKES = 100
FINISHED, LISTED, ROUNDS = 20_000, 20, 101


@dataclass(frozen=True)
class Figure:
    """One row of the table. bound: the most that `value` may be; None = only told."""

    what: str
    value: float
    unit: str
    bound: float | None = None

    def row(self) -> str:
        if self.bound is None:
            return f"| {self.what} | {self.value:.3g} {self.unit} | | |"
        held = "yes" if self.value <= self.bound else "no"
        return f"| {self.what} | {self.value:.3g} {self.unit} | {self.bound:g} {self.unit} | {held} |"


@contextmanager
def standing(**env: str) -> Iterator[tuple[Station, FakeServer]]:
    """A home and a service whose jobs end when told."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        FakeServer("paid", mode="key", clips={"": tiny_clip()}, life={"until_told": True}) as server,
    ):
        station = Station(Path(folder), server.url, {"TINY_CLIP": str(tiny_clip()), **env})
        try:
            station.limit(per_day_usd="none")
            yield station, server
        finally:
            station.close()


def submits() -> list[Figure]:
    """One after the other, and a thousand at once, by a client whose worker is at work."""
    with standing() as (station, server):
        studio = station.studio()
        studio.submit(text_request("the first starts the worker"))
        server.wait("charges", 1, 30.0)
        took: list[float] = []
        for number in range(SUBMITS):
            begun = time.perf_counter()
            studio.submit(text_request(f"one {number}"))
            took.append(time.perf_counter() - begun)
        with ThreadPoolExecutor(64) as pool:
            begun = time.perf_counter()
            tickets = list(pool.map(lambda n: studio.submit(text_request(f"many {n}")), range(1000)))
            seconds = time.perf_counter() - begun
        assert len({ticket.job_id for ticket in tickets}) == 1000
    return [
        Figure("durable submit, p50", statistics.median(took) * 1000, "ms", 20),
        Figure("1,000 concurrent submits", seconds, "s", 3),
    ]


def in_flight(jobs: int, every_s: int, cpu_bound: float | None, rss_bound: float | None) -> list[Figure]:
    """So many jobs at the provider, each asked for every so many seconds: one worker's processor time and memory."""
    with standing() as (station, server):
        server.always("status", {"headers": {"retry-after": str(every_s)}})
        context = Context.open(station.settings())
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda n: station.place(context, text_request(f"job {n}")), range(jobs)))
        context.close()
        studio = station.studio()
        studio.list(limit=1)  # this starts the worker
        begun = time.monotonic()
        _charged(server, jobs, 300.0)
        posting = time.monotonic() - begun
        time.sleep(every_s * 1.2)  # the first round of questions comes when the durations say
        (driver,) = station.drivers()
        process = psutil.Process(driver.pid)
        asked, used, begun = server.counters()["status"], _cpu(process), time.monotonic()
        time.sleep(2.0 * every_s)
        seconds = time.monotonic() - begun
        cpu, rate = (_cpu(process) - used) / seconds, (server.counters()["status"] - asked) / seconds
        rss = process.memory_info().rss / 1e6
    name = f"{jobs:,} jobs in flight, each asked every {every_s} s ({rate:.0f} questions a second)"
    sent = Figure(f"{jobs:,} jobs sent to the provider, one after the other from the store", posting, "s")
    return [
        sent,
        Figure(f"{name}: one core", cpu * 100, "%", cpu_bound),
        Figure(f"{name}: memory", rss, "MB", rss_bound),
    ]


def _charged(server: FakeServer, jobs: int, timeout_s: float) -> None:
    """Until so many are at the provider; the service is not asked meanwhile, which would slow it."""
    try:
        server.wait("charges", jobs, timeout_s)
    except ValueError:
        raise TimeoutError(f"{server.counters()['charges']} of {jobs} jobs came within {timeout_s:g} s") from None


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


# the past


def long_past() -> list[Figure]:
    """What is done every moment, in a store of many finished jobs beside one of few, in turns in one run."""
    with standing() as (few, _), standing() as (many, _):
        homes = {"few": few, "many": many}
        studios = {name: _with_a_past(home, FINISHED if name == "many" else LISTED) for name, home in homes.items()}
        took: dict[tuple[str, str], list[float]] = {}
        for number in range(ROUNDS):
            for name in list(homes) if number % 2 else reversed(list(homes)):
                for what, work in _moments(studios[name], number):
                    begun = time.perf_counter()
                    work()
                    took.setdefault((what, name), []).append(time.perf_counter() - begun)
    figures: list[Figure] = []
    for what in dict.fromkeys(what for what, _ in took):
        one, other = (statistics.median(took[what, name]) * 1000 for name in ("few", "many"))
        figures.append(Figure(f"{what}: with {FINISHED:,} finished jobs in the store", other, "ms"))
        figures.append(Figure(f"{what}: that / with {LISTED} finished jobs", other / one, "x", 1.2))
    return figures


def _with_a_past(station: Station, jobs: int) -> Studio:
    """A client that starts no worker, in a home of so many finished jobs."""
    studio = station.studio(REELWRIGHT_WORKER="inline")
    free = studio.submit(tiny_request("the past")).job_id
    station.settled(studio, [free], 60)
    studio.close()
    multiply(station.store, free, jobs)
    context = Context.open(station.settings())
    station.place(context, text_request("open"))
    context.close()
    return station.studio(PAID_API_KEY="")


def _moments(studio: Studio, number: int) -> list[tuple[str, Callable[[], object]]]:
    """What a worker looks at on every wake, what a person looks at, and a submit."""
    store = studio.context.store
    refresh = f"SELECT id, state, cancel, needs FROM jobs WHERE lane = ? AND {OPEN} ORDER BY seq"
    (lane,) = store.rows(f"SELECT lane FROM jobs WHERE {OPEN} LIMIT 1")

    def look() -> None:
        lanes.undriven_open(store)
        lanes.paid_jobs(store)
        store.rows("SELECT max(seq) AS seq FROM events WHERE wake = 1")
        store.rows(refresh, (lane["lane"],))

    orders = Orders(studio.context, "bench", "local")
    return [
        ("a worker's look", look),
        ("list_jobs", lambda: shown.page(store, "local", state=None, label=None, limit=LISTED, cursor=None)),
        ("list_jobs of a state that none has", lambda: studio.list(state="uncertain")),
        ("submit", lambda: orders.place(Order(tiny_request(f"now {number}")))),
    ]


# delivery


@dataclass(frozen=True)
class Delay:
    """Mean seconds from the provider's end to the file on disk (and the client told), and questions a job."""

    mean_s: float
    asked: float


def deliveries() -> list[Figure]:
    """Ours at the default budget of questions and at one in 0.9 s, beside both vendors' rules, all at the same time."""
    life = {"median_s": MEDIAN_S, "sigma": SIGMA, "seed": 5}
    with standing() as (usual, server), tempfile.TemporaryDirectory() as folder:
        eager = Station(Path(folder), server.url, {"REELWRIGHT_POLL_EVERY_S": "0.9"})
        usual.env = {"REELWRIGHT_POLL_EVERY_S": ""}
        eager.limit(per_day_usd="none")
        try:
            for station in (usual, eager):
                _past(station, server)
            server.set(life=life)
            found = anyio.run(_all_at_once, usual, eager, server)
        finally:
            eager.close()
    ours, quick, runway, openai = found
    return [
        Figure("delay, mean: ours", ours.mean_s, "s"),
        Figure("delay, mean: runwayml's loop", runway.mean_s, "s"),
        Figure("ours / runwayml's", ours.mean_s / runway.mean_s, "x", 1 / 2),
        Figure(f"questions a job: ours (runwayml's {runway.asked:.1f})", ours.asked, "", runway.asked),
        Figure("delay, mean: ours at a question in 0.9 s", quick.mean_s, "s"),
        Figure("delay, mean: openai's loop", openai.mean_s, "s"),
        Figure("ours / openai's", quick.mean_s / openai.mean_s, "x", 2 / 3),
        Figure(f"questions a job: ours (openai's {openai.asked:.1f})", quick.asked, "", openai.asked),
    ]


def _past(station: Station, server: FakeServer) -> None:
    """Twenty finished jobs, whose durations are then written as if they had been drawn like the rest."""
    studio, draw = station.studio(), random.Random(3)
    server.set(life={"polls": 1})
    jobs = [studio.submit(text_request(f"past {number}")).job_id for number in range(PAST)]
    station.settled(studio, jobs, 60)
    for job in jobs:
        took = MEDIAN_S * math.exp(draw.gauss(0.0, SIGMA))
        station.store.write(
            lambda tx, job=job, took=took: tx.run(
                "UPDATE jobs SET accepted_at = remote_done_at - ? WHERE id = ?", (took, job)
            )
        )


async def _all_at_once(usual: Station, eager: Station, server: FakeServer) -> list[Delay]:
    ours: dict[str, dict[str, float]] = {}
    theirs: dict[str, dict[str, float]] = {}
    async with anyio.create_task_group() as group:
        for name, station in (("usual", usual), ("eager", eager)):
            group.start_soon(_ours, station, ours.setdefault(name, {}))
        headers = {"authorization": f"Bearer {KEY}"}
        async with (
            httpx.AsyncClient(base_url=server.url, headers=headers) as client,
            anyio.create_task_group() as loops,
        ):
            for name, rule in (("runway", _runway), ("openai", _openai)):
                for number in range(DELIVERIES):
                    loops.start_soon(_theirs, client, name, number, rule, theirs.setdefault(name, {}))
    jobs = {job["job_key"]: job for job in server.jobs()}
    return [_delay(told, jobs) for told in (ours["usual"], ours["eager"], theirs["runway"], theirs["openai"])]


def _delay(told: dict[str, float], jobs: dict[str, dict[str, Any]]) -> Delay:
    mean = statistics.mean(at - jobs[key]["ended_at"] for key, at in told.items())
    return Delay(mean, statistics.mean(jobs[key]["asked"] for key in told))


async def _ours(station: Station, told: dict[str, float]) -> None:
    """Submit, wait as a client does, and note when it is told of each clip."""
    studio = station.studio()
    ids = [studio.submit(text_request(f"measured {number}")).job_id for number in range(DELIVERIES)]

    async def note(job: Job) -> None:
        if job.state == "succeeded":
            assert job.file
            told.setdefault(job.job_id, time.time())

    found = await studio.wait(ids, timeout_s=240, on_change=note)
    assert {job.state for job in found} == {"succeeded"}, {job.state for job in found}


Wait = Callable[[random.Random, bool], float]


def _runway(draw: random.Random, first: bool) -> float:
    return 6 + draw.random() * 3 - 1.5


def _openai(draw: random.Random, first: bool) -> float:
    return 0.0 if first else 1.0


async def _theirs(client: httpx.AsyncClient, name: str, number: int, rule: Wait, told: dict[str, float]) -> None:
    """Start a job, ask by the vendor's rule, fetch the clip."""
    key, draw = f"{name}-{number}", random.Random(f"{name}{number}")
    body = {"model": "basic", "prompt": key, "seconds": 4, "size": "320x180", "job_key": key}
    job = (await client.post("/jobs", json=body)).json()
    first = True
    while job["status"] != "succeeded":
        await anyio.sleep(rule(draw, first))
        first = False
        job = (await client.get(f"/jobs/{job['id']}")).json()
    clip = (await client.get(job["files"][0]["url"])).content
    with tempfile.NamedTemporaryFile() as file:
        file.write(clip)
        file.flush()
        told[key] = time.time()


# waking up

WRITER = """
import json, random, sys, time
from pathlib import Path
from backends.jobs.store.sqlite import SqliteStore
store, job = SqliteStore(Path(sys.argv[1])), sys.argv[2]
for number in range(int(sys.argv[3])):
    time.sleep(random.uniform(0.02, 0.08))
    store.write(lambda tx: tx.run("UPDATE jobs SET progress = ? WHERE id = ?", ((number + 1) / 1000, job)))
    print(json.dumps(time.time()), flush=True)
store.close()
"""


def wake_ups() -> list[Figure]:
    """Another process changes a job's progress at random moments: how soon a waiter here is told."""
    with standing() as (station, _):
        context = Context.open(station.settings())
        job = station.place(context, text_request("watched"))
        context.close()
        studio = station.studio(PAID_API_KEY="")  # it starts no worker: only the writer changes the job
        seen: dict[float, float] = {}

        async def note(now: Job) -> None:
            seen.setdefault(now.progress, time.time())

        command = [sys.executable, "-P", "-c", WRITER, str(studio.context.settings.store), job, str(WAKES)]
        env = {**station.environ(), "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as writer:
            anyio.run(lambda: studio.wait([job], timeout_s=WAKES * 0.08 + 2, on_change=note))
            assert writer.stdout is not None
            written = [float(json.loads(line)) for line in writer.stdout]
        lags = [seen[key] - at for number, at in enumerate(written) if (key := round((number + 1) / 1000, 3)) in seen]
        assert len(lags) > WAKES / 2
    return [Figure("wake-up of a waiter in another process, p50", statistics.median(lags) * 1000, "ms", 100)]


def main() -> None:
    """Print the table."""
    sys.path[:0] = [str(PLUGIN), str(TINY)]
    registry.cache_clear()
    print("| what | measured | bound | held |\n|---|---|---|---|", flush=True)
    parts: list[Callable[[], list[Figure]]] = [
        submits,
        wake_ups,
        lambda: in_flight(1000, 15, 30, 120),
        lambda: in_flight(5000, 30, None, None),
        long_past,
        deliveries,
    ]
    for part in parts:
        for figure in part():
            print(figure.row(), flush=True)


if __name__ == "__main__":
    main()
