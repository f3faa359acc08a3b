"""Cancelling at the provider, and the provider's answer about the bill."""

from __future__ import annotations

import time

from backends.errors import Charged, VideoError
from backends.jobs import records
from backends.jobs.crashpoints import crash_point
from backends.jobs.money import settle
from backends.jobs.run.open_job import OpenJob
from backends.jobs.store.database import Transaction
from backends.provider.protocol import Handle, Status

CANCEL_AGAIN_S = 5.0
BILLED = {"no": "it is not billed", "yes": "it is still billed", "unknown": "it may still be billed"}
DONE = {
    "stopped": "stopped at the provider",
    "requested": "cancelling was requested; it may still finish, and then the clip is kept",
    "unsupported": "this provider cannot stop a job: it runs on, and the clip will be kept",
}


class Cancelling:
    """For one job. sent: whether the provider has answered; until then the cancel is repeated every few seconds (`at`:
    monotonic seconds)."""

    def __init__(self, job: OpenJob) -> None:
        self._job = job
        self.sent = False
        self.at = 0.0

    async def send(self, handle: Handle) -> bool:
        """Cancel at the provider; whether that ended the job."""
        self.at = time.monotonic() + CANCEL_AGAIN_S
        try:
            crash_point("before-cancel")
            outcome = await self._job.backend.cancel(handle)
            crash_point("after-cancel")
        except VideoError as error:
            if error.retryable:
                return False
            self.sent = True
            self._job.note(f"the provider refused to cancel: {error.message}")
            return False
        self.sent = True
        words = outcome.message or DONE[outcome.outcome]

        def write(tx: Transaction) -> None:
            records.note(tx, self._job.id, f"{words}; {BILLED[outcome.billed]}")
            if outcome.outcome == "stopped":
                settle.cancel(tx, self._job.lane.hold, self._job.id, outcome.billed, outcome.cost_usd)

        self._job.write(write, durable=True)
        return outcome.outcome == "stopped"

    def was_cancelled(self, status: Status) -> None:
        """The provider says that the job is cancelled (by us, or by someone on its web page)."""
        error = status.error
        charged: Charged = error.charged if error is not None else "no" if status.cost_usd == 0 else "unknown"
        hold, job = self._job.lane.hold, self._job.id
        self._job.write(lambda tx: settle.cancel(tx, hold, job, charged, status.cost_usd), durable=True)
