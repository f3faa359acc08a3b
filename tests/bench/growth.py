"""The store as it grows: processor time of what is done every moment, with 1,100 and with 110,000 jobs in it.

`python -m tests.bench.growth` prints a Markdown table in about two minutes. One in eleven jobs is open. The work is the
program's own, on this thread, in turns, the median of all: a submit's look at the spending limits and a claim's; a page
of list_jobs with the look for lanes that nobody drives; a driver's look after an event. What it spends on looking at
everything that is open, a fiftieth of its time at most, is not in that.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import anyio
import anyio.lowlevel

from backends.jobs import shown
from backends.jobs.context import Context
from backends.jobs.lanes import lanes
from backends.jobs.money import ledger, settle
from backends.jobs.run.driver import LaneDriver
from backends.jobs.run.engines import Engines
from backends.jobs.store.database import Transaction, add_event
from backends.provider.registry import registry
from tests.bench.jobs import Figure
from tests.fakes import PLUGIN, FakeServer, tiny_clip
from tests.jobs.history import multiply
from tests.jobs.station import TINY, Station, text_request

FEW, MANY = 100, 10_000
"""Open jobs; ten times as many have ended."""

ROUNDS, LISTED, DAYS = 41, 20, 1000
BOUND = 2.0


class Home:
    """A home with a driver of its one lane."""

    def __init__(self, stack: ExitStack, server: FakeServer, open_jobs: int) -> None:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True))
        station = Station(Path(folder), server.url, {"TINY_CLIP": str(tiny_clip())})
        stack.callback(station.close)
        station.limit(per_day_usd="1000000", per_job_usd="none")
        self.context = Context.open(station.settings())
        stack.callback(self.context.close)
        past, self.job = (station.place(self.context, text_request(words)) for words in ("over", "to come"))
        self.jobs = 11 * open_jobs
        self._fill(past, open_jobs)
        (lane,) = station.rows("SELECT * FROM lanes")
        lease = lanes.take(self.context.store, self.context.locks, lane["key"], version="bench", detached=True)
        assert lease is not None
        stack.callback(lease.lock.release)
        engines = Engines(self.context.env, subprocess.DEVNULL, 1)
        self.driver = LaneDriver(self.context, lease, lane, engines)

    def _fill(self, past: str, open_jobs: int) -> None:
        """Jobs that have ended on many days, and jobs whose time is still to come."""

        def begin(tx: Transaction) -> None:
            settle.cancel(tx, None, past, "yes")
            tx.run("UPDATE jobs SET not_before = ? WHERE id = ?", (time.time() + 3000, self.job))

        self.context.store.write(begin)
        multiply(self.context.store, past, 10 * open_jobs - 1)
        multiply(self.context.store, self.job, open_jobs - 1)
        day = f"date('2024-01-01', '+' || (rowid % {DAYS}) || ' days')"
        self.context.store.write(lambda tx: tx.run(f"UPDATE ledger SET day = {day} WHERE state = 'settled'"))

    def moments(self) -> list[tuple[str, Callable[[], object]]]:
        store = self.context.store

        def check() -> None:
            ledger.check_limits(store, "paid", 400_000)
            ledger.recheck(store, self.job, "paid", 400_000)

        def listed() -> None:
            shown.page(store, "local", state=None, label=None, limit=LISTED, cursor=None)
            lanes.undriven_open(store)

        return [("check", check), ("list", listed), ("refresh", self.driver.refresh)]

    def happen(self) -> None:
        """Something happens to one job, for the driver to look at."""
        self.context.store.write(lambda tx: add_event(tx, self.job, "note", wake=True))


async def _measure(homes: dict[str, Home]) -> dict[tuple[str, str], list[float]]:
    took: dict[tuple[str, str], list[float]] = {}
    async with anyio.create_task_group() as group:
        for home in homes.values():
            group.start_soon(home.driver.run)
        await anyio.sleep(20)  # every job has found by now that its time is still to come
        assert all(home.driver.busy for home in homes.values())
        for number in range(ROUNDS):
            for name in list(homes) if number % 2 else reversed(list(homes)):
                homes[name].happen()
                for what, work in homes[name].moments():
                    begun = time.thread_time()
                    work()
                    took.setdefault((what, name), []).append(time.thread_time() - begun)
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    return took


def growth() -> list[Figure]:
    with ExitStack() as stack:
        server = stack.enter_context(FakeServer("paid", mode="key", clips={"": tiny_clip()}))
        homes = {name: Home(stack, server, jobs) for name, jobs in (("few", FEW), ("many", MANY))}
        took = anyio.run(_measure, homes)
        sizes = {name: home.jobs for name, home in homes.items()}
    figures: list[Figure] = []
    for what in ("check", "list", "refresh"):
        few, many = (statistics.median(took[what, name]) * 1000 for name in ("few", "many"))
        figures.append(Figure(f"{what}: {sizes['few']:,} jobs", few, "ms"))
        figures.append(Figure(f"{what}: {sizes['many']:,} jobs", many, "ms"))
        figures.append(Figure(f"{what}: ratio", many / few, "x", BOUND))
    both = [sum(statistics.median(took[what, name]) for what in ("check", "list", "refresh")) for name in homes]
    return [*figures, Figure("check + list + refresh: ratio", both[1] / both[0], "x", BOUND)]


def main() -> None:
    sys.path[:0] = [str(PLUGIN), str(TINY)]
    registry.cache_clear()
    print("| what | measured | bound | held |\n|---|---|---|---|")
    for figure in growth():
        print(figure.row(), flush=True)


if __name__ == "__main__":
    main()
