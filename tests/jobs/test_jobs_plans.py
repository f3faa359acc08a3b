"""What is done every moment does not get slower with every job that was ever made.

The statements are not listed here: a short real session of clients and worker is listened to, and SQLite is asked how
it would run each of what they said. A history may be searched by an index, never be read through.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import apsw
import pytest

from backends.errors import VideoError
from backends.jobs import admin
from backends.jobs.context import Context
from backends.jobs.lanes import lanes
from backends.jobs.money import ledger, settle
from backends.jobs.order.order import Order
from backends.jobs.order.place import Orders
from backends.jobs.principals import who_is
from backends.jobs.run.driver import LaneDriver
from backends.jobs.run.engines import Engines
from backends.jobs.store.database import Transaction
from backends.jobs.store.schema import OPEN, UNENDED
from backends.jobs.views import FINAL, SETTLED, STATES
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.history import multiply
from tests.jobs.station import Station, text_request, tiny_request, until

THROUGH = re.compile(r"^SCAN (jobs|events|ledger)\b(?! USING (COVERING )?INDEX (jobs_open|jobs_unended)\b)")
"""A walk through everything. The two indexes hold nothing but what has not ended."""

PAST, OPEN_JOBS = 12_000, 3_000

HOT = {
    "Worker._latest_wake",
    "LaneDriver._open",
    "LaneDriver._requeue_local",
    "LaneState.durations",
    "Launcher.ensure",
    "OpenJob.read",
    "LocalRun._row",
    "stored_job",
    "holders",
    "_DayLimit.spent",
    "_principal_of",
    "LaneDriver._changed",
    "LaneDriver._open_of",
    "totals",
    "newest",
    "_principals",
    "queue_position",
    "find_same",
    "undriven_open",
    "paid_jobs",
    "open_by_lane",
    "_candidates",
    "leave",
    "_change",
    "beat",
}
"""Who must have been heard, so that the session is known to reach them all."""


class Ear:
    """Every statement of every connection of this process: who ran it, the first values it was run with, and the most
    steps of SQLite's machine that it took. once: what a worker asks a single time in its life, at rest."""

    def __init__(self) -> None:
        self.heard: dict[str, Any] = {}
        self.callers: set[str] = set()
        self.steps: dict[str, int] = {}
        self.once: set[str] = set()

    def connect(self, connection: apsw.Connection) -> None:
        connection.set_exec_trace(self.hear)
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self.count)

    def count(self, event: dict[str, Any]) -> None:
        steps = event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]
        if event["sql"] in self.once:
            return
        self.steps[event["sql"]] = max(steps, self.steps.get(event["sql"], 0))

    def hear(self, _: apsw.Cursor, sql: str, bindings: Any) -> bool:
        frame = sys._getframe(1)
        while frame.f_code.co_filename.endswith(("store/sqlite.py", "store/calls.py")) and frame.f_back is not None:
            frame = frame.f_back
        if frame.f_code.co_filename.endswith("money/consistency.py"):
            self.once.add(sql)
            return True
        self.heard.setdefault(sql, bindings)
        self.callers.add(frame.f_code.co_qualname.partition(".<locals>")[0])
        return True


@pytest.fixture
def ear() -> Iterator[Ear]:
    listening = Ear()
    apsw.connection_hooks.append(listening.connect)
    yield listening
    apsw.connection_hooks.remove(listening.connect)


def session(station: Station, server: FakeServer) -> None:
    """Paid and free jobs from submit to clip, one refused, one looked up, one cancelled, and all ways to look."""
    studio = station.studio()
    free = studio.submit(tiny_request("free"), label="a").job_id
    server.script("submit", {"status": 500, "after_charge": True, "match": "looked up"})
    paid = [studio.submit(text_request(prompt), label="b").job_id for prompt in ("first", "looked up")]
    studio.submit(text_request("first"))
    station.settled(studio, [free, *paid], 40)
    again = studio.again(paid[0]).job_id
    station.settled(studio, [again])
    waiting = station.studio(PAID_API_KEY="", REELWRIGHT_WORKER="detached")  # it starts no worker
    other = station.studio(PAID_API_KEY="sk-of-somebody-else")
    stays = station.place(other.context, text_request("nobody drives it"))
    station.limit(**{"per_day_usd@ann": "9"})
    anns = Orders(other.context, "test", "ann").place(Order(text_request("of a person"))).job
    ledger.recheck(station.store, anns.id, "paid", anns.est_high)
    waiting.get(stays)
    looks(waiting)
    looks(waiting.on_behalf(who_is("ann")))
    waiting.cancel(anns.id)
    studio.get(stays)
    waiting.cancel(stays)
    lanes.paid_jobs(station.store)
    admin.open_by_lane(station.store)
    until(lambda: not station.rows("SELECT 1 FROM lanes WHERE driven = 1"), "the worker has left")


def looks(studio: Studio) -> None:
    for state in (None, "open", "succeeded", "uncertain"):
        for label in (None, "b"):
            for cursor in (None, "1000"):
                studio.list(state=state, label=label, cursor=cursor)
    studio.recent()
    studio.spend()
    anyio.run(lambda: studio.wait([studio.list().jobs[0].job_id], timeout_s=0.1))


def test_no_hot_query_reads_the_history_through(
    ear: Ear, serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    server = serve(mode="lookup")
    station = stand(server, PAID_MODE="lookup", REELWRIGHT_WORKER="inline")
    session(station, server)
    assert sorted(HOT - ear.callers) == [], "the session no longer reaches these"
    asker = apsw.Connection(str(station.settings().store))
    wrong: dict[str, list[str]] = {}
    for sql, bindings in list(ear.heard.items()):
        if not re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b", sql) or "sqlite_schema" in sql:
            continue
        plan = [str(row[3]) for row in asker.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
        if found := [step for step in plan if THROUGH.match(step) or "TEMP B-TREE" in step]:
            wrong[sql] = found
    asker.close()
    assert not wrong


def test_no_query_takes_longer_for_a_long_past(
    ear: Ear, serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """Whatever the plan is called: less than one step of SQLite's machine for each job of the past."""
    station = stand(serve(), REELWRIGHT_WORKER="inline")
    studio = station.studio()
    jobs = [studio.submit(text_request("a paid past"), label="b"), studio.submit(tiny_request("a free past"))]
    station.settled(studio, [job.job_id for job in jobs])
    for job in jobs:
        multiply(station.store, job.job_id, PAST // 2, days_ago=3)
    ear.steps.clear()
    now = [studio.submit(text_request("now"), label="b").job_id, studio.submit(tiny_request("now too")).job_id]
    station.settled(studio, now)
    looks(studio)
    station.settled(studio, [studio.again(now[0]).job_id])
    studio.cancel(now[0])
    lanes.paid_jobs(studio.context.store)
    admin.open_by_lane(studio.context.store)
    assert {sql: steps for sql, steps in ear.steps.items() if steps >= PAST // 2} == {}


def test_a_driver_looks_at_what_has_changed_however_much_is_open(ear: Ear, stand: Callable[..., Station]) -> None:
    """Thousands of jobs wait here for one; what another job waited for fails, and only that job is looked at."""
    station = stand()
    context = Context.open(station.settings())
    store = context.store
    waiting, needed, other, failing = (station.place(context, tiny_request(words)) for words in "abcd")

    def begin(tx: Transaction) -> None:
        tx.run("UPDATE jobs SET state = 'uncertain'")
        for job, need in ((waiting, needed), (other, failing)):
            tx.run("UPDATE jobs SET state = 'waiting', needs = ? WHERE id = ?", (f'["{need}"]', job))

    store.write(begin)
    multiply(store, waiting, OPEN_JOBS)
    (lane,) = store.rows("SELECT * FROM lanes")
    lease = lanes.take(store, context.locks, lane["key"], version="0", detached=True)
    assert lease is not None
    driver = LaneDriver(context, lease, lane, Engines(context.env, subprocess.DEVNULL, 1))

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(driver.run)
            await anyio.wait_all_tasks_blocked()  # it has looked at all
            driver._look_at_all = math.inf
            ear.steps.clear()
            store.write(lambda tx: settle.fail(tx, None, failing, VideoError("provider", "broken", charged="no")))
            driver.refresh()
            group.cancel_scope.cancel()

    anyio.run(scene)
    lease.lock.release()
    assert max(ear.steps.values()) < OPEN_JOBS / 2
    states = {row["id"]: row["state"] for row in store.rows("SELECT id, state FROM jobs")}
    assert (states[waiting], states[other], len(states)) == ("waiting", "failed", OPEN_JOBS + 4)
    context.close()


def test_open_means_the_same_in_sql_and_in_python() -> None:
    """The index of open jobs and the states at which a wait ends are one definition, kept in two languages."""
    asker = apsw.Connection(":memory:")
    named = " UNION ALL ".join(f"SELECT '{state}' AS state" for state in STATES)

    def those(condition: str) -> set[str]:
        return {str(row[0]) for row in asker.execute(f"SELECT state FROM ({named}) WHERE {condition}")}

    assert those(OPEN) == set(STATES) - SETTLED
    assert those(UNENDED) == set(STATES) - FINAL
    asker.close()
