"""The program's own stores, with a clock of ours and a count of the processor time that is spent inside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from backends.jobs.store.calls import Calls
from backends.jobs.store.database import WHOLE, Params, Row, Transaction
from backends.jobs.store.sqlite import SqliteStore

T = TypeVar("T")


class Clock:
    """The store's time: an hour of today, and from there on as fast as every other clock."""

    def __init__(self) -> None:
        now = time.time()
        self.midnight = now - now % 86400
        self.set(0.0)

    def set(self, hour: float) -> None:
        self._at, self._since = self.midnight + 3600 * hour, time.monotonic()

    def now(self) -> float:
        return self._at + time.monotonic() - self._since


class _Dated:
    """A transaction by that clock."""

    def __init__(self, tx: Transaction, clock: Clock) -> None:
        self._tx = tx
        self._clock = clock

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        return self._tx.rows(sql, params)

    def row(self, sql: str, params: Params = ()) -> Row | None:
        return self._tx.row(sql, params)

    def run(self, sql: str, params: Params = ()) -> int:
        return self._tx.run(sql, params)

    def now(self) -> float:
        return self._clock.now()


class Dated(Calls):
    """Beside a store. used: seconds of processor time of all threads inside its calls, the work of writes included.
    reads, writes: how many calls there were."""

    def __init__(self, clock: Clock, *place: object) -> None:
        self.clock = clock
        self.used, self.reads, self.writes = 0.0, 0, 0
        self._sum = threading.Lock()
        self._thread = threading.local()
        super().__init__(*place)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if getattr(self._thread, "inside", False):  # a read inside of a write
            yield
            return
        self._thread.inside, begun = True, time.thread_time()
        try:
            yield
        finally:
            self._thread.inside = False
            with self._sum:
                self.used += time.thread_time() - begun

    def write(self, work: Callable[[Transaction], T], *, scope: str = WHOLE, durable: bool = False) -> T:
        self.writes += 1
        with self._counted():
            return super().write(lambda tx: work(_Dated(tx, self.clock)), scope=scope, durable=durable)

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        self.reads += 1
        with self._counted():
            return super().rows(sql, params)

    def version(self) -> int:
        with self._counted():
            return super().version()

    def now(self) -> float:
        return self.clock.now()


class DatedFile(Dated, SqliteStore):
    """The store of a data folder."""


def opened(home: Path, url: str, clock: Clock) -> Dated:
    """The store of a data folder, or of the server that the URL names; made where there is none yet."""
    if not url:
        return DatedFile(clock, home / "reelwright.db")
    from backends.jobs.store.postgres.store import PostgresStore

    class DatedServer(Dated, PostgresStore):
        pass

    return DatedServer(clock, home, url)


def server_s(store: Dated) -> float:
    """Seconds of processor time that the sessions of the store's server have used; 0 where it is a file."""
    if isinstance(store, SqliteStore):
        return 0.0
    import psutil

    rows: Sequence[Row] = store.rows("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
    times = [psutil.Process(int(row["pid"])).cpu_times() for row in rows]
    return sum(one.user + one.system for one in times)
