"""The person beside a home in the evil storm: does at a terminal what the product asks for, and nothing more."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal

from backends.errors import VideoError
from backends.jobs import admin, decisions
from backends.jobs.money import ledger
from backends.jobs.store.schema import OPEN
from backends.provider.protocol import Access
from tests.fakes import FakeServer
from tests.jobs.station import Station, end
from tests.jobs.truth import PRICE

LOOK_S = 0.5
STEP_USD = Decimal(4)
STALL_S = 8.0
"""When nothing has moved for so long, the worker is started anew: what it waits for may be a year ahead."""
STRANDED_S = 6.0
"""How long a job of a key that is gone is left to the program before the person decides it."""


@dataclass
class Person:
    """limits: (POSIX seconds, US dollars) of every limit that was set. done: what the person had to do, in words."""

    station: Station
    server: FakeServer
    start_usd: Decimal
    limits: list[tuple[float, Decimal]] = field(default_factory=list[tuple[float, Decimal]])
    done: list[str] = field(default_factory=list[str])
    _looked: float = 0.0
    _moved: tuple[int, float] = (0, 0.0)
    _stranded: dict[str, float] = field(default_factory=dict[str, float])

    def look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        if not self.limits:
            self._set_limit(self.start_usd)
        if not self.station.has_store:
            return
        self._let_lanes_go_on()
        self._raise_the_limit()
        self._decide_stranded(now)
        self._wake_what_stalls(now)

    def _set_limit(self, usd: Decimal) -> None:
        self.station.home.mkdir(parents=True, exist_ok=True)
        self.station.limit(per_day_usd=str(usd))
        self.limits.append((time.time(), usd))

    def _let_lanes_go_on(self) -> None:
        for row in self.station.rows("SELECT key, breaker FROM lanes WHERE breaker <> ''"):
            admin.resume(self.station.store, row["key"])
            self.done.append(f"resumed: {row['breaker'][:80]}")

    def _raise_the_limit(self) -> None:
        spent = ledger.to_usd(ledger.totals(self.station.store).today)
        if spent + 2 * PRICE > self.limits[-1][1] and time.time() - self.limits[-1][0] > 2:
            self._set_limit(max(spent, self.limits[-1][1]) + STEP_USD)

    def _decide_stranded(self, now: float) -> None:
        """Jobs of another key than today's: queued ones are moved; the others, if the program does not get at them,
        are looked up at the service's web page and bound, or given up."""
        from reelwright_paid import access

        ours = access(self.station.environ())
        rows = self.station.rows(f"SELECT id, state FROM jobs WHERE {OPEN} AND lane <> ?", (ours.lane,))
        for row in rows:
            job, since = str(row["id"]), self._stranded.setdefault(str(row["id"]), now)
            try:
                if row["state"] in ("queued", "waiting"):
                    admin.rebind(self.station.store, job, ours)
                    self.done.append("moved a queued job to the new key")
                elif now - since > STRANDED_S:
                    self._stranded[job] = now
                    self._bind(job, ours)
            except VideoError as error:
                self.done.append(f"could not decide a {row['state']} job: {error.message[:100]}")

    def _bind(self, job: str, ours: Access) -> None:
        mine = [one["id"] for one in self.server.jobs() if one["job_key"] == job]
        if mine:
            decisions.bind(self.station.store, job, mine[0], ours)
            self.done.append("bound a job of an earlier key")
        else:
            decisions.write_off(self.station.store, job)
            self.done.append("wrote off a job of an earlier key that the service does not have")

    def _wake_what_stalls(self, now: float) -> None:
        (row,) = self.station.rows("SELECT coalesce(max(seq), 0) AS seq FROM events")
        if row["seq"] != self._moved[0]:
            self._moved = (row["seq"], now)
        elif now - self._moved[1] > STALL_S and self.station.rows(f"SELECT 1 FROM jobs WHERE {OPEN} LIMIT 1"):
            self._moved = (row["seq"], now)
            phases = self.station.rows(f"SELECT DISTINCT state, phase FROM jobs WHERE {OPEN} LIMIT 3")
            self.done.append(f"restarted a worker that waits: {[(one['state'], one['phase'][:80]) for one in phases]}")
            for worker in self.station.drivers():
                end(worker)
