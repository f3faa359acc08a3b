"""One paid remote job, step by step: a step needs only the state in the row, so any step may be the first after a
crash.

    queued -> submitting   inputs ready, uploads remembered, intent + reservation + key on disk; then ONE paid request
    submitting -> running  the provider's id on disk; an unclear request is looked up, never simply sent again
    running -> downloading the provider says it is done
    downloading -> finishing -> succeeded   the clip is here
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from backends.errors import VideoError
from backends.jobs import recovery
from backends.jobs.files.objects import BUCKET_AGAIN_S, Away, again_s
from backends.jobs.lanes.lanes import Fenced
from backends.jobs.lanes.state import LaneState
from backends.jobs.run.arrival import Arrival
from backends.jobs.run.buying import Purchase
from backends.jobs.run.download import BackOff
from backends.jobs.run.following import Following
from backends.jobs.run.lookup import Lookup
from backends.jobs.run.open_job import OpenJob, Presence
from backends.jobs.run.submission import Submission

log = logging.getLogger("reelwright.worker")

SURPRISES_UNPAID = 3
"""How often an unpaid step is tried again after an unforeseen failure."""

SURPRISES_S = 86400.0
"""Seconds for which the steps of a paid job are tried again after such failures; then it waits for the user."""


class RemoteRun:
    """Drives one remote job. `wake` it when its row has changed (a cancel, a user's decision)."""

    def __init__(self, lane: LaneState, job: str) -> None:
        self._job = OpenJob(lane, job)
        self._presence = Presence(lane)
        self._surprises = BackOff()
        self._away = 0
        submission = Submission(self._job)
        lookup, arrival = Lookup(self._job, submission), Arrival(self._job, self._presence)
        self._steps = {
            "queued": Purchase(self._job, self._presence, submission).step,
            "submitting": lookup.step,
            "running": Following(self._job, lookup).step,
            "downloading": arrival.step,
            "finishing": arrival.step,
        }

    def wake(self) -> None:
        self._job.wake()

    @property
    def waits(self) -> bool:
        """Whether it has no place at the service yet."""
        return not self._presence.is_taken

    async def run(self) -> None:
        """Until the job is settled, has moved to another lane, or this process no longer drives this one."""
        job = self._job
        try:
            while (step := self._steps.get((now := job.read()).state)) is not None and now.lane == job.lane.hold.lane:
                if now.state in ("running", "downloading"):
                    self._presence.adopt(now.model)
                try:
                    await step(now)
                    self._surprises.reset()
                    self._away = 0
                except VideoError as error:
                    if error.kind == "storage":
                        with suppress(VideoError):
                            job.say(error.message)
                        await job.pause(self._until_again(error))
                    elif job.read().state in self._steps:  # otherwise the user has ended it meanwhile
                        await self._surprised(error)
                except Fenced:
                    raise
                except Exception as error:  # this says nothing about the job: what is paid for is tried again
                    await self._surprised(error)
        finally:
            self._presence.leave()
            with suppress(OSError, VideoError):
                recovery.journal_ended(job.lane.ids, job.store, job.id)

    def _until_again(self, error: VideoError) -> float:
        """The pause, in seconds, after a failure of the disk or the bucket."""
        if not isinstance(error, Away):
            return 30.0
        self._away += 1
        return again_s(self._job.context.number("BUCKET_AGAIN_S", BUCKET_AGAIN_S), self._away)

    async def _surprised(self, error: Exception) -> None:
        """An unforeseen failure. Outside the paid request it says nothing about the job: it is tried again."""
        job, now = self._job, self._job.read()
        text = f"an unexpected failure of this program ({type(error).__name__}: {error})"[:200]
        log.error("job %s: %s", job.id, text, exc_info=error)
        wait = self._surprises.next_s()
        if now.state == "queued" and self._surprises.failures > SURPRISES_UNPAID:
            job.fail(VideoError("provider", f"{text}; nothing was sent or charged"))
        elif now.state != "queued" and time.monotonic() - self._surprises.since > SURPRISES_S:
            job.leave_to_user(text)
        else:
            trouble = VideoError("provider", text, retryable=True)
            job.write(lambda tx: job.lane.breaker.failed(tx, trouble))
            job.say(f"{text}; trying again in {wait:.0f} s")
            await job.pause(wait)
