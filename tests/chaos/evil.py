"""The storm against a service that lies: two homes on one account, equal prompts, several takes, keys that change.

One answer in three is hostile (`tests.fakes.hostile`), on top of the storm's own faults and kills. A person sits beside
it: lets a stopped lane go on, raises the day's limit bit by bit, moves queued jobs to a new key, decides what nobody
can drive. What must hold is in `evil_verdict`.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.chaos.evil_person import Person
from tests.chaos.storm import FAULTS, ROOT, Mode
from tests.fakes import FakeServer, tiny_clip
from tests.fakes.hostile import TRICKS
from tests.fakes.service import fingerprint
from tests.jobs.station import Station, end

ACCOUNT = "acme"
UNFAIR = ("holes",)
"""A list that shows newer jobs and hides an older one deceives whoever asks: it is left to the state machine."""


@dataclass(frozen=True)
class EvilPlan:
    """One run. clients: of each home; prompts: so many different ones, which the homes ask for at different times (else
    nobody could tell whose of two equal jobs is whose); without: the tricks that are not used; one_in: of so many
    answers one lies; every_s: the mean time between two kills; limit_s: when to give up."""

    mode: Mode
    jobs: int = 240
    kills: int = 30
    homes: int = 2
    clients: int = 2
    rotations: int = 2
    prompts: int = 12
    without: tuple[str, ...] = UNFAIR
    one_in: float = 3.0
    seed: int = 1
    every_s: float = 0.8
    pace_s: float = 0.35
    limit_s: float = 600.0


@dataclass
class Home:
    """One home: its station, its person, and its clients by their share of the clips."""

    number: int
    station: Station
    person: Person
    keys: list[str]
    clients: dict[tuple[int, int], subprocess.Popen[bytes]] = field(default_factory=dict[Any, Any])

    def rotate(self, number: int) -> None:
        """Another key of the same account from now on; its workers, which have the old one, are killed."""
        self.station.env = {**self.station.env, "PAID_API_KEY": self.keys[number]}
        for worker in self.station.drivers():
            end(worker)
        for process in self.clients.values():
            process.kill()


@dataclass
class EvilOutcome:
    plan: EvilPlan
    seconds: float = 0.0
    killed: Counter[str] = field(default_factory=Counter[str])
    states: Counter[str] = field(default_factory=Counter[str])
    tricks: Counter[str] = field(default_factory=Counter[str])
    counters: dict[str, Any] = field(default_factory=dict[str, Any])
    told: list[str] = field(default_factory=list[str])
    broken: list[str] = field(default_factory=list[str])


def run(plan: EvilPlan, folder: Path) -> EvilOutcome:
    """Run it in an empty folder; the outcome with everything that did not hold in `broken`."""
    from tests.chaos.evil_verdict import judge

    outcome = EvilOutcome(plan)
    with _service(plan) as server, ExitStack() as stack:
        homes = [_home(plan, folder / f"home{number}", number, server) for number in range(plan.homes)]
        for home in homes:
            stack.callback(home.station.close)
        try:
            _blow(plan, homes, outcome)
        finally:
            for home in homes:
                for process in home.clients.values():
                    process.kill()
                    process.wait()
        tricks = server.tricks()
        server.clear()
        server.set(hostile=None)
        outcome.tricks = Counter(trick for _, _, trick in tricks)
        outcome.counters = server.counters()
        judge(outcome, homes, server, tricks)
    return outcome


@contextmanager
def _service(plan: EvilPlan) -> Iterator[FakeServer]:
    clips = {"": tiny_clip(), "other": tiny_clip(64, 64, 1.0)}
    keys = [key for number in range(plan.homes) for key in _keys(plan, number)]
    with FakeServer(
        "paid",
        mode=plan.mode,
        clips=clips,
        life={"median_s": 1.0, "sigma": 0.3, "seed": plan.seed},
        accounts={fingerprint(key): ACCOUNT for key in keys},
        read_lag_s=0.2,
        hostile={
            "seed": plan.seed,
            "one_in": plan.one_in,
            "tricks": sorted({trick for names in TRICKS.values() for trick in names} - set(plan.without)),
        },
    ) as server:
        for number, (route, faults) in enumerate(FAULTS.items()):
            server.always(route, *faults, seed=plan.seed + number)
        yield server


def _keys(plan: EvilPlan, home: int) -> list[str]:
    return [f"sk-home{home}-key{number}-0123456789" for number in range(plan.rotations + 1)]


def _home(plan: EvilPlan, root: Path, number: int, server: FakeServer) -> Home:
    root.mkdir()
    keys = _keys(plan, number)
    env = {"PAID_MODE": plan.mode, "PAID_TIMEOUT_S": "1.5", "PAID_API_KEY": keys[0]}
    env |= {"REELWRIGHT_SETTLE_S": "2", "REELWRIGHT_CPU_JOBS": "2", "REELWRIGHT_STATE": str(root.parent / "state")}
    station = Station(root, server.url, env)
    person = Person(station, server, start_usd=Decimal(6))
    home = Home(number, station, person, keys)
    each = plan.jobs // plan.homes
    share = -(-each // plan.clients)
    for first in range(0, each, share):
        part = (first, min(share, each - first))
        home.clients[part] = _client(plan, home, part)
    return home


def _client(plan: EvilPlan, home: Home, part: tuple[int, int]) -> subprocess.Popen[bytes]:
    env = home.station.environ()
    env["PYTHONPATH"] = f"{ROOT}:{env['PYTHONPATH']}"
    shift = home.number * plan.prompts // plan.homes
    numbers = map(str, (*part, plan.pace_s, plan.prompts, shift))
    with (home.station.root / "clients.log").open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.chaos.client", *numbers],
            env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=home.station.root,
        )  # fmt: skip


def _blow(plan: EvilPlan, homes: list[Home], outcome: EvilOutcome) -> None:
    draw = random.Random(plan.seed)
    begun = time.monotonic()
    length = plan.pace_s * plan.jobs / plan.homes / plan.clients
    turns = [begun + length * (number + 1) / (plan.rotations + 1) for number in range(plan.rotations)]
    next_kill, rotated = begun + draw.uniform(0.5, 1.5) * plan.every_s, 0
    while any(home.clients for home in homes) and time.monotonic() - begun < plan.limit_s:
        time.sleep(0.05)
        for home in homes:
            home.person.look()
            for part, process in list(home.clients.items()):
                if process.poll() == 0:
                    del home.clients[part]
                elif process.returncode is not None:
                    if process.returncode != -signal.SIGKILL:
                        outcome.broken.append(f"client {part} ended with {process.returncode}")
                        return
                    home.clients[part] = _client(plan, home, part)
        now = time.monotonic()
        if rotated < plan.rotations and now >= turns[rotated]:
            rotated += 1
            for home in homes:
                home.rotate(rotated)
            outcome.told.append(f"another key for every home after {now - begun:.0f} s")
        if now >= next_kill and outcome.killed.total() < plan.kills and _kill_one(draw.random(), homes, outcome):
            next_kill = now + draw.uniform(0.2, 1.8) * plan.every_s
    if waiting := sum(len(home.clients) for home in homes):
        outcome.broken.append(f"{waiting} clients still waited after {plan.limit_s:g} s")
    outcome.seconds = time.monotonic() - begun


def _kill_one(aim: float, homes: list[Home], outcome: EvilOutcome) -> bool:
    """A worker in two of three cases, else a client; False when there is none of that kind just now."""
    if aim < 2 / 3:
        workers = [worker for home in homes for worker in home.station.drivers()]
        if workers:
            end(workers[int(aim * 1.5 * len(workers))])
            outcome.killed["worker"] += 1
        return bool(workers)
    clients = [process for home in homes for process in home.clients.values()]
    if clients:
        clients[int((aim - 2 / 3) * 3 * len(clients))].kill()
        outcome.killed["client"] += 1
    return bool(clients)
