"""Cancelling at the provider, and what the provider says of the bill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.errors import Charged, VideoError
from backends.jobs import records
from backends.jobs.crashpoints import crash_point
from backends.jobs.money import settle
from backends.jobs.store.database import Transaction
from backends.provider.protocol import Handle, Status

if TYPE_CHECKING:
    from backends.jobs.run.remote import RemoteRun

BILLED = {"no": "it is not billed", "yes": "it is still billed", "unknown": "it may still be billed"}
DONE = {
    "stopped": "stopped at the provider",
    "requested": "cancelling was asked for; it may still finish, and then the clip is kept",
    "unsupported": "this provider cannot stop a job: it runs on, and the clip will be kept",
}


async def cancel(run: RemoteRun, handle: Handle) -> bool:
    """Cancel at the provider; whether the job has ended by it."""
    try:
        crash_point("before-cancel")
        outcome = await run.lane.backend.cancel(handle)
        crash_point("after-cancel")
    except VideoError as error:
        if error.retryable:
            return False
        run.cancel_sent = True
        text = f"the provider refused to cancel: {error.message}"
        run.lane.context.store.write(lambda tx: records.note(tx, run.job, text))
        return False
    run.cancel_sent = True
    words = outcome.message or DONE[outcome.outcome]

    def write(tx: Transaction) -> None:
        records.note(tx, run.job, f"{words}; {BILLED[outcome.billed]}")
        if outcome.outcome == "stopped":
            settle.cancel(tx, run.lane.hold, run.job, outcome.billed, outcome.cost_usd)

    run.lane.context.store.write(write, durable=True)
    return outcome.outcome == "stopped"


def was_cancelled(run: RemoteRun, status: Status) -> None:
    """The provider says that the job is cancelled (by us or by somebody at its web page)."""
    error = status.error
    charged: Charged = error.charged if error is not None else "no" if status.cost_usd == 0 else "unknown"
    hold = run.lane.hold
    run.lane.context.store.write(lambda tx: settle.cancel(tx, hold, run.job, charged, status.cost_usd), durable=True)
