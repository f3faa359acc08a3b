"""Random operations, kills and restarts against a model of what must hold: charges, books, states and limits.

Workers are real processes (from a `Nursery`), killed by SIGKILL at crash points or at any moment; the service is the
loopback one, with faults. `PRICE` is what a job costs.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
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
from backends.jobs.money import consistency, limits
from backends.jobs.records import ORDER
from backends.jobs.views import FINAL, SETTLED
from backends.studio import Studio
from tests.fakes import FakeServer, tiny_clip
from tests.jobs import truth as checks
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, end, text_request, until

PRICE = Decimal("0.4")
POINTS = (
    "before-post:1",
    "after-post:1",
    "after-post:2",
    "after-id-log:1",
    "after-id:1",
    "after-status:1",
    "after-download:1",
    "before-meta:1",
    "before-succeeded:1",
    *(f"before-commit:{number}" for number in range(1, 12, 2)),
    *(f"after-commit:{number}" for number in range(2, 12, 2)),
)
FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 500, "after_charge": True},
    {"status": 503},
    {"reset": "after"},
    {"reset": "before"},
    {"lose": True},
    {"status": 422},
    {"status": 429, "headers": {"retry-after": "0"}},
    {"job": {"polls": 1, "outcome": "failed"}},
    {"job": {"polls": 1, "outcome": "failed", "refund": True}},
)


class JobMachine(RuleBasedStateMachine):
    """One home, one service, at most two workers at a time. mode: what the service offers against double charges."""

    nursery: Nursery
    mode: str

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.jobs: dict[tuple[int, int], str] = {}
        self.seen: dict[str, str] = {}
        self.workers: list[ProcessId] = []
        self.wall: Decimal | None = Decimal(20)

    @initialize(shots=st.integers(1, 3))
    def open(self, shots: int) -> None:
        clips = {"": tiny_clip()}
        self.server = self.stack.enter_context(FakeServer("paid", mode=self.mode, clips=clips, life={"polls": 1}))
        env = {"PAID_MODE": self.mode, "REELWRIGHT_SETTLE_S": "0.2", "REELWRIGHT_WORKER_IDLE_S": "0.2"}
        self.station = Station(self.folder, self.server.url, {**env, "REELWRIGHT_POLL_EVERY_S": "0.2"})
        self.stack.callback(self.station.close)
        self.context = Context.open(self.station.settings())
        self.stack.callback(self.context.close)
        self.keyless = Studio.open(self.station.settings(PAID_API_KEY=""))
        self.stack.callback(self.keyless.close)
        for shot in range(shots):
            self._order_one(100 + shot, 1)

    # what a client does

    @rule(first=st.integers(1, 6), count=st.integers(1, 3), take=st.integers(1, 2))
    def order(self, first: int, count: int, take: int) -> None:
        for shot in range(first, first + count):
            self._order_one(shot, take)

    def _order_one(self, shot: int, take: int) -> None:
        spent = sum(self.station.books())
        try:
            job = self.station.place(self.context, text_request(f"shot {shot}"), take=take)
        except VideoError as error:
            assert error.kind in ("wall", "provider", "needs_budget"), error
            if error.kind == "wall":
                assert self.wall is not None and spent + PRICE > self.wall
            return
        known = self.jobs.get((shot, take))
        if known is None or known != job:
            if known is not None:
                old = self.station.row(known)
                assert old["state"] in ("failed", "cancelled") and not old["matchable"], "repeated though paid"
            assert self.wall is None or spent + PRICE <= self.wall, "a wall was passed"
        self.jobs[shot, take] = job
        self.seen.setdefault(job, "queued")

    @rule(which=st.integers(0, 11))
    def cancel(self, which: int) -> None:
        """Through a client without credentials, which can cancel but start no worker."""
        if which >= len(self.seen):
            return
        job = list(self.seen)[which]
        try:
            self.keyless.cancel(job)
        except VideoError as error:
            assert error.kind == "conflict" and self.station.row(job)["state"] == "uncertain"

    @rule(usd=st.sampled_from(["none", "1", "4", "none"]))
    def move_the_wall(self, usd: str) -> None:
        limits.set_limit(self.context.store, "per_day_usd", usd, ["paid"])
        self.wall = None if usd == "none" else Decimal(usd)

    @rule()
    def write_off(self) -> None:
        for row in self.station.rows("SELECT id FROM jobs WHERE state = 'uncertain' LIMIT 1"):
            decisions.write_off(self.context.store, row["id"])

    # what goes wrong

    @rule(fault=st.sampled_from(FAULTS))
    def spoil(self, fault: dict[str, Any]) -> None:
        if len(self.server.left()) < 3:
            self.server.script("submit", fault)

    @rule(crash=st.sampled_from(("", "", *POINTS)), steps=st.integers(1, 8))
    def work(self, crash: str, steps: int) -> None:
        """A worker more (two at most), and so many changes of jobs' states, unless all workers end before."""
        self.workers = [worker for worker in self.workers if is_alive(worker)]
        if len(self.workers) < 2:
            self.workers.append(self.nursery.worker(self.station.environ(), crash))
        until(lambda: self._moved(steps) or self._at_rest(), "the jobs move on")

    @rule(which=st.integers(0, 1))
    def kill(self, which: int) -> None:
        for worker in self.workers[which : which + 1]:
            end(worker)

    def _moved(self, steps: int) -> bool:
        rows = self.station.rows("SELECT id, state FROM jobs")
        return sum(row["state"] != self.seen[row["id"]] for row in rows) >= min(steps, len(rows))

    def _at_rest(self) -> bool:
        """Nobody works, or nothing is left to do today, or the lane is paused."""
        tomorrow = "state = 'queued' AND phase LIKE 'waits for the day''s limit%'"
        return (
            not any(map(is_alive, self.workers))
            or not self.station.rows(f"SELECT 1 FROM jobs WHERE state NOT IN {tuple(SETTLED)} AND NOT ({tomorrow})")
            or bool(self.station.rows("SELECT 1 FROM lanes WHERE breaker <> ''"))
        )

    # what must hold

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        if hasattr(self, "server"):
            charges = self.server.counters()["charges_by_key"]
            assert not {key: count for key, count in charges.items() if count > 1}
            assert set(charges) <= set(self.seen), "a charge that belongs to no job"

    @invariant()
    def no_job_is_lost_or_goes_back(self) -> None:
        if not hasattr(self, "station"):
            return
        rows = {row["id"]: row for row in self.station.rows("SELECT * FROM jobs")}
        assert rows.keys() == self.seen.keys(), "a job has disappeared, or come from nowhere"
        for job, old in self.seen.items():
            new = rows[job]["state"]
            if old in FINAL:
                assert new == old, f"{job} was {old} and is {new}"
            elif old in ORDER and new in ORDER and ORDER.index(new) < ORDER.index(old):
                assert (old, new) == ("submitting", "queued"), f"{job} went back from {old} to {new}"
            self.seen[job] = new

    @invariant()
    def the_kept_sums_are_the_sums(self) -> None:
        if hasattr(self, "station"):
            assert consistency.faults(self.station.store) == []

    # the end: all is settled, and both sides agree

    def teardown(self) -> None:
        try:
            if hasattr(self, "station"):
                self._settle()
        finally:
            for worker in self.workers:
                end(worker, signal.SIGKILL)
            self.stack.close()

    def _settle(self) -> None:
        for worker in self.workers:
            end(worker)
        self.server.clear()
        self.move_the_wall("none")  # what waits for tomorrow's limit would be waited for until then
        for _ in range(12):
            admin.resume(self.context.store)
            if not self.station.rows(f"SELECT 1 FROM jobs WHERE state NOT IN {tuple(SETTLED)}"):
                break
            self.nursery.ended(self.nursery.worker(self.station.environ()))
        rows = self.station.rows("SELECT * FROM jobs")
        assert {row["state"] for row in rows} <= SETTLED, [(row["state"], row["phase"]) for row in rows]
        self.nothing_is_paid_twice()
        self.no_job_is_lost_or_goes_back()
        truth = {job["id"]: job for job in self.server.jobs()}
        costs = {name: Decimal(job["cost_usd"]) for name, job in truth.items()}
        costs |= {job["job_key"]: costs[name] for name, job in truth.items()}
        assert not (wrong := checks.unsure(self.mode, rows, truth, checks.accepted([self.station.home]))), wrong
        for row in rows:
            entry = self.station.entry(row["id"])
            if row["state"] == "uncertain":
                assert (entry["state"], entry["reserved"]) == ("unresolved", 400_000)
            elif entry["basis"] == "written_off":
                assert entry["settled"] == 400_000
            else:
                assert Decimal(entry["settled"]) / 1_000_000 == costs.get(row["remote_id"] or row["id"], 0), (
                    row,
                    entry,
                )
            if row["state"] == "succeeded":
                assert (self.station.home / "artifacts" / "jobs" / row["id"] / "clip.mp4").exists()


def explore(nursery: Nursery, mode: str, profile: settings) -> None:
    """Run it; raises the failed invariant with the shortest steps that lead to it."""
    machine = type(f"JobMachine_{mode}", (JobMachine,), {"nursery": nursery, "mode": mode})
    checks = list(HealthCheck)  # real processes are slow, and what they do does not repeat to the millisecond
    run_state_machine_as_test(machine, settings=settings(profile, deadline=None, suppress_health_check=checks))
