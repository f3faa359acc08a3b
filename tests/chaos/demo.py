"""The demonstration for a person: six paid clips at a loopback provider, three processes killed in the middle."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from backends.jobs.views import SETTLED
from backends.studio import Studio
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.nursery import ROOT
from tests.jobs.station import Station, end, text_request, until

CALLS = 6

CLIENT = """
import time
from backends.studio import Studio
from tests.jobs.station import text_request
studio = Studio.open()
for number in range(3):
    print(studio.submit(text_request(f"shot {number}")).job_id, flush=True)
time.sleep(60)
"""


def demo() -> int:
    """Tell what happens while it does; 0 when the end is right."""
    with (
        tempfile.TemporaryDirectory(prefix="demo-kill-", ignore_cleanup_errors=True) as folder,
        FakeServer("paid", mode="key", clips={"": tiny_clip()}, life={"median_s": 3.0, "sigma": 0.3}) as server,
    ):
        station = Station(Path(folder), server.url)
        try:
            return _play(station, server)
        finally:
            station.close()


def _play(station: Station, server: FakeServer) -> int:
    print("A paid video service runs on this machine. It charges in the middle of each request, as real ones do.\n")
    server.script("submit", {"delay_after_s": 1.5, "match": "shot 5"})
    killed = 0
    for words in ("A client asks for three clips ...", "It starts again after its death and asks for the same ..."):
        print(words)
        client = _client(station)
        assert client.stdout is not None
        jobs = [client.stdout.readline().strip() for _ in range(3)]
        if killed:
            print(f"  ... and gets the same three jobs: {', '.join(job[:10] for job in jobs)}")
        client.terminate() if killed else client.kill()
        client.wait()
        client.stdout.close()
        if not killed:
            killed += 1
            print(f"  kill -9: the client {client.pid} is gone. Its three jobs are in the store.")
    studio = station.studio()
    print("Another client asks for three more.")
    jobs += [studio.submit(text_request(f"shot {number}")).job_id for number in range(3, CALLS)]
    server.wait("charges", CALLS, 20.0)
    for moment in ("between a charge and its answer", "while clips are made and fetched"):
        (worker, *_) = until(station.drivers, "a worker drives")
        end(worker)
        killed += 1
        print(f"  kill -9: the worker {worker.pid}, {moment}.")
        until(
            lambda gone=worker: ((now := station.drivers()) and gone not in now) or _all_done(studio, jobs), "another"
        )
    station.settled(studio, jobs, 45)
    return _tell(station, server, killed)


def _all_done(studio: Studio, jobs: list[str]) -> bool:
    return all(studio.get(job).state in SETTLED for job in jobs)


def _client(station: Station) -> subprocess.Popen[str]:
    env = station.environ()
    env["PYTHONPATH"] = f"{ROOT}:{env['PYTHONPATH']}"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", CLIENT], env=env, stdout=subprocess.PIPE, text=True, cwd=station.root
    )


def _tell(station: Station, server: FakeServer, killed: int) -> int:
    counters = server.counters()
    clips = sorted(station.output.glob("*.mp4"))
    settled, held = station.books()
    print(f"\nThe service charged ${counters['charged_usd']}; our books: ${settled} spent, ${held} held.")
    print(f"calls {CALLS}, killed {killed}, charges {counters['charges']}, clips {len(clips)}")
    right = (counters["charges"], len(clips), held) == (CALLS, CALLS, 0) and max(
        counters["charges_by_key"].values()
    ) == 1
    return 0 if right else 1
