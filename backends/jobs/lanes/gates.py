"""How many jobs run at once and start per minute, by lane and model, and when a lane must stop buying.

One process drives a lane, so these are plain in-process objects.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import anyio

from backends.catalog.schema.row import Limits
from backends.errors import VideoError
from backends.jobs.store.database import Row, Store, Transaction

FAILURES_TO_TRIP = 5
MAX_PAUSE_S = 600.0
PRICE_STOP_S = 365 * 86400.0
"""After a bill above its estimate: the lane stays stopped until the user resumes it."""

PAUSE_S = {"auth": MAX_PAUSE_S, "balance": MAX_PAUSE_S, "quota": MAX_PAUSE_S}


@dataclass
class Gate:
    """The concurrency and the starts per minute of one model on one lane."""

    limits: Limits
    running: int = 0
    _starts: deque[float] = field(default_factory=deque[float])
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def _wait_s(self) -> float | None:
        """Seconds until the rate allows another start; None = wait for a job to finish."""
        if self.limits.concurrency is not None and self.running >= self.limits.concurrency:
            return None
        if self.limits.per_minute is None:
            return 0.0
        now = time.monotonic()
        while self._starts and now - self._starts[0] >= 60:
            self._starts.popleft()
        return 0.0 if len(self._starts) < self.limits.per_minute else 60 - (now - self._starts[0])

    @property
    def is_open(self) -> bool:
        """Whether another job may start now."""
        return self._wait_s() == 0.0

    async def enter(self) -> None:
        """Wait for a place and take it; `leave` gives it back."""
        while (wait := self._wait_s()) != 0.0:
            with anyio.move_on_after(wait):
                await self._changed.wait()
        self.adopt()
        self._starts.append(time.monotonic())

    def adopt(self) -> None:
        """Count a job that already runs at the provider."""
        self.running += 1

    def leave(self) -> None:
        self.running -= 1
        self._changed.set()
        self._changed = anyio.Event()


def paused_for(lane: Row, now: float) -> float:
    """Seconds for which a lane buys nothing more, by its row; 0 = it may buy. now: by the store's clock."""
    left = float(lane["breaker_until"]) - now if lane["breaker"] else 0.0
    if MAX_PAUSE_S < left < PRICE_STOP_S / 2:  # no pause is that long: the clock was set back meanwhile
        left = 0.0
    return max(0.0, left)


class Breaker:
    """Stops new submits of a lane after an auth or balance error or repeated failures, with the reason in the lane's
    row."""

    def __init__(self, store: Store, lane: str) -> None:
        self.store = store
        self.lane = lane
        self.troubled = True  # until a call succeeds: the row may hold an earlier driver's failures

    def open_for(self) -> tuple[float, str]:
        """Seconds for which nothing more is bought (0 = it may buy), and why."""
        row = self.store.row("SELECT breaker, breaker_until FROM lanes WHERE key = ?", (self.lane,))
        if row is None or not row["breaker"]:
            return 0.0, ""
        return paused_for(row, self.store.now()), str(row["breaker"])

    def failed(self, tx: Transaction, error: VideoError) -> None:
        """Count a failure that says something about the service rather than the request, and stop the lane when it
        must."""
        self.troubled = True
        if error.kind in PAUSE_S:
            self._trip(tx, error.message, PAUSE_S[error.kind])
            return
        if error.kind not in ("provider", "network", "timeout", "submit_unknown"):
            return
        tx.run("UPDATE lanes SET failures = failures + 1 WHERE key = ?", (self.lane,))
        row = tx.row("SELECT failures FROM lanes WHERE key = ?", (self.lane,))
        failures = int(row["failures"]) if row else 0
        if failures >= FAILURES_TO_TRIP:
            pause = min(MAX_PAUSE_S, 15.0 * 2 ** min(failures - FAILURES_TO_TRIP, 10))
            self._trip(tx, f"{failures} failures in a row, the last: {error.message}", pause)

    def worked(self, tx: Transaction) -> None:
        """The service has answered normally: forget its failures and the pause that they caused.

        A pause for another reason (a key, the balance, a bill above its estimate) stays.
        """
        now = tx.now()
        tx.run(
            "UPDATE lanes SET breaker = '', breaker_until = 0 "
            "WHERE key = ? AND (breaker_until < ? OR (failures >= ? AND breaker_until < ?))",
            (self.lane, now, FAILURES_TO_TRIP, now + MAX_PAUSE_S),
        )
        tx.run("UPDATE lanes SET failures = 0 WHERE key = ? AND failures > 0", (self.lane,))
        self.troubled = False

    def _trip(self, tx: Transaction, reason: str, pause_s: float) -> None:
        until = tx.now() + pause_s
        tx.run(
            "UPDATE lanes SET breaker = ?, breaker_until = ? WHERE key = ? AND breaker_until < ?",
            (reason[:300], until, self.lane, until),
        )
