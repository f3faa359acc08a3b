"""The storm: clients and detached workers killed by SIGKILL at random moments, while the service fails in every way.

What must hold is in `verdict`; the seed repeats the draw of victims and moments (not the operating system's timing).
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from backends.jobs.lanes.process import ProcessId
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station, end

Mode = Literal["key", "lookup", "none"]
MODES: tuple[Mode, ...] = ("key", "lookup", "none")
ROOT = Path(__file__).resolve().parents[2]

FAULTS: dict[str, list[dict[str, Any]]] = {
    "submit": [
        {"status": 500, "after_charge": True, "chance": 0.05},
        {"status": 503, "chance": 0.03},
        {"reset": "after", "chance": 0.05},
        {"reset": "before", "chance": 0.03},
        {"lose": True, "chance": 0.05},
        {"hang": 30, "after_charge": True, "chance": 0.02},
        {"status": 429, "headers": {"retry-after": "0"}, "chance": 0.05},
        {"delay_s": 0.1, "delay_after_s": 0.2, "chance": 0.4},
    ],
    "status": [{"status": 502, "chance": 0.05}, {"reset": "before", "chance": 0.05}, {"delay_s": 0.2, "chance": 0.1}],
    "media": [{"truncate": 900, "chance": 0.15}, {"status": 403, "chance": 0.05}, {"status": 500, "chance": 0.05}],
    "by-key": [{"status": 500, "chance": 0.1}],
    "list": [{"reset": "before", "chance": 0.1}],
}
"""What the service does wrong, by route: in about a quarter of the paid requests."""


@dataclass(frozen=True)
class Plan:
    """One run. every_s: the mean time between two kills; pace_s: between two orders of a client, so that the orders
    last as long as the kills; limit_s: when to give up."""

    mode: Mode
    jobs: int = 240
    kills: int = 30
    clients: int = 3
    seed: int = 1
    every_s: float = 0.8
    pace_s: float = 0.35
    limit_s: float = 600.0


@dataclass
class Outcome:
    """What was done, and what the two sides say afterwards."""

    plan: Plan
    seconds: float = 0.0
    killed: Counter[str] = field(default_factory=Counter[str])
    workers: set[int] = field(default_factory=set[int])
    states: Counter[str] = field(default_factory=Counter[str])
    counters: dict[str, Any] = field(default_factory=dict[str, Any])
    broken: list[str] = field(default_factory=list[str])


def run(plan: Plan, folder: Path) -> Outcome:
    """Run it in an empty folder; the outcome with everything that did not hold in `broken`."""
    from tests.chaos.verdict import judge

    life = {"median_s": 1.0, "sigma": 0.3, "seed": plan.seed}
    with FakeServer("paid", mode=plan.mode, clips={"": tiny_clip()}, life=life) as server:
        for number, (route, faults) in enumerate(FAULTS.items()):
            server.always(route, *faults, seed=plan.seed + number)
        station = Station(
            folder,
            server.url,
            {"PAID_MODE": plan.mode, "PAID_TIMEOUT_S": "1.5", "REELWRIGHT_SETTLE_S": "2", "REELWRIGHT_CPU_JOBS": "2"},
        )
        try:
            station.limit(per_day_usd="none")
            outcome = _blow(plan, station)
            server.clear()
            outcome.counters = server.counters()
            judge(outcome, station, server)
        finally:
            station.close()
    return outcome


def _blow(plan: Plan, station: Station) -> Outcome:
    outcome = Outcome(plan)
    draw = random.Random(plan.seed)
    share = -(-plan.jobs // plan.clients)
    shares = [(start, min(share, plan.jobs - start)) for start in range(0, plan.jobs, share)]
    clients = {part: _client(station, part, plan.pace_s) for part in shares}
    begun = time.monotonic()
    next_kill, aim = begun + draw.uniform(0.5, 1.5) * plan.every_s, draw.random()
    try:
        while clients and time.monotonic() - begun < plan.limit_s:
            time.sleep(0.02)
            for part, process in list(clients.items()):
                if process.poll() == 0:
                    del clients[part]
                elif process.returncode is not None:
                    if process.returncode != -signal.SIGKILL:
                        outcome.broken.append(f"client {part} ended with {process.returncode}")
                        return outcome
                    clients[part] = _client(station, part, plan.pace_s)
            outcome.workers |= {worker.pid for worker in station.drivers()}
            if (
                time.monotonic() >= next_kill
                and outcome.killed.total() < plan.kills
                and _kill_one(aim, station, list(clients.values()), outcome)
            ):
                next_kill = time.monotonic() + draw.uniform(0.2, 1.8) * plan.every_s
                aim = draw.random()
    finally:
        for process in clients.values():
            process.kill()
            process.wait()
    if clients:
        outcome.broken.append(f"{len(clients)} clients still waited after {plan.limit_s:g} s")
    outcome.seconds = time.monotonic() - begun
    return outcome


def _client(station: Station, part: tuple[int, int], pace_s: float) -> subprocess.Popen[bytes]:
    env = station.environ()
    env["PYTHONPATH"] = f"{ROOT}:{env['PYTHONPATH']}"
    command = [sys.executable, "-P", "-m", "tests.chaos.client", *map(str, part), str(pace_s)]
    log = station.root / "clients.log"
    with log.open("ab") as out:
        return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=station.root)


def _kill_one(aim: float, station: Station, clients: list[subprocess.Popen[bytes]], outcome: Outcome) -> bool:
    """A worker in two of three cases, else a client; False when there is none of that kind just now.

    aim: 0..1, which kind and which one of it.
    """
    if aim < 2 / 3:
        workers: list[ProcessId] = station.drivers()
        if workers:
            end(workers[int(aim * 1.5 * len(workers))])
            outcome.killed["worker"] += 1
        return bool(workers)
    if clients:
        clients[int((aim - 2 / 3) * 3 * len(clients))].kill()
        outcome.killed["client"] += 1
    return bool(clients)
