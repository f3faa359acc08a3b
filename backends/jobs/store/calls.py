"""What every store keeps of the calls under way in it: who is inside, and the writes that wait for the next commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Generic, TypeVar

from backends.jobs.store.database import Transaction

T = TypeVar("T")


class Write(Generic[T]):
    """One queued writing function and what came of it."""

    def __init__(self, work: Callable[[Transaction], T], scope: str, durable: bool) -> None:
        self.work = work
        self.scope = scope
        self.durable = durable
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None


class Calls:
    """Which threads are inside a call of the store, and since when."""

    def __init__(self) -> None:
        self._inside: dict[int, float] = {}

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
            else:  # a read inside of a write
                self._inside[me] = outer

    def inside_since(self, thread: int) -> float | None:
        """Since when (monotonic seconds) that thread is inside a read or write of this store; None when it is not."""
        return self._inside.get(thread)
