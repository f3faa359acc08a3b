"""One paid POST, whatever comes of it: how many are sent, what is charged, and what the person is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from backends.jobs import admin
from backends.jobs.views import Job
from backends.studio import Studio
from tests.fakes import FakeServer
from tests.jobs.station import Station, text_request
from tests.patience import patient

MODES = ("key", "lookup", "none")


@dataclass(frozen=True)
class Fate:
    """What the service does with the first POST of a job, and what must follow.

    taken: whether it was charged. clear: whether its answer leaves no doubt. kind, words: of the error that ends it.
    """

    name: str
    outcome: dict[str, Any]
    taken: bool = False
    clear: bool = True
    kind: str = ""
    words: str = ""

    def posts(self, mode: str) -> int:
        """Once more only after an answer (or a look-up by key) that says: not taken."""
        again = self.name == "429" or (not self.clear and not self.taken and mode == "key")
        return 2 if again else 1

    def state(self, mode: str) -> str:
        if self.kind:
            return "failed"
        found = mode == "key" or (mode == "lookup" and self.taken)  # that a list does not show it proves nothing
        return "succeeded" if self.clear or found else "uncertain"

    def charges(self, mode: str) -> int:
        return int(self.taken or self.state(mode) == "succeeded")


REFUSED = [
    Fate("400", {"status": 400}, kind="invalid_request", words="the paid service refused (400 invalid_request)"),
    Fate("404", {"status": 404}, kind="invalid_request", words="the paid service refused (404 not_found)"),
    Fate("409", {"status": 409}, kind="conflict", words="repeat the call with another request_key"),
    Fate("422", {"status": 422}, kind="invalid_request", words="the paid service refused (422 unprocessable)"),
    Fate("moderation", {"status": 400, "code": "moderation"}, kind="moderation_input", words="change the prompt"),
]
CLEAR = [
    Fate("200", {}, taken=True),
    Fate("429", {"status": 429, "headers": {"retry-after": "0"}}),
]
UNCLEAR = [
    Fate("500", {"status": 500}, clear=False),
    Fate("502", {"status": 502}, clear=False),
    Fate("503", {"status": 503}, clear=False),
    Fate("500 after the charge", {"status": 500, "after_charge": True}, taken=True, clear=False),
    Fate("time-out", {"hang": 60}, clear=False),
    Fate("time-out after the charge", {"hang": 60, "after_charge": True}, taken=True, clear=False),
    Fate("reset", {"reset": "before"}, clear=False),
    Fate("reset after the charge", {"reset": "after"}, taken=True, clear=False),
    Fate("lost reply", {"lose": True}, taken=True, clear=False),
    Fate("unreadable reply", {"reply": {"nothing": "here"}}, taken=True, clear=False),
]
STOPPING = [
    Fate("401", {"status": 401}, kind="auth", words="check PAID_API_KEY"),
    Fate("402", {"status": 402}, kind="balance", words="top the account up"),
    Fate("403", {"status": 403}, kind="auth", words="check PAID_API_KEY"),
]
BATCHES = ([*CLEAR, *REFUSED], UNCLEAR[:4], UNCLEAR[4:7], UNCLEAR[7:], *([fate] for fate in STOPPING))
"""Fewer than five failures at a time, since the fifth in a row pauses the lane."""


@pytest.mark.parametrize("mode", MODES)
def test_one_post(mode: str, serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> None:
    server = serve(mode=mode)
    wait = f"{patient(0.5):.1f}"  # only what hangs may time out, however busy the machine is
    station = stand(server, PAID_MODE=mode, PAID_TIMEOUT_S=wait, REELWRIGHT_WORKER="inline", REELWRIGHT_SETTLE_S="0.8")
    studio = station.studio()
    for batch in BATCHES:
        jobs = {fate.name: _submit(server, studio, fate) for fate in batch}
        for fate, job in zip(batch, station.settled(studio, list(jobs.values())), strict=True):
            assert job.job_id == jobs[fate.name]
            _check(fate, mode, job, station, server)
        admin.resume(studio.context.store)  # the next batch is another matter
    assert server.left() == {}, "every fault was met"


def _submit(server: FakeServer, studio: Studio, fate: Fate) -> str:
    prompt = f"a fox, and then: {fate.name}."
    if fate.outcome:
        server.script("submit", {**fate.outcome, "match": f"then: {fate.name}."})
    return studio.submit(text_request(prompt)).job_id


def _check(fate: Fate, mode: str, job: Job, station: Station, server: FakeServer) -> None:
    told = f"{fate.name}: {job.state} {job.error}"
    posts = [entry for entry in server.log("submit") if entry["json"]["job_key"] == job.job_id]
    assert len(posts) == fate.posts(mode), told
    assert server.counters()["charges_by_key"].get(job.job_id, 0) == fate.charges(mode), told
    assert job.state == fate.state(mode), told
    entry = station.entry(job.job_id)
    if job.state == "succeeded":
        assert (entry["state"], entry["settled"], entry["basis"]) == ("settled", 400_000, "reported"), told
        assert job.error is None and job.cost_usd == 0.4 and job.cost_basis == "reported by the provider"
    elif job.state == "uncertain":
        assert (entry["state"], entry["reserved"]) == ("unresolved", 400_000), told
        assert job.error is not None and (job.error.kind, job.error.charged) == ("submit_unknown", "unknown")
        why = (
            "this provider offers no way to look it up"
            if mode == "none"
            else "3 look-ups in the provider's list did not find the job, which proves nothing"
        )
        assert job.error.message.startswith(
            f"the submit has no clear answer, and {why}. The money stays reserved. "
            f"At a terminal: reelwright jobs resolve {job.job_id} --bind REMOTE_ID"
        )
        assert "the user decides at a terminal" in job.next
    else:
        assert (entry["state"], entry["settled"]) == ("released", 0), told
        assert job.error is not None and (job.error.kind, job.error.charged) == (fate.kind, "no")
        assert fate.words in job.error.message
        assert job.cost_usd == 0.0 and "it was not charged" in job.next


def test_no_connection_is_no_charge(serve: Callable[..., FakeServer], stand: Callable[..., Station]) -> None:
    """Not sent: it goes back to the queue, and is made once the service is there again."""
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    server.stop()
    job = studio.submit(text_request("nobody listens")).job_id
    assert studio.context.store.exists()
    seen: list[str] = []

    async def until_told() -> None:
        async def note(now: Job) -> None:
            if "cannot be reached" in now.phase:
                seen.append(now.phase)
                if len(seen) == 1:
                    server.start()

        await studio.wait([job], timeout_s=20, on_change=note)

    import anyio

    anyio.run(until_told)
    assert seen[0].startswith("not taken, trying again in 2 s: the paid service cannot be reached (ConnectError")
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and server.counters()["charges"] == 1
    assert station.books() == (Decimal("0.4"), 0)


def test_many_refusals_for_being_crowded_fail_nothing(
    serve: Callable[..., FakeServer], stand: Callable[..., Station]
) -> None:
    """A documented 429 is waited out for as long as it lasts: the limit on tries is for failures."""
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    server.script("submit", {"status": 429, "headers": {"retry-after": "0"}, "times": 3})
    job = studio.submit(text_request("crowded")).job_id
    station.store.write(lambda tx: tx.run("UPDATE jobs SET attempts = 25 WHERE id = ?", (job,)))
    (done,) = station.settled(studio, [job])
    assert done.state == "succeeded" and server.counters()["charges"] == 1
