"""A day of a million jobs: processor time a job in its first, its middle and its last hour.

`python -m tests.bench.day` prints a Markdown table in some minutes; it needs 7 GB in the temporary folder.
`--jobs N`: a smaller day. `--server`: the store is on a PostgreSQL server of its own.

The store's clock is ours. What is measured is the program's own work, from the call that orders a job to the clip in
the output folder, with an inline worker and a paid service on loopback. The hours between are filled in by SQL, with
rows like those that the program has just written. In each of the three hours the same number of jobs goes through a
second store in turns, one that stays in its first hour: what the machine does beside it strikes both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psutil

from backends.jobs.context import Context
from backends.jobs.money import consistency
from backends.jobs.recovery import recover
from backends.jobs.store.database import Transaction
from backends.jobs.store.journal import NAME, IdLog
from backends.jobs.views import FINAL
from backends.media.sandbox import Sandbox
from backends.provider.registry import registry
from backends.studio import Studio
from tests.bench.dated import Clock, opened, server_s
from tests.bench.jobs import Figure
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.jobs import stores
from tests.jobs.server import running
from tests.jobs.station import TINY, Station, text_request, until

T = TypeVar("T")

JOBS = 1_000_000
HOURS = (0, 12, 23)
ROUNDS, AT_ONCE, WARM_UP = 10, 20, 40
BOUND = 1.2
BYTES = 7_000
"""Room on the disk for a job of the past, the log of its transaction included."""

PARTS = {
    "whole": "a job, from the order to the clip",
    "store": "of that inside the store",
    "order": "of that the call that orders it",
    "helper": "a job, the process that looks at clips and signs them",
    "list": "a page of list_jobs",
    "server": "a job, the sessions of the database server",
}
TIMES = ("created_at", "started_at", "posted_at", "accepted_at", "remote_done_at", "ended_at")

# A number that belongs to n alone and does not grow with it: ids come in no order.
MIXED = "((CAST(n AS BIGINT) * 1103515245 + 12345) % 2147483647)"


Took = dict[str, list[float]]
"""Milliseconds of processor time a job, round by round; see `PARTS`."""


class Home:
    """A data folder whose store goes by our clock, and a client of it with its worker."""

    def __init__(self, stack: ExitStack, server: FakeServer) -> None:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-day-", ignore_cleanup_errors=True))
        self.station = Station(Path(folder), server.url, {"TINY_CLIP": str(tiny_clip())})
        stack.callback(self.station.close)
        self.station.limit(per_day_usd="1000000", per_job_usd="none")
        settings = self.station.settings(REELWRIGHT_WORKER="inline", REELWRIGHT_WORKER_IDLE_S="86400")
        self.clock = Clock()
        self.store = opened(settings.home, settings.store_url, self.clock)
        recover(self.store, IdLog.of(settings.home))
        self.studio = Studio(Context(settings, self.store, Sandbox()), "bench", "local")
        stack.callback(self.studio.close)
        self.ordered = 0

    def drive(self, jobs: int, took: Took | None = None) -> None:
        """So many jobs at once, from the order to the clip."""
        (last,) = self.station.rows("SELECT coalesce(max(seq), 0) AS seq FROM jobs")
        inside, server, helper = self.store.used, server_s(self.store), self._helper_s()
        begun = time.process_time()
        ids: list[str] = []
        order, _ = _used(lambda: ids.extend(self._order() for _ in range(jobs)))
        sql = f"SELECT count(*) AS n FROM jobs WHERE seq > ? AND state IN {tuple(sorted(FINAL))}"
        until(lambda: time.sleep(0.1) or self.station.rows(sql, (last["seq"],))[0]["n"] == jobs, "all have ended", 120)
        for job in ids:
            assert self.studio.get(job).state == "succeeded", self.studio.get(job)
        whole, inside = time.process_time() - begun, self.store.used - inside
        listed, page = _used(self.studio.list)
        assert page.jobs[0].job_id == ids[-1]
        used = {"whole": whole, "store": inside, "order": order, "list": listed * jobs}
        used |= {"helper": self._helper_s() - helper, "server": server_s(self.store) - server}
        for part, seconds in used.items():
            if took is not None:
                took.setdefault(part, []).append(seconds / jobs * 1000)

    def _helper_s(self) -> float:
        pid = self.studio.context.sandbox.pid
        if pid is None:
            return 0.0
        times = psutil.Process(pid).cpu_times()
        return times.user + times.system

    def _order(self) -> str:
        self.ordered += 1
        return self.studio.submit(text_request(f"shot {self.ordered} of the day, a lighthouse in the rain")).job_id

    def fill(self, first: int, last: int, hour: float, kinds: int) -> None:
        """Jobs first to last of the day, spread over one hour; each as one of the first `kinds` jobs was."""
        begin, step = self.clock.midnight + 3600 * hour, 3600 / (last - first + 1)
        at = f"- past.created_at + {begin} + {step} * (n - {first})"
        past = f"SELECT row_number() OVER (ORDER BY seq) - 1 AS k, jobs.* FROM jobs WHERE seq <= {kinds}"
        numbers = f"SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}"
        given = f"WITH RECURSIVE numbers(n) AS ({numbers}), past AS ({past})"
        each = f"FROM numbers JOIN past ON past.k = n % {kinds}"
        job = f"'job_' || {MIXED} || 'abcdefghijkl'"
        changed = {name: f"past.{name} {at}" for name in TIMES}
        changed |= {name: f"{MIXED} || past.{name}" for name in ("request_key", "remote_id")}
        day = datetime.fromtimestamp(begin, UTC).date().isoformat()

        def write(tx: Transaction) -> None:
            for table, other, values in (
                ("jobs", each, {"id": job, **changed}),
                ("ledger", f"{each} JOIN ledger ON ledger.job = past.id", {"job": job, "day": f"'{day}'"}),
                ("events", f"{each} JOIN events ON events.job = past.id", {"job": job, "at": f"events.at {at}"}),
            ):
                row = tx.row(f"SELECT * FROM {table} LIMIT 1") or {}
                names = [name for name in row if (table, name) not in (("jobs", "seq"), ("events", "seq"))]
                source = "past" if table == "jobs" else table
                chosen = ", ".join(values.get(name, f"{source}.{name}") for name in names)
                order = "n, events.seq" if table == "events" else "n"
                tx.run(f"INSERT INTO {table}({', '.join(names)}) {given} SELECT {chosen} {other} ORDER BY {order}")

        self._cache_kb(1_000_000)  # for the filling alone
        self.store.write(write)
        self._cache_kb(2000)

    def _cache_kb(self, most: int) -> None:
        if not stores.server():
            self.store.write(lambda tx: tx.rows(f"PRAGMA cache_size = -{most}"))

    def bytes(self) -> int:
        """What the store takes on its disk."""
        if stores.server():
            tables = (
                "SELECT sum(pg_total_relation_size(oid)) AS n FROM pg_class WHERE relkind = 'r' AND relnamespace = "
            )
            return int(self.store.rows(f"{tables}current_schema()::regnamespace")[0]["n"])
        return (self.station.home / "reelwright.db").stat().st_size


def _used(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of this thread's processor time, and what the work gave."""
    begun = time.thread_time()
    found = work()
    return time.thread_time() - begun, found


def day(jobs: int) -> Iterator[Figure]:
    with ExitStack() as stack:
        server = stack.enter_context(FakeServer("paid", mode="key", clips={"": tiny_clip()}, life={"polls": 1}))
        small, whole = Home(stack, server), Home(stack, server)
        for home in (small, whole):
            home.drive(WARM_UP)
        filled, filling = 0, 0.0
        for hour in HOURS:
            begun = time.monotonic()
            for past in range(filled, hour):
                whole.fill(jobs * past // 24 + 1, jobs * (past + 1) // 24, past, WARM_UP)
            if stores.server() and hour:
                whole.store.write(lambda tx: tx.run("ANALYZE"))  # as the server does by itself now and then
            filling, filled = filling + time.monotonic() - begun, hour
            whole.clock.set(hour + 0.5)
            yield from _in_turns(hour, small, whole)
        yield from _at_the_end(whole, filling)


def _in_turns(hour: int, small: Home, whole: Home) -> Iterator[Figure]:
    """The same jobs through both stores, round by round."""
    took: dict[Home, Took] = {small: {}, whole: {}}
    for number in range(ROUNDS):
        for home in (small, whole) if number % 2 else (whole, small):
            home.drive(AT_ONCE, took[home])
    (rows,) = whole.station.rows("SELECT count(*) AS n FROM jobs")
    for part in PARTS if stores.server() else [part for part in PARTS if part != "server"]:
        first, now = (statistics.median(took[home][part]) for home in (small, whole))
        name = f"hour {hour + 1}, {rows['n']:,} jobs: {PARTS[part]}"
        yield Figure(name, now, "ms")
        yield Figure(f"{name}: that / in the first hour's store", now / first, "x", BOUND if hour else None)


def _at_the_end(whole: Home, filling: float) -> Iterator[Figure]:
    (rows,) = whole.station.rows("SELECT count(*) AS jobs, (SELECT count(*) FROM events) AS events FROM jobs")
    jobs = int(rows["jobs"])
    begun = time.process_time()
    assert consistency.faults(whole.store) == []
    yield Figure("the money's books compared with every job, once", time.process_time() - begun, "s")
    yield Figure(
        "calls of the store that write, a job (client, worker and beats)", whole.store.writes / whole.ordered, ""
    )
    yield Figure("calls of the store that read, a job", whole.store.reads / whole.ordered, "")
    yield Figure("events a job", rows["events"] / jobs, "")
    yield Figure("the store, a job", whole.bytes() / jobs, "bytes")
    yield Figure("the journal, a paid job", (whole.station.home / NAME).stat().st_size / whole.ordered, "bytes")
    yield Figure("filling the hours between", filling, "s")


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(prog="python -m tests.bench.day")
    asked.add_argument("--jobs", type=int, default=JOBS)
    asked.add_argument("--server", action="store_true")
    given = asked.parse_args(arguments)
    if given.server and not stores.server():
        with running() as url:
            command = [sys.executable, "-m", "tests.bench.day", *arguments]
            subprocess.run(command, env={**os.environ, "REELWRIGHT_TEST_SERVER": url}, check=True)
        return
    room = shutil.disk_usage(tempfile.gettempdir()).free
    if room < given.jobs * BYTES:
        raise SystemExit(f"{given.jobs:,} jobs need {given.jobs * BYTES / 1e9:.1f} GB in {tempfile.gettempdir()}")
    sys.path[:0] = [str(PLUGIN), str(TINY)]
    registry.cache_clear()
    print("| what | measured | bound | held |\n|---|---|---|---|", flush=True)
    for figure in day(given.jobs):
        print(figure.row(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
