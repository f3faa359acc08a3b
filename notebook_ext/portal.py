"""A thread with an event loop of our own, so that neither a blocking cell nor the kernel's own loop stalls a job's
card.

Messages from the page may arrive on the kernel's main thread or on one of its subshells; they are only posted here, so
what they start runs in one place.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from typing import TypeVar

from anyio import from_thread

T = TypeVar("T")

THREADS = 4
"""A page requests two chunks of a clip at a time."""

PUBLISHING = threading.RLock()
"""Held around every message and trait sent to the page, from any thread."""


class Portal:
    """Runs coroutines on the loop (`soon`) and blocking calls on threads beside it (`aside`)."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._threads = ThreadPoolExecutor(THREADS, "reelwright-notebook")
        self._portal = self._stack.enter_context(from_thread.start_blocking_portal(name="reelwright-notebook"))

    def soon(self, work: Callable[..., Awaitable[T]], *args: object) -> Future[T]:
        """Start a coroutine function on the loop."""
        return self._portal.start_task_soon(work, *args)

    def aside(self, work: Callable[..., T], *args: object) -> Future[T]:
        """Start a blocking call on a thread beside the loop; can be called from any thread, including the loop's
        own."""
        return self._threads.submit(work, *args)

    def close(self) -> None:
        """End the loop; what still runs on it is cancelled (jobs are not: they belong to the worker)."""
        self._portal.start_task_soon(self._portal.stop, True)
        self._stack.pop_all()
        self._threads.shutdown(wait=False, cancel_futures=True)


@cache
def portal() -> Portal:
    """The process's one portal, started at its first use."""
    made = Portal()
    atexit.register(made.close)
    return made
