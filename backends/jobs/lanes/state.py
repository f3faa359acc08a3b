"""What the driver of a remote lane shares among its jobs: the open back end, gates, breaker, journal, durations."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from backends.catalog.schema.row import Limits
from backends.errors import VideoError
from backends.jobs.context import Context
from backends.jobs.lanes.gates import Breaker, Gate
from backends.jobs.lanes.lanes import Lease
from backends.jobs.lanes.locks import Held
from backends.jobs.lanes.polling import Durations, next_gap
from backends.jobs.records import Hold
from backends.jobs.run.engines import Engines
from backends.jobs.store.database import Row
from backends.jobs.store.journal import IdLog
from backends.provider.protocol import RemoteBackend
from backends.provider.timing import FREE_AT_ONCE, PAID_AT_ONCE

PAST = 20
"""How many finished jobs of a model the timing of status checks is based on."""

POLL_EVERY_S = 6.0
"""The budget: on average at most one status check per so many seconds."""


class Posts:
    """A few paid requests may run side by side; a look-up of jobs without an id runs alone, so that it cannot take the
    id of a job whose answer is still on its way."""

    def __init__(self) -> None:
        self._room = anyio.Semaphore(PAID_AT_ONCE)
        self._alone = anyio.Lock()
        self._running = 0
        self._none_running = anyio.Event()
        self._none_running.set()

    @asynccontextmanager
    async def posting(self) -> AsyncGenerator[None]:
        async with self._room:
            async with self._alone:
                if not self._running:
                    self._none_running = anyio.Event()
                self._running += 1
            try:
                yield
            finally:
                self._running -= 1
                if not self._running:
                    self._none_running.set()

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        async with self._alone:
            await self._none_running.wait()
            yield


@dataclass
class LaneState:
    context: Context
    hold: Hold
    lock: Held
    backend: RemoteBackend
    engines: Engines
    breaker: Breaker
    ids: IdLog
    posts: Posts = field(default_factory=Posts)
    asking: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(FREE_AT_ONCE))
    gates: dict[str, Gate] = field(default_factory=dict[str, Gate])
    poll_s: float | None = None

    @classmethod
    def open(
        cls, context: Context, lease: Lease, backend: RemoteBackend, engines: Engines, poll_s: float | None = None
    ) -> LaneState:
        ids, breaker = IdLog.of(context.settings.home), Breaker(context.store, lease.key)
        return cls(context, Hold(lease.key, lease.epoch), lease.lock, backend, engines, breaker, ids, poll_s=poll_s)

    def gate(self, model: str) -> Gate:
        if model not in self.gates:
            try:
                limits = self.context.catalog.get(model, include_retired=True).limits
            except VideoError:
                limits = Limits()
            self.gates[model] = Gate(limits)
        return self.gates[model]

    def durations(self, row: Row) -> Durations:
        """How long jobs of this job's model took, by those that had ended when this one began.

        Not by those that end beside it: of a batch the short ones end first, and would make the rest look overdue.
        """
        past = self.context.store.rows(
            "SELECT remote_done_at - accepted_at AS took FROM jobs WHERE model = ? AND state = 'succeeded' "
            "AND ended_at <= ? AND accepted_at IS NOT NULL AND remote_done_at > accepted_at "
            "ORDER BY ended_at DESC LIMIT ?",
            (row["model"], row["accepted_at"] or self.context.store.now(), PAST),
        )
        return Durations.fit([float(seen["took"]) for seen in past], row["typical_s"])

    def next_poll_s(self, durations: Durations, elapsed_s: float) -> float:
        """Seconds until the next status check of a job that was accepted `elapsed_s` ago."""
        if self.poll_s is not None:
            return self.poll_s
        return next_gap(durations, elapsed_s, self.context.number("POLL_EVERY_S", POLL_EVERY_S))
