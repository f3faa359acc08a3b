"""What the steps of one remote job share: its row, its lane, how it is woken, and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import anyio

from backends.errors import VideoError
from backends.jobs import records
from backends.jobs.context import Context
from backends.jobs.crashpoints import crash_point
from backends.jobs.lanes.gates import Gate
from backends.jobs.lanes.state import LaneState
from backends.jobs.money import settle
from backends.jobs.run.download import pause
from backends.jobs.store.database import Store, Transaction
from backends.jobs.store.stored_job import StoredJob
from backends.provider.protocol import Handle, RemoteBackend, Status

T = TypeVar("T")

UNCLEAR = "the paid request got no clear answer: "
"""The first words of the note that keeps the service's own words for the user, who may have to decide."""


class OpenJob:
    """One job that this process drives. `wake` it when its row has changed (a cancel, a user's decision)."""

    def __init__(self, lane: LaneState, job: str) -> None:
        self.lane = lane
        self.id = job
        self.woken = anyio.Event()

    @property
    def context(self) -> Context:
        return self.lane.context

    @property
    def store(self) -> Store:
        return self.lane.context.store

    @property
    def backend(self) -> RemoteBackend:
        return self.lane.backend

    def wake(self) -> None:
        self.woken.set()
        self.woken = anyio.Event()

    async def pause(self, seconds: float) -> bool:
        """Wait that long, or until it is woken; whether it was."""
        return await pause(seconds, self.woken)

    # its row

    def read(self) -> StoredJob:
        """The job as it is now."""
        row = self.store.row("SELECT * FROM jobs WHERE id = ?", (self.id,))
        assert row is not None
        return StoredJob.of(row)

    def write(self, work: Callable[[Transaction], T], *, durable: bool = False) -> T:
        return self.store.write(work, durable=durable)

    def move(self, state: records.State, *, durable: bool = False, **columns: Any) -> None:
        """Change its state, or columns in the same state, fenced by the lane's epoch."""
        self.write(lambda tx: records.move(tx, self.lane.hold, self.id, state, **columns), durable=durable)

    def note(self, *texts: str) -> None:
        self.write(lambda tx: records.note(tx, self.id, *texts))

    def say(self, phase: str) -> None:
        """Show what it waits for."""
        job = self.read()
        if job.phase != phase[:200]:
            self.move(job.state, phase=phase[:200])

    def result_to_row(self, result: dict[str, Any]) -> str:
        return self.context.artifacts.places.result_to_row(result)

    # failing

    def fail(self, error: VideoError, cost_usd: Decimal | None = None) -> None:
        """End it as failed. cost_usd: the cost that the provider reports all the same."""

        def write(tx: Transaction) -> None:
            self.lane.breaker.failed(tx, error)
            settle.fail(tx, self.lane.hold, self.id, error, cost_usd)

        self.write(write, durable=True)
        if error.charged == "no":  # otherwise what has arrived is paid for, and stays
            self.context.artifacts.clear_spool(self.id)

    def leave_to_user(self, why: str) -> None:
        """Whether it is paid is not known: hold the money and leave the decision to the user at a terminal."""
        reason = next((note for note in self.read().notes[::-1] if note.startswith(UNCLEAR)), "")
        text = (
            f"{why}. The money stays reserved. At a terminal: reelwright jobs resolve {self.id} "
            "--bind REMOTE_ID | --retry-and-accept-second-charge | --write-off"
            f"{'. ' + reason if reason else ''}"
        )
        self.write(lambda tx: settle.leave_to_user(tx, self.lane.hold, self.id, text), durable=True)

    # the provider

    async def ask(self, handle: Handle) -> Status:
        """One free status check of the job."""
        async with self.lane.asking:
            crash_point("before-status")
            status = await self.backend.status(handle, self.context.artifacts.spool(self.id))
            crash_point("after-status")
        return status


class Presence:
    """The job's place among those of its model that the service works on at once."""

    def __init__(self, lane: LaneState) -> None:
        self._lane = lane
        self._gate: Gate | None = None

    @property
    def is_taken(self) -> bool:
        return self._gate is not None

    async def enter(self, model: str) -> None:
        """Wait for a place."""
        gate = self._lane.gate(model)
        await gate.enter()
        self._gate = gate

    def adopt(self, model: str) -> None:
        """Take a place for a job that the service already has; nothing where it has one."""
        if self._gate is None:
            self._gate = self._lane.gate(model)
            self._gate.adopt()

    def leave(self) -> None:
        if self._gate is not None:
            gate, self._gate = self._gate, None
            gate.leave()


def may_ask_again(error: VideoError) -> bool:
    """Whether a failed status check is worth repeating: everything but a clear "there is no such job"."""
    return error.retryable or error.kind not in ("not_found", "invalid_request", "unsupported", "model_retired")
