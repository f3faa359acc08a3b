"""What became of a paid request that got no clear answer: looked up by its key or in the service's list.

A look that finds the job binds it. A look that finds nothing proves nothing by itself: lists lag, and proxies show one
provider's jobs only. "Not taken" is believed on evidence alone: the service's own word that its answer is complete, or
another job of ours in the same listing that is newer than the request. Then, and once in a job's life, the request is
sent again, and the person is told. Everything else is `uncertain`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backends.errors import VideoError
from backends.jobs import records
from backends.jobs.crashpoints import crash_point
from backends.jobs.money import other_folders
from backends.jobs.run.download import BackOff, pause
from backends.jobs.run.submission import bind, make_uncertain, may_ask_again, requeue
from backends.jobs.store import codec
from backends.jobs.store.database import Row
from backends.jobs.store.journal import IdLog
from backends.provider.protocol import Handle, Listing, Sighting

if TYPE_CHECKING:
    from backends.jobs.run.remote import RemoteRun

SETTLE_S = 90.0
"""How long after an ambiguous POST the first look is taken: longer than any POST's time-out."""

LOOKS = (1.0, 2.0, 4.0)
"""When it is looked at, in multiples of SETTLE_S since the doubt began. A list that lags has caught up by the last."""

EARLIER_S = 5.0
"""How much older than its request a job may seem: times of whole seconds, on two clocks."""

LOOK_BACK_S = 86400.0
"""How far back a look-up goes where our own clock was set back since the request."""

ASKED_FOR_S = 86400.0
"""How long a service that does not answer the look-up is asked."""

NEAR_S = 2.0
"""A match that was made within so many seconds of the request is taken at once. For one that lies further off the last
look is waited for: it may be the same order of another home on this account, and ours not be listed yet."""

CLOCKS_APART_S = 2.0
"""Two clocks that were brought together by a header of whole seconds may still differ by so much."""


@dataclass(frozen=True)
class Candidate:
    """A job at the provider that may be this one. apart: seconds between its making and the request."""

    apart: float
    handle: Handle


async def resolve(run: RemoteRun, row: Row) -> None:
    """A job that is `submitting` with no POST under way: find out what became of its POST."""
    lane = run.lane
    known = lane.ids.find(run.job)
    if known is not None:
        bind(run, known)
        return
    if lane.backend.submit_dedupe == "none":
        make_uncertain(run, "the submit has no clear answer, and this provider offers no way to look it up")
        return
    back_off, begun = BackOff(), time.monotonic()
    while run.row()["state"] == "submitting":
        if not await _due(run):
            continue
        try:
            async with lane.posts.alone():
                if run.row()["state"] == "submitting":
                    await _look(run, row)
        except VideoError as error:
            if error.kind == "storage":
                raise
            if not may_ask_again(error):
                make_uncertain(run, f"the look-up of an unclear submit failed: {error.message}")
            elif time.monotonic() - begun > ASKED_FOR_S:
                make_uncertain(run, f"the provider could not be asked for a day: {error.message}")
            else:
                await pause(back_off.next_s(error), run.woken)


async def _due(run: RemoteRun) -> bool:
    """Wait until the next look is worth it; whether it is now. A wall clock put forward shortens nothing."""
    if run.unclear_since is None:
        run.unclear_since, run.looks = time.monotonic(), 0
    settle = run.lane.context.number("SETTLE_S", SETTLE_S)
    at = run.unclear_since + settle * LOOKS[min(run.looks, len(LOOKS) - 1)]
    await pause(at - time.monotonic(), run.woken)
    return at <= time.monotonic()


async def _look(run: RemoteRun, row: Row) -> None:
    """One look: bind the job, send its request again on evidence, wait for the next look, or leave it to a person."""
    listing, free = await _listed(run, row)
    run.looks += 1
    if free and (free[0].apart <= NEAR_S or run.looks >= len(LOOKS)):
        bind(run, free[0].handle)
        return
    proof = _not_taken(run, row, listing)
    if proof and int(run.row()["posts"]) <= 1:
        run.unclear_since = None
        text = f"the first request got no clear answer and was not taken ({proof}): it is sent once more"
        run.lane.context.store.write(lambda tx: records.note(tx, run.job, text))
        requeue(run, row, VideoError("network", f"not taken: {proof}", retryable=True), counted=True)
        return
    if proof:
        make_uncertain(run, f"a second request got no clear answer either; {proof}, but none is sent a third time")
        return
    if run.looks >= len(LOOKS):
        make_uncertain(
            run,
            f"the submit has no clear answer, and {run.looks} looks at what the provider lists did not show the job, "
            "which proves nothing",
        )
        return
    settle = run.lane.context.number("SETTLE_S", SETTLE_S)
    wait = settle * (LOOKS[run.looks] - LOOKS[run.looks - 1])
    run.say(f"the provider does not list it yet, which proves nothing: looking again in {wait:.0f} s")


async def _listed(run: RemoteRun, row: Row) -> tuple[Listing, list[Candidate]]:
    """What the service shows, and those of it that may be this job, the likeliest first."""
    lane = run.lane
    prepared = codec.prepared_from_json(json.loads(row["prepared"]))
    since = float(row["posted_at"] or row["created_at"])
    # A key has no clock. A list is asked for what is not older than the request, or for a day where our own clock was
    # set back since: the time of the request is still to come.
    keyed = lane.backend.submit_dedupe == "key"
    backwards = keyed or since > time.time()
    crash_point("before-reconcile")
    found = _read(await lane.backend.reconcile(prepared, run.job, since - (LOOK_BACK_S if backwards else EARLIER_S)))
    if keyed:
        found = replace(found, matches=tuple(replace(match, made_at=None) for match in found.matches))
    crash_point("after-reconcile")
    return found, _ours(run, row, since, found.matches, backwards)


def _read(said: Listing | Sequence[Handle]) -> Listing:
    """A back end of a third party may still answer with a plain list, which can only prove that a job is there."""
    return said if isinstance(said, Listing) else Listing(tuple(Sighting(handle) for handle in said))


def _ours(run: RemoteRun, row: Row, since: float, matches: Sequence[Sighting], backwards: bool) -> list[Candidate]:
    """The matches that are no other job's, nearest to this job's own request first. One that is older than the request
    is none of ours: another home on this account may have asked for the same earlier.

    One that lies nearer to the request of another job of ours that is being looked up too is left to that one.
    """
    known = _known(run, row, matches)
    others = [
        float(other["posted_at"])
        for other in run.lane.context.store.rows(
            "SELECT posted_at, prepared FROM jobs WHERE lane IN (SELECT key FROM lanes WHERE provider = ?) "
            "AND state = 'submitting' AND id <> ? AND posted_at IS NOT NULL",
            (row["provider"], run.job),
        )
        if json.loads(other["prepared"])["body"] == json.loads(row["prepared"])["body"]
    ]
    free: list[Candidate] = []
    for match in matches:
        if match.handle.remote_id in known or _elsewhere(run, match.handle.remote_id):
            continue
        apart = 0.0 if match.made_at is None else abs(match.made_at - since)
        if match.made_at is not None and match.made_at < since - EARLIER_S and not backwards:
            continue
        if match.made_at is not None and any(abs(match.made_at - posted) < apart for posted in others):
            continue
        free.append(Candidate(apart, match.handle))
    return sorted(free, key=lambda one: one.apart)


def _known(run: RemoteRun, row: Row, sightings: Sequence[Sighting]) -> set[str]:
    """The ids among these that are some other job's already."""
    return set(records.holders(run.lane.context.store, row, [sighting.handle.remote_id for sighting in sightings]))


def _elsewhere(run: RemoteRun, remote_id: str) -> bool:
    """Whether another home of this person on this machine has the job, by its own journal."""
    context = run.lane.context
    homes = other_folders.others(context.settings.home, context.settings.env)
    return any(IdLog.of(home).holds(remote_id) for home in homes)


def _not_taken(run: RemoteRun, row: Row, listing: Listing) -> str:
    """On what evidence the request was surely not taken; "" where there is none."""
    known = _known(run, row, listing.matches)
    names = {match.handle.remote_id for match in listing.matches} - known
    if any(not _elsewhere(run, name) for name in names):
        return ""  # something that looks like it is nobody's, or nearer to another's request: nothing is sure
    if listing.complete:
        return f"by {listing.complete}"
    model = run.lane.context.catalog.find(row["model"])
    if model is not None and model.list_complete:
        return f"its list is complete, by {model.list_complete}"
    since = float(row["posted_at"] or row["created_at"])
    newer = [one for one in listing.shown if one.made_at is not None and one.made_at > since + CLOCKS_APART_S]
    for name in sorted(_known(run, row, newer)):
        return f"the provider's list shows {name}, a newer job of ours, and not this one"
    return ""


async def tell_of_both(run: RemoteRun, row: Row) -> None:
    """After a request that was sent a second time: tell the person when the first is there too. Best effort."""
    try:
        _, free = await _listed(run, row)
    except VideoError:
        return
    if free:
        names = ", ".join(one.handle.remote_id for one in free[:3])
        text = f"the provider shows another job just like it ({names}), which may be its first request: it may be "
        run.lane.context.store.write(lambda tx: records.note(tx, run.job, f"{text}charged too; look at the account"))
