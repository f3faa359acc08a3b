"""Finding out what became of a paid request without a clear answer: by its key, or in the service's list of jobs.

A look-up that finds the job binds it. One that finds nothing proves nothing by itself: lists lag, and proxies show only
one provider's jobs. "Not taken" is believed only on evidence: the service says that its answer is complete, or the same
listing shows another job of ours that is newer than the request. Then, once in a job's life, the request is sent again,
and the user is told. Everything else is `uncertain`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from backends.errors import VideoError
from backends.jobs import late_ids, records
from backends.jobs.crashpoints import crash_point
from backends.jobs.lanes.lanes import NEVER_AGAIN
from backends.jobs.money import other_folders
from backends.jobs.run.download import BackOff
from backends.jobs.run.open_job import OpenJob, may_ask_again
from backends.jobs.run.submission import Submission
from backends.jobs.store.journal import IdLog
from backends.jobs.store.stored_job import StoredJob
from backends.provider.protocol import Handle, Listing, Sighting

SETTLE_S = 90.0
"""Seconds from an unclear request to the first look-up: longer than any request's time-out."""

LOOKS = (1.0, 2.0, 4.0)
"""The times of the look-ups, in multiples of SETTLE_S since the unclear answer. A lagging list has caught up by the
last."""

EARLIER_S = 5.0
"""How much older than its request a job may seem, seconds: times are in whole seconds, on two clocks."""

LOOK_BACK_S = 86400.0
"""How far back a look-up searches where our own clock was set back since the request, seconds."""

UNANSWERED_S = 86400.0
"""For how long look-ups go on while a service does not answer, seconds."""

NEAR_S = 2.0
"""A match that was made within so many seconds of the request is bound at once. For one further off the last look-up
decides: it may be the same order of another data folder on this account, while ours is not listed yet."""

TWICE = "a second request got no clear answer either"
MAY_COME = "the process that was about to send its request cannot be seen from here and may still do so"

CLOCKS_APART_S = 2.0
"""Two clocks that are compared through a header of whole seconds may still differ by so much, seconds."""


@dataclass(frozen=True)
class Candidate:
    """A job at the provider that may be this one. apart: seconds between its start and the request."""

    apart: float
    handle: Handle


class Lookup:
    """For one job. The time of doubt begins with the first look-up that is due."""

    def __init__(self, job: OpenJob, submission: Submission) -> None:
        self._job = job
        self._submission = submission
        self._unclear_since: float | None = None
        self._looks = 0

    async def step(self, now: StoredJob) -> None:
        """For a job that is `submitting` with no request under way: find out what became of its request."""
        job, lane = self._job, self._job.lane
        if (known := lane.ids.find(job.id) or late_ids.find(job.store, job.id)) is not None:
            self._submission.bind(known)
            return
        if job.backend.submit_dedupe == "none":
            job.leave_to_user("the submit has no clear answer, and this provider offers no way to look it up")
            return
        back_off, begun = BackOff(), time.monotonic()
        while job.read().state == "submitting":
            if not await self._due():
                continue
            try:
                async with lane.posts.alone():
                    if job.read().state == "submitting":
                        await self._look(now)
            except VideoError as error:
                if error.kind == "storage":
                    raise
                if not may_ask_again(error):
                    job.leave_to_user(f"checking an unclear submit failed: {error.message}")
                elif time.monotonic() - begun > UNANSWERED_S:
                    job.leave_to_user(f"the provider could not be reached for a day: {error.message}")
                else:
                    await job.pause(back_off.next_s(error))

    @property
    def _settle_s(self) -> float:
        return self._job.context.number("SETTLE_S", SETTLE_S)

    async def _due(self) -> bool:
        """Wait until the next look-up is worth it; whether it is due now. Setting the wall clock forward shortens
        nothing."""
        if self._unclear_since is None:
            self._unclear_since, self._looks = time.monotonic(), 0
        at = self._unclear_since + self._settle_s * LOOKS[min(self._looks, len(LOOKS) - 1)]
        await self._job.pause(at - time.monotonic())
        return at <= time.monotonic()

    async def _look(self, now: StoredJob) -> None:
        """One look-up: bind the job, send its request again on evidence, wait for the next look-up, or leave it to the
        user."""
        job = self._job
        if (late := late_ids.find(job.store, job.id)) is not None:
            self._submission.bind(late)
            return
        listing, free = await self._listed(now)
        self._looks += 1
        if free and (free[0].apart <= NEAR_S or self._looks >= len(LOOKS)):
            self._submission.bind(free[0].handle)
            return
        proof = self._not_taken(now, listing)
        if proof and job.read().posts <= 1:
            self._unclear_since = None
            text = f"the first request got no clear answer and was not taken ({proof}): it is sent once more"
            job.note(text)
            self._submission.requeue(now, VideoError("network", f"not taken: {proof}", retryable=True), counted=True)
            return
        if proof:
            why = MAY_COME if job.read().posts >= NEVER_AGAIN else TWICE
            job.leave_to_user(f"{why}; {proof}, but none is sent a third time")
            return
        if self._looks >= len(LOOKS):
            job.leave_to_user(
                f"the submit has no clear answer, and {self._looks} look-ups in the provider's list did not find the "
                "job, which proves nothing"
            )
            return
        wait = self._settle_s * (LOOKS[self._looks] - LOOKS[self._looks - 1])
        job.say(f"the provider does not list it yet, which proves nothing: checking again in {wait:.0f} s")

    async def _listed(self, now: StoredJob, since: float | None = None) -> tuple[Listing, list[Candidate]]:
        """What the service lists, and which of it may be this job, the likeliest first. since: when its request was
        sent, if not the last one."""
        job, since = self._job, now.requested_at if since is None else since
        # A look-up by key needs no clock. A list is read from the time of the request on, or for a whole day where our
        # own clock was set back since: the time of the request then lies in the future.
        keyed = job.backend.submit_dedupe == "key"
        backwards = keyed or since > job.store.now()
        crash_point("before-reconcile")
        back = since - (LOOK_BACK_S if backwards else EARLIER_S)
        found = _read(await job.backend.reconcile(now.prepared, job.id, back))
        if keyed:
            found = replace(found, matches=tuple(replace(match, made_at=None) for match in found.matches))
        crash_point("after-reconcile")
        return found, self._ours(now, found.matches, since, backwards)

    def _ours(self, now: StoredJob, matches: Sequence[Sighting], since: float, backwards: bool) -> list[Candidate]:
        """The matches that belong to no other job, nearest to this job's request first. One that is older than the
        request is not ours: another data folder on this account may have made the same request earlier.

        A match that lies nearer to the request of another job of ours that is being looked up is left to that job.
        """
        known = self._known(now, matches) | self._elsewhere([match.handle.remote_id for match in matches])
        others = self._requests_alike(now)
        free: list[Candidate] = []
        for match in matches:
            if match.handle.remote_id in known:
                continue
            apart = 0.0 if match.made_at is None else abs(match.made_at - since)
            if match.made_at is not None and match.made_at < since - EARLIER_S and not backwards:
                continue
            if match.made_at is not None and any(abs(match.made_at - posted) < apart for posted in others):
                continue
            free.append(Candidate(apart, match.handle))
        return sorted(free, key=lambda one: one.apart)

    def _requests_alike(self, now: StoredJob) -> list[float]:
        """The times of the same request by other jobs of ours that are being looked up too."""
        rows = self._job.store.rows(
            "SELECT posted_at, prepared FROM jobs WHERE lane IN (SELECT key FROM lanes WHERE provider = ?) "
            "AND state = 'submitting' AND id <> ? AND posted_at IS NOT NULL",
            (now.provider, now.id),
        )
        return [float(row["posted_at"]) for row in rows if json.loads(row["prepared"])["body"] == now.prepared.body]

    def _known(self, now: StoredJob, sightings: Sequence[Sighting]) -> set[str]:
        """Which of these ids already belong to other jobs."""
        return set(records.holders(self._job.store, now.row, [sighting.handle.remote_id for sighting in sightings]))

    def _elsewhere(self, remote_ids: Collection[str]) -> set[str]:
        """Which of the ids belong to another job in another data folder of this user on this machine, by its journal.
        This job's own id may be there too, where the folders share a store."""
        settings = self._job.context.settings
        left, found = set(remote_ids), set[str]()
        if left:
            for home in other_folders.others(settings.home, settings.env):
                found |= IdLog.of(home).holding(left - found, but=self._job.id)
        return found

    def _not_taken(self, now: StoredJob, listing: Listing) -> str:
        """The evidence that the request was surely not taken; "" where there is none."""
        known = self._known(now, listing.matches)
        names = {match.handle.remote_id for match in listing.matches} - known
        if names - self._elsewhere(names):
            return ""  # a match belongs to no job, or is nearer to another's request: nothing is certain
        if listing.complete:
            return f"by {listing.complete}"
        model = self._job.context.catalog.find(now.model)
        if model is not None and model.list_complete:
            return f"its list is complete, by {model.list_complete}"
        since = now.requested_at
        newer = [one for one in listing.shown if one.made_at is not None and one.made_at > since + CLOCKS_APART_S]
        for name in sorted(self._known(now, newer)):
            return f"the provider's list shows {name}, a newer job of ours, and not this one"
        return ""

    async def tell_of_both(self, now: StoredJob) -> None:
        """After a request that was sent a second time: tell the user when the first turns up too. Best effort."""
        try:
            _, free = await self._listed(now, now.created_at)  # the first request came soon after
        except VideoError:
            return
        if others := [one for one in free if one.handle.remote_id != now.remote_id]:
            names = ", ".join(one.handle.remote_id for one in others[:3])
            text = f"the provider lists another job just like it ({names}), which may be its first request: it may be "
            self._job.note(f"{text}charged too; look at the account")


def _read(found: Listing | Sequence[Handle]) -> Listing:
    """A third party's back end may still answer with a plain list, which can only prove that a job exists."""
    return found if isinstance(found, Listing) else Listing(tuple(Sighting(handle) for handle in found))
