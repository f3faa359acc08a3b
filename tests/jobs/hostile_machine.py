"""The state machine against a service that lies, and against a person whose keys and addresses change.

Two homes on one account order the same few prompts in several takes; workers are killed, answers lie, lists lag.
At the end either the truth is told again and all must settle, or the credentials are gone for good and a person must be
able to end every job that is open.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from backends.errors import VideoError
from backends.jobs import admin, decisions
from backends.jobs.context import Context
from backends.jobs.lanes.process import ProcessId, is_alive
from backends.jobs.money import limits
from backends.jobs.store.database import Row
from backends.jobs.store.schema import OPEN
from backends.jobs.views import FINAL
from tests.fakes import FakeServer, tiny_clip
from tests.fakes.hostile import TRICKS
from tests.fakes.service import fingerprint
from tests.jobs import truth as checks
from tests.jobs.machine import FAULTS, POINTS
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, end, text_request
from tests.patience import patient

KEYS = {
    "first": "sk-machine-first-0123456789",
    "second": "sk-machine-second-0123456789",
    "stranger": "sk-machine-stranger-0123456789",
    "none": "",
}
ROUTES = ("127.0.0.1", "localhost")
LIES = (
    ("body", "field", "bomb"),
    ("word", "back", "odd cost", "odd estimate", "odd id"),
    ("false end", "no file", "unknown yet", "busy"),
    ("no clip", "cut", "endless", "extra", "other clip"),
    ("empty", "late", "holes", "dear"),
    tuple(sorted({trick for names in TRICKS.values() for trick in names} - {"retry-after", "id again"})),
)
"""Tricks by their kind. (An id that repeats, and how long a Retry-After is obeyed, have tests of their own.)"""


class Home:
    """One home of the account: its station, its workers and what has been ordered there."""

    def __init__(self, root: Path, server: FakeServer, mode: str) -> None:
        root.mkdir()
        self.server = server
        figures = {"REELWRIGHT_SETTLE_S": "0.3", "REELWRIGHT_WORKER_IDLE_S": "0.2", "REELWRIGHT_POLL_EVERY_S": "0.2"}
        self.station = Station(root, server.url, {"PAID_MODE": mode, "PAID_TIMEOUT_S": "2", **figures})
        self.become("first", ROUTES[0])
        self.context = Context.open(self.station.settings())
        self.workers: list[ProcessId] = []
        self.limits: list[tuple[float, Decimal]] = []
        self.seen: dict[str, str] = {}

    def become(self, key: str, route: str = "") -> None:
        """The credentials and the address with which workers start from now on."""
        url = f"http://{route}:{self.server.port}" if route else self.station.env["PAID_BASE_URL"]
        self.station.env = {**self.station.env, "PAID_API_KEY": KEYS[key], "PAID_BASE_URL": url}

    def order(self, shot: int, take: int) -> None:
        context = Context.open(self.station.settings())
        try:
            job = self.station.place(context, text_request(f"shot {shot}"), take=take)
            self.seen.setdefault(job, "queued")
        except VideoError as error:
            assert error.kind in ("wall", "provider", "needs_budget", "auth"), error
        finally:
            context.close()

    def limit(self, usd: str) -> None:
        limits.set_limit(self.context.store, "per_day_usd", usd, ["paid"])
        self.limits.append((time.time(), Decimal("1000000" if usd == "none" else usd)))

    def open_jobs(self) -> list[Row]:
        return self.station.rows(f"SELECT * FROM jobs WHERE {OPEN}")

    def at_rest(self) -> bool:
        """Nobody works, or nothing is left to do, or the lane is paused."""
        paused = self.station.rows("SELECT 1 FROM lanes WHERE breaker <> ''")
        return not any(map(is_alive, self.workers)) or not self.open_jobs() or bool(paused)

    def moved(self, steps: int) -> bool:
        rows = self.station.rows("SELECT id, state FROM jobs")
        return sum(row["state"] != self.seen.get(row["id"]) for row in rows) >= min(steps, len(rows))


class HostileMachine(RuleBasedStateMachine):
    """mode: what the service offers against double charges."""

    nursery: Nursery
    mode: str

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.homes: list[Home] = []
        self.course = "settle"

    @initialize(course=st.sampled_from(["settle", "settle", "give up"]), shots=st.integers(1, 3))
    def open(self, course: str, shots: int) -> None:
        self.course = course
        clips = {"": tiny_clip(), "other": tiny_clip(64, 64, 1.0)}
        accounts = {fingerprint(KEYS[key]): "acme" for key in ("first", "second")}
        self.server = self.stack.enter_context(
            FakeServer("paid", mode=self.mode, clips=clips, life={"polls": 1}, accounts=accounts)
        )
        for name in ("a", "b"):
            home = Home(self.folder / name, self.server, self.mode)
            self.stack.callback(home.station.close)
            self.stack.callback(home.context.close)
            self.homes.append(home)
            for shot in range(shots):
                home.order(shot, 1)

    @rule(home=st.integers(0, 1), shot=st.integers(0, 2), take=st.integers(1, 3))
    def order(self, home: int, shot: int, take: int) -> None:
        self.homes[home].order(shot, take)

    @rule(home=st.integers(0, 1), usd=st.sampled_from(["none", "1", "2", "20"]))
    def move_the_limit(self, home: int, usd: str) -> None:
        self.homes[home].limit(usd)

    # what goes wrong

    @rule(lies=st.sampled_from((*LIES, ())), seed=st.integers(1, 50), one_in=st.sampled_from([1.5, 3.0]))
    def lie(self, lies: tuple[str, ...], seed: int, one_in: float) -> None:
        self.server.set(hostile={"seed": seed, "one_in": one_in, "tricks": list(lies)} if lies else None)

    @rule(lag_s=st.sampled_from([0.0, 1.0]))
    def lag(self, lag_s: float) -> None:
        self.server.set(list_lag_s=lag_s, read_lag_s=lag_s / 5)

    @rule(fault=st.sampled_from(FAULTS))
    def spoil(self, fault: dict[str, Any]) -> None:
        if len(self.server.left()) < 3:
            self.server.script("submit", fault)

    @rule(home=st.integers(0, 1), key=st.sampled_from(list(KEYS)))
    def change_key(self, home: int, key: str) -> None:
        self.homes[home].become(key)

    @rule(home=st.integers(0, 1), route=st.sampled_from(ROUTES))
    def change_route(self, home: int, route: str) -> None:
        """Another address of the same service on the same account."""
        station = self.homes[home].station
        station.env = {**station.env, "PAID_BASE_URL": f"http://{route}:{self.server.port}"}

    @rule(home=st.integers(0, 1), crash=st.sampled_from(("", "", *POINTS)), steps=st.integers(1, 6))
    def work(self, home: int, crash: str, steps: int) -> None:
        """A worker more (two at most in a home), and so many changes of jobs' states, or as far as they come."""
        one = self.homes[home]
        one.workers = [worker for worker in one.workers if is_alive(worker)]
        if len(one.workers) < 2:
            one.workers.append(self.nursery.worker(one.station.environ(), crash))
        deadline = time.monotonic() + 2.0  # a lie or a wait may hold them up: then the next rule comes
        while not (one.moved(steps) or one.at_rest()) and time.monotonic() < deadline:
            time.sleep(0.02)

    @rule(home=st.integers(0, 1))
    def kill(self, home: int) -> None:
        for worker in self.homes[home].workers:
            end(worker)

    # what must hold

    def rows(self) -> list[Row]:
        return [
            {**row, "home": number}
            for number, home in enumerate(self.homes)
            for row in home.station.rows("SELECT * FROM jobs")
        ]

    def truth(self) -> dict[str, dict[str, Any]]:
        return {job["id"]: job for job in self.server.jobs()}

    @invariant()
    def nothing_is_paid_twice_untold(self) -> None:
        if self.homes:
            assert not (wrong := checks.charged(self.rows(), self.truth())), wrong

    @invariant()
    def no_limit_is_passed(self) -> None:
        for home in self.homes:
            wrong = checks.limit(home.station, home.limits, self.server.state / "ledger.jsonl")
            assert not wrong, wrong

    @invariant()
    def no_job_disappears_or_rises_again(self) -> None:
        for home in self.homes:
            rows = {row["id"]: row["state"] for row in home.station.rows("SELECT id, state FROM jobs")}
            assert home.seen.keys() <= rows.keys(), "a job has disappeared"
            for job, old in home.seen.items():
                assert old not in FINAL or rows[job] == old, f"{job} was {old} and is {rows[job]}"
            home.seen |= rows

    # the end

    def teardown(self) -> None:
        try:
            if self.homes:
                for home in self.homes:
                    for worker in home.workers:
                        end(worker)
                        self.nursery.ended(worker)
                self._settle() if self.course == "settle" else self._give_up()
        finally:
            for home in self.homes:
                for worker in home.workers:
                    end(worker)
            self.stack.close()

    def _settle(self) -> None:
        """The truth is told, the first key holds again: all jobs come to their right end, with a person's help only
        where a job has to move to another account or address."""
        self.server.clear()
        self.server.set(hostile=None, list_lag_s=0.0, read_lag_s=0.0)
        for home in self.homes:
            home.limit("none")
            for key in ("second", "first"):
                for route in ROUTES:
                    home.become(key, route)
                    if home.open_jobs():
                        self._work_off(home)
            assert not home.open_jobs(), [(row["state"], row["lane"], row["phase"]) for row in home.open_jobs()]
        rows, truth = self.rows(), self.truth()
        refused = {row["id"] for row in rows if row["state"] == "failed" and row["id"] not in self._charged_keys(truth)}
        known = checks.accepted(home.station.home for home in self.homes)
        wrong = checks.charged(rows, truth) + checks.unsure(self.mode, rows, truth, known)
        wrong += checks.lost([row for row in rows if row["id"] not in refused], truth)
        assert not wrong, wrong

    def _charged_keys(self, truth: dict[str, dict[str, Any]]) -> set[str]:
        return {job["job_key"] for job in truth.values()}

    def _work_off(self, home: Home) -> None:
        for _ in range(4):
            admin.resume(home.context.store)
            worker = self.nursery.worker(home.station.environ())
            deadline = time.monotonic() + patient(2)
            while is_alive(worker) and time.monotonic() < deadline:
                time.sleep(0.02)
            end(worker)
            self.nursery.ended(worker)
            lane = _lane(home.station)
            if not [row for row in home.open_jobs() if row["lane"] == lane]:
                return

    def _give_up(self) -> None:
        """Nobody has a key any more, and the service is gone: the person ends every open job, whatever its state."""
        for home in self.homes:
            home.become("none")
            for row in home.station.rows("SELECT id, state FROM jobs"):
                if row["state"] not in FINAL:
                    decisions.write_off(home.context.store, row["id"])
            left = home.station.rows(f"SELECT state FROM jobs WHERE state NOT IN {tuple(sorted(FINAL))}")
            assert not left, left
            held = home.station.rows("SELECT 1 FROM ledger WHERE state IN ('reserved', 'unresolved')")
            assert not held, "money is held for jobs that have ended"


def _lane(station: Station) -> str:
    from reelwright_paid import access

    return access(station.environ()).lane


def explore(nursery: Nursery, mode: str, profile: settings) -> None:
    """Run it; raises the failed invariant with the shortest steps that lead to it."""
    machine = type(f"HostileMachine_{mode}", (HostileMachine,), {"nursery": nursery, "mode": mode})
    checks_off = list(HealthCheck)  # real processes are slow, and what they do does not repeat to the millisecond
    run_state_machine_as_test(machine, settings=settings(profile, deadline=None, suppress_health_check=checks_off))
