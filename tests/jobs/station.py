"""A home of its own with a paid service beside it: what the job tests, the chaos run and the benchmarks stand on.

Nothing here replaces a part of the program: workers are the real ones, started by the real launcher or by `Nursery`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import anyio

from backends.jobs.context import Context
from backends.jobs.lanes import lanes
from backends.jobs.lanes.process import ProcessId, is_alive
from backends.jobs.money import limits
from backends.jobs.order.order import Order
from backends.jobs.order.place import Orders
from backends.jobs.store.database import Row, Store
from backends.jobs.views import Job
from backends.request import VideoRequest, build_request
from backends.settings import Settings, load_settings
from backends.studio import Studio
from backends.terms import Terms
from tests.fakes import PLUGIN
from tests.jobs.stores import made, opened, url_of
from tests.patience import patient

TINY = Path(__file__).parent / "plugin"
CATALOG = Path(__file__).parent / "catalog"
KEY = "sk-station-alpha-0123456789"
NARROW = """
provider = "paid"
[[model]]
id = "paid/narrow"
like = "paid/quick"
title = "Paid Narrow (one job at a time)"
limits = { concurrency = 1 }
"""
"""A catalogue file of the user's own: a model of the paid service that makes one job at a time."""

T = TypeVar("T")


def text_request(prompt: str, model: str = "paid/quick", **fields: Any) -> VideoRequest:
    """Four seconds of text to video at the loopback service: $0.40."""
    asked = {"task": "text_to_video", "duration_s": 4, "resolution": "180p", "max_cost_usd": 5, **fields}
    return build_request(model=model, prompt=prompt, **asked)


def tiny_request(prompt: str) -> VideoRequest:
    """A clip of the local test engine: free."""
    return build_request(task="text_to_video", model="tiny", prompt=prompt, duration_s=4)


def until(fact: Callable[[], T], what: str, timeout_s: float = 20.0) -> T:
    """Wait for a fact to be true and return it; AssertionError names it when it isn't in time (of a quiet machine)."""
    timeout_s = patient(timeout_s)
    deadline = time.monotonic() + timeout_s
    while not (found := fact()):
        assert time.monotonic() < deadline, f"not in {timeout_s:g} s: {what}"
        time.sleep(0.01)
    return found


def end(process: ProcessId, number: int = signal.SIGKILL) -> None:
    """Signal exactly this process, if it still lives."""
    if is_alive(process):
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


@dataclass
class Station:
    """root: a folder; url: of the paid service, "" for none. env: over the usual environment of a client."""

    root: Path
    url: str = ""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    _studios: list[Studio] = field(default_factory=list[Studio])
    _watched: Store | None = None

    def __post_init__(self) -> None:
        made(self.home)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def output(self) -> Path:
        return self.root / "out"

    @property
    def has_store(self) -> bool:
        """Whether it is there by now: a file is made by the first client, a server's is there from the start."""
        return bool(url_of(self.home)) or (self.home / "reelwright.db").exists()

    @property
    def log(self) -> str:
        """What the workers of this home have logged."""
        path = self.home / "logs" / "worker.log"
        return path.read_text("utf-8", errors="replace") if path.exists() else ""

    def environ(self, **over: str) -> dict[str, str]:
        """A client's whole environment: quick figures for a loopback, no setting of the person who runs the tests."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        paid = {"PAID_API_KEY": KEY, "PAID_BASE_URL": self.url} if self.url else {}
        return {
            **kept,
            **paid,
            "HOME": str(self.root),
            "PYTHONPATH": os.pathsep.join((str(PLUGIN), str(TINY))),
            "REELWRIGHT_HOME": str(self.home),
            "REELWRIGHT_STORE": url_of(self.home),
            "REELWRIGHT_STATE": str(self.root / "state"),
            "REELWRIGHT_OUTPUT_DIR": str(self.output),
            "REELWRIGHT_CATALOG": str(CATALOG),
            "REELWRIGHT_WORKER_IDLE_S": "0.5",
            "REELWRIGHT_SETTLE_S": "0.5",
            "REELWRIGHT_DOUBT_S": "0.3",
            "REELWRIGHT_POLL_EVERY_S": "0.5",
            **self.env,
            **over,
        }

    def settings(self, **over: str) -> Settings:
        return load_settings(self.environ(**over), cwd=self.root)

    def studio(self, **over: str) -> Studio:
        """A client, closed by `close`."""
        studio = Studio.open(self.settings(**over), client="test")
        self._studios.append(studio)
        return studio

    def place(self, context: Context, request: VideoRequest, *, take: int = 1) -> str:
        """Put a job into the store without starting a worker for it; its id."""
        return Orders(context, "test", "local").place(Order(request, Terms(take=take))).job.id

    def placed(self, prompt: str) -> str:
        """A job that no worker has seen yet, of these words alone; its id."""
        context = Context.open(self.settings())
        try:
            return self.place(context, text_request(prompt))
        finally:
            context.close()

    @property
    def store(self) -> Store:
        """The store, opened once, for a look from outside."""
        if self._watched is None:
            self._watched = opened(self.home)
        return self._watched

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        return self.store.rows(sql, params)

    def row(self, job: str) -> Row:
        (row,) = self.rows("SELECT * FROM jobs WHERE id = ?", (job,))
        return row

    def entry(self, job: str) -> Row:
        """The job's line in the ledger."""
        (row,) = self.rows("SELECT * FROM ledger WHERE job = ?", (job,))
        return row

    def limit(self, **changes: str) -> None:
        """Set limits as the user would at a terminal."""
        for key, value in changes.items():
            limits.set_limit(self.store, key, value, ["paid"])

    def drivers(self) -> list[ProcessId]:
        """The living processes that drive a lane of this home, this very one left out."""
        if not self.has_store:
            return []
        found = [lanes.driver_of(row) for row in self.rows("SELECT * FROM lanes WHERE driven = 1")]
        return [one for one in dict.fromkeys(found) if one and one.pid != os.getpid() and is_alive(one)]

    def settled(self, studio: Studio, jobs: Sequence[str], timeout_s: float = 20.0) -> list[Job]:
        """The jobs, all settled; AssertionError with what they are when not in time (of a quiet machine)."""
        timeout_s = patient(timeout_s)
        found = anyio.run(lambda: studio.wait(list(jobs), timeout_s=timeout_s))
        late = [(job.job_id, job.state, job.phase) for job in found if job.timed_out]
        assert not late, f"not settled in {timeout_s:g} s: {late}\n{self.log[-3000:]}"
        return found

    def books(self) -> tuple[Decimal, Decimal]:
        """(settled, held) of the whole ledger, US dollars."""
        (row,) = self.rows(
            "SELECT coalesce(sum(CASE WHEN state = 'settled' THEN settled END), 0) AS settled, coalesce(sum(CASE WHEN "
            "state IN ('reserved', 'unresolved') THEN reserved END), 0) AS held FROM ledger"
        )
        return Decimal(row["settled"]) / 1_000_000, Decimal(row["held"]) / 1_000_000

    def close(self) -> None:
        """End every client and every worker of this home."""
        for studio in self._studios:
            studio.close()
        self._studios.clear()
        deadline = time.monotonic() + patient(5)
        while (alive := self.drivers()) and time.monotonic() < deadline:
            for process in alive:
                end(process, signal.SIGCONT)
                end(process)
            time.sleep(0.01)
        if self._watched is not None:
            self._watched.close()
            self._watched = None
