"""From `running` until the provider has ended the job: when its status is checked, and what the answers mean."""

from __future__ import annotations

import time
from typing import Any

from backends.errors import VideoError
from backends.jobs.run import doubt
from backends.jobs.run.cancelling import Cancelling
from backends.jobs.run.doubt import Doubt
from backends.jobs.run.download import BackOff, pause
from backends.jobs.run.lookup import Lookup
from backends.jobs.run.open_job import OpenJob, may_ask_again
from backends.jobs.store import codec
from backends.jobs.store.database import to_json
from backends.jobs.store.stored_job import StoredJob
from backends.provider.protocol import Handle, Status

MAX_POLL_WAIT_S = 300.0
"""The longest wait between status checks that a service may ask for while a paid job is open, seconds."""

SILENCE_FACTOR, SILENCE_MIN_S = 30.0, 6 * 3600.0
"""A job that has run for so many times its model's usual duration (and at least so many seconds) becomes uncertain."""


class Following:
    """For one job that the provider has accepted."""

    def __init__(self, job: OpenJob, lookup: Lookup) -> None:
        self._job = job
        self._lookup = lookup
        self._doubt = Doubt(job)
        self._cancelling = Cancelling(job)

    async def step(self, now: StoredJob) -> None:
        """Check the status until the job has left `running`."""
        job, handle = self._job, now.handle
        assert handle is not None
        clock = job.store.now()
        age = clock - (now.accepted_at or now.posted_at or clock)
        # From here on the clock that is never set counts, so that setting the wall clock neither ends nor delays a job.
        begun = time.monotonic() - max(0.0, age)
        back_off, durations = BackOff(), job.lane.durations(now.row)
        if now.posts > 1:
            await self._lookup.tell_of_both(now)
        # A job that was taken over may have ended long ago: check at once; a new one when it is worth it.
        wait = 0.0 if not 0.0 <= age <= 2.0 else job.lane.next_poll_s(durations, 0.0)
        while True:
            if await self._until_due(wait, handle):
                return
            now = job.read()
            if now.state != "running":
                return
            try:
                status = await job.ask(handle)
            except VideoError as error:
                if not may_ask_again(error):
                    if (left := self._doubt.left_s(doubt.GONE)) > 0:
                        job.say(f"{error.message}; checking again before it is believed")
                        wait = self._doubt.look_again_s(left)
                        continue
                    job.leave_to_user(error.message)  # it accepted the job, but no longer knows it or refuses to say
                    return
                wait = back_off.next_s(error)
                job.say(f"the provider does not answer ({error.message}); trying again")
                continue
            back_off.reset()
            handle = status.handle or handle
            if _is_bad_end(now, status) and (left := self._doubt.left_s(doubt.ENDED)) > 0:
                job.say(f"the provider says {status.raw_state or status.state}: checking again before it is believed")
                wait = self._doubt.look_again_s(left)
                continue
            if self._took(now, status, handle):
                return
            elapsed = time.monotonic() - begun
            if elapsed > max(SILENCE_MIN_S, SILENCE_FACTOR * (now.typical_s or 60.0)):
                job.leave_to_user(f"the provider has not ended it in {elapsed / 3600:.0f} hours")
                return
            wait = min(MAX_POLL_WAIT_S, status.retry_after_s or job.lane.next_poll_s(durations, elapsed))

    async def _until_due(self, wait: float, handle: Handle) -> bool:
        """Wait for the next check; a cancel is passed on at once. Whether the job has left `running` meanwhile."""
        job, cancelling, due = self._job, self._cancelling, time.monotonic() + wait
        while True:
            woken = job.woken
            now = job.read()
            if now.state != "running":
                return True
            if now.cancel and not cancelling.sent and time.monotonic() >= cancelling.at:
                if await cancelling.send(handle):
                    return True
                if cancelling.sent:  # it may have ended already: check now
                    return False
            cancel_now = now.cancel and not cancelling.sent
            until = min(due, cancelling.at) if cancel_now else due
            if not await pause(until - time.monotonic(), woken) and time.monotonic() >= due:
                return False

    def _took(self, now: StoredJob, status: Status, handle: Handle) -> bool:
        """Record what the provider says; whether the job has left `running`."""
        job = self._job
        if job.lane.breaker.troubled:
            job.write(job.lane.breaker.worked)
        columns: dict[str, Any] = {} if now.doubt_at is None else {"doubt_at": None}
        if status.handle is not None:
            columns["handle"] = to_json(codec.handle_to_json(handle))
        if status.state == "succeeded" and status.files:
            self._made(status, columns)
            return True
        if status.state == "succeeded":
            text = f"{now.provider} says it is done but delivered no video"
            job.fail(VideoError("provider", text, charged="unknown"))
            return True
        if status.state == "failed":
            error = status.error or VideoError("provider", f"{now.provider} reports a failure", charged="unknown")
            job.fail(error, status.cost_usd)
            return True
        if status.state == "cancelled":
            self._cancelling.was_cancelled(status)
            return True
        progress = status.progress if status.progress is not None else now.progress
        phase = status.raw_state[:60] or status.state
        shown = (round(progress, 2), phase, status.queue_position)
        if shown != (round(now.progress, 2), now.phase, now.queue_position) or columns:
            job.move("running", progress=progress, phase=phase, queue_position=status.queue_position, **columns)
        return False

    def _made(self, status: Status, columns: dict[str, Any]) -> None:
        """It is made: the location of its files is recorded before anything is fetched."""
        files = [codec.file_to_json(file) for file in status.files]
        cost = None if status.cost_usd is None else str(status.cost_usd)
        result = {"files": files, "cost_usd": cost, "seed": status.seed, "notes": status.notes}
        self._job.move(
            "downloading",
            durable=True,
            remote_done_at=self._job.store.now(),
            result=self._job.result_to_row(result),
            phase="downloading the clip",
            **columns,
        )


def _is_bad_end(now: StoredJob, status: Status) -> bool:
    """An end without a clip that was not requested."""
    if status.state == "cancelled":
        return not now.cancel
    return status.state == "failed" or (status.state == "succeeded" and not status.files)
