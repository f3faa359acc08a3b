"""What a store is, in a file or on a server: rows that all clients and workers share, written in transactions.

`sqlite` keeps it in one file of the data folder, `postgres` on a server. Code that uses it does not need to know which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Row = dict[str, Any]
Params = Mapping[str, Any] | Sequence[Any]

WHOLE = ""
"""The scope of a write that may read, decide and write anything: such writes happen one after the other in the whole
store. Only this scope may add events or change money."""


def of_lane(key: str) -> str:
    """The scope of a write that touches only one lane's row; it wakes no process."""
    return f"lane:{key}"


class Transaction(Protocol):
    """What a writing function gets: statements inside the one open transaction.

    A writing function may be run more than once, and only its last run counts: what it changes outside the store must
    be the same after two runs as after one.
    """

    def rows(self, sql: str, params: Params = ()) -> list[Row]: ...

    def row(self, sql: str, params: Params = ()) -> Row | None: ...

    def run(self, sql: str, params: Params = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        ...

    def now(self) -> float:
        """The store's own time, POSIX seconds: it decides days, pauses and waits, whatever a client's clock says."""
        ...


class Wake(Protocol):
    """How a process learns that something has changed."""

    def version(self) -> int:
        """A number that changes with every commit, by any process (this one too). Costs ~10 us."""
        ...


class Store(Wake, Protocol):
    """Shared rows. Every call may raise VideoError("storage"). Thread-safe.

    home: this machine's data folder. where: a description of the store, without a password.
    """

    @property
    def home(self) -> Path: ...

    @property
    def where(self) -> str: ...

    @property
    def archive(self) -> Path | None:
        """The file that old jobs are moved to; None where this store keeps all its jobs."""
        ...

    @property
    def shared(self) -> str:
        """Which store it is, the same on every machine that works with it; "" for a file of one data folder alone."""
        ...

    @property
    def may_drive(self) -> bool:
        """Whether a worker may work with it: False where a server's role may only order jobs."""
        ...

    def exists(self) -> bool:
        """Whether it still exists: False once its file was deleted under this process."""
        ...

    def write(self, work: Callable[[Transaction], T], *, scope: str = WHOLE, durable: bool = False) -> T:
        """Run `work` in a transaction and return its result.

        Calls of many threads share a commit; one that raises is undone by itself. scope: WHOLE, or `of_lane`. durable:
        on disk (fsync) before this returns, for everything that money depends on.
        """
        ...

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Read rows, as dicts."""
        ...

    def row(self, sql: str, params: Params = ()) -> Row | None: ...

    def now(self) -> float:
        """The store's own time, POSIX seconds: see `Transaction.now`."""
        ...

    def inside_since(self, thread: int) -> float | None:
        """Since when (monotonic seconds) that thread is inside a read or write of this store; None when it is not."""
        ...

    def close(self) -> None: ...


def to_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def add_event(
    tx: Transaction, job: str, kind: str, data: Mapping[str, Any] | None = None, *, wake: bool = False
) -> None:
    """Record that something happened to a job; wake=True makes its driver look at once."""
    tx.run(
        "INSERT INTO events(job, at, kind, data, wake) VALUES (?, ?, ?, ?, ?)",
        (job, tx.now(), kind, to_json(data or {}), int(wake)),
    )
