"""What a store is, whichever keeps it: rows that every client and worker shares, written in whole transactions.

`sqlite` keeps it in one file of the data folder, `postgres` on a server. The code above them asks for nothing else, and
does not ask which of them it has.
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
"""The scope of a write that reads, decides and writes as it likes: such writes happen one after the other in the whole
store, whoever asks for them. Only this scope may add events or touch money."""


def of_lane(key: str) -> str:
    """The scope of a write that looks at one lane's row alone and changes nothing else; it wakes nobody."""
    return f"lane:{key}"


class Transaction(Protocol):
    """What a writing function gets: statements inside the one open transaction.

    A writing function may be run more than once, and only its last run counts: what it changes outside of the store
    must be the same after two runs as after one.
    """

    def rows(self, sql: str, params: Params = ()) -> list[Row]: ...

    def row(self, sql: str, params: Params = ()) -> Row | None: ...

    def run(self, sql: str, params: Params = ()) -> int:
        """Run one statement; how many rows it changed."""
        ...

    def now(self) -> float:
        """The store's own time, POSIX seconds: it decides days, pauses and waits, whatever a client's clock says."""
        ...


class Wake(Protocol):
    """How a process learns that something has changed."""

    def version(self) -> int:
        """A number that changes whenever anybody has committed (this process too). Costs ~10 us."""
        ...


class Store(Wake, Protocol):
    """Rows that are shared. Every call may raise VideoError("storage"). Thread-safe.

    home: this machine's data folder. where: the store in words, for a person; it holds no password.
    """

    @property
    def home(self) -> Path: ...

    @property
    def where(self) -> str: ...

    @property
    def archive(self) -> Path | None:
        """The file that old jobs are moved to; None where this store keeps all that it has."""
        ...

    @property
    def shared(self) -> str:
        """Which store it is, the same on every machine that works with it; "" for a file of one data folder alone."""
        ...

    @property
    def may_drive(self) -> bool:
        """Whether a worker may work with it: False where a server's role may order jobs and no more."""
        ...

    def exists(self) -> bool:
        """Whether it is still there: False once its file was deleted under this process."""
        ...

    def write(self, work: Callable[[Transaction], T], *, scope: str = WHOLE, durable: bool = False) -> T:
        """Run `work` in a transaction and return what it returns.

        Calls of many threads share a commit; each is undone alone when it raises. scope: WHOLE, or `of_lane`. durable:
        on disk (fsync) before this returns, for whatever money hangs on.
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
    """Note that something happened to a job; wake=True makes its driver look at once."""
    tx.run(
        "INSERT INTO events(job, at, kind, data, wake) VALUES (?, ?, ?, ?, ?)",
        (job, tx.now(), kind, to_json(data or {}), int(wake)),
    )
