"""A worker killed at every named point, in each mode of the service: the next one brings the job to its right end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

import backends.jobs
from backends.jobs.context import Context
from backends.request import VideoRequest
from tests.fakes import FakeServer
from tests.jobs.nursery import Nursery
from tests.jobs.station import Station, text_request, tiny_request, until

SUBMIT = ("before-post", "after-post")
"""Between the intent and the id only a look-up tells what became of the request: here the service's modes part ways."""

OTHERS = (
    "after-lock",
    "before-upload",
    "after-upload",
    "after-id-log",
    "after-id",
    "before-status",
    "after-status",
    "before-download",
    "before-arrived",
    "after-download",
    "before-meta",
    "after-signed",
    "before-succeeded",
)
COMMITS = tuple(f"{'before' if number % 2 else 'after'}-commit:{number}" for number in range(1, 9))
"""A paid job with an upload takes eight commits or more from the lane's taking to its end. Before one is after the
one that came earlier, so every second name is enough."""

ELSEWHERE = frozenset(
    {"before-reconcile", "after-reconcile", "before-cancel", "after-cancel", "before-unlock", "before-input"}
    | {"running", "finishing", "before-commit", "after-commit", "archive-copied"}
)
"""Tested by name below or (archive-copied) in `test_jobs_archive`, or by number."""


def test_every_point_is_tested() -> None:
    """A crash point that somebody adds must come into one of the lists."""
    source = "".join(path.read_text("utf-8") for path in Path(backends.jobs.__file__).parent.rglob("*.py"))
    assert set(re.findall(r'crash_point\("([^"]+)"\)', source)) == {*SUBMIT, *OTHERS, *ELSEWHERE}


@contextmanager
def opened(station: Station) -> Iterator[Context]:
    context = Context.open(station.settings())
    try:
        yield context
    finally:
        context.close()


def image_request(station: Station, prompt: str) -> VideoRequest:
    """With a still to upload."""
    still = station.root / "still.png"
    if not still.exists():
        from PIL import Image

        Image.new("RGB", (320, 180), "teal").save(still)
    return text_request(prompt, task="image_to_video", frames=[{"image": str(still)}])


def crash_and_recover(
    station: Station, nursery: Nursery, point: str, request: VideoRequest | None = None, **env: str
) -> str:
    """Kill a worker at the point, let another finish; the job's id."""
    with opened(station) as context:
        job = station.place(context, request or image_request(station, f"killed at {point}"))
    assert nursery.ended(nursery.worker(station.environ(**env), point)) == -9, f"never came to {point}"
    assert nursery.ended(nursery.worker(station.environ(**env))) == 0, station.log[-2000:]
    return job


def check(station: Station, server: FakeServer, job: str, *, uncertain: bool = False) -> None:
    """Charged once (or, where nobody can know, at most once), and the books say so."""
    row, entry, charges = station.row(job), station.entry(job), server.counters()["charges_by_key"].get(job, 0)
    told = f"{row['state']} {row['phase']} {row['error']}"
    if uncertain:
        assert row["state"] == "uncertain" and charges <= 1, told
        assert (entry["state"], entry["reserved"]) == ("unresolved", 400_000)
        return
    assert row["state"] == "succeeded" and charges == 1, told
    assert (entry["state"], entry["settled"]) == ("settled", 400_000)
    assert station.books() == (Decimal("0.4"), 0)
    assert (station.home / "artifacts" / "jobs" / job / "clip.mp4").stat().st_size > 1000
    assert len(list(station.output.glob("*.mp4"))) == 1


@pytest.mark.parametrize("mode", ["key", "lookup", "none"])
@pytest.mark.parametrize("point", SUBMIT)
def test_around_the_paid_request(
    point: str,
    mode: str,
    serve: Callable[..., FakeServer],
    stand: Callable[..., Station],
    nursery: Nursery,
) -> None:
    server = serve(mode=mode)
    station = stand(server, PAID_MODE=mode, REELWRIGHT_SETTLE_S="0.1", REELWRIGHT_WORKER_IDLE_S="0")
    job = crash_and_recover(station, nursery, point)
    # Where it was killed before the request, a list that does not show the job proves nothing.
    check(station, server, job, uncertain=mode == "none" or (mode == "lookup" and point == "before-post"))


@pytest.mark.parametrize("point", OTHERS)
def test_at_every_other_point_nothing_is_unsure(
    point: str, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    server = serve(mode="none")
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0")
    check(station, server, crash_and_recover(station, nursery, point))
    if point in ("before-meta", "before-succeeded"):  # the clip was here already
        assert server.counters()["media"] == 1


@pytest.mark.parametrize("point", COMMITS)
def test_at_every_commit(
    point: str, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    server = serve(mode="key")
    station = stand(server, REELWRIGHT_SETTLE_S="0.1", REELWRIGHT_WORKER_IDLE_S="0")
    check(station, server, crash_and_recover(station, nursery, point))


@pytest.mark.parametrize("mode", ["key", "lookup"])
@pytest.mark.parametrize("point", ["before-reconcile", "after-reconcile"])
def test_during_a_look_up(
    point: str, mode: str, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    server = serve(mode=mode)
    server.script("submit", {"status": 500, "after_charge": True})
    station = stand(server, PAID_MODE=mode, REELWRIGHT_SETTLE_S="0.1", REELWRIGHT_WORKER_IDLE_S="0")
    check(station, server, crash_and_recover(station, nursery, point))


@pytest.mark.parametrize("point", ["before-cancel", "after-cancel"])
def test_during_a_cancel(
    point: str, serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery
) -> None:
    server = serve(mode="none", life={"until_told": True})
    station = stand(server, PAID_MODE="none", REELWRIGHT_WORKER_IDLE_S="0")
    with opened(station) as context:
        job = station.place(context, text_request("to be cancelled"))
        worker = nursery.worker(station.environ(), point)
        until(lambda: station.row(job)["state"] == "running", "running")
    with station.studio(REELWRIGHT_WORKER="detached") as studio:
        studio.cancel(job)
        assert nursery.ended(worker) == -9
        assert nursery.ended(nursery.worker(station.environ())) == 0
        assert studio.get(job).state == "cancelled"
    assert server.counters()["charges"] == 1
    assert station.books() == (Decimal("0.4"), 0), "the service says that a job which runs is billed"


def test_while_it_leaves(serve: Callable[..., FakeServer], stand: Callable[..., Station], nursery: Nursery) -> None:
    """The row says that nobody drives, the lock is still held, and then the process dies: a new job gets a driver."""
    server = serve()
    station = stand(server, REELWRIGHT_WORKER_IDLE_S="0")
    with opened(station) as context:
        station.place(context, text_request("one"))
        assert nursery.ended(nursery.worker(station.environ(), "before-unlock")) == -9
        job = station.place(context, text_request("two"))
    assert nursery.ended(nursery.worker(station.environ())) == 0
    assert station.row(job)["state"] == "succeeded"


@pytest.mark.parametrize("point", ["running", "finishing", "before-meta", "before-succeeded"])
def test_local_work_begins_again_until_it_is_made(point: str, stand: Callable[..., Station], nursery: Nursery) -> None:
    station = stand(REELWRIGHT_WORKER_IDLE_S="0")
    job = crash_and_recover(station, nursery, point, tiny_request("a local clip"))
    assert (row := station.row(job))["state"] == "succeeded", row["error"]
    assert row["attempts"] == (2 if point == "running" else 1), "what is made is kept, not made again"
    assert len(list(station.output.glob("*.mp4"))) == 1


def test_before_an_input_is_fetched(stand: Callable[..., Station], nursery: Nursery) -> None:
    """An address that leads nowhere: the job that was killed before it fails unpaid, and is not requested for ever."""
    station = stand(REELWRIGHT_WORKER_IDLE_S="0")
    station.url = "http://127.0.0.1:9"
    request = text_request("x", task="image_to_video", frames=[{"image": "https://pictures.test/still.png"}])
    with opened(station) as context:
        job = station.place(context, request)
        led = "UPDATE jobs SET inputs = replace(inputs, 'pictures.test', '127.0.0.1') WHERE id = ?"
        context.store.write(lambda tx: tx.run(led, (job,)))  # a name that turns out to lead here
    assert nursery.ended(nursery.worker(station.environ(), "before-input")) == -9
    assert nursery.ended(nursery.worker(station.environ())) == 0, station.log[-2000:]
    row = station.row(job)
    assert row["state"] == "failed" and "private or reserved network address" in row["error"]
    assert station.entry(job)["state"] == "released"
