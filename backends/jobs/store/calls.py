"""The calls under way in a store: which threads are inside, and the writes that wait for the next commit."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

from backends.jobs.store.database import WHOLE, Transaction

T = TypeVar("T")


class Write(Generic[T]):
    """One queued writing function and its outcome."""

    def __init__(self, work: Callable[[Transaction], T], scope: str, durable: bool) -> None:
        self.work = work
        self.scope = scope
        self.durable = durable
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None


class Calls(ABC):
    """Which threads are inside a call of the store, and since when; and their writes: one thread commits those of all
    that wait."""

    def __init__(self) -> None:
        self._inside: dict[int, float] = {}
        self._queue: deque[Write[Any]] = deque()
        self._write_lock = threading.Lock()

    def write(self, work: Callable[[Transaction], T], *, scope: str = WHOLE, durable: bool = False) -> T:
        """Run `work` in a transaction; see `Store`."""
        item = Write(work, scope, durable)
        self._queue.append(item)
        with self.call(), self._write_lock:
            if not item.done:
                batch: list[Write[Any]] = []
                while self._queue:
                    batch.append(self._queue.popleft())
                self._commit_queue(batch)
        if item.error is not None:
            raise item.error
        return cast("T", item.result)

    @abstractmethod
    def _commit_queue(self, batch: Sequence[Write[Any]]) -> None:
        """Commit them; each gets its result or its error, and is done."""

    @contextmanager
    def call(self) -> Generator[None]:
        me = threading.get_ident()
        outer = self._inside.get(me)
        self._inside[me] = time.monotonic()
        try:
            yield
        finally:
            if outer is None:
                del self._inside[me]
            else:  # a read inside a write
                self._inside[me] = outer

    def inside_since(self, thread: int) -> float | None:
        """Since when (monotonic seconds) that thread is inside a read or write of this store; None when it is not."""
        return self._inside.get(thread)
